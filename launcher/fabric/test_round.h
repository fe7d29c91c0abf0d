// One round of the self-test on its way.
#ifndef MUSTER_LAUNCHER_FABRIC_TEST_ROUND_H_
#define MUSTER_LAUNCHER_FABRIC_TEST_ROUND_H_

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "launcher/fabric/store.h"
#include "proto/fabric.pb.h"
#include "rendezvous/roster.h"
#include "rendezvous/timing.h"

namespace muster::fabric {

// What came of one group: of every member, by rank, the result.
struct GroupOutcome {
  FabricGroup group;
  std::vector<SlotResult> results;

  bool passed() const;
};

// The rank whose failure tells most about the cause: a probe that died or does
// not run before wrong data, that before one that names a peer, errors,
// timeouts, and what was stopped because of others. The group must have failed.
uint32_t MostTelling(const GroupOutcome& outcome);

// Pure: hands out the groups, passes values between their members, gathers
// results. Where a member fails, the others of its group are stopped, since
// they would wait for it; but not for wrong data, which all see for themselves.
// Life cycle: construct, Start, events until over().
class TestRound {
 public:
  // `sessions` by node. Every group must have members.
  TestRound(FabricRound plan, std::vector<rendezvous::SessionId> sessions);

  rendezvous::Outbox Start(rendezvous::Moment now);
  rendezvous::Outbox Store(uint32_t node, const StoreRequest& request);
  rendezvous::Outbox Result(uint32_t node, const SlotResult& result);
  // The node is gone: its members have failed.
  rendezvous::Outbox Lost(uint32_t node, const std::string& why);
  // Agents watch their probes' deadlines; this one is for agents that say
  // nothing.
  rendezvous::Outbox Tick(rendezvous::Moment now);

  bool over() const { return left_ == 0; }
  // By the order of the plan's groups; once over.
  const std::vector<GroupOutcome>& outcomes() const { return outcomes_; }

 private:
  struct Member {
    size_t group;  // index in outcomes_
    uint32_t rank;
  };

  // The member of that node, or null where it is not its, or has its result.
  SlotResult* Find(uint32_t node, uint32_t group, uint32_t rank);
  void Set(uint32_t node, SlotResult result, rendezvous::Outbox* out);

  const FabricRound plan_;
  const std::vector<rendezvous::SessionId> sessions_;
  std::vector<GroupOutcome> outcomes_;
  std::map<uint32_t, size_t> index_of_;    // by group
  std::map<uint32_t, ValueStore> stores_;  // by group
  size_t left_ = 0;                        // results
  rendezvous::Instant deadline_{};
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_TEST_ROUND_H_
