#include "launcher/process/keeper_loop.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <limits>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace muster::process {
namespace {

using Clock = std::chrono::steady_clock;
using Effect = StopSequence::Effect;

// To the worker's group, or to the worker where it has joined another group.
// Its pid cannot be another's: it is not reaped yet.
void SignalGroup(pid_t leader, int signo) {
  if (kill(-leader, signo) < 0) kill(leader, signo);
}

// For poll: milliseconds until `deadline`, rounded up; -1 without one.
int PollTimeout(std::optional<StopSequence::Time> deadline) {
  if (!deadline.has_value()) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
  return static_cast<int>(
      std::clamp<int64_t>(left.count(), 0, std::numeric_limits<int>::max()));
}

}  // namespace

void LastWords(absl::string_view text) {
  const std::string line = absl::StrCat("muster-keeper: ", text, "\n");
  pollfd ready = {STDERR_FILENO, POLLOUT, 0};
  if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT)) return;
  [[maybe_unused]] const ssize_t written =
      write(STDERR_FILENO, line.data(), line.size());
}

KeeperLoop::KeeperLoop(UniqueFd socket, UniqueFd signals)
    : socket_(std::move(socket)), signals_(std::move(signals)) {}

void KeeperLoop::Run() {
  while (stop_.state() != StopSequence::State::kDone) {
    WaitForEvents();
    Flush();
  }
  RemoveDirectories();
}

void KeeperLoop::RemoveDirectories() {
  for (const std::string& directory : directories_) {
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    // The agent removes it as well, maybe at this moment.
    if (error && error != std::errc::no_such_file_or_directory) {
      LastWords(
          absl::StrCat(directory, " can't be removed: ", error.message()));
    }
  }
}

void KeeperLoop::WaitForEvents() {
  std::vector<pollfd> polled;
  polled.push_back({signals_.get(), POLLIN, 0});
  const short events = write_blocked_ ? POLLIN | POLLOUT : POLLIN;
  polled.push_back({socket_.get(), events, 0});  // skipped by poll when -1
  std::vector<pid_t> starting;
  for (const auto& [pid, worker] : workers_) {
    if (!worker.starting()) continue;
    polled.push_back({worker.child.result_fd.get(), POLLIN, 0});
    starting.push_back(pid);
  }
  if (poll(polled.data(), polled.size(), PollTimeout(stop_.deadline())) < 0) {
    return;  // ENOMEM; the next round may have more luck
  }
  if (polled[0].revents != 0) {
    DrainSignals();
    Reap();
  }
  for (size_t i = 0; i < starting.size(); ++i) {
    const Workers::iterator worker = workers_.find(starting[i]);
    if (polled[i + 2].revents == 0 || worker == workers_.end()) continue;
    FinishStart(worker);
  }
  if (polled[1].revents != 0) ReadMessages();
  const std::optional<StopSequence::Time> deadline = stop_.deadline();
  if (deadline.has_value() && Clock::now() >= *deadline) {
    Apply(stop_.Advance(Clock::now(), Alive()));
  }
}

// SIGCHLD is the only one that matters. To end the job is the agent's
// decision: whoever signals everybody signals the agent too.
void KeeperLoop::DrainSignals() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof(info)) > 0) {
  }
}

void KeeperLoop::ReadMessages() {
  while (true) {
    Frame frame;
    switch (reader_.Next(socket_.get(), &frame)) {
      case FrameReader::Result::kWouldBlock:
        return;
      case FrameReader::Result::kEnd:
        return AgentGone("the agent is gone");
      case FrameReader::Result::kBroken:
        return AgentGone(reader_.error());
      case FrameReader::Result::kFrame:
        if (!HandleMessage(std::move(frame))) {
          return AgentGone("the agent sent what is no message to a keeper");
        }
    }
  }
}

