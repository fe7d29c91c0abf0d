// Waiting, within a step of a test, for what cannot be waited for otherwise.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_WATCH_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_WATCH_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "launcher/fabric/nccl/command_inbox.h"
#include "launcher/fabric/nccl/failure.h"

namespace muster::fabric {

// Job: says when a group's step has taken too long or is to stop, and paces
// those who ask.
// Life cycle: one for a step with a deadline. Threads: one. The inbox must
// outlive it.
class Watch {
 public:
  using Clock = std::chrono::steady_clock;

  Watch(const CommandInbox& inbox, uint32_t group, absl::Duration patience)
      : inbox_(inbox),
        group_(group),
        patience_(patience),
        deadline_(Clock::now() + absl::ToChronoNanoseconds(patience)) {}

  // Until the deadline.
  absl::Duration Left() const {
    return absl::FromChrono(deadline_ - Clock::now());
  }

  // FABRIC_FAILURE_TIMEOUT ("`what` did not end within 10s") after the
  // deadline, FABRIC_FAILURE_ABORTED after a stop.
  Failed Check(const std::string& what) const;

  // Sleeps between two looks at something: hardly at first, then up to a
  // millisecond. BeginWait starts at "hardly" again.
  void BeginWait() { waiting_since_ = Clock::now(); }
  void Pause() const;

 private:
  const CommandInbox& inbox_;
  const uint32_t group_;
  const absl::Duration patience_;
  const Clock::time_point deadline_;
  Clock::time_point waiting_since_ = Clock::now();
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_WATCH_H_
