// What the nodes of a sealed job go through before they get their ranks.
#ifndef MUSTER_RENDEZVOUS_SELF_TEST_H_
#define MUSTER_RENDEZVOUS_SELF_TEST_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proto/rendezvous.pb.h"
#include "rendezvous/roster.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous {

// What the coordinator asks of a self-test, whatever it tests: a pure state
// machine, fed by the coordinator with events and time.
//
//   Start --> RUNNING --> PASSED    without those of left_out()
//                |
//                +------> FAILED    report() is the verdict of the job
//
// Life cycle: Start once; nothing is called once it is over. Threads: the
// loop's only.
class SelfTest {
 public:
  enum class State { kRunning, kPassed, kFailed };

  virtual ~SelfTest() = default;

  virtual Outbox Start(Moment now) = 0;
  // A message of a node. Those that mean nothing to the test are ignored.
  virtual Outbox Handle(SessionId session, const AgentMessage& message,
                        Moment now) = 0;
  // The node is gone.
  virtual Outbox Lost(SessionId session, const std::string& why,
                      Moment now) = 0;
  virtual Outbox Tick(Moment now) = 0;

  virtual State state() const = 0;
  // The nodes without which the job starts, and why.
  virtual std::map<SessionId, std::string> left_out() const = 0;
  // Once it is over. Of a test that passed: what the job has come to if there
  // is nothing after the test.
  virtual const Report& report() const = 0;
};

// Makes the test of these nodes, which are in the order of their ranks.
using MakeSelfTest = std::function<std::unique_ptr<SelfTest>(
    const std::vector<Member>& members, double join_seconds)>;

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_SELF_TEST_H_
