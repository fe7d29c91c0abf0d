#include "launcher/collector/collector_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/collector/grpc_status.h"

namespace muster::collector {
namespace {

// What all nodes together may have under way, and each of them.
constexpr uint64_t kAllWindows = uint64_t{512} << 20;
constexpr uint64_t kLeastWindow = uint64_t{1} << 20;
constexpr uint64_t kMostWindow = uint64_t{64} << 20;
// For peers that are told that the collector leaves.
constexpr std::chrono::seconds kPatience{1};

// Files in ./logs that are open at a time.
constexpr size_t kMostFollowed = 256;

absl::Status Leaving() {
  return absl::UnavailableError("the collector is leaving");
}

// A call that is refused at once: owns itself.
template <typename Up, typename Down>
class Refusal final : public grpc::ServerBidiReactor<Up, Down> {
 public:
  explicit Refusal(const absl::Status& why) { this->Finish(ToGrpc(why)); }
  void OnDone() override { delete this; }
};

}  // namespace

CollectorService::CollectorService(std::unique_ptr<RunStore> store,
                                   CollectorOptions options)
    : store_(std::move(store)),
      options_(std::move(options)),
      writer_(options_.console_fd),
      console_(options_.console,
               [this](absl::string_view lines) { writer_.Write(lines); }),
      followed_(kMostFollowed),
      files_({.admit =
                  [this](const Introduction& introduction) {
                    return AdmitFiles(introduction);
                  },
              .on_disk_failed =
                  [this](const absl::Status& why) { DiskFailed(why); }}) {}

CollectorService::~CollectorService() { Shutdown(); }

void CollectorService::Shutdown() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  loop_.Post([this] {
    leaving_ = true;
    // What ends is taken out of the map later.
    for (auto& [stream, session] : sessions_) stream->End(Leaving());
    console_.EndAll();
  });
  const auto is_idle = [this] { return open_ == 0; };
  std::unique_lock<std::mutex> lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, is_idle)) {
    lock.unlock();
    loop_.Post([this] {
      for (auto& [stream, session] : sessions_) stream->Cancel();
    });
    lock.lock();
  }
  changed_.wait(lock, is_idle);
  lock.unlock();
  files_.Shutdown();
  sync_.Join();
  loop_.Join();
}

// ---- calls, on gRPC's threads ----

absl::Status CollectorService::OpenCall() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!disk_failure_.ok()) return disk_failure_;
  if (closed_) return Leaving();
  ++open_;
  return absl::OkStatus();
}

void CollectorService::CloseCall() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (--open_ == 0) changed_.notify_all();
}

void CollectorService::DiskFailed(const absl::Status& why) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!disk_failure_.ok()) return;
    disk_failure_ =
        options_.is_restarted ? why : absl::InternalError(why.message());
  }
  loop_.Post([this, why] {
    if (options_.on_fatal) options_.on_fatal(why);
  });
}

absl::Status CollectorService::disk_failure() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return disk_failure_;
}

grpc::ServerBidiReactor<LogUp, LogDown>* CollectorService::Logs(
    grpc::CallbackServerContext* context) {
  const absl::Status open = OpenCall();
  if (!open.ok()) return new Refusal<LogUp, LogDown>(open);
  LogsHost* const host = this;
  auto owner = std::make_unique<LogsStream>(host, context);
  LogsStream* const stream = owner.get();
  loop_.Post(
      [this, owner = std::move(owner)]() mutable { Add(std::move(owner)); });
  return stream;
}

grpc::ServerBidiReactor<FileUp, FileDown>* CollectorService::Files(
    grpc::CallbackServerContext* context) {
  return files_.Files(context);
}

grpc::ServerUnaryReactor* CollectorService::Record(
    grpc::CallbackServerContext* context, const RecordUpdate* request,
    RecordReply* /*reply*/) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (const absl::Status open = OpenCall(); !open.ok()) {
    reactor->Finish(ToGrpc(open));
    return reactor;
  }
  sync_.Post([this, reactor, request] {
    const absl::Status status = WriteRecord(*request);
    if (IsDiskFailure(status)) DiskFailed(status);
    if (!status.ok()) {
      loop_.Post([this, run_id = request->run_id(), status] {
        if (options_.on_problem) options_.on_problem(run_id, status);
      });
    }
    reactor->Finish(ToGrpc(status));  // the request is gone after this
    loop_.Post([this] { CloseCall(); });
  });
  return reactor;
}

// ---- the sync thread ----

absl::Status CollectorService::WriteRecord(const RecordUpdate& update) {
  const absl::StatusOr<std::shared_ptr<Run>> opened =
      store_->OpenOrCreate(update.run_id(), update.run_key());
  if (!opened.ok()) return opened.status();
  const std::shared_ptr<Run>& run = *opened;
  loop_.Post([this, run] { Announce(*run); });
  const absl::Status written =
      run->WriteDocument(update.document(), update.content(), update.offset());
  if (IsDiskFailure(written)) run->Break(written);
  if (written.ok() && update.document() == RECORD_REPORT) {
    loop_.Post([this, run] { LookIfOver(run); });
  }
  return written;
}

// ---- the collector's thread ----

void CollectorService::Post(absl::AnyInvocable<void()> function) {
  loop_.Post(std::move(function));
}

uint64_t CollectorService::WindowBytes() const {
  return std::clamp(kAllWindows / std::max<uint64_t>(sessions_.size(), 1),
                    kLeastWindow, kMostWindow);
}