bool KeeperLoop::HandleMessage(Frame frame) {
  switch (static_cast<MessageType>(frame.type)) {
    case MessageType::kSpawn: {
      absl::StatusOr<SpawnRequest> request = DecodeSpawn(frame);
      // While `frame` lives, the held ports stay taken.
      if (!request.ok()) return false;
      HandleSpawn(*std::move(request), frame.fds_lost);
      return true;
    }
    case MessageType::kSignal: {
      const absl::StatusOr<SignalMessage> message = DecodeSignal(frame);
      if (message.ok()) HandleSignal(*message);
      return message.ok();
    }
    case MessageType::kStop: {
      const auto grace = DecodeGrace(frame);
      if (!grace.ok()) return false;
      Apply(stop_.Stop(*grace, Clock::now(), Alive()));
      return true;
    }
    case MessageType::kFinish:
      Apply(stop_.Finish(Clock::now(), Alive()));
      return true;
    case MessageType::kSetOrphanGrace: {
      const auto grace = DecodeGrace(frame);
      if (grace.ok()) orphan_grace_ = *grace;
      return grace.ok();
    }
    case MessageType::kRemoveAtEnd: {
      absl::StatusOr<std::string> directory = DecodeRemoveAtEnd(frame);
      if (!directory.ok()) return false;
      directories_.push_back(*std::move(directory));
      return true;
    }
    default:
      return false;
  }
}

void KeeperLoop::HandleSpawn(SpawnRequest request, bool fds_lost) {
  const auto refuse = [&](SpawnFailure failure) {
    Send(EncodeSpawnFailed({request.id, std::move(failure)}));
  };
  const std::string program = request.argv.empty() ? "" : request.argv[0];
  if (fds_lost) return refuse({SpawnStep::kRequest, EMFILE, program, ""});
  if (!stop_.accepts_spawns()) {
    return refuse({SpawnStep::kRequest, ECANCELED, program, ""});
  }
  if (IdInUse(request.id)) {
    return refuse({SpawnStep::kRequest, EEXIST, program, ""});
  }
  std::variant<Child, SpawnFailure> started = StartChild(request);
  if (SpawnFailure* failure = std::get_if<SpawnFailure>(&started)) {
    return refuse(std::move(*failure));
  }
  Child child = std::get<Child>(std::move(started));
  children_ = true;
  const pid_t pid = child.pid;
  workers_.emplace(pid, Worker{request.id, request.service, std::move(child)});
}

void KeeperLoop::HandleSignal(const SignalMessage& message) {
  if (message.id == kAllWorkers) return SignalWorkers(message.signo);
  for (const auto& [pid, worker] : workers_) {
    if (message.id == worker.id) SignalGroup(pid, message.signo);
  }
}

void KeeperLoop::AgentGone(absl::string_view why) {
  socket_.Reset();
  write_blocked_ = false;
  if (!workers_.empty()) {
    LastWords(absl::StrCat(why, "; stopping ", workers_.size(),
                           " workers within ", orphan_grace_.count(), " ms"));
  }
  Apply(stop_.AgentLost(orphan_grace_, Clock::now(), Alive()));
}

void KeeperLoop::Send(Frame frame) {
  if (socket_.valid()) writer_.Push(std::move(frame));
}

void KeeperLoop::Flush() {
  if (!socket_.valid()) return;
  // Broken: the end that ReadMessages will find says so too, and comes after
  // the agent's last messages.
  write_blocked_ =
      writer_.Flush(socket_.get()) == FrameWriter::Result::kBlocked;
}

void KeeperLoop::Reap() {
  while (true) {
    siginfo_t info = {};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0) {
      children_ = errno != ECHILD;
      break;
    }
    if (info.si_pid == 0) break;
    Workers::iterator worker = workers_.find(info.si_pid);
    if (worker == workers_.end()) continue;
    const uint32_t id = worker->second.id;
    // Its start is reported before its end.
    if (worker->second.starting()) FinishStart(worker);
    if (workers_.erase(info.si_pid) == 0) continue;
    Send(EncodeExited({id, info.si_pid, ExitStatus::FromSiginfo(info)}));
  }
  Apply(stop_.Advance(Clock::now(), Alive()));
}

