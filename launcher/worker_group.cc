#include "launcher/worker_group.h"

#include <unistd.h>

#include <csignal>
#include <utility>

#include "absl/time/time.h"
#include "launcher/duration.h"
#include "launcher/exit_codes.h"
#include "launcher/log.h"
#include "launcher/process/orphans.h"
#include "launcher/process/reaping.h"

namespace muster::launcher {

WorkerGroup::WorkerGroup(asio::io_context& loop, process::KeeperHandle keeper,
                         std::chrono::milliseconds grace,
                         WorkerGroupCallbacks callbacks)
    : loop_(loop),
      callbacks_(std::move(callbacks)),
      drain_(loop),
      keeper_pid_(keeper.pid) {
  keeper_.emplace(
      loop, std::move(keeper),
      process::KeeperCallbacks{
          .on_spawned = [this](uint32_t rank, pid_t pid, int out,
                               int err) { Spawned(rank, pid, out, err); },
          .on_spawn_failed =
              [this](uint32_t rank, const process::SpawnFailure& failure) {
                WorkerNotStarted event;
                event.set_rank(rank);
                event.set_error(failure.error);
                event.set_exit_code(failure.ExitCode());
                event.set_message(failure.Message());
                callbacks_.on_not_started(event);
                Ended(rank);
              },
          .on_exited =
              [this](uint32_t rank, pid_t pid, process::ExitStatus status) {
                Exited(rank, pid, status);
              },
          .on_finished =
              [this](const std::vector<process::Killed>& killed) {
                Gone(killed);
              },
          .on_lost =
              [this](const absl::Status& why) {
                KeeperLost(std::string(why.message()));
              }});
  keeper_->SetOrphanGrace(absl::FromChrono(grace));
}

void WorkerGroup::Start(std::vector<WorkerPlan> plans, int held_port,
                        const std::vector<int>& task_ports) {
  if (!plans.empty()) Expect(plans.front().rank, plans.size());
  for (size_t i = 0; i < plans.size(); ++i) {
    std::vector<int> held;
    if (held_port >= 0) held.push_back(std::exchange(held_port, -1));
    if (i < task_ports.size()) held.push_back(task_ports[i]);
    StartWorker(std::move(plans[i]), std::move(held));
  }
}

void WorkerGroup::Expect(uint32_t first_rank, uint32_t count) {
  started_ = true;
  left_ = count;
  for (uint32_t i = 0; i < count; ++i) workers_[first_rank + i];
}

void WorkerGroup::StartWorker(WorkerPlan plan, std::vector<int> held_ports) {
  workers_[plan.rank].asked = true;
  process::SpawnRequest request;
  request.id = plan.rank;
  request.argv = std::move(plan.argv);
  request.env.assign(plan.environment.begin(), plan.environment.end());
  request.processors = std::move(plan.processors);
  request.held_fds = std::move(held_ports);
  keeper_->Spawn(std::move(request));
}

void WorkerGroup::Forgo(const std::string& why) {
  for (auto& [rank, worker] : workers_) {
    if (worker.asked || worker.ended) continue;
    WorkerNotStarted event;
    event.set_rank(rank);
    event.set_exit_code(kNotExecutable);
    event.set_message(why);
    callbacks_.on_not_started(event);
    Ended(rank);
  }
}

void WorkerGroup::Finish() {
  if (!gone_) keeper_->Finish();
}

void WorkerGroup::StartService(process::SpawnRequest request,
                               process::ProcessCallbacks callbacks) {
  keeper_->Spawn(std::move(request), std::move(callbacks));
}

void WorkerGroup::SignalService(uint32_t id, int signo) {
  keeper_->Signal(id, signo);
}

void WorkerGroup::Stop(std::chrono::milliseconds grace) {
  if (active()) keeper_->Stop(absl::FromChrono(grace));
}

void WorkerGroup::SignalAll(int signo) {
  if (active()) keeper_->SignalAll(signo);
}

void WorkerGroup::RemoveAtEnd(const std::string& directory) {
  keeper_->RemoveAtEnd(directory);
}

void WorkerGroup::Close() {
  keeper_.reset();
  process::AwaitKeeper(keeper_pid_, absl::Seconds(10));
}

void WorkerGroup::ReapStrays() { process::ReapStrays(keeper_pid_); }

template <typename Function>
void WorkerGroup::ForEachOpenOutput(Function function) {
  for (auto& [rank, worker] : workers_) {
    for (Output* output : {&worker.out, &worker.err}) {
      if (!output->ended) function(rank, *output);
    }
  }
}

void WorkerGroup::PauseOutput(bool paused) {
  if (paused == paused_) return;
  paused_ = paused;
  ForEachOpenOutput([paused](uint32_t, Output& output) {
    paused ? output.reader->Pause() : output.reader->Resume();
  });
}

void WorkerGroup::Read(uint32_t rank, bool is_stderr, int fd) {
  Output& output = is_stderr ? workers_[rank].err : workers_[rank].out;
  output.ended = false;
  output.reader = std::make_unique<streams::PipeReader>(
      loop_, buffer_, fd,
      streams::PipeReader::Callbacks{
          .on_bytes =
              [this, rank, is_stderr](absl::string_view bytes) {
                if (is_stderr) workers_[rank].tail.Append(bytes);
                callbacks_.on_output(rank, is_stderr, bytes);
              },
          .on_end = [this, rank, is_stderr] { OutputEnded(rank, is_stderr); }});
  if (paused_) output.reader->Pause();
}

void WorkerGroup::OutputEnded(uint32_t rank, bool is_stderr) {
  Worker& worker = workers_[rank];
  (is_stderr ? worker.err : worker.out).ended = true;
  callbacks_.on_output_end(rank, is_stderr, pipe_end_);
  AwaitOutput();
}

void WorkerGroup::Spawned(uint32_t rank, pid_t pid, int stdout_fd,
                          int stderr_fd) {
  Worker& worker = workers_[rank];
  worker.pid = pid;
  Read(rank, false, stdout_fd);
  Read(rank, true, stderr_fd);
  WorkerStarted event;
  event.set_rank(rank);
  event.set_pid(pid);
  callbacks_.on_started(event);
}

void WorkerGroup::Exited(uint32_t rank, pid_t pid, process::ExitStatus status) {
  Worker& worker = workers_[rank];
  // What it wrote before its end is in the pipes by now, and its last lines
  // belong into the report.
  worker.out.reader->DrainNow();
  worker.err.reader->DrainNow();
  WorkerExited event;
  event.set_rank(rank);
  event.set_pid(pid);
  process::SetEnd(status, &event);
  event.set_stderr_tail(std::string(worker.tail.bytes()));
  callbacks_.on_exited(event);
  Ended(rank);
}

void WorkerGroup::Ended(uint32_t rank) {
  workers_[rank].ended = true;
  if (--left_ == 0) callbacks_.on_ended();
}

void WorkerGroup::KeeperLost(const std::string& why) {
  if (gone_) return;
  callbacks_.on_keeper_lost(why);
  const auto killed = process::KillDescendants(getpid());
  for (auto& [rank, worker] : workers_) {
    if (worker.ended) continue;
    worker.ended = true;
    WorkerExited event;
    event.set_rank(rank);
    event.set_pid(worker.pid);
    event.set_signal(SIGKILL);
    callbacks_.on_exited(event);
  }
  Gone(killed.ok() ? *killed : std::vector<process::Killed>());
}

void WorkerGroup::Gone(const std::vector<process::Killed>& killed) {
  if (gone_) return;
  gone_ = true;
  // What the dead have left in the pipes is read whether paused or not.
  ForEachOpenOutput(
      [](uint32_t, Output& output) { output.reader->DrainNow(); });
  PauseOutput(false);
  killed_ = killed;
  AwaitOutput();
  if (!killed_) return;
  ForEachOpenOutput([](uint32_t rank, Output&) {
    spdlog::info(
        "a process outside of the job holds the output of rank {}; it is "
        "waited for {} at most",
        rank, ShortDuration(absl::FromChrono(kDrainTime)));
  });
  drain_.expires_after(kDrainTime);
  drain_.async_wait([this](asio::error_code error) {
    if (!error) AbandonOutput();
  });
}

void WorkerGroup::AwaitOutput() {
  if (!killed_) return;
  bool open = false;
  ForEachOpenOutput([&open](uint32_t, Output&) { open = true; });
  if (open) return;
  drain_.cancel();
  callbacks_.on_gone(*std::exchange(killed_, std::nullopt));
}

void WorkerGroup::AbandonOutput() {
  pipe_end_ = STREAM_END_ABANDONED;
  ForEachOpenOutput([](uint32_t, Output& output) { output.reader->Abandon(); });
}

void WorkerGroup::Hurry() {
  if (killed_) AbandonOutput();
}

}  // namespace muster::launcher