void CollectorService::Add(std::unique_ptr<LogsStream> stream) {
  LogsStream* const added = stream.get();
  sessions_[added].stream = std::move(stream);
  added->Start([this, added](const Introduction& introduction) {
    return Admit(added, introduction);
  });
  if (leaving_) added->End(Leaving());
}

absl::StatusOr<LogIntake::Admitted> CollectorService::Admit(
    LogsStream* stream, const Introduction& introduction) {
  Session& session = sessions_[stream];
  session.run_id = introduction.run_id();
  session.node = {introduction.attempt(), introduction.node_rank()};
  if (absl::Status failure = disk_failure(); !failure.ok()) return failure;
  absl::StatusOr<std::shared_ptr<Run>> admitted = store_->Admit(introduction);
  if (!admitted.ok()) return admitted.status();
  const std::shared_ptr<Run> run = *std::move(admitted);

  Desk& desk = DeskOf(run);
  absl::Status status = run->problem();
  // A commit that fails has not been told of yet.
  if (!status.ok() && !desk.committer->IsBusy()) status = run->Recover();
  // The earlier stream ends before it is said where things are.
  const auto earlier = desk.streams.find(session.node);
  if (status.ok() && earlier != desk.streams.end()) {
    earlier->second->End(absl::CancelledError(absl::StrCat(
        "a later stream of node ", introduction.node_rank(), " took over")));
  }
  const absl::StatusOr<uint32_t> node =
      status.ok() ? run->Enter(introduction) : status;
  if (!node.ok()) {
    Tidy(desk);
    return node.status();
  }
  desk.streams[session.node] = stream;
  session.desk = &desk;
  stream->SetCommitter(desk.committer.get());
  if (!run->has_report()) Announce(*run);
  return LogIntake::Admitted{
      .run = run,
      .node = *node,
      .console = run->run_id() == options_.console_run ? &console_ : nullptr};
}

CollectorService::Desk& CollectorService::DeskOf(
    const std::shared_ptr<Run>& run) {
  const auto [found, is_new] = desks_.try_emplace(run.get());
  Desk& desk = found->second;
  if (!is_new) return desk;
  desk.run = run;
  desk.committer = std::make_unique<Committer>(
      run,
      Committer::Environment{.elsewhere =
                                 [this](absl::AnyInvocable<void()> f) {
                                   sync_.Post(std::move(f));
                                 },
                             .later =
                                 [this](absl::AnyInvocable<void()> f) {
                                   loop_.Post(std::move(f));
                                 },
                             .after =
                                 [this](std::chrono::steady_clock::duration d,
                                        absl::AnyInvocable<void()> f) {
                                   return loop_.PostAfter(d, std::move(f));
                                 },
                             .on_over =
                                 [this, &desk](const absl::Status& status) {
                                   CommitOver(desk, status);
                                 }});
  const std::lock_guard<std::mutex> lock(mutex_);
  ++open_;
  return desk;
}

// What holds for all of a run's streams.
void CollectorService::CommitOver(Desk& desk, const absl::Status& status) {
  if (!status.ok()) {
    // Each takes itself out of the map.
    while (!desk.streams.empty()) desk.streams.begin()->second->End(status);
    if (!absl::IsResourceExhausted(status)) DiskFailed(status);
  }
  Tidy(desk);
}

void CollectorService::Ended(LogsStream* stream, const absl::Status& why) {
  Session& session = sessions_[stream];
  if (!why.ok() && options_.on_problem) {
    options_.on_problem(session.run_id, why);
  }
  if (IsDiskFailure(why)) DiskFailed(why);
  if (session.desk == nullptr) return;
  Desk& desk = *std::exchange(session.desk, nullptr);
  desk.committer->Forget(stream);
  const auto found = desk.streams.find(session.node);
  if (found != desk.streams.end() && found->second == stream) {
    desk.streams.erase(found);
  }
  // A write can find a broken disk as well as a commit.
  absl::Status broken;
  if (IsDiskFailure(why) && desk.run->problem().ok()) {
    desk.run->Break(why);
    broken = why;
  }
  // Later: whoever ended the stream may still use the desk.
  loop_.Post([this, run = desk.run, broken] {
    const auto desk_of_run = desks_.find(run.get());
    if (desk_of_run != desks_.end()) CommitOver(desk_of_run->second, broken);
  });
}

// Closes the desk when nobody needs it.
void CollectorService::Tidy(Desk& desk) {
  if (!desk.streams.empty() || desk.committer->IsBusy()) return;
  const std::shared_ptr<Run> run = desk.run;
  desks_.erase(run.get());
  CloseCall();
  LookIfOver(run);
}

void CollectorService::Done(LogsStream* stream) {
  sessions_.erase(stream);
  CloseCall();
}

void CollectorService::Announce(const Run& run) {
  if (!announced_.insert(run.run_id()).second) return;
  if (options_.on_run_begins) {
    options_.on_run_begins(run.run_id(), run.is_new());
  }
}

void CollectorService::LookIfOver(const std::shared_ptr<Run>& run) {
  // Nobody will report on what only dead agents left.
  const bool is_complete = run->has_report() || !run->has_key();
  if (!is_complete || desks_.count(run.get()) != 0 ||
      sending_files_.count(run.get()) != 0) {
    return;
  }
  if (announced_.erase(run->run_id()) != 0 && options_.on_run_over) {
    options_.on_run_over(run->run_id(), run->logs().Totals());
  }
  // This function's caller still holds it.
  loop_.Post([this, run_id = run->run_id()] { store_->Release(run_id); });
}

}  // namespace muster::collector
