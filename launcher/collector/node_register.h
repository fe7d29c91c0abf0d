// Which nodes of a run were here, and who may write as them now.
#ifndef MUSTER_LAUNCHER_COLLECTOR_NODE_REGISTER_H_
#define MUSTER_LAUNCHER_COLLECTOR_NODE_REGISTER_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/collector.pb.h"
#include "proto/journal.pb.h"

namespace muster::collector {

// Job: one incarnation at a time holds the place of a node in an attempt; when
// another one comes, the earlier ones are fenced off for ever. Ranks belong to
// one node. Pure.
// Threads: one at a time.
class NodeRegister {
 public:
  // Whether this introduction could come in now, the key apart.
  //   InvalidArgument  its ranks are not within the world, or are another
  //                    node's; the world of this attempt has another size; no
  //                    incarnation, or one of over 128 bytes
  //   PermissionDenied the place was taken with another key, where nobody knows
  //                    the run's
  //   Aborted          a later incarnation holds this place
  absl::Status Check(const Introduction& introduction) const;

  // The entry of an introduction that passes Check(): its own, or a new one
  // that is still to be added.
  struct Entry {
    JournalNode node;
    size_t generation = 0;  // the incarnations that were in this place before
    bool is_new = false;
  };
  Entry Find(const Introduction& introduction) const;

  // Whether all keys that nodes have shown were made of this one.
  bool AreOf(absl::string_view run_key) const;

  // From now on this node holds its place. Its id is the next one.
  Entry Add(const JournalNode& node);

 private:
  struct Place {
    std::vector<JournalNode> incarnations;  // the last one holds it
  };
  using Key = std::pair<uint32_t, uint32_t>;  // attempt and node rank

  const JournalNode* RankOwner(const Introduction& introduction) const;

  std::map<Key, Place> places_;
  std::map<uint32_t, uint32_t> world_sizes_;  // by attempt
  std::map<Key, JournalNode> by_first_rank_;  // attempt and first rank; those
                                              // with workers
  uint32_t next_id_ = 0;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_NODE_REGISTER_H_
