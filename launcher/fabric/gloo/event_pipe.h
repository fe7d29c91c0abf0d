// The way to the agent: events on the probe's standard output.
#ifndef MUSTER_LAUNCHER_FABRIC_GLOO_EVENT_PIPE_H_
#define MUSTER_LAUNCHER_FABRIC_GLOO_EVENT_PIPE_H_

#include <mutex>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// Job: writes events to a pipe, each whole.
// Life cycle: as long as the process. Without an agent there is nothing to do:
// a write that fails ends the process with 0.
// Threads: any.
class EventPipe {
 public:
  explicit EventPipe(int fd) : fd_(fd) {}

  void Send(const ProbeEvent& event);

 private:
  const int fd_;
  std::mutex mutex_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GLOO_EVENT_PIPE_H_
