#include "launcher/collector/deliver_service.h"

#include <signal.h>

#include <asio/post.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::collector {
namespace {

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message()));
}

// For streams that come after Shutdown: owns itself.
class Refusal final : public grpc::ServerBidiReactor<Delivery, Receipt> {
 public:
  Refusal() {
    Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                        "the collector is leaving"));
  }
  void OnDone() override { delete this; }
};

}  // namespace

// One node's stream. Everything but the three reactions runs on the service's
// thread.
class DeliverService::Stream final
    : public grpc::ServerBidiReactor<Delivery, Receipt> {
 public:
  Stream(DeliverService* service, grpc::CallbackServerContext* context)
      : service_(service), context_(context), intake_(service->shelf_) {}

  void Start() { StartRead(&message_); }

  // The context lives until OnDone, which nothing but our Finish brings about.
  void Cancel() {
    if (!finished_) context_->TryCancel();
  }

  void OnReadDone(bool ok) override {
    asio::post(service_->loop_, [this, ok] { ok ? Take() : Break(); });
  }
  void OnDone() override {
    asio::post(service_->loop_, [this] { service_->Remove(this); });
  }

 private:
  void Take() {
    const absl::Status taken = intake_->Take(message_);
    if (!taken.ok()) return Fail(taken);
    if (!intake_->finished()) return StartRead(&message_);
    receipt_ = intake_->receipt();
    finished_ = true;
    intake_.reset();
    StartWriteAndFinish(&receipt_, grpc::WriteOptions(), grpc::Status::OK);
  }

  void Break() {
    Fail(absl::CancelledError("the stream broke before it was finished"));
  }

  void Fail(const absl::Status& why) {
    const std::optional<uint32_t> node = intake_->node_rank();
    intake_.reset();
    finished_ = true;
    if (node && service_->options_.on_delivery_broken) {
      service_->options_.on_delivery_broken(*node, why);
    }
    Finish(ToGrpc(why));
  }

  DeliverService* const service_;
  grpc::CallbackServerContext* const context_;
  std::optional<Intake> intake_;
  Delivery message_;
  Receipt receipt_;
  bool finished_ = false;
};

DeliverService::DeliverService(std::shared_ptr<RunDirectory> directory,
                               DeliverOptions options)
    : directory_(std::move(directory)),
      options_(std::move(options)),
      writer_(options_.console_fd),
      console_(options_.console,
               [this](absl::string_view lines) { writer_.Write(lines); }),
      shelf_{*directory_, console_},
      work_(asio::make_work_guard(loop_)),
      thread_([this] { Run(); }) {}

DeliverService::~DeliverService() { Shutdown(); }

void DeliverService::Run() {
  // Signals are for the agent's threads; in particular a console that nobody
  // reads must not kill the job.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  loop_.run();
}

void DeliverService::Shutdown() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    if (open_ == 0) work_.reset();
  }
  asio::post(loop_, [this] {
    leaving_ = true;
    for (const auto& [stream, owner] : streams_) stream->Cancel();
  });
  if (thread_.joinable()) thread_.join();
}

grpc::ServerBidiReactor<Delivery, Receipt>* DeliverService::Deliver(
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

void DeliverService::Add(std::unique_ptr<Stream> stream) {
  Stream* const added = stream.get();
  streams_[added] = std::move(stream);
  if (leaving_) added->Cancel();
  added->Start();
}

void DeliverService::Remove(Stream* stream) {
  streams_.erase(stream);
  const std::lock_guard<std::mutex> lock(mutex_);
  --open_;
  if (closed_ && open_ == 0) work_.reset();
}

}  // namespace muster::collector
