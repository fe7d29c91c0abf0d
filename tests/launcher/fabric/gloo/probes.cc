#include "tests/launcher/fabric/gloo/probes.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <numeric>

#include "gtest/gtest.h"
#include "tests/support/exec_words.h"

namespace muster::fabric {
namespace {

std::vector<std::string> Environment(
    const std::map<std::string, std::string>& more) {
  std::vector<std::string> environment;
  for (const char* name :
       {"PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = getenv(name)) {
      environment.push_back(std::string(name) + "=" + value);
    }
  }
  for (const auto& [name, value] : more) {
    environment.push_back(name + "=" + value);
  }
  return environment;
}

void Pipe(int* read_end, int* write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) abort();
  *read_end = ends[0];
  *write_end = ends[1];
}

}  // namespace

Probes::Probes(int count, ProbeOptions options) {
  // A probe may be gone when something is written to it.
  std::signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < count; ++i) children_.push_back(Spawn(i, options));
  EXPECT_TRUE(RunUntil([this] {
    return std::all_of(children_.begin(), children_.end(), [](const auto& one) {
      return one->ready || one->broken || one->out < 0;
    });
  })) << "a probe does not begin";
}

Probes::~Probes() {
  for (const auto& child : children_) {
    if (!child->status) {
      kill(child->pid, SIGKILL);
      waitpid(child->pid, nullptr, 0);
    }
    if (child->in >= 0) close(child->in);
    if (child->out >= 0) close(child->out);
  }
}

std::unique_ptr<Probes::Child> Probes::Spawn(
    int index, const ProbeOptions& options) const {
  auto child = std::make_unique<Child>();
  int in = -1;
  int out = -1;
  Pipe(&in, &child->in);
  Pipe(&child->out, &out);
  std::vector<std::string> words = {
      MUSTER_GLOO_PROBE, "--address",
      options.address_of ? options.address_of(index) : options.address};
  std::vector<std::string> variables =
      Environment(options.environment ? options.environment(index)
                                      : std::map<std::string, std::string>());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  // Ignored signals would be inherited; the probe must ignore them by itself.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const int error = posix_spawn(&child->pid, words[0].c_str(), &actions,
                                &attributes, test::Pointers(words).data(),
                                test::Pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(in);
  close(out);
  if (error != 0) abort();
  return child;
}

FabricGroup Probes::Group(uint32_t id, std::vector<int> members) const {
  if (members.empty()) {
    members.resize(children_.size());
    std::iota(members.begin(), members.end(), 0);
  }
  FabricGroup group;
  group.set_id(id);
  for (const int member : members) {
    group.add_members()->set_node(static_cast<uint32_t>(member));
    group.add_names("node" + std::to_string(member));
  }
  group.set_bytes(1 << 20);
  group.set_ring(true);
  group.set_connect_ms(20'000);
  group.set_run_ms(20'000);
  group.set_measure_ms(20);
  return group;
}

void Probes::Start(const FabricGroup& group) {
  std::vector<int> ranks(static_cast<size_t>(group.members_size()));
  std::iota(ranks.begin(), ranks.end(), 0);
  Start(group, ranks);
}

void Probes::Start(const FabricGroup& group, const std::vector<int>& ranks) {
  for (const int rank : ranks) {
    ProbeCommand command;
    *command.mutable_task()->mutable_group() = group;
    command.mutable_task()->set_rank(static_cast<uint32_t>(rank));
    Send(static_cast<int>(group.members(rank).node()), command);
  }
}

void Probes::Stop(const FabricGroup& group, int rank) {
  ProbeCommand command;
  command.mutable_stop()->set_group(group.id());
  Send(static_cast<int>(group.members(rank).node()), command);
}

bool Probes::RunUntil(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + test::kSoon;
  while (!condition()) {
    const absl::Duration left = end - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    std::vector<pollfd> fds;
    for (const auto& child : children_) {
      fds.push_back({.fd = child->out, .events = POLLIN, .revents = 0});
    }
    poll(fds.data(), fds.size(),
         static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    for (size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].revents != 0) Read(static_cast<int>(i));
    }
  }
  return true;
}

SlotResult Probes::Result(const FabricGroup& group, int rank) {
  EXPECT_TRUE(RunUntil([&] { return HasResult(group, rank); }))
      << "no answer of rank " << rank << " of group " << group.id();
  return results_[{group.id(), static_cast<uint32_t>(rank)}];
}

bool Probes::HasResult(const FabricGroup& group, int rank) const {
  return results_.contains({group.id(), static_cast<uint32_t>(rank)});
}

bool Probes::Reach(const FabricGroup& group, FabricStage stage) {
  return RunUntil([&] {
    for (const Slot& member : group.members()) {
      const auto at =
          stages_.find({group.id(), static_cast<int>(member.node())});
      if (at == stages_.end() || at->second < stage) return false;
    }
    return true;
  });
}

void Probes::Withhold(bool on) {
  withhold_ = on;
  AnswerWaiting();
}

size_t Probes::Published(const FabricGroup& group) const {
  const auto found = store_.find(group.id());
  return found == store_.end() ? 0 : found->second.size();
}

void Probes::Signal(int probe, int signal) {
  kill(children_[static_cast<size_t>(probe)]->pid, signal);
}

void Probes::Kill(int probe) {
  Signal(probe, SIGKILL);
  EXPECT_EQ(End(probe), test::Killed(SIGKILL));
}

void Probes::Write(int probe, const std::string& bytes) {
  const int fd = children_[static_cast<size_t>(probe)]->in;
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = write(fd, bytes.data() + done, bytes.size() - done);
    if (written < 0) {
      EXPECT_EQ(errno, EPIPE);
      return;
    }
    done += static_cast<size_t>(written);
  }
}

