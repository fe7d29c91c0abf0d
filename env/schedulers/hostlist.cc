#include "env/schedulers/hostlist.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/number.h"

namespace muster::env {
namespace {

constexpr size_t kShownBytes = 80;

struct Range {
  uint64_t low = 0;
  uint64_t high = 0;
  size_t width = 0;  // of the low bound, zeros included
};

// `text`, then each of `ranges`, if any.
struct Part {
  absl::string_view text;
  std::vector<Range> ranges;
};

absl::Status Wrong(absl::string_view token, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", token.substr(0, kShownBytes),
                   token.size() > kShownBytes ? "...'" : "'", ": ", what));
}

absl::StatusOr<Range> ReadRange(absl::string_view token,
                                absl::string_view text) {
  const size_t dash = text.find('-');
  const absl::string_view low = text.substr(0, dash);
  const absl::string_view high =
      dash == absl::string_view::npos ? low : text.substr(dash + 1);
  Range range;
  range.width = low.size();
  if (!ParseNumber(low, &range.low) || !ParseNumber(high, &range.high)) {
    return Wrong(token, absl::StrCat("'", text.substr(0, kShownBytes),
                                     "' in its brackets is no N or N-M"));
  }
  if (range.high < range.low) {
    return Wrong(token, absl::StrCat("its range ", text, " runs backwards"));
  }
  // Also keeps the sums below from running over.
  if (range.high - range.low >= kMaxHosts) {
    return Wrong(token, absl::StrCat("its range ", text, " has more than ",
                                     kMaxHosts, " hosts"));
  }
  return range;
}

absl::StatusOr<std::vector<Part>> ReadToken(absl::string_view token) {
  std::vector<Part> parts;
  absl::string_view rest = token;
  while (!rest.empty()) {
    const size_t open = rest.find('[');
    Part part{rest.substr(0, open), {}};
    if (part.text.find(']') != absl::string_view::npos) {
      return Wrong(token, "a ] without its [");
    }
    if (open == absl::string_view::npos) {
      rest = {};
    } else {
      const size_t close = rest.find(']', open);
      if (close == absl::string_view::npos) {
        return Wrong(token, "a [ without its ]; was the list cut short?");
      }
      const absl::string_view group = rest.substr(open + 1, close - open - 1);
      for (const absl::string_view text : absl::StrSplit(group, ',')) {
        const absl::StatusOr<Range> range = ReadRange(token, text);
        if (!range.ok()) return range.status();
        part.ranges.push_back(*range);
      }
      rest.remove_prefix(close + 1);
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

// The hosts and the bytes of the longest name that `parts` stand for.
absl::Status CheckSize(absl::string_view token, const std::vector<Part>& parts,
                       size_t room) {
  size_t hosts = 1;
  size_t bytes = 0;
  for (const Part& part : parts) {
    bytes += part.text.size();
    if (part.ranges.empty()) continue;
    size_t choices = 0;
    size_t width = 0;
    for (const Range& range : part.ranges) {
      choices += static_cast<size_t>(range.high - range.low) + 1;
      width = std::max({width, range.width, absl::StrCat(range.high).size()});
      if (choices > room) break;
    }
    bytes += width;
    if (choices > room / hosts) {
      return Wrong(
          token, absl::StrCat("the list has more than ", kMaxHosts, " hosts"));
    }
    hosts *= choices;
  }
  if (hosts > room) {
    return Wrong(token,
                 absl::StrCat("the list has more than ", kMaxHosts, " hosts"));
  }
  if (bytes > kMaxHostBytes) {
    return Wrong(token, "a name is longer than 253 characters");
  }
  return absl::OkStatus();
}

std::string Padded(uint64_t number, size_t width) {
  const std::string digits = absl::StrCat(number);
  return std::string(width > digits.size() ? width - digits.size() : 0, '0') +
         digits;
}

// Each of `names`, followed by what `part` stands for.
std::vector<std::string> Extended(const std::vector<std::string>& names,
                                  const Part& part) {
  std::vector<std::string> longer;
  for (const std::string& name : names) {
    const std::string begin = absl::StrCat(name, part.text);
    if (part.ranges.empty()) longer.push_back(begin);
    for (const Range& range : part.ranges) {
      for (uint64_t n = range.low; n <= range.high; ++n) {
        longer.push_back(begin + Padded(n, range.width));
        if (n == range.high) break;  // it may be the largest there is
      }
    }
  }
  return longer;
}

// The tokens of `text`; commas inside brackets are theirs.
absl::StatusOr<std::vector<absl::string_view>> Tokens(absl::string_view text) {
  std::vector<absl::string_view> tokens;
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) return absl::InvalidArgumentError("it names no host");
  size_t begin = 0;
  bool inside = false;
  bool after_comma = true;  // a token must follow
  for (size_t i = 0; i <= text.size(); ++i) {
    const bool end = i == text.size();
    if (!end && text[i] == '[') {
      if (inside) return Wrong(text.substr(begin), "a [ inside of [ ]");
      inside = true;
    }
    if (!end && text[i] == ']') inside = false;
    if (!end && (inside || (text[i] != ',' && !absl::ascii_isspace(text[i])))) {
      continue;
    }
    const absl::string_view token = text.substr(begin, i - begin);
    begin = i + 1;
    const bool comma = !end && text[i] == ',';
    if (!token.empty()) {
      tokens.push_back(token);
      after_comma = comma;
    } else if (after_comma && (comma || end)) {
      return Wrong(text,
                   "a name is missing at a comma; was the list cut short?");
    } else {
      after_comma = after_comma || comma;
    }
  }
  return tokens;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ExpandHostlist(
    absl::string_view text) {
  const absl::StatusOr<std::vector<absl::string_view>> tokens = Tokens(text);
  if (!tokens.ok()) return tokens.status();
  std::vector<std::string> hosts;
  for (const absl::string_view token : *tokens) {
    const absl::StatusOr<std::vector<Part>> parts = ReadToken(token);
    if (!parts.ok()) return parts.status();
    if (absl::Status status =
            CheckSize(token, *parts, kMaxHosts - hosts.size());
        !status.ok()) {
      return status;
    }
    std::vector<std::string> names = {""};
    for (const Part& part : *parts) names = Extended(names, part);
    for (std::string& name : names) {
      if (absl::Status status = CheckHost(name); !status.ok()) return status;
      hosts.push_back(std::move(name));
    }
  }
  return hosts;
}

absl::StatusOr<std::vector<uint32_t>> ExpandCounts(absl::string_view text) {
  std::vector<uint32_t> counts;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    absl::string_view rest = part;
    const size_t open = rest.find('(');
    uint64_t count = 0;
    uint64_t times = 1;
    bool right = ParseNumber(rest.substr(0, open), &count) && count <= 65535;
    if (open != absl::string_view::npos) {
      rest.remove_prefix(open);
      right = right && absl::ConsumePrefix(&rest, "(x") &&
              absl::ConsumeSuffix(&rest, ")") && ParseNumber(rest, &times);
    }
    if (!right) return Wrong(part, "is no N or N(xTIMES)");
    if (times > kMaxHosts - counts.size()) {
      return Wrong(part,
                   absl::StrCat("stands for more than ", kMaxHosts, " nodes"));
    }
    counts.insert(counts.end(), static_cast<size_t>(times),
                  static_cast<uint32_t>(count));
  }
  return counts;
}

}  // namespace muster::env
