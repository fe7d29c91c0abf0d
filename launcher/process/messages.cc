#include "launcher/process/messages.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace muster::process {
namespace {

Frame MakeFrame(MessageType type, PayloadWriter payload = {}) {
  Frame frame;
  frame.type = static_cast<uint16_t>(type);
  frame.payload = payload.Take();
  return frame;
}

Frame MakeGrace(MessageType type, std::chrono::milliseconds grace) {
  PayloadWriter payload;
  payload.I64(grace.count());
  return MakeFrame(type, std::move(payload));
}

absl::Status Malformed(const Frame& frame) {
  return absl::InvalidArgumentError(
      absl::StrCat("malformed message of type ", frame.type));
}

}  // namespace

Frame EncodeSpawn(const SpawnRequest& request) {
  PayloadWriter payload;
  payload.U32(request.id);
  payload.U32(static_cast<uint32_t>(request.argv.size()));
  for (const std::string& argument : request.argv) payload.String(argument);
  payload.U32(static_cast<uint32_t>(request.env.size()));
  for (const auto& [name, value] : request.env) {
    payload.String(name);
    payload.String(value);
  }
  payload.String(request.working_directory);
  payload.U32(request.service ? 1 : 0);
  payload.U32(request.piped_stdin ? 1 : 0);
  payload.String(request.processors);
  Frame frame = MakeFrame(MessageType::kSpawn, std::move(payload));
  for (const int fd : request.held_fds) frame.fds.emplace_back(fd);
  return frame;
}

absl::StatusOr<SpawnRequest> DecodeSpawn(const Frame& frame) {
  PayloadReader payload(frame.payload);
  SpawnRequest request;
  request.id = payload.U32();
  for (uint32_t left = payload.Count(); left > 0; --left) {
    request.argv.push_back(payload.String());
  }
  for (uint32_t left = payload.Count(); left > 0; --left) {
    std::string name = payload.String();
    request.env.emplace_back(std::move(name), payload.String());
  }
  request.working_directory = payload.String();
  request.service = payload.U32() != 0;
  request.piped_stdin = payload.U32() != 0;
  request.processors = payload.String();
  if (!payload.Finished()) return Malformed(frame);
  return request;
}

Frame EncodeSignal(const SignalMessage& message) {
  PayloadWriter payload;
  payload.U32(message.id);
  payload.U32(static_cast<uint32_t>(message.signo));
  return MakeFrame(MessageType::kSignal, std::move(payload));
}

absl::StatusOr<SignalMessage> DecodeSignal(const Frame& frame) {
  PayloadReader payload(frame.payload);
  SignalMessage message;
  message.id = payload.U32();
  message.signo = static_cast<int>(payload.U32());
  if (!payload.Finished()) return Malformed(frame);
  return message;
}

Frame EncodeStop(std::chrono::milliseconds grace) {
  return MakeGrace(MessageType::kStop, grace);
}

Frame EncodeFinish() { return MakeFrame(MessageType::kFinish); }

Frame EncodeSetOrphanGrace(std::chrono::milliseconds grace) {
  return MakeGrace(MessageType::kSetOrphanGrace, grace);
}

Frame EncodeRemoveAtEnd(const std::string& directory) {
  PayloadWriter payload;
  payload.String(directory);
  return MakeFrame(MessageType::kRemoveAtEnd, std::move(payload));
}

absl::StatusOr<std::string> DecodeRemoveAtEnd(const Frame& frame) {
  PayloadReader payload(frame.payload);
  std::string directory = payload.String();
  if (!payload.Finished() || directory.empty()) return Malformed(frame);
  return directory;
}

absl::StatusOr<std::chrono::milliseconds> DecodeGrace(const Frame& frame) {
  PayloadReader payload(frame.payload);
  const int64_t grace = payload.I64();
  if (!payload.Finished() || grace < 0) return Malformed(frame);
  return std::chrono::milliseconds(grace);
}

