// Who is in the job, and which rank each one holds.
#ifndef MUSTER_RENDEZVOUS_ROSTER_H_
#define MUSTER_RENDEZVOUS_ROSTER_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/rendezvous.pb.h"
#include "rendezvous/liveness.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous {

// What a decision wants sent, in this order.
struct Send {
  SessionId to;
  CoordinatorMessage message;
};
using Outbox = std::vector<Send>;

// One node of a sealed job.
struct Member {
  SessionId session = 0;
  NodeFacts facts;
  // Without its peers, which are all the nodes: those are only sent.
  Assignment assignment;
};

// "node 1 (host1)".
std::string NodeName(const Member& member);
// "node 1 (host1, 10.0.0.2)".
std::string NodeNameAndAddress(const Member& member);

// The address at which the others reach the first of these nodes. Where it
// knows itself only by loopback, what another one has proved by connecting
// counts.
std::string MasterAddress(const std::vector<Member>& members);

struct RosterOptions {
  std::string run_id;
  Agreement agreement;      // what every agent has to agree with
  std::string our_host;     // whose agreement that is, for messages
  Duration join_timeout{};  // from the start to the last hello
  // By which a node with that assignment and so many workers proves to the
  // collector who it is; pure. None: nothing is collected.
  std::function<std::string(const Assignment&, uint32_t workers)> collector_key;
};

// Pure: no socket, no thread, no clock. One instance for each attempt.
//
//              Hello (last one)
//   GATHERING ----------------------> SEALED     later hellos are parked;
//       |                               |        Assign gives out the places
//       |  deadline, cancel, problem    v
//       +---------------------------> FAILED     later hellos are refused
//
// A hello that disagrees, or that claims a rank that another node holds, is
// refused without harm to the others, who are told. A node that leaves before
// the seal is forgotten. With MIN:MAX nodes the roster seals at MAX, or with
// what it has once MIN nodes have waited kLastCall. A node that joined only to
// say that it can't run its workers, or one with another Open MPI than the
// first, turns that seal into a failure, of which every node then learns the
// cause.
class Roster {
 public:
  enum class State { kGathering, kSealed, kFailed };

  Roster(RosterOptions options, Moment now);

  // A stream was opened; nothing is known of it but where it comes from.
  void Opened(SessionId session, const std::string& peer);
  Outbox Hello(SessionId session, const muster::Hello& hello, Moment now);
  // The stream ended or the node fell silent, before the seal or parked.
  Outbox Leave(SessionId session, const std::string& why);
  // Somebody was turned away before it could speak, for this reason.
  Outbox Rejected(const std::string& reason);
  // The coordinator's own agent was told to end.
  Outbox Cancel(uint32_t signal, Moment now);
  Outbox Tick(Moment now);

  // Once, after the seal: gives every member its place. The job starts without
  // those in `left_out`, who are told why and parked; ranks have no holes.
  Outbox Assign(const std::map<SessionId, std::string>& left_out, Moment now);

  State state() const { return state_; }
  // In rank order; empty unless sealed. Their places are final after Assign.
  const std::vector<Member>& members() const { return members_; }
  // Sessions that wait for the verdict without a part in the job.
  const std::set<SessionId>& parked() const { return parked_; }
  // The verdict of a failed roster.
  const Report& report() const { return report_; }
  double join_seconds() const { return join_seconds_; }
  // One line on who is there and who is missing.
  std::string Progress() const;

 private:
  uint32_t min_nodes() const { return options_.agreement.min_nodes(); }
  uint32_t max_nodes() const { return options_.agreement.max_nodes(); }
  std::optional<Send> Refuse(SessionId session, const muster::Hello& hello);
  void Seal(Moment now, Outbox* out);
  // Fills in the members' assignments, or fails.
  void Number(Moment now, Outbox* out);
  // Whether one of the members has a problem; the job has then failed.
  bool FailOnProblems(Moment now, Outbox* out);
  void Fail(Cause cause, uint32_t exit_code, Moment now, Outbox* out);
  // For a TensorFlow job: fills in what the nodes' workers are, which decides
  // how many there are.
  absl::Status AssignTasks();
  void Fail(CauseKind kind, uint32_t exit_code, const std::string& message,
            Moment now, Outbox* out);
  void NotifyAll(const std::string& text, Outbox* out) const;
  std::string Joined() const;
  std::string Missing() const;

  const RosterOptions options_;
  const Instant start_;
  Instant last_notice_;  // of a wait that goes on
  State state_ = State::kGathering;
  std::optional<Instant> last_call_;  // set when MIN < MAX nodes are there
  std::map<SessionId, std::string> silent_;  // opened, no hello yet: peer
  std::map<SessionId, NodeFacts> joined_;
  std::map<std::string, uint32_t> rejections_;  // reason: how often
  std::vector<std::string> refused_;            // hosts
  std::vector<Member> members_;
  bool assigned_ = false;
  std::set<SessionId> parked_;
  Report report_;
  double join_seconds_ = 0;
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_ROSTER_H_
