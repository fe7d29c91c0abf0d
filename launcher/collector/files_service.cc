#include "launcher/collector/files_service.h"

#include <signal.h>

#include <array>
#include <asio/post.hpp>
#include <deque>
#include <string>

#include "absl/strings/str_cat.h"
#include "launcher/collector/file_intake.h"
#include "launcher/collector/grpc_status.h"

namespace muster::collector {
namespace {

// For streams that come after Shutdown: owns itself.
class Refusal final : public grpc::ServerBidiReactor<FileUp, FileDown> {
 public:
  Refusal() {
    Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                        "the collector is leaving"));
  }
  void OnDone() override { delete this; }
};

uint64_t BytesIn(const FileUp& message) {
  uint64_t bytes = message.data().data().size();
  for (const SmallFile& file : message.pack().files()) {
    bytes += file.data().size();
  }
  return bytes;
}

}  // namespace

// One node's stream. Everything but the reactions runs on the files thread.
class FilesService::Stream final
    : public grpc::ServerBidiReactor<FileUp, FileDown> {
 public:
  Stream(FilesService* service, grpc::CallbackServerContext* context)
      : service_(service), context_(context) {}

  void Start(uint64_t serial) {
    serial_ = serial;
    MaybeRead();
  }
  uint64_t serial() const { return serial_; }

  // The context lives until OnDone, which nothing but our Finish brings about.
  void Cancel() {
    if (!finished_) context_->TryCancel();
  }

  void OnReadDone(bool ok) override {
    asio::post(service_->loop_, [this, ok] { ReadDone(ok); });
  }
  void OnWriteDone(bool ok) override {
    asio::post(service_->loop_, [this, ok] { WriteDone(ok); });
  }
  void OnDone() override {
    asio::post(service_->loop_, [this] { service_->Remove(this); });
  }

  void WorkDone(std::unique_ptr<FileWork> work) {
    if (!intake_) return service_->GiveUp(*store_, std::move(work));
    const absl::Status done = intake_->Done(std::move(work));
    if (done.ok()) return Push();
    draining_ = false;
    if (!closing_) return Fail(done);
    if (IsDiskFailure(done)) service_->DiskFailed(done);
    Break();
  }

  // What the node's next stream may need is given back.
  void Leave() {
    intake_.reset();
    if (!store_) return;
    const auto place = service_->sending_.find({store_.get(), node_});
    if (place != service_->sending_.end() && place->second == this) {
      service_->sending_.erase(place);
    }
  }

 private:
  static constexpr size_t kMaxAnswers = 256;

  void ReadDone(bool ok) {
    reading_ = false;
    if (closing_) return;
    if (!ok) {
      return Fail(
          absl::CancelledError("the stream broke before it was finished"));
    }
    ++filled_;
    MaybeRead();
    if (filled_ == 1) Step();
  }

  void MaybeRead() {
    if (reading_ || closing_ || filled_ == slots_.size() ||
        answers_.size() > kMaxAnswers) {
      return;
    }
    reading_ = true;
    StartRead(&slots_[(first_ + filled_) % slots_.size()]);
  }

  // One message, or a part of its hole.
  void Step() {
    if (closing_ || filled_ == 0) return;
    const absl::Status taken =
        intake_ && intake_->busy() ? intake_->Continue() : Take(slots_[first_]);
    if (!taken.ok()) return Fail(taken);
    if (!intake_->busy()) {
      service_->bytes_ += BytesIn(slots_[first_]);
      slots_[first_].Clear();
      first_ = (first_ + 1) % slots_.size();
      --filled_;
    }
    Push();
    MaybeRead();
    // Others have their turn.
    if (filled_ > 0) {
      asio::post(service_->loop_, [service = service_, serial = serial_] {
        const auto found = service->streams_.find(serial);
        if (found != service->streams_.end()) found->second->Step();
      });
    }
  }

  absl::Status Take(const FileUp& message) {
    if (intake_) return intake_->Take(message);
    if (!message.has_introduction()) {
      return absl::InvalidArgumentError(
          "the first message of a stream is not its introduction");
    }
    const Introduction& introduction = message.introduction();
    absl::StatusOr<std::shared_ptr<FileStore>> store =
        service_->options_.admit(introduction);
    if (!store.ok()) return store.status();
    node_ = introduction.node_rank();
    const auto [place, is_free] =
        service_->sending_.try_emplace({store->get(), node_}, this);
    if (!is_free) {
      // It is most likely broken, and nobody has noticed yet.
      place->second->Cancel();
      return absl::AlreadyExistsError(absl::StrCat(
          "the earlier stream of node ", node_, " is not over yet"));
    }
    store_ = *std::move(store);
    intake_.emplace(*store_, node_);
    return absl::OkStatus();
  }

  // Answers to the node, and work to the worker.
  void Push() {
    if (std::unique_ptr<FileWork> work = intake_->TakeWork()) {
      RunOn(*service_->worker_, std::move(work));
    }
    if (std::unique_ptr<FileWork> work = intake_->TakeVerification()) {
      RunOn(*service_->verifier_, std::move(work));
    }
    for (FileDown& answer : intake_->TakeAnswers()) {
      answers_.push_back(std::move(answer));
    }
    if (intake_->finished() && !closing_) {
      closing_ = true;
      status_ = absl::OkStatus();
    }
    if (draining_ && !intake_->has_work_out()) {
      draining_ = false;
      Leave();
    }
    Write();
  }

  void RunOn(FileWorker& worker, std::unique_ptr<FileWork> work) {
    worker.Run(std::move(work),
               [service = service_, serial = serial_,
                store = store_](std::unique_ptr<FileWork> done) {
                 asio::post(service->loop_, [service, serial, store,
                                             done = std::move(done)]() mutable {
                   service->WorkDone(serial, std::move(store), std::move(done));
                 });
               });
  }

  void Write() {
    if (writing_ || finished_) return;
    if (!answers_.empty()) {
      writing_ = true;
      StartWrite(&answers_.front());
    } else if (closing_ && !draining_) {
      finished_ = true;
      Leave();
      Finish(ToGrpc(status_));
    }
  }

  void WriteDone(bool ok) {
    writing_ = false;
    answers_.pop_front();
    if (!ok) answers_.clear();  // the read fails as well
    Write();
    MaybeRead();
  }

  void Fail(const absl::Status& why) {
    if (closing_) return;
    closing_ = true;
    status_ = why;
    if (IsDiskFailure(why)) service_->DiskFailed(why);
    // Where there is little room, what is whole is stored and answered first:
    // else the node would send it again, and in vain, for ever.
    draining_ = intake_ && absl::IsResourceExhausted(why);
    if (draining_) return Push();
    Break();
  }

  // Nothing more is answered.
  void Break() {
    Leave();
    // The first one is gRPC's while it writes.
    if (!answers_.empty()) {
      answers_.erase(answers_.begin() + (writing_ ? 1 : 0), answers_.end());
    }
    Write();
  }

  FilesService* const service_;
  grpc::CallbackServerContext* const context_;
  uint64_t serial_ = 0;
  uint32_t node_ = 0;
  std::shared_ptr<FileStore> store_;
  std::optional<FileIntake> intake_;
  std::array<FileUp, 2> slots_;  // those from first_ on are read
  size_t first_ = 0;
  size_t filled_ = 0;
  std::deque<FileDown> answers_;
  absl::Status status_;
  bool reading_ = false;
  bool writing_ = false;
  bool closing_ = false;   // nothing is read any more
  bool draining_ = false;  // but what is at work is answered
  bool finished_ = false;  // the status is on its way
};

