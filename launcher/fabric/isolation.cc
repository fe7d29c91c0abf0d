#include "launcher/fabric/isolation.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "launcher/fabric/decode.h"

namespace muster::fabric {
namespace {

// "1 suspect with a good partner", "3 suspects with good partners".
std::string TextOf(Purpose purpose, uint32_t count) {
  const bool one = count == 1;
  switch (purpose) {
    case Purpose::kUntested:
      return absl::StrCat(count, " left over, with ",
                          one ? "a good partner" : "good partners");
    case Purpose::kSuspect:
      return absl::StrCat(count, one ? " suspect with a good partner"
                                     : " suspects with good partners");
    case Purpose::kAgain:
      return absl::StrCat(
          "the same ", one ? "pair" : absl::StrCat(count, " pairs"), " again");
    case Purpose::kBetween:
      return absl::StrCat(count, one ? " pair" : " pairs",
                          " of groups that did not meet");
    case Purpose::kNeighbours:
      return absl::StrCat(count, one ? " pair" : " pairs", " of neighbours");
    case Purpose::kAcross:
      return absl::StrCat(count, one ? " pair" : " pairs", " across");
    case Purpose::kOthers:
      return absl::StrCat(count, one ? " other pair" : " other pairs");
  }
  return "";
}

// In the order in which they are told.
constexpr Purpose kPurposes[] = {
    Purpose::kUntested,   Purpose::kSuspect, Purpose::kAgain, Purpose::kBetween,
    Purpose::kNeighbours, Purpose::kAcross,  Purpose::kOthers};

}  // namespace

Isolation::Isolation(Options options)
    : ledger_(std::move(options.rails)),
      planner_({.healthy_rounds = options.healthy_rounds,
                .exhaustive = options.exhaustive}) {}

void Isolation::Exclude(uint32_t unit) {
  ledger_.Exclude(unit);
  std::erase_if(pending_, [unit](const Pair& pair) {
    return pair.a == unit || pair.b == unit;
  });
}

std::vector<Pair> Isolation::Next() {
  while (!pending_.empty()) Record({*pending_.begin(), {}});
  purposes_.clear();
  std::vector<Pair> pairs;
  for (const auto& [pair, purpose] : planner_.Next(ledger_, round_)) {
    pairs.push_back(pair);
    purposes_[pair] = purpose;
  }
  pending_.insert(pairs.begin(), pairs.end());
  if (!pairs.empty()) ++round_;
  return pairs;
}

bool Isolation::Record(PairResult result) {
  if (pending_.erase(result.pair) == 0) return false;
  result.rails.resize(ledger_.SharedRails(result.pair), Outcome::kFail);
  ledger_.Add(round_, result);
  return true;
}

Purpose Isolation::PurposeOf(Pair pair) const {
  const auto found = purposes_.find(pair);
  return found == purposes_.end() ? Purpose::kOthers : found->second;
}

std::string Isolation::RoundText() const {
  std::map<Purpose, uint32_t> counts;
  for (const auto& [pair, purpose] : purposes_) ++counts[purpose];
  std::vector<std::string> parts;
  for (const Purpose purpose : kPurposes) {
    const auto found = counts.find(purpose);
    if (found != counts.end()) parts.push_back(TextOf(purpose, found->second));
  }
  return absl::StrJoin(parts, ", ");
}

std::vector<Blame> Isolation::Result() const { return Decode(ledger_); }

}  // namespace muster::fabric
