// How HistoryService answers: threads that read, and calls that write.
#ifndef MUSTER_LAUNCHER_HISTORY_HISTORY_CALLS_H_
#define MUSTER_LAUNCHER_HISTORY_HISTORY_CALLS_H_

#include <grpcpp/support/server_callback.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "launcher/history/directory_watch.h"
#include "launcher/history/producer.h"

namespace muster::history {

grpc::Status ToGrpc(const absl::Status& status);

// Job: a thread that reads the disk for calls, and hears what changes there.
// Life cycle: construct; Stop ends all calls, and returns when they are done.
// Threads: its own; Stop and loop() on any other.
class HistoryWorker {
 public:
  using Work = asio::executor_work_guard<asio::io_context::executor_type>;

  // What the worker knows of a call, on its thread.
  class Call {
   public:
    virtual ~Call() = default;
    virtual void Leave() = 0;
    // Looks for news where nobody tells of them; false: not needed.
    virtual bool Poll() = 0;
  };

  HistoryWorker();
  ~HistoryWorker() { Stop(); }

  asio::io_context& loop() { return loop_; }
  void Stop();

  // The worker's thread only.
  void Add(std::shared_ptr<Call> call);
  void Remove(Call* call) { calls_.erase(call); }
  DirectoryWatch& watch() { return watch_; }
  // Some call is not told of news.
  void KeepPolling();

 private:
  void Run();
  void Listen();
  void Poll();

  asio::io_context loop_;
  Work work_;
  DirectoryWatch watch_;
  asio::posix::stream_descriptor changes_;  // borrows the watch's descriptor
  asio::steady_timer timer_;
  bool polling_ = false;
  bool leaving_ = false;
  std::map<Call*, std::shared_ptr<Call>> calls_;
  std::thread thread_;
};

// One call. Everything but gRPC's reactions runs on the worker's thread.
template <typename Reply>
class HistoryCall final
    : public grpc::ServerWriteReactor<Reply>,
      public HistoryWorker::Call,
      public std::enable_shared_from_this<HistoryCall<Reply>> {
 public:
  using Opened = absl::StatusOr<std::unique_ptr<Producer<Reply>>>;
  // Makes the producer, on the worker's thread. `on_news` may be called from
  // the worker's watch.
  using Open = std::function<Opened(std::function<void()> on_news)>;

  HistoryCall(HistoryWorker* worker, Open open, std::function<void()> on_gone)
      : worker_(worker),
        work_(asio::make_work_guard(worker->loop())),
        open_(std::move(open)),
        on_gone_(std::move(on_gone)) {}

  void Start() {
    Post([](HistoryCall& self) { self.Begin(); });
  }

  void OnWriteDone(bool ok) override {
    Post([ok](HistoryCall& self) { self.Written(ok); });
  }
  void OnCancel() override {
    Post([](HistoryCall& self) {
      self.cancelled_ = true;
      self.Pump();
    });
  }
  void OnDone() override {
    Post([](HistoryCall& self) {
      self.on_gone_();
      self.worker_->Remove(&self);
    });
  }

  void Leave() override {
    leaving_ = true;
    Pump();
  }
  bool Poll() override {
    if (!producer_ || producer_->is_told()) return false;
    producer_->Recheck();
    Pump();
    return true;
  }

 private:
  template <typename Function>
  void Post(Function function) {
    // The worker holds on to the call until OnDone, and this until it ran.
    asio::post(worker_->loop(), [self = this->shared_from_this(), function] {
      function(*self);
    });
  }

  void Begin() {
    worker_->Add(this->shared_from_this());
    if (leaving_ || cancelled_) return Pump();
    Opened opened = open_([this] {
      if (std::exchange(news_, true)) return;
      Post([](HistoryCall& self) {
        self.news_ = false;
        self.Pump();
      });
    });
    if (!opened.ok()) return End(opened.status());
    producer_ = *std::move(opened);
    Pump();
  }

  void Written(bool ok) {
    writing_ = false;
    if (!ok) cancelled_ = true;
    Pump();
  }

  void Pump() {
    if (writing_ || ended_) return;
    if (cancelled_) return End(absl::CancelledError("the reader has left"));
    if (leaving_) {
      return End(absl::UnavailableError("the collector is leaving"));
    }
    if (!producer_) return;  // not begun
    reply_.Clear();
    const absl::StatusOr<Step> step = producer_->Next(&reply_);
    if (!step.ok()) return End(step.status());
    switch (*step) {
      case Step::kReply:
        writing_ = true;
        return this->StartWrite(&reply_);
      case Step::kNothing:
        if (!producer_->is_told()) worker_->KeepPolling();
        return;
      case Step::kOver:
        return End(absl::OkStatus());
    }
  }

  void End(const absl::Status& status) {
    ended_ = true;
    producer_.reset();
    this->Finish(ToGrpc(status));
  }

  HistoryWorker* const worker_;
  const HistoryWorker::Work work_;  // the thread waits for the call
  const Open open_;
  const std::function<void()> on_gone_;
  std::unique_ptr<Producer<Reply>> producer_;
  Reply reply_;
  bool writing_ = false;
  bool ended_ = false;
  bool cancelled_ = false;
  bool leaving_ = false;
  bool news_ = false;
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_HISTORY_CALLS_H_
