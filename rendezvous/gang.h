// The job once all are there: one fails, all stop, one verdict.
#ifndef MUSTER_RENDEZVOUS_GANG_H_
#define MUSTER_RENDEZVOUS_GANG_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/rendezvous.pb.h"
#include "rendezvous/roster.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous {

// Pure: decides for the whole job, in the order in which events reach the
// coordinator.
//
//   STARTING --all started--> RUNNING --all ended--> COLLECTING --> FINISHED
//       |                        |                       ^
//       +---- first cause -------+--> STOPPING --all ended
//
// The first cause decides the exit code and is never replaced. A worker that
// ends by our own SIGTERM or SIGKILL after that is a victim, not a cause.
//
// A worker that only serves others (OnlyServes() in task_layout.h) is not
// waited for: when all the others have ended, it is stopped, too, and however
// it ends then is no failure.
class Gang {
 public:
  enum class State { kStarting, kRunning, kStopping, kCollecting, kFinished };

  // The seconds are those of the phases before.
  Gang(const std::string& run_id, const std::vector<Member>& members,
       double join_seconds, Moment now, double fabric_seconds = 0);

  Outbox Started(SessionId session, const WorkerStarted& event, Moment now);
  Outbox Exited(SessionId session, const WorkerExited& event, Moment now);
  Outbox NotStarted(SessionId session, const WorkerNotStarted& event,
                    Moment now);
  Outbox Drained(SessionId session, const NodeDrained& event, Moment now);
  Outbox NodeFailed(SessionId session, const std::string& message, Moment now);
  Outbox Lost(SessionId session, const std::string& why, Moment now);
  Outbox Cancel(SessionId session, uint32_t signal, Moment now);
  Outbox Tick(Moment now);

  State state() const { return state_; }
  // The verdict; complete once the state is kFinished.
  const Report& report() const { return report_; }

 private:
  struct Worker {
    int64_t pid = 0;
    bool started = false;
    bool ended = false;
    TaskRole role = TASK_ROLE_UNSPECIFIED;  // of TensorFlow
    bool only_serves = false;

    bool Trains() const { return !only_serves && role != TASK_ROLE_EVALUATOR; }
  };
  struct Node {
    Member member;
    std::vector<Worker> workers;
    bool over = false;  // drained or lost
  };

  Node* Find(SessionId session);
  // The node's worker with that global rank, or null when it has none or the
  // worker has ended before.
  Worker* Find(Node* node, uint32_t rank);
  Cause CauseOn(const Node& node, CauseKind kind, const std::string& message,
                Moment now) const;
  void CauseOfWorker(const Node& node, const Worker& worker, uint32_t rank,
                     Cause* cause) const;
  // Keeps `cause` as the first one and stops all, or counts it with the others.
  void Fail(Cause cause, uint32_t exit_code, Moment now, Outbox* out);
  void Start(Worker* worker, int64_t pid);
  void End(Worker* worker);
  // The node has no worker left and sends no more.
  void End(Node* node);
  void Broadcast(const CoordinatorMessage& message, Outbox* out) const;
  void StopAll(Moment now, Outbox* out);
  void Advance(Moment now, Outbox* out);
  void EnterCollecting(Moment now);
  void Finish(Moment now, Outbox* out);

  State state_ = State::kStarting;
  std::vector<Node> nodes_;  // by node rank
  std::map<SessionId, size_t> node_of_;
  std::set<SessionId> lost_;
  size_t to_start_ = 0;          // workers that have neither started nor ended
  size_t to_end_ = 0;            // workers that have not ended
  size_t to_await_ = 0;          // of these, those that are waited for
  size_t to_train_ = 0;          // of these, those that are no evaluators
  bool evaluator_told_ = false;  // that only it is waited for
  size_t to_drain_ = 0;          // nodes that are not over
  Report report_;
  // By node: one signal to each node is one request, two to one are urgent.
  std::map<SessionId, uint32_t> cancels_;
  Instant phase_start_;  // of the current state
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_GANG_H_