Frame EncodeSpawned(SpawnedMessage message) {
  PayloadWriter payload;
  payload.U32(message.id);
  payload.U32(static_cast<uint32_t>(message.pid));
  Frame frame = MakeFrame(MessageType::kSpawned, std::move(payload));
  frame.fds.push_back(std::move(message.stdout_fd));
  frame.fds.push_back(std::move(message.stderr_fd));
  if (message.stdin_fd.valid()) {
    frame.fds.push_back(std::move(message.stdin_fd));
  }
  return frame;
}

absl::StatusOr<SpawnedMessage> DecodeSpawned(Frame frame) {
  PayloadReader payload(frame.payload);
  SpawnedMessage message;
  message.id = payload.U32();
  message.pid = static_cast<pid_t>(payload.U32());
  if (!payload.Finished()) return Malformed(frame);
  if (frame.fds_lost) {
    return absl::ResourceExhaustedError(
        "no room for the output pipes of a new worker: the limit of open "
        "files is reached; raise it (ulimit -n)");
  }
  if (frame.fds.size() != 2 && frame.fds.size() != 3) return Malformed(frame);
  message.stdout_fd = std::move(frame.fds[0]);
  message.stderr_fd = std::move(frame.fds[1]);
  if (frame.fds.size() == 3) message.stdin_fd = std::move(frame.fds[2]);
  return message;
}

Frame EncodeSpawnFailed(const SpawnFailedMessage& message) {
  PayloadWriter payload;
  payload.U32(message.id);
  payload.U32(static_cast<uint32_t>(message.failure.step));
  payload.U32(static_cast<uint32_t>(message.failure.error));
  payload.String(message.failure.program);
  payload.String(message.failure.detail);
  return MakeFrame(MessageType::kSpawnFailed, std::move(payload));
}

absl::StatusOr<SpawnFailedMessage> DecodeSpawnFailed(const Frame& frame) {
  PayloadReader payload(frame.payload);
  SpawnFailedMessage message;
  message.id = payload.U32();
  const uint32_t step = payload.U32();
  message.failure.error = static_cast<int>(payload.U32());
  message.failure.program = payload.String();
  message.failure.detail = payload.String();
  if (!payload.Finished() || step == 0 ||
      step > static_cast<uint32_t>(kLastSpawnStep)) {
    return Malformed(frame);
  }
  message.failure.step = static_cast<SpawnStep>(step);
  return message;
}

Frame EncodeExited(const ExitedMessage& message) {
  PayloadWriter payload;
  payload.U32(message.id);
  payload.U32(static_cast<uint32_t>(message.pid));
  payload.U32(message.status.signaled() ? 1 : 0);
  payload.U32(static_cast<uint32_t>(message.status.signaled()
                                        ? message.status.signal()
                                        : message.status.code()));
  return MakeFrame(MessageType::kExited, std::move(payload));
}

absl::StatusOr<ExitedMessage> DecodeExited(const Frame& frame) {
  PayloadReader payload(frame.payload);
  ExitedMessage message;
  message.id = payload.U32();
  message.pid = static_cast<pid_t>(payload.U32());
  const bool signaled = payload.U32() != 0;
  const int value = static_cast<int>(payload.U32());
  message.status =
      signaled ? ExitStatus::Signaled(value) : ExitStatus::Exited(value);
  if (!payload.Finished()) return Malformed(frame);
  return message;
}

Frame EncodeFinished(const std::vector<Killed>& killed) {
  PayloadWriter payload;
  payload.U32(static_cast<uint32_t>(killed.size()));
  for (const Killed& process : killed) {
    payload.U32(static_cast<uint32_t>(process.pid));
    payload.String(process.name);
    payload.U32(process.gone ? 1 : 0);
  }
  return MakeFrame(MessageType::kFinished, std::move(payload));
}

absl::StatusOr<std::vector<Killed>> DecodeFinished(const Frame& frame) {
  PayloadReader payload(frame.payload);
  std::vector<Killed> killed;
  for (uint32_t left = payload.Count(); left > 0; --left) {
    Killed process;
    process.pid = static_cast<pid_t>(payload.U32());
    process.name = payload.String();
    process.gone = payload.U32() != 0;
    killed.push_back(std::move(process));
  }
  if (!payload.Finished()) return Malformed(frame);
  return killed;
}

}  // namespace muster::process
