#include "launcher/fabric/nccl/command_inbox.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <thread>

#include "launcher/fabric/probe_messages.h"

namespace muster::fabric {
namespace {

[[noreturn]] void LeaveGarbage(const char* why) {
  fprintf(stderr, "muster fabric-probe: %s\n", why);
  _exit(kProbeGarbage);
}

}  // namespace

CommandInbox::CommandInbox(int fd) {
  std::thread([this, fd] { Read(fd); }).detach();
}

void CommandInbox::Read(int fd) {
  ProbeMessageReader reader;
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    // Nobody is left to tell anything; the kernel frees what the GPU holds.
    if (size <= 0) _exit(kProbeEnded);
    reader.Add(buffer, static_cast<size_t>(size));
    ProbeCommand command;
    while (reader.Next(&command)) Take(std::move(command));
    if (reader.broken()) LeaveGarbage("what came on its input is no command");
  }
}

void CommandInbox::Take(ProbeCommand command) {
  absl::MutexLock lock(&mutex_);
  switch (command.body_case()) {
    case ProbeCommand::kTask:
      tasks_.push_back(std::move(*command.mutable_task()));
      return;
    case ProbeCommand::kValue:
      values_[{command.value().group(), command.value().key()}] =
          command.value().value();
      return;
    case ProbeCommand::kStop:
      stopped_ = command.stop().group();
      return;
    case ProbeCommand::BODY_NOT_SET:
      break;
  }
  LeaveGarbage("a command of a kind that it does not know");
}

ProbeTask CommandInbox::NextTask() {
  absl::MutexLock lock(&mutex_);
  const auto has_task = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !tasks_.empty();
  };
  mutex_.Await(absl::Condition(&has_task));
  ProbeTask task = std::move(tasks_.front());
  tasks_.pop_front();
  // Groups come in the order of their ids: what is older is of no use.
  values_.erase(values_.begin(),
                values_.lower_bound({task.group().id(), std::string()}));
  return task;
}

std::optional<std::string> CommandInbox::WaitForValue(uint32_t group,
                                                      const std::string& key,
                                                      absl::Duration patience) {
  absl::MutexLock lock(&mutex_);
  const auto is_decided = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopped_ == group || values_.count({group, key}) > 0;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&is_decided), patience);
  const auto found = values_.find({group, key});
  if (found == values_.end() || stopped_ == group) return std::nullopt;
  return found->second;
}

bool CommandInbox::IsStopped(uint32_t group) const {
  absl::MutexLock lock(&mutex_);
  return stopped_ == group;
}

}  // namespace muster::fabric
