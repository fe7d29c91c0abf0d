#include "launcher/fabric/test_round.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/timing.h"

namespace muster::fabric {
namespace {

using rendezvous::Instant;
using rendezvous::Moment;
using rendezvous::Outbox;
using rendezvous::SessionId;
using std::chrono::milliseconds;

bool IsOver(const SlotResult& result) {
  return result.outcome_case() != SlotResult::OUTCOME_NOT_SET;
}

// The lower, the more it tells.
int Rank(FabricFailureKind kind) {
  switch (kind) {
    case FABRIC_FAILURE_NO_PROBE:
      return 0;
    case FABRIC_FAILURE_CRASHED:
      return 1;
    case FABRIC_FAILURE_STOPPED:
      return 2;
    case FABRIC_FAILURE_WRONG:
      return 3;
    case FABRIC_FAILURE_MISSING:
      return 4;
    case FABRIC_FAILURE_ERROR:
      return 5;
    case FABRIC_FAILURE_TIMEOUT:
      return 6;
    default:
      return 7;
  }
}

}  // namespace

bool GroupOutcome::passed() const {
  return std::all_of(results.begin(), results.end(),
                     [](const SlotResult& r) { return r.has_measured(); });
}

uint32_t MostTelling(const GroupOutcome& outcome) {
  uint32_t best = 0;
  int best_rank = 100;
  for (const SlotResult& result : outcome.results) {
    if (!result.has_failed()) continue;
    const int rank = Rank(result.failed().kind());
    if (rank >= best_rank) continue;
    best_rank = rank;
    best = result.rank();
  }
  return best;
}

TestRound::TestRound(FabricRound plan, std::vector<SessionId> sessions)
    : plan_(std::move(plan)), sessions_(std::move(sessions)) {
  for (const FabricGroup& group : plan_.groups()) {
    index_of_[group.id()] = outcomes_.size();
    GroupOutcome outcome{group, {}};
    for (int rank = 0; rank < group.members_size(); ++rank) {
      SlotResult& result = outcome.results.emplace_back();
      result.set_group(group.id());
      result.set_rank(rank);
      ++left_;
    }
    outcomes_.push_back(std::move(outcome));
  }
}

Outbox TestRound::Start(Moment now) {
  // Each node is told of the groups that it has members in.
  std::map<uint32_t, FabricRound> shares;
  milliseconds longest{0};
  for (const FabricGroup& group : plan_.groups()) {
    std::set<uint32_t> nodes;
    for (const Slot& slot : group.members()) nodes.insert(slot.node());
    for (const uint32_t node : nodes) {
      *shares[node].add_groups() = group;
    }
    longest = std::max(longest, milliseconds(group.connect_ms()) +
                                    milliseconds(group.run_ms()));
  }
  deadline_ = now.at + longest + kProbesTurn + kAgentsTurn;
  Outbox out;
  for (auto& [node, share] : shares) {
    share.set_round(plan_.round());
    share.set_kind(plan_.kind());
    share.set_hosts_apart(plan_.hosts_apart());
    rendezvous::Send send{sessions_[node], {}};
    *send.message.mutable_fabric_round() = std::move(share);
    out.push_back(std::move(send));
  }
  return out;
}

Outbox TestRound::Store(uint32_t node, const StoreRequest& request) {
  Outbox out;
  const auto index = index_of_.find(request.group());
  if (index == index_of_.end()) return out;
  const FabricGroup& group = outcomes_[index->second].group;
  if (request.rank() >= outcomes_[index->second].results.size() ||
      group.members(static_cast<int>(request.rank())).node() != node) {
    return out;
  }
  for (StoreValue& value : stores_[request.group()].Handle(request)) {
    const uint32_t to = group.members(static_cast<int>(value.rank())).node();
    rendezvous::Send send{sessions_[to], {}};
    *send.message.mutable_store_value() = std::move(value);
    out.push_back(std::move(send));
  }
  return out;
}

SlotResult* TestRound::Find(uint32_t node, uint32_t group, uint32_t rank) {
  const auto index = index_of_.find(group);
  if (index == index_of_.end()) return nullptr;
  GroupOutcome& outcome = outcomes_[index->second];
  if (rank >= outcome.results.size()) return nullptr;
  if (outcome.group.members(static_cast<int>(rank)).node() != node) {
    return nullptr;
  }
  SlotResult& result = outcome.results[rank];
  return IsOver(result) ? nullptr : &result;
}

Outbox TestRound::Result(uint32_t node, const SlotResult& result) {
  Outbox out;
  if (IsOver(result) && Find(node, result.group(), result.rank())) {
    Set(node, result, &out);
  }
  return out;
}

void TestRound::Set(uint32_t node, SlotResult result, Outbox* out) {
  SlotResult* mine = Find(node, result.group(), result.rank());
  *mine = std::move(result);
  --left_;
  const GroupOutcome& outcome = outcomes_[index_of_[mine->group()]];
  if (std::all_of(outcome.results.begin(), outcome.results.end(), IsOver)) {
    stores_.erase(mine->group());
    return;
  }
  if (!mine->has_failed() || mine->failed().kind() == FABRIC_FAILURE_WRONG) {
    return;
  }
  std::set<uint32_t> told;
  for (const SlotResult& other : outcome.results) {
    const uint32_t to =
        outcome.group.members(static_cast<int>(other.rank())).node();
    if (IsOver(other) || !told.insert(to).second) continue;
    rendezvous::Send send{sessions_[to], {}};
    send.message.mutable_fabric_stop()->set_group(mine->group());
    out->push_back(std::move(send));
  }
}

Outbox TestRound::Lost(uint32_t node, const std::string& why) {
  Outbox out;
  for (const GroupOutcome& outcome : outcomes_) {
    for (const SlotResult& result : outcome.results) {
      const auto rank = static_cast<int>(result.rank());
      if (IsOver(result) || outcome.group.members(rank).node() != node) {
        continue;
      }
      SlotResult lost = result;
      lost.mutable_failed()->set_kind(FABRIC_FAILURE_CRASHED);
      lost.mutable_failed()->set_message(
          absl::StrCat("the node was lost: ", why));
      Set(node, std::move(lost), &out);
    }
  }
  return out;
}

Outbox TestRound::Tick(Moment now) {
  Outbox out;
  if (over() || now.at < deadline_) return out;
  for (const GroupOutcome& outcome : outcomes_) {
    for (const SlotResult& result : outcome.results) {
      if (IsOver(result)) continue;
      SlotResult silent = result;
      silent.mutable_failed()->set_kind(FABRIC_FAILURE_STOPPED);
      silent.mutable_failed()->set_message(
          "its agent is alive and said nothing of the test's end");
      Set(outcome.group.members(static_cast<int>(result.rank())).node(),
          std::move(silent), &out);
    }
  }
  return out;
}

}  // namespace muster::fabric
