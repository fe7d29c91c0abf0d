#include "launcher/fabric/gloo/probe.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include "launcher/fabric/gloo/group.h"
#include "launcher/fabric/gloo/memory.h"
#include "launcher/fabric/probe_messages.h"

namespace muster::fabric {
namespace {

using std::chrono::milliseconds;

// The worker may enter another stage, with another deadline, meanwhile.
constexpr milliseconds kDeadlineStep{20};

// Gloo lets go in milliseconds for each connection; a pass over a large memory
// is not interrupted.
constexpr std::chrono::seconds kPatience{3};

// "" for a task that can be carried out, else what is wrong with it.
std::string Problem(const ProbeTask& task) {
  const FabricGroup& group = task.group();
  if (group.members_size() == 0) return "it has no members";
  if (task.rank() >= static_cast<uint32_t>(group.members_size())) {
    return "its rank is none of its members";
  }
  if (group.connect_ms() == 0 || group.run_ms() == 0) {
    return "it has no deadline";
  }
  return "";
}

void CarryOut(const std::shared_ptr<Attempt>& attempt,
              const std::string& address) {
  if (attempt->group().members_size() > 1) {
    TestGroup(attempt, address);
    return;
  }
  attempt->Enter(FABRIC_STAGE_MEMORY);
  try {
    TestMemory(*attempt);
  } catch (const std::bad_alloc&) {
    attempt->Fail(attempt->Failure(
        FABRIC_FAILURE_ERROR, "there is no memory for twice " +
                                  std::to_string(attempt->group().bytes()) +
                                  " bytes"));
  }
}

}  // namespace

Probe::Probe(int input, std::string address, EventPipe* agent)
    : input_(input), address_(std::move(address)), agent_(agent) {}

void Probe::Work() {
  // Ends with the process.
  std::thread([this] { ReadCommands(); }).detach();
  while (true) {
    std::shared_ptr<Attempt> attempt;
    {
      std::unique_lock lock(mutex_);
      working_ = false;
      changed_.notify_all();
      changed_.wait(lock, [this] { return next_ != nullptr; });
      attempt = std::exchange(next_, nullptr);
      working_ = true;
    }
    CarryOut(attempt, address_);
  }
}

void Probe::ReadCommands() {
  ProbeMessageReader reader;
  char bytes[64 * 1024];
  while (true) {
    AwaitInput();
    const ssize_t size = read(input_, bytes, sizeof(bytes));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) _exit(kInputEnded);
    reader.Add(bytes, static_cast<size_t>(size));
    for (ProbeCommand command; reader.Next(&command);) {
      Handle(std::move(command));
    }
    if (reader.broken()) {
      std::cerr << "what came on standard input is no command; is this "
                   "muster-gloo-probe of the same release as muster?\n";
      _exit(kGarbage);
    }
  }
}

void Probe::AwaitInput() {
  pollfd wanted = {.fd = input_, .events = POLLIN, .revents = 0};
  while (true) {
    milliseconds wait{-1};
    if (const auto deadline = last_ ? last_->deadline() : std::nullopt) {
      const auto left = *deadline - Attempt::Clock::now();
      if (left <= left.zero()) {
        last_->TimeOut();
        continue;
      }
      wait = std::min(std::chrono::ceil<milliseconds>(left), kDeadlineStep);
    }
    if (poll(&wanted, 1, static_cast<int>(wait.count())) > 0) return;
  }
}

void Probe::Handle(ProbeCommand command) {
  switch (command.body_case()) {
    case ProbeCommand::kTask:
      Start(std::move(*command.mutable_task()));
      return;
    case ProbeCommand::kValue:
      if (last_ && last_->group().id() == command.value().group()) {
        last_->Received(command.value());
      }
      return;
    case ProbeCommand::kStop:
      if (last_ && last_->group().id() == command.stop().group()) {
        last_->Fail(last_->Failure(FABRIC_FAILURE_ABORTED,
                                   "stopped: another member failed first"));
      }
      return;
    case ProbeCommand::BODY_NOT_SET:
      return;  // of a later release
  }
}

void Probe::Start(ProbeTask task) {
  if (last_) EndLast();
  last_ = std::make_shared<Attempt>(std::move(task), agent_);
  const std::string problem = Problem(last_->task());
  if (!problem.empty()) {
    last_->Fail(last_->Failure(FABRIC_FAILURE_ERROR,
                               "the task makes no sense: " + problem));
    return;
  }
  const std::lock_guard lock(mutex_);
  next_ = last_;
  changed_.notify_all();
}

void Probe::EndLast() {
  last_->Fail(
      last_->Failure(FABRIC_FAILURE_ABORTED, "given up for another task"));
  // Not on this thread, for Gloo may hold a lock for ever.
  bool closed = false;  // guarded by mutex_
  std::thread closer([this, &closed, last = std::move(last_)]() mutable {
    last->Close();
    last.reset();
    const std::lock_guard lock(mutex_);
    closed = true;
    changed_.notify_all();
  });
  {
    std::unique_lock lock(mutex_);
    const bool ended = changed_.wait_for(lock, kPatience, [&] {
      return closed && next_ == nullptr && !working_;
    });
    if (!ended) {
      std::cerr << "the last task does not let go of its connections\n";
      _exit(kStuck);
    }
  }
  closer.join();
}

}  // namespace muster::fabric
