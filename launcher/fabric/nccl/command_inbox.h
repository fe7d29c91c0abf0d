// What a probe's agent tells it.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_COMMAND_INBOX_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_COMMAND_INBOX_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Exit codes of a probe.
inline constexpr int kProbeEnded = 0;    // its input has ended
inline constexpr int kProbeBroken = 1;   // it has said `broken`
inline constexpr int kProbeGarbage = 2;  // its input is no protocol of ours

// Job: reads ProbeCommands on a thread of its own, so that a stop and the end
// of the input are seen whatever the probe is at.
// Life cycle: as long as the process; the end of the input ends the process at
// once (kProbeEnded), as does what is no command (kProbeGarbage).
// Threads: all methods may be called from any thread.
class CommandInbox {
 public:
  // Reads from `fd`, which must stay open.
  explicit CommandInbox(int fd);
  ~CommandInbox() = delete;

  // Waits for the next task.
  ProbeTask NextTask() ABSL_LOCKS_EXCLUDED(mutex_);

  // The value that was sent for a key of the group; waits for it so long at
  // most, or until a stop of the group, which both give nothing.
  std::optional<std::string> WaitForValue(uint32_t group,
                                          const std::string& key,
                                          absl::Duration patience)
      ABSL_LOCKS_EXCLUDED(mutex_);

  bool IsStopped(uint32_t group) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  [[noreturn]] void Read(int fd);
  void Take(ProbeCommand command) ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  std::deque<ProbeTask> tasks_ ABSL_GUARDED_BY(mutex_);
  // Of the present group and those to come.
  std::map<std::pair<uint32_t, std::string>, std::string> values_
      ABSL_GUARDED_BY(mutex_);
  std::optional<uint32_t> stopped_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_COMMAND_INBOX_H_