FilesService::FilesService(FilesServiceOptions options)
    : options_(std::move(options)),
      guard_(asio::make_work_guard(loop_)),
      worker_(std::make_unique<FileWorker>()),
      verifier_(std::make_unique<FileWorker>()),
      thread_([this] { Run(); }) {}

FilesService::~FilesService() { Shutdown(); }

void FilesService::Run() {
  // Signals are for the threads that wait for them.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  loop_.run();
  // What the workers still have is posted here, and given up.
  worker_.reset();
  verifier_.reset();
  loop_.restart();
  loop_.run();
}

void FilesService::Shutdown() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    if (open_ == 0) guard_.reset();
  }
  asio::post(loop_, [this] {
    leaving_ = true;
    for (const auto& [serial, stream] : streams_) stream->Cancel();
  });
  if (thread_.joinable()) thread_.join();
}

grpc::ServerBidiReactor<FileUp, FileDown>* FilesService::Files(
    grpc::CallbackServerContext* context) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return new Refusal;
    ++open_;
  }
  auto owner = std::make_unique<Stream>(this, context);
  Stream* const stream = owner.get();
  asio::post(loop_, [this, owner = std::move(owner)]() mutable {
    Add(std::move(owner));
  });
  return stream;
}

void FilesService::Add(std::unique_ptr<Stream> stream) {
  Stream* const added = stream.get();
  const uint64_t serial = next_serial_++;
  streams_[serial] = std::move(stream);
  if (leaving_) added->Cancel();
  added->Start(serial);
}

void FilesService::Remove(Stream* stream) {
  stream->Leave();
  streams_.erase(stream->serial());
  const std::lock_guard<std::mutex> lock(mutex_);
  --open_;
  if (closed_ && open_ == 0) guard_.reset();
}

void FilesService::WorkDone(uint64_t stream, std::shared_ptr<FileStore> store,
                            std::unique_ptr<FileWork> work) {
  const auto found = streams_.find(stream);
  if (found != streams_.end()) {
    found->second->WorkDone(std::move(work));
  } else {
    GiveUp(*store, std::move(work));
  }
}

// Nobody was told of it; but a disk that failed is one for all.
void FilesService::GiveUp(FileStore& store, std::unique_ptr<FileWork> work) {
  if (IsDiskFailure(work->status)) DiskFailed(work->status);
  FileIntake::GiveUp(store, std::move(work));
}

void FilesService::DiskFailed(const absl::Status& why) {
  if (options_.on_disk_failed) options_.on_disk_failed(why);
}

}  // namespace muster::collector
