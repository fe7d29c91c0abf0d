#include "launcher/streams/log_link.h"

#include <asio/post.hpp>
#include <chrono>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/streams/log_message.h"

namespace muster::streams {
namespace {

// How many batches are read in one turn of the loop when nothing of them has
// to be sent: the log of a connection that broke is read again.
constexpr int kBatchesInATurn = 16;

int64_t NowUnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

LogLink::LogLink(asio::io_context& loop, std::shared_ptr<grpc::Channel> channel,
                 const Introduction& introduction, const Segments& segments,
                 BufferPool pool, Callbacks callbacks)
    : loop_(loop),
      channel_(std::move(channel)),
      introduction_(introduction),
      callbacks_(std::move(callbacks)),
      reader_(segments, std::move(pool)),
      backoff_(std::random_device()()),
      retry_(loop) {
  Open();
}

LogLink::~LogLink() = default;

void LogLink::Open() {
  // Otherwise the channel would make its own, longer pauses.
  grpc::experimental::ChannelResetConnectionBackoff(channel_.get());
  stream_ = std::make_unique<LogStream>(
      loop_, channel_,
      LogStream::Callbacks{
          .on_message = [this](const LogDown& down) { OnMessage(down); },
          .on_written = [this] { Pump(); },
          .on_closed = [this](const grpc::Status& why) { OnClosed(why); }});
  stream_->Write(EncodeIntroduction(introduction_));
}

void LogLink::OnMessage(const LogDown& message) {
  if (over_) return;
  const auto wrong = [this](absl::string_view what) {
    Fail(
        grpc::Status(grpc::StatusCode::INTERNAL,
                     absl::StrCat("the collector broke the protocol: ", what)));
  };
  switch (message.body_case()) {
    case LogDown::kWelcome: {
      if (welcomed_) return wrong("it welcomed this node twice");
      welcomed_ = true;
      finish_queued_ = false;
      reader_.Rewind();
      const uint64_t before = forwarder_.acknowledged_bytes();
      forwarder_.Connect(message.welcome());
      if (callbacks_.on_connected) callbacks_.on_connected();
      // Of what was sent last, the answer alone may have been lost.
      if (forwarder_.acknowledged_bytes() > before) Advanced();
      return Pump();
    }
    case LogDown::kProgress: {
      if (!welcomed_) return wrong("it acknowledged before it welcomed");
      const uint64_t before = forwarder_.acknowledged();
      const absl::Status status =
          forwarder_.Acknowledge(message.progress().messages());
      if (!status.ok()) return wrong(status.message());
      if (forwarder_.acknowledged() > before) Advanced();
      Release();
      return Pump();
    }
    case LogDown::kDone:
      if (!finish_queued_ || forwarder_.HasQueued()) {
        return wrong("it was done before this node was");
      }
      over_ = true;
      Advanced();
      return callbacks_.on_done(message.done());
    case LogDown::BODY_NOT_SET:
      return;  // of a later version
  }
}

void LogLink::Advanced() {
  backoff_.Reset();
  if (callbacks_.on_advanced) callbacks_.on_advanced();
}

void LogLink::Poke() {
  if (pumping_ || !welcomed_) return;
  pumping_ = true;
  asio::post(loop_, [this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    pumping_ = false;
    Pump();
  });
}

void LogLink::Finish() {
  finishing_ = true;
  Poke();
}

void LogLink::Pump() {
  if (over_ || !welcomed_) return;
  int batches = 0;
  while (stream_->CanWrite()) {
    const std::optional<LogMessage> message = forwarder_.Next();
    if (message) {
      stream_->Write(EncodeLogMessage(*message, NowUnixMs()));
      continue;
    }
    if (forwarder_.HasQueued()) return;  // the window is used up
    if (++batches > kBatchesInATurn) return Poke();
    if (!Refill()) return;
  }
}

bool LogLink::Refill() {
  Batch batch = reader_.Read();
  if (!batch.records.empty()) {
    forwarder_.Take(std::move(batch));
    Release();
    return true;
  }
  if (!finishing_ || finish_queued_) return false;
  finish_queued_ = true;
  forwarder_.Settle(callbacks_.streams_at_end(forwarder_.Streams()));
  forwarder_.Finish();
  return true;
}

void LogLink::Release() {
  const std::optional<LogPosition> position = forwarder_.TakeReleasable();
  if (position) callbacks_.on_release(*position);
}

void LogLink::OnClosed(const grpc::Status& status) {
  if (over_) return;
  if (!status.ok()) {
    return IsWorthRetrying(status.error_code()) ? Break(status) : Fail(status);
  }
  Break(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                     "the collector ended the stream before all was there"));
}

void LogLink::Break(const grpc::Status& status) {
  welcomed_ = false;
  forwarder_.Disconnect();
  stream_.reset();
  retry_.expires_after(backoff_.Next(status.error_code()));
  retry_.async_wait(
      [this, alive = std::weak_ptr<int>(alive_)](const std::error_code& error) {
        if (!error && !alive.expired()) Open();
      });
  if (callbacks_.on_broken && !backoff_.is_for_a_run()) {
    callbacks_.on_broken(status);
  }
}

void LogLink::Fail(const grpc::Status& status) {
  over_ = true;
  welcomed_ = false;
  forwarder_.Disconnect();
  stream_.reset();
  callbacks_.on_failed(status);
}

}  // namespace muster::streams
