// The probe of a node without GPUs: takes tasks from the agent and carries them
// out.
#ifndef MUSTER_LAUNCHER_FABRIC_GLOO_PROBE_H_
#define MUSTER_LAUNCHER_FABRIC_GLOO_PROBE_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "launcher/fabric/gloo/attempt.h"
#include "launcher/fabric/gloo/event_pipe.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// How the process ends, but by a signal (Gloo aborts it where its own thread
// finds what should not be).
enum ExitCode {
  kInputEnded = 0,  // nobody has tasks any more
  kUsage = 64,
  kGarbage = 65,    // what came is no command
  kNoAddress = 69,  // Gloo cannot use the address; said as "broken"
  kStuck = 70,      // the last task does not let go; the agent that wants the
                    // next one carried out starts another probe
};

// Job: a task at a time, one answer for each, also when it is stopped or its
// deadline passes; a task that comes while another is at work ends that one.
// Life cycle: Work never returns; the process ends with an ExitCode.
// Threads: Work is called by one; another, of the object, reads commands.
class Probe {
 public:
  // `agent` must outlive the object, which reads commands from `input`.
  Probe(int input, std::string address, EventPipe* agent);

  [[noreturn]] void Work();

 private:
  [[noreturn]] void ReadCommands();
  // Waits for input, and for the deadline of the task.
  void AwaitInput();
  void Handle(ProbeCommand command);
  void Start(ProbeTask task);
  // Ends what the last task still does and holds.
  void EndLast();

  const int input_;
  const std::string address_;
  EventPipe* const agent_;

  // Reader only: the last task, carried out or not.
  std::shared_ptr<Attempt> last_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // ---- guarded by mutex_ ----
  std::shared_ptr<Attempt> next_;  // for the worker to take
  bool working_ = false;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GLOO_PROBE_H_
