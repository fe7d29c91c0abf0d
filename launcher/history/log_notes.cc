#include "launcher/history/log_notes.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "launcher/terminal/harmless.h"

namespace muster::history {
namespace {

using terminal::Harmless;
using Json = nlohmann::json;

// A line of the file is some hundred bytes; more is not one of ours.
constexpr size_t kMaxLine = 64 * 1024;

std::optional<uint64_t> Number(const Json& line, const char* name) {
  const auto found = line.find(name);
  if (found == line.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

std::string Text(const Json& line, const char* name) {
  const auto found = line.find(name);
  return found == line.end() || !found->is_string() ? ""
                                                    : found->get<std::string>();
}

// "spool_full", "spool-full" and "spool full" are the same.
std::string Plain(absl::string_view word) {
  std::string plain = absl::AsciiStrToLower(word);
  std::replace_if(
      plain.begin(), plain.end(), [](char c) { return c == '_' || c == '-'; },
      ' ');
  return plain;
}

std::string Explained(const std::string& word) {
  static const auto* const texts = new std::map<std::string, std::string>{
      {"spool full", "the spool was full"},
      {"corrupt", "the spool's bytes failed their check"},
      {"spool error", "the spool could not be written or read"},
      {"abandoned",
       "a process outside of the job still holds the stream: it "
       "may have written more"},
      {"agent died", "the node's agent died: there may have been more"},
  };
  const auto found = texts->find(Plain(word));
  return found == texts->end() ? Harmless(word) : found->second;
}

}  // namespace

void LogNotes::Add(absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    absl::StrAppend(&unfinished_, bytes.substr(0, end));
    if (end == absl::string_view::npos) {
      if (unfinished_.size() > kMaxLine) unfinished_.resize(kMaxLine);
      return;
    }
    AddLine(std::exchange(unfinished_, {}));
    bytes.remove_prefix(end + 1);
  }
}

void LogNotes::AddLine(absl::string_view line) {
  const Json json = Json::parse(line.begin(), line.end(), nullptr, false);
  if (!json.is_object()) return;
  const std::optional<uint64_t> offset = Number(json, "offset");
  if (!offset || *offset < missing_) return;
  Placed placed;
  placed.offset = *offset - missing_;
  if (!notes_.empty() && placed.offset < notes_.back().offset) return;
  if (const std::string end = Text(json, "end"); !end.empty()) {
    placed.note.set_reason(end);
  } else if (const auto length = Number(json, "length");
             length && *length > 0 && *length <= UINT64_MAX - missing_) {
    placed.note.set_missing_bytes(*length);
    placed.note.set_reason(Text(json, "reason"));
    missing_ += *length;
    ++gaps_;
  } else {
    return;
  }
  notes_.push_back(std::move(placed));
}

std::string NoteText(const LogNote& note) {
  const std::string reason = Explained(note.reason());
  if (note.missing_bytes() == 0) return reason;
  return absl::StrCat(note.missing_bytes(),
                      note.missing_bytes() == 1 ? " byte" : " bytes",
                      " missing", reason.empty() ? "" : ": ", reason);
}

}  // namespace muster::history
