#include "launcher/collect_command.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "asio/signal_set.hpp"
#include "asio/steady_timer.hpp"
#include "launcher/collector/collector_service.h"
#include "launcher/exit_codes.h"
#include "launcher/history/history_service.h"
#include "launcher/port_owner.h"
#include "launcher/size.h"
#include "launcher/terminal/status_line.h"
#include "launcher/text.h"
#include "rendezvous/host_port.h"
#include "rendezvous/reach.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

constexpr std::chrono::milliseconds kProgressInterval{500};

int Complain(int exit_code, absl::string_view text) {
  fprintf(stderr, "muster: %s\n", std::string(text).c_str());
  return exit_code;
}

// So many logs may be open; the rest is for connections and files.
size_t MostOpenLogs() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 64;
  return std::clamp<size_t>(limit.rlim_cur / 8, 16, 1024);
}

// Job: what people see while it collects: a line for each thing that happens,
// and on a terminal one that shows how much comes in.
// Threads: the main one.
class Display {
 public:
  void Say(const std::string& line) {
    line_.Clear();
    printf("%s\n", line.c_str());
    fflush(stdout);
  }
  void Warn(const std::string& line) {
    line_.Clear();
    fprintf(stderr, "muster: %s\n", line.c_str());
  }

  // Every kProgressInterval: bytes since the start.
  void Progress(uint64_t logs, uint64_t files) {
    const uint64_t bytes = logs + files;
    const uint64_t more = bytes - std::exchange(bytes_, bytes);
    if (more == 0) return line_.Clear();
    const uint64_t rate = more * 1000 / kProgressInterval.count();
    line_.Show(absl::StrCat(ShortSize(logs), " of logs, ", ShortSize(files),
                            " of files, ", ShortSize(rate), "/s"));
  }

 private:
  terminal::StatusLine line_;
  uint64_t bytes_ = 0;
};

// Job: one process that collects, from its start to its exit code.
// Threads: the main one; the service's callbacks are posted to it.
class CollectProcess {
 public:
  CollectProcess(const CollectCommand& command,
                 const rendezvous::Credentials& credentials)
      : command_(command), credentials_(credentials) {}

  int Run() {
    int code = OpenStore();
    if (code == kSuccess) code = Listen();
    if (code != kSuccess) return code;
    AwaitSignal();
    Tick();
    loop_.run();
    service_->Shutdown();
    server_->Shutdown(std::chrono::system_clock::now());
    history_->Shutdown();
    return exit_code_;
  }

 private:
  int OpenStore() {
    auto store = collector::RunStore::Open({.directory = command_.directory,
                                            .run_quota = command_.run_quota,
                                            .exclusive = true,
                                            .most_open_logs = MostOpenLogs()});
    if (store.ok()) {
      store_ = *std::move(store);
      return kSuccess;
    }
    const bool taken = absl::IsAlreadyExists(store.status());
    const bool broken = collector::IsDiskFailure(store.status());
    return Complain(taken ? kConfig : (broken ? kInternal : kUsage),
                    absl::StrCat("--dir ", Printable(command_.directory),
                                 taken ? ": another collector is there: "
                                       : " can't be used: ",
                                 Printable(store.status().message())));
  }

  int Listen() {
    const auto addresses =
        rendezvous::Resolve(command_.host, static_cast<int>(command_.port));
    if (!addresses.ok()) {
      return Complain(kUsage,
                      absl::StrCat("--listen: ", addresses.status().message()));
    }
    service_ = std::make_unique<collector::CollectorService>(std::move(store_),
                                                             Options());
    history_ = std::make_unique<history::HistoryService>(
        history::HistoryOptions{.run_dir = command_.directory});
    const std::vector<grpc::Service*> services = {service_.get(),
                                                  history_.get()};
    const std::string& address = addresses->front();
    auto listening = rendezvous::Listen(
        address, static_cast<int>(command_.port), credentials_, services);
    if (!listening.ok()) return ListenProblem(listening.status());
    server_ = std::move(listening->server);
    display_.Say(absl::StrCat(
        "collecting into ", Printable(command_.directory), ", listening on ",
        rendezvous::HostPort(address, static_cast<uint32_t>(listening->port))));
    return kSuccess;
  }

