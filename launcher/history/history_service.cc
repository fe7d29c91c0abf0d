#include "launcher/history/history_service.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/history/file_reader.h"
#include "launcher/history/history_calls.h"
#include "launcher/history/lists.h"
#include "launcher/history/log_reader.h"
#include "launcher/history/run_files.h"

namespace muster::history {
namespace {

// For calls that are not served: owns itself.
template <typename Reply>
class Refusal final : public grpc::ServerWriteReactor<Reply> {
 public:
  explicit Refusal(const absl::Status& why) { this->Finish(ToGrpc(why)); }
  void OnDone() override { delete this; }
};

template <typename Reply, typename Made>
typename HistoryCall<Reply>::Opened AsProducer(absl::StatusOr<Made> made) {
  if (!made.ok()) return made.status();
  return std::unique_ptr<Producer<Reply>>(*std::move(made));
}

// Of runs where none can be yet.
class NoRuns final : public Producer<RunSummary> {
 public:
  absl::StatusOr<Step> Next(RunSummary*) override { return Step::kOver; }
};

absl::StatusOr<Fd> OpenServedRun(const HistoryOptions& options,
                                 const std::string& run_id) {
  const absl::StatusOr<Fd> run_dir = OpenDirectory(options.run_dir);
  const bool shown = options.only_run.empty() || options.only_run == run_id;
  if (absl::IsNotFound(run_dir.status()) || (run_dir.ok() && !shown)) {
    if (IsRunId(run_id)) {
      return absl::NotFoundError(absl::StrCat("no run ", run_id, " is there"));
    }
  }
  if (!run_dir.ok()) return run_dir.status();
  return OpenRun(run_dir->get(), run_id);
}

}  // namespace

struct HistoryService::Worker : HistoryWorker {};

// How many calls there are.
struct HistoryService::Calls {
  explicit Calls(size_t most) : max_calls(most) {}

  // Makes the call with `make`, or refuses it.
  template <typename Reply, typename Make>
  grpc::ServerWriteReactor<Reply>* Admit(Make make) {
    absl::Status refused;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      if (closed) {
        refused = absl::UnavailableError("the collector is leaving");
      } else if (open == max_calls) {
        refused = absl::ResourceExhaustedError(
            absl::StrCat("the collector serves ", max_calls,
                         " readers already; try again later"));
      } else {
        ++open;
        // Under the lock, so that the worker's thread is still there.
        const std::shared_ptr<HistoryCall<Reply>> call = make([this] {
          const std::lock_guard<std::mutex> gone(mutex);
          if (--open == 0) idle.notify_all();
        });
        call->Start();
        return call.get();
      }
    }
    return new Refusal<Reply>(refused);
  }

  const size_t max_calls;
  std::mutex mutex;
  std::condition_variable idle;  // open became 0
  bool closed = false;           // guarded by mutex
  size_t open = 0;               // guarded by mutex
};

HistoryService::HistoryService(HistoryOptions options)
    : options_(std::move(options)),
      calls_(std::make_unique<Calls>(options_.max_calls)),
      lists_(std::make_unique<Worker>()),
      reads_(std::make_unique<Worker>()) {}

HistoryService::~HistoryService() { Shutdown(); }

void HistoryService::Drain(absl::Duration most) {
  std::unique_lock<std::mutex> lock(calls_->mutex);
  calls_->idle.wait_for(lock, absl::ToChronoMilliseconds(most),
                        [this] { return calls_->open == 0; });
}

void HistoryService::Shutdown() {
  {
    const std::lock_guard<std::mutex> lock(calls_->mutex);
    calls_->closed = true;
  }
  lists_->Stop();
  reads_->Stop();
}

grpc::ServerWriteReactor<RunSummary>* HistoryService::ListRuns(
    grpc::CallbackServerContext* /*context*/, const ListRunsRequest* request) {
  return calls_->Admit<RunSummary>([&](std::function<void()> on_gone) {
    return std::make_shared<HistoryCall<RunSummary>>(
        lists_.get(),
        [this, request = *request](
            const std::function<void()>&) -> HistoryCall<RunSummary>::Opened {
          absl::StatusOr<Fd> run_dir = OpenDirectory(options_.run_dir);
          if (absl::IsNotFound(run_dir.status())) {
            return std::make_unique<NoRuns>();
          }
          if (!run_dir.ok()) return run_dir.status();
          return AsProducer<RunSummary>(
              RunLister::Open(*std::move(run_dir), request, options_.only_run));
        },
        std::move(on_gone));
  });
}

grpc::ServerWriteReactor<FileList>* HistoryService::ListFiles(
    grpc::CallbackServerContext* /*context*/, const ListFilesRequest* request) {
  return calls_->Admit<FileList>([&](std::function<void()> on_gone) {
    return std::make_shared<HistoryCall<FileList>>(
        lists_.get(),
        [this, request = *request](
            const std::function<void()>&) -> HistoryCall<FileList>::Opened {
          const absl::StatusOr<Fd> run =
              OpenServedRun(options_, request.run_id());
          if (!run.ok()) return run.status();
          return AsProducer<FileList>(FileLister::Open(run->get(), request));
        },
        std::move(on_gone));
  });
}

grpc::ServerWriteReactor<ReadChunk>* HistoryService::Read(
    grpc::CallbackServerContext* /*context*/, const ReadRequest* request) {
  return calls_->Admit<ReadChunk>([&](std::function<void()> on_gone) {
    return std::make_shared<HistoryCall<ReadChunk>>(
        reads_.get(),
        [this, request = *request](
            const std::function<void()>&) -> HistoryCall<ReadChunk>::Opened {
          const absl::StatusOr<Fd> run =
              OpenServedRun(options_, request.run_id());
          if (!run.ok()) return run.status();
          return AsProducer<ReadChunk>(FileReader::Open(run->get(), request));
        },
        std::move(on_gone));
  });
}

grpc::ServerWriteReactor<LogPiece>* HistoryService::Logs(
    grpc::CallbackServerContext* /*context*/, const LogsRequest* request) {
  return calls_->Admit<LogPiece>([&](std::function<void()> on_gone) {
    return std::make_shared<HistoryCall<LogPiece>>(
        reads_.get(),
        [this, request = *request](
            std::function<void()> on_news) -> HistoryCall<LogPiece>::Opened {
          absl::StatusOr<Fd> run = OpenServedRun(options_, request.run_id());
          if (!run.ok()) return run.status();
          return std::make_unique<LogReader>(
              *std::move(run), request, &reads_->watch(), std::move(on_news));
        },
        std::move(on_gone));
  });
}

}  // namespace muster::history
