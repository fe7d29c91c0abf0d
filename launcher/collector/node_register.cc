#include "launcher/collector/node_register.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "launcher/collector/node_key.h"

namespace muster::collector {
namespace {

constexpr uint32_t kMaxWorld = 1 << 20;  // what a wrong message may cost us
constexpr size_t kMaxIncarnation = 128;

}  // namespace

absl::Status NodeRegister::Check(const Introduction& introduction) const {
  const auto refuse = [&introduction](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "introduction of node ", introduction.node_rank(), ": ", why));
  };
  const uint64_t end =
      uint64_t{introduction.first_rank()} + introduction.workers();
  if (introduction.world_size() == 0 || introduction.world_size() > kMaxWorld ||
      end > introduction.world_size()) {
    return refuse(absl::StrCat("ranks ", introduction.first_rank(), " to ", end,
                               " are not within a world of ",
                               introduction.world_size()));
  }
  if (introduction.incarnation().empty() ||
      introduction.incarnation().size() > kMaxIncarnation) {
    return refuse("its incarnation is not 1 to 128 bytes");
  }
  const auto world = world_sizes_.find(introduction.attempt());
  if (world != world_sizes_.end() &&
      world->second != introduction.world_size()) {
    return refuse(absl::StrCat("a world of ", introduction.world_size(),
                               ", but other nodes say ", world->second));
  }
  if (const JournalNode* owner = RankOwner(introduction)) {
    return refuse(absl::StrCat("rank ", owner->first_rank(), " is with node ",
                               owner->node_rank()));
  }
  const auto place =
      places_.find({introduction.attempt(), introduction.node_rank()});
  if (place == places_.end()) return absl::OkStatus();
  const std::vector<JournalNode>& known = place->second.incarnations;
  if (known[0].first_rank() != introduction.first_rank() ||
      known[0].workers() != introduction.workers()) {
    return refuse("it came with other ranks before");
  }
  if (!known[0].key().empty() &&
      !SameSecret(known[0].key(), introduction.key())) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the key is not the one with which node ", introduction.node_rank(),
        " of run ", introduction.run_id(), " came before"));
  }
  for (size_t i = 0; i + 1 < known.size(); ++i) {
    if (known[i].incarnation() == introduction.incarnation()) {
      return absl::AbortedError(absl::StrCat(
          "node ", introduction.node_rank(),
          " is held by a later agent; this one's output is taken no more"));
    }
  }
  return absl::OkStatus();
}

// Another node whose ranks overlap.
const JournalNode* NodeRegister::RankOwner(
    const Introduction& introduction) const {
  if (introduction.workers() == 0) return nullptr;
  const uint32_t attempt = introduction.attempt();
  const uint32_t first = introduction.first_rank();
  const auto overlaps = [&](const JournalNode& other) {
    return other.attempt() == attempt &&
           other.node_rank() != introduction.node_rank() &&
           other.first_rank() < first + introduction.workers() &&
           first < other.first_rank() + other.workers();
  };
  // Their ranges do not overlap, so one of two neighbours would have to.
  const auto after = by_first_rank_.lower_bound({attempt, first});
  if (after != by_first_rank_.end() && overlaps(after->second)) {
    return &after->second;
  }
  if (after != by_first_rank_.begin() && overlaps(std::prev(after)->second)) {
    return &std::prev(after)->second;
  }
  return nullptr;
}

NodeRegister::Entry NodeRegister::Find(const Introduction& introduction) const {
  Entry entry;
  const auto place =
      places_.find({introduction.attempt(), introduction.node_rank()});
  if (place != places_.end()) {
    const std::vector<JournalNode>& known = place->second.incarnations;
    if (known.back().incarnation() == introduction.incarnation()) {
      return {.node = known.back(), .generation = known.size() - 1};
    }
    entry.generation = known.size();
  }
  entry.is_new = true;
  entry.node.set_id(next_id_);
  entry.node.set_attempt(introduction.attempt());
  entry.node.set_node_rank(introduction.node_rank());
  entry.node.set_first_rank(introduction.first_rank());
  entry.node.set_workers(introduction.workers());
  entry.node.set_world_size(introduction.world_size());
  entry.node.set_incarnation(introduction.incarnation());
  return entry;
}

bool NodeRegister::AreOf(absl::string_view run_key) const {
  for (const auto& [key, place] : places_) {
    const JournalNode& node = place.incarnations[0];
    const NodePlace its_place = {node.node_rank(), node.attempt(),
                                 node.first_rank(), node.workers(),
                                 node.world_size()};
    if (!node.key().empty() &&
        !SameSecret(NodeKey(run_key, its_place), node.key())) {
      return false;
    }
  }
  return true;
}

NodeRegister::Entry NodeRegister::Add(const JournalNode& node) {
  next_id_ = node.id() + 1;
  world_sizes_[node.attempt()] = node.world_size();
  if (node.workers() > 0) {
    by_first_rank_[{node.attempt(), node.first_rank()}] = node;
  }
  Place& place = places_[{node.attempt(), node.node_rank()}];
  place.incarnations.push_back(node);
  return {.node = node, .generation = place.incarnations.size() - 1};
}

}  // namespace muster::collector
