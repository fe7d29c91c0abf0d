#include "launcher/remote_console.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "launcher/collector/console.h"
#include "launcher/log.h"

namespace muster::launcher {
namespace {

constexpr absl::Duration kRetry = absl::Milliseconds(200);

}  // namespace

RemoteConsole::RemoteConsole(std::unique_ptr<history::RunSource> source,
                             std::string run_id, Console mode)
    : source_(std::move(source)),
      run_id_(std::move(run_id)),
      mode_(mode),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      is_over_(over_.get_future()),
      thread_([this] { Run(); }) {}

RemoteConsole::~RemoteConsole() { Finish(std::chrono::milliseconds(0)); }

void RemoteConsole::Finish(std::chrono::milliseconds timeout) {
  if (!thread_.joinable()) return;
  if (is_over_.wait_for(timeout) != std::future_status::ready) {
    const uint64_t one = 1;
    (void)!write(stop_.get(), &one, sizeof one);
  }
  thread_.join();
}

void RemoteConsole::Run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are for the agent
  LogsRequest request;
  request.set_run_id(run_id_);
  request.set_follow(true);
  request.add_kinds(STREAM_STDOUT);
  request.add_kinds(STREAM_STDERR);
  if (mode_ == CONSOLE_FIRST) request.add_ranks(0);
  // The coordinator's first word to the collector may be still on its way.
  absl::Status ended;
  do {
    const auto feed = source_->Logs(request);
    ended = feed.ok() ? Follow(**feed) : feed.status();
  } while (absl::IsNotFound(ended) && WaitFor(-1, absl::Now() + kRetry));
  if (!ended.ok() && !absl::IsNotFound(ended)) {
    spdlog::warn("the workers' output is not shown here any more: {}",
                 std::string(ended.message()));
  }
  over_.set_value();
}

absl::Status RemoteConsole::Follow(history::LogFeed& feed) {
  collector::ConsoleWriter writer(STDOUT_FILENO);
  collector::ConsolePrinter printer(
      mode_, [&writer](absl::string_view lines) { writer.Write(lines); });
  LogPiece piece;
  std::set<std::pair<uint32_t, bool>> seen;
  for (bool goes_on = true; goes_on;) {
    const auto step = feed.Next(&piece);
    if (!step.ok()) return step.status();
    if (*step == history::Step::kOver) break;
    if (*step == history::Step::kNothing) {
      goes_on = WaitFor(feed.fd(), feed.next_look());
    } else if (piece.has_data()) {
      const bool is_stderr = piece.log().kind() == STREAM_STDERR;
      printer.Write(piece.log().number(), is_stderr, piece.data());
      seen.emplace(piece.log().number(), is_stderr);
    }
  }
  for (const auto& [rank, is_stderr] : seen) printer.End(rank, is_stderr);
  return absl::OkStatus();
}

bool RemoteConsole::WaitFor(int fd, absl::Time until) {
  std::array<pollfd, 2> polled = {pollfd{.fd = stop_.get(), .events = POLLIN},
                                  pollfd{.fd = fd, .events = POLLIN}};
  const int64_t wait = absl::ToInt64Milliseconds(
      std::clamp(until - absl::Now(), absl::ZeroDuration(), absl::Hours(1)));
  poll(polled.data(), polled.size(), static_cast<int>(wait) + 1);
  return (polled[0].revents & POLLIN) == 0;
}

}  // namespace muster::launcher