  int ListenProblem(const absl::Status& status) const {
    const std::string where =
        absl::StrCat("--listen ", Printable(command_.host), ":", command_.port);
    if (absl::IsAlreadyExists(status)) {
      const std::string owner = PortOwner(command_.port);
      return Complain(
          kConfig,
          absl::StrCat(where, ": ", owner.empty() ? "another process" : owner,
                       " listens there; end it or give another port"));
    }
    if (absl::IsFailedPrecondition(status)) {
      return Complain(kUsage,
                      absl::StrCat(where,
                                   ": this host has no such address; `ip "
                                   "address` lists what it has"));
    }
    if (absl::IsPermissionDenied(status)) {
      return Complain(kUsage, absl::StrCat(where,
                                           ": this user may not use that port; "
                                           "give one above 1023"));
    }
    return Complain(kInternal, absl::StrCat(where, ": ", status.message()));
  }

  collector::CollectorOptions Options() {
    collector::CollectorOptions options;
    options.on_run_begins = [this](const std::string& run, bool is_new) {
      Later([this, run, is_new] {
        display_.Say(
            absl::StrCat("run ", run, is_new ? " begins" : " goes on"));
      });
    };
    options.on_run_over = [this](const std::string& run,
                                 const collector::LogTotals& logs) {
      Later([this, run, logs] {
        problems_.erase(run);
        display_.Say(absl::StrCat(
            "run ", run, " is over: ", ShortSize(logs.stored), " of logs",
            logs.gaps == 0
                ? ""
                : absl::StrCat(", ", ShortSize(logs.gaps), " missing")));
      });
    };
    options.on_problem = [this](const std::string& run,
                                const absl::Status& why) {
      if (absl::IsCancelled(why)) return;  // it comes again by itself
      Later([this, run, why] { Problem(run, why); });
    };
    options.on_fatal = [this](const absl::Status& why) {
      Later([this, why] {
        display_.Warn(Printable(why.message()));
        Leave(kInternal);
      });
    };
    return options;
  }

  // Nodes that are refused come again and again: said once.
  void Problem(const std::string& run, const absl::Status& why) {
    constexpr size_t kMostRuns = 1000;
    if (problems_.size() >= kMostRuns) problems_.clear();
    const std::string text(why.message());
    if (std::exchange(problems_[run], text) == text) return;
    display_.Warn(absl::StrCat(
        run.empty() ? "" : absl::StrCat("run ", Printable(run), ": "),
        Printable(text)));
  }

  void Later(absl::AnyInvocable<void()> function) {
    asio::post(loop_, std::move(function));
  }

  void AwaitSignal() {
    signals_.async_wait([this](const std::error_code& error, int) {
      if (!error) Leave(kSuccess);
    });
  }

  void Tick() {
    timer_.expires_after(kProgressInterval);
    timer_.async_wait([this](const std::error_code& error) {
      if (error) return;
      display_.Progress(service_->log_bytes(), service_->file_bytes());
      ReturnMemory();
      Tick();
    });
  }

  // What a thousand nodes had under way is of no use while they are silent; by
  // itself the allocator would keep it.
  void ReturnMemory() {
    const uint64_t bytes = service_->log_bytes() + service_->file_bytes();
    if (std::exchange(bytes_, bytes) != bytes) {
      was_busy_ = true;
    } else if (std::exchange(was_busy_, false)) {
      malloc_trim(0);
    }
  }

  void Leave(int exit_code) {
    exit_code_ = exit_code;
    loop_.stop();
  }

  const CollectCommand& command_;
  const rendezvous::Credentials& credentials_;
  asio::io_context loop_;
  asio::signal_set signals_{loop_, SIGINT, SIGTERM, SIGHUP};
  asio::steady_timer timer_{loop_};
  Display display_;
  std::map<std::string, std::string> problems_;  // the last one of each run
  uint64_t bytes_ = 0;                           // at the last tick
  bool was_busy_ = false;
  int exit_code_ = kSuccess;
  std::unique_ptr<collector::RunStore> store_;
  std::unique_ptr<collector::CollectorService> service_;
  std::unique_ptr<history::HistoryService> history_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

int RunCollect(const CollectCommand& command,
               const rendezvous::Credentials& credentials) {
  return CollectProcess(command, credentials).Run();
}

}  // namespace muster::launcher