void Probes::CloseInput(int probe) {
  close(std::exchange(children_[static_cast<size_t>(probe)]->in, -1));
}

test::ExitStatus Probes::End(int probe) {
  Child& child = *children_[static_cast<size_t>(probe)];
  // Its end of the pipe goes with it.
  if (!RunUntil([&] { return child.out < 0; })) return test::kRunning;
  if (!child.status) {
    int status = 0;
    waitpid(child.pid, &status, 0);
    child.status = WIFEXITED(status) ? test::Code(WEXITSTATUS(status))
                                     : test::Killed(WTERMSIG(status));
  }
  return *child.status;
}

const std::optional<ProbeReady>& Probes::ready(int probe) const {
  return children_[static_cast<size_t>(probe)]->ready;
}

const std::optional<FabricFailure>& Probes::broken(int probe) const {
  return children_[static_cast<size_t>(probe)]->broken;
}

void Probes::Send(int probe, const ProbeCommand& command) {
  Write(probe, EncodeProbeMessage(command));
}

void Probes::Read(int probe) {
  Child& child = *children_[static_cast<size_t>(probe)];
  char bytes[64 * 1024];
  const ssize_t size = read(child.out, bytes, sizeof(bytes));
  if (size <= 0) {
    close(std::exchange(child.out, -1));
    return;
  }
  child.reader.Add(bytes, static_cast<size_t>(size));
  for (ProbeEvent event; child.reader.Next(&event);) Handle(probe, event);
  EXPECT_FALSE(child.reader.broken()) << "probe " << probe << " writes garbage";
}

void Probes::Handle(int probe, const ProbeEvent& event) {
  Child& child = *children_[static_cast<size_t>(probe)];
  switch (event.body_case()) {
    case ProbeEvent::kReady:
      EXPECT_FALSE(child.ready.has_value());
      child.ready = event.ready();
      return;
    case ProbeEvent::kBroken:
      child.broken = event.broken();
      return;
    case ProbeEvent::kStore:
      if (event.store().has_put()) {
        store_[event.store().group()][event.store().key()] =
            event.store().put();
      } else {
        waiting_.emplace_back(probe, event.store());
      }
      AnswerWaiting();
      return;
    case ProbeEvent::kStage:
      stages_[{event.stage().group(), probe}] = event.stage().stage();
      return;
    case ProbeEvent::kResult: {
      const Member member = {event.result().group(), event.result().rank()};
      EXPECT_TRUE(results_.emplace(member, event.result()).second)
          << "two answers of one member";
      return;
    }
    case ProbeEvent::kInventory:
    case ProbeEvent::BODY_NOT_SET:
      ADD_FAILURE() << "an event that is none of this probe";
      return;
  }
}

void Probes::AnswerWaiting() {
  if (withhold_) return;
  std::erase_if(waiting_, [this](const auto& one) {
    const StoreRequest& request = one.second;
    const auto& values = store_[request.group()];
    const auto found = values.find(request.key());
    if (found == values.end()) return false;
    ProbeCommand command;
    StoreValue& value = *command.mutable_value();
    value.set_group(request.group());
    value.set_rank(request.rank());
    value.set_key(request.key());
    value.set_value(found->second);
    Send(one.first, command);
    return true;
  });
}

}  // namespace muster::fabric