// Removes the worker when it could not be started.
void KeeperLoop::FinishStart(Workers::iterator worker) {
  const uint32_t id = worker->second.id;
  Child& child = worker->second.child;
  if (std::optional<SpawnFailure> failure = FinishSpawn(&child)) {
    // It has nothing left to do but to end. Awaited, so that no sweep takes it
    // for a process that somebody left behind; Reap() may have been quicker.
    siginfo_t info = {};
    waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED);
    Send(EncodeSpawnFailed({id, *std::move(failure)}));
    workers_.erase(worker);
    return;
  }
  Send(EncodeSpawned({id, child.pid, std::move(child.stdout_fd),
                      std::move(child.stderr_fd), std::move(child.stdin_fd)}));
}

bool KeeperLoop::IdInUse(uint32_t id) const {
  return id == kAllWorkers ||
         std::any_of(workers_.begin(), workers_.end(),
                     [id](const auto& entry) { return entry.second.id == id; });
}

void KeeperLoop::SignalWorkers(int signo) {
  for (const auto& [pid, worker] : workers_) {
    if (!worker.service) SignalGroup(pid, signo);
  }
}

std::vector<ProcessEntry> KeeperLoop::LiveDescendants() {
  absl::StatusOr<std::vector<ProcessEntry>> found = ListDescendants(getpid());
  if (!found.ok()) {
    if (!std::exchange(complained_, true)) LastWords(found.status().message());
    return {};
  }
  std::erase_if(*found, [](const ProcessEntry& p) { return p.ended; });
  return *std::move(found);
}

bool KeeperLoop::NoteSwept(const ProcessEntry& process) {
  if (!signalled_.emplace(process.pid, process.start_time).second) {
    return false;
  }
  // A worker's end is reported as its exit.
  if (workers_.count(process.pid) == 0) swept_.push_back(process);
  return true;
}

void KeeperLoop::TerminateDescendants() {
  for (const ProcessEntry& process : LiveDescendants()) {
    if (!NoteSwept(process)) continue;
    SignalProcess(process, SIGTERM);
    SignalProcess(process, SIGCONT);
  }
}

void KeeperLoop::KillDescendants() {
  SignalWorkers(SIGKILL);  // also where /proc cannot be read
  for (const ProcessEntry& process : LiveDescendants()) {
    NoteSwept(process);
    SignalProcess(process, SIGKILL);
  }
}

void KeeperLoop::ReportSwept() {
  std::set<std::pair<pid_t, uint64_t>> alive;
  if (children_) {
    for (const ProcessEntry& process : LiveDescendants()) {
      alive.emplace(process.pid, process.start_time);
    }
  }
  std::vector<Killed> killed;
  for (const ProcessEntry& process : swept_) {
    const bool gone = alive.count({process.pid, process.start_time}) == 0;
    killed.push_back({process.pid, process.name, gone});
    if (!gone) {
      LastWords(absl::StrCat("process ", process.pid, " (", process.name,
                             ") does not die of SIGKILL: the kernel holds it"));
    }
  }
  signalled_.clear();
  swept_.clear();
  Send(EncodeFinished(killed));
}

void KeeperLoop::Apply(const StopSequence::Effects& effects) {
  for (const Effect effect : effects) {
    switch (effect) {
      case Effect::kTerminateWorkers:
        SignalWorkers(SIGTERM);
        SignalWorkers(SIGCONT);
        break;
      case Effect::kKillWorkers:
        SignalWorkers(SIGKILL);
        break;
      case Effect::kTerminateDescendants:
        TerminateDescendants();
        break;
      case Effect::kKillDescendants:
        KillDescendants();
        break;
      case Effect::kReportFinished:
      case Effect::kLeave:
        ReportSwept();
        break;
    }
  }
}

StopSequence::Census KeeperLoop::Alive() const {
  const auto workers =
      std::count_if(workers_.begin(), workers_.end(),
                    [](const auto& entry) { return !entry.second.service; });
  return {static_cast<int>(workers), children_};
}

}  // namespace muster::process
