// The job once all are there: one fails, all stop, one verdict.
#ifndef MUSTER_RENDEZVOUS_GANG_H_
#define MUSTER_RENDEZVOUS_GANG_H_

#include <cstdint>
#include <map>
#include <optional>
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
// The first cause decides the exit code and is never replaced, with one
// exception below. A worker that ends by our own SIGTERM or SIGKILL after that
// is a victim, not a cause.
//
// Output that does not reach the collector fails the job only when nothing else
// does, and stops no worker. A signal that comes when all workers have ended
// changes no verdict: the second one to a node cuts the wait for the collector.
//
// A worker that only serves others (OnlyServes() in task_layout.h) is not
// waited for: when all the others have ended, it is stopped, too, and however
// it ends then is no failure.
//
// Where mpirun starts the workers, it and its daemons are services, and the
// parts of such a job die of each other. So (gang_services.cc):
//   - When every worker has ended, whatever way, the services are released,
//     and the job goes on to COLLECTING once mpirun has ended too.
//   - A service that dies of a signal (but SIGTERM, by which mpirun ends its
//     daemons) before that fails the job at once. Its ranks notice within
//     moments and fail as well, maybe first: then the signal takes the place
//     of a worker's failure not older than kEvidence.
//   - A service that ends by itself before that may be the echo of something
//     that has not arrived yet: it fails the job only after kEvidence, and
//     where it ended with 0 only after kLauncherEnd.
class Gang {
 public:
  enum class State { kStarting, kRunning, kStopping, kCollecting, kFinished };

  struct Options {
    std::string run_id;
    // Of the phases before.
    double join_seconds = 0;
    double fabric_seconds = 0;
    // mpirun on node 0 starts the workers, and has this long for it.
    bool has_launcher = false;
    Duration start_timeout = Duration::max();
  };

  Gang(const Options& options, const std::vector<Member>& members, Moment now);

  Outbox Started(SessionId session, const WorkerStarted& event, Moment now);
  Outbox Exited(SessionId session, const WorkerExited& event, Moment now);
  Outbox NotStarted(SessionId session, const WorkerNotStarted& event,
                    Moment now);
  Outbox ServiceEnded(SessionId session, const muster::ServiceEnded& event,
                      Moment now);
  Outbox Drained(SessionId session, const NodeDrained& event, Moment now);
  Outbox NodeFailed(SessionId session, const std::string& message, Moment now);
  Outbox Lost(SessionId session, const std::string& why, Moment now);
  Outbox Cancel(SessionId session, uint32_t signal, Moment now);
  // By the agent of a node without a part in the job, on which it depends.
  Outbox Cancel(const std::string& host, uint32_t signal, Moment now);
  Outbox Tick(Moment now);

  State state() const { return state_; }
  // The verdict; complete once the state is kFinished.
  const Report& report() const { return report_; }

 private:
  struct Worker {
    int64_t pid = 0;
    bool started = false;
    bool ended = false;
    bool only_serves = false;
    bool trains = true;  // neither only serves nor evaluates
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
  void CauseOfWorker(const Node& node, const Worker& worker, uint32_t rank,
                     Cause* cause) const;
  // Keeps `cause` as the first one and stops all, or counts it with the others.
  void Fail(Cause cause, uint32_t exit_code, Moment now, Outbox* out);
  void Start(Worker* worker, int64_t pid);
  void End(Worker* worker);
  // The node has no worker left and sends no more.
  void End(Node* node);
  // The node has no worker left, nor mpirun if that was there.
  void EndWorkers(Node* node);
  // Notes what of a node's output will not arrive.
  MissingOutput& Miss(const Node& node, const std::string& message);
  void Broadcast(const CoordinatorMessage& message, Outbox* out) const;
  void StopAll(Moment now, Outbox* out);
  void Advance(Moment now, Outbox* out);
  void Cancelled(SessionId by, Cause cause, uint32_t signal, Moment now,
                 Outbox* out);
  void EnterCollecting(Moment now);
  void Finish(Moment now, Outbox* out);

  // Of mpirun and its daemons: gang_services.cc.
  struct ServiceFailure {
    Cause cause;
    uint32_t exit_code;
    Instant at;
  };
  // Whether the suspicion is of a service that ended with 0.
  bool SuspectEndedWell() const;
  void Release(Moment now, Outbox* out);
  ServiceFailure DescribeService(const Node& node,
                                 const muster::ServiceEnded& event,
                                 Moment now) const;
  void ServiceFailed(const Node& node, const muster::ServiceEnded& event,
                     Moment now, Outbox* out);
  void TickServices(Moment now, Outbox* out);
  std::string NotStartedYet() const;

  const Options options_;
  bool launcher_running_;  // mpirun
  std::optional<Instant> released_;
  std::optional<ServiceFailure> suspicion_;  // waits for kEvidence
  Instant first_cause_at_;
  Instant last_notice_;

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
  std::map<uint32_t, MissingOutput> missing_output_;  // by node rank
  // By node: one signal to each node is one request, two to one are urgent.
  std::map<SessionId, uint32_t> cancels_;
  Instant phase_start_;  // of the current state
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_GANG_H_
