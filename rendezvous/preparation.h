// What has to be true before the workers of a sealed job may start.
#ifndef MUSTER_RENDEZVOUS_PREPARATION_H_
#define MUSTER_RENDEZVOUS_PREPARATION_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/rendezvous.pb.h"
#include "rendezvous/roster.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous {

// Whether the members have to prepare: whether they have tasks with ports.
bool NeedsPreparation(const std::vector<Member>& members);

// Pure: holds the start back until every node reaches every port that the
// others will be told of. A program that cannot reach one hangs and does not
// say why.
//
//   PREPARING --all ports held--> PROVING --all reached--> READY
//       |                            |
//       +-- unprepared, lost, -------+--> FAILED
//           cancelled, too late, two tasks at one port, or a port that a node
//           does not reach
//
// While it goes on, no worker has started anywhere: a failure leaves nothing
// to stop. All nodes are heard before a port is called unreachable, so that
// the verdict names every pair.
class Preparation {
 public:
  enum class State { kPreparing, kProving, kReady, kFailed };

  // `members` have tasks, by node rank.
  Preparation(const std::string& run_id, std::vector<Member> members,
              double join_seconds, Moment now);

  Outbox Prepared(SessionId session, const muster::Prepared& event, Moment now);
  void Unprepared(SessionId session, const muster::Unprepared& event,
                  Moment now);
  Outbox Proved(SessionId session, const muster::Proved& event, Moment now);
  void NodeFailed(SessionId session, const std::string& message, Moment now);
  void Lost(SessionId session, const std::string& why, Moment now);
  void Cancel(SessionId session, uint32_t signal, Moment now);
  void Tick(Moment now);

  State state() const { return state_; }
  // With addresses and ports in their tasks, once those are known.
  const std::vector<Member>& members() const { return members_; }
  // The verdict, once the state is kFailed.
  const Report& report() const { return report_; }
  // How long it took, once it is over.
  double seconds() const { return seconds_; }

 private:
  bool over() const {
    return state_ == State::kReady || state_ == State::kFailed;
  }
  // The member of the session, or null when it has none or all is over.
  Member* Find(SessionId session);
  std::string NameOf(uint32_t node) const;
  // The nodes that have not answered yet, as in "node 1 (host1)".
  std::string Awaited() const;
  std::string Pair(uint32_t node, const Unreachable& unreachable) const;
  // Sends `message` to all and awaits their answers.
  void Broadcast(const CoordinatorMessage& message, Outbox* out);
  // Two tasks at one address and port can't both be reached. True if so.
  bool FailForTwins(Moment now);
  void FailUnreachable(Moment now);
  void Fail(CauseKind kind, uint32_t exit_code, const Member& member,
            const std::string& message, Moment now);

  std::vector<Member> members_;  // by node rank
  std::map<SessionId, size_t> node_of_;
  const Instant start_;
  State state_ = State::kPreparing;
  std::set<SessionId> awaited_;  // no answer yet, in this state
  std::vector<Task> tasks_;      // by rank, once all ports are known
  std::map<uint32_t, muster::Proved> unreached_;  // by node rank
  Report report_;
  double seconds_ = 0;
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_PREPARATION_H_
