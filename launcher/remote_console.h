// The workers' output on this node's standard output, where the collector is
// elsewhere.
#ifndef MUSTER_LAUNCHER_REMOTE_CONSOLE_H_
#define MUSTER_LAUNCHER_REMOTE_CONSOLE_H_

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "launcher/history/run_source.h"
#include "launcher/process/unique_fd.h"
#include "proto/job.pb.h"

namespace muster::launcher {

// Job: follows a run's logs at its collector and prints them by lines, as a
// collector in this process would.
// Life cycle: works from construction on; Finish when the run's report is
// there.
// Threads: construct, Finish and destroy on one; a thread of its own reads and
// prints.
// Ownership: owns the source.
class RemoteConsole {
 public:
  RemoteConsole(std::unique_ptr<history::RunSource> source, std::string run_id,
                Console mode);
  ~RemoteConsole();
  RemoteConsole(const RemoteConsole&) = delete;
  RemoteConsole& operator=(const RemoteConsole&) = delete;

  // Waits until everything is shown, or as long as that.
  void Finish(std::chrono::milliseconds timeout);

 private:
  void Run();
  // Errors: those of the feed.
  absl::Status Follow(history::LogFeed& feed);
  // False when it is time to end.
  bool WaitFor(int fd, absl::Time until);

  const std::unique_ptr<history::RunSource> source_;
  const std::string run_id_;
  const Console mode_;
  const process::UniqueFd stop_;  // readable when it is time to end
  std::promise<void> over_;
  std::future<void> is_over_;
  std::thread thread_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_REMOTE_CONSOLE_H_
