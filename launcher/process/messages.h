#ifndef MUSTER_LAUNCHER_PROCESS_MESSAGES_H_
#define MUSTER_LAUNCHER_PROCESS_MESSAGES_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "launcher/process/descendants.h"
#include "launcher/process/exit_status.h"
#include "launcher/process/spawn_failure.h"
#include "launcher/process/spawn_request.h"
#include "launcher/process/wire.h"

namespace muster::process {

// What the agent and the keeper say to each other: one Encode for each
// message, and one Decode that takes the frame of the same type.
// Every Decode gives InvalidArgument when the payload is not what Encode made.
enum class MessageType : uint16_t {
  // To the keeper.
  kSpawn = 1,
  kSignal,
  kStop,
  kFinish,
  kSetOrphanGrace,
  kRemoveAtEnd,
  // From the keeper.
  kSpawned = 16,
  kSpawnFailed,
  kExited,
  kFinished,
};

// An id that no worker has: every one of them.
inline constexpr uint32_t kAllWorkers = UINT32_MAX;

struct SignalMessage {
  uint32_t id = kAllWorkers;
  int signo = 0;
};

struct SpawnedMessage {
  uint32_t id = 0;
  pid_t pid = 0;
  UniqueFd stdout_fd;
  UniqueFd stderr_fd;
  UniqueFd stdin_fd;  // only where it was asked for
};

struct SpawnFailedMessage {
  uint32_t id = 0;
  SpawnFailure failure;
};

struct ExitedMessage {
  uint32_t id = 0;
  pid_t pid = 0;
  ExitStatus status = ExitStatus::Exited(0);
};

// Takes over the held descriptors.
Frame EncodeSpawn(const SpawnRequest& request);
Frame EncodeSignal(const SignalMessage& message);
Frame EncodeStop(std::chrono::milliseconds grace);
Frame EncodeFinish();
Frame EncodeSetOrphanGrace(std::chrono::milliseconds grace);
Frame EncodeRemoveAtEnd(const std::string& directory);
Frame EncodeSpawned(SpawnedMessage message);
Frame EncodeSpawnFailed(const SpawnFailedMessage& message);
Frame EncodeExited(const ExitedMessage& message);
Frame EncodeFinished(const std::vector<Killed>& killed);

// held_fds stays empty: the frame owns them.
absl::StatusOr<SpawnRequest> DecodeSpawn(const Frame& frame);
absl::StatusOr<SignalMessage> DecodeSignal(const Frame& frame);
// Of kStop and of kSetOrphanGrace.
absl::StatusOr<std::chrono::milliseconds> DecodeGrace(const Frame& frame);
absl::StatusOr<std::string> DecodeRemoveAtEnd(const Frame& frame);
absl::StatusOr<SpawnedMessage> DecodeSpawned(Frame frame);
absl::StatusOr<SpawnFailedMessage> DecodeSpawnFailed(const Frame& frame);
absl::StatusOr<ExitedMessage> DecodeExited(const Frame& frame);
absl::StatusOr<std::vector<Killed>> DecodeFinished(const Frame& frame);

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_MESSAGES_H_
