// A spool on its way to the collector, however often the way breaks.
#ifndef MUSTER_LAUNCHER_STREAMS_LOG_LINK_H_
#define MUSTER_LAUNCHER_STREAMS_LOG_LINK_H_

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "launcher/streams/forwarder.h"
#include "launcher/streams/log_stream.h"
#include "launcher/streams/retry.h"
#include "launcher/streams/spool_reader.h"
#include "proto/collector.pb.h"

namespace muster::streams {

// Job: send what a log holds and is given, connect anew when the stream breaks,
// and say what may be removed.
//
//   connecting --welcome--> sending --LogDone--> done
//       ^                      |  |
//       +-------- pause -------+  +--error that lasts--> failed
//
// The pauses grow until the collector has taken something: one that welcomes
// a node and has no place for its bytes is not tried again and again.
//
// Life cycle: works from construction on. Exactly one of on_done and on_failed
// comes, unless it is destroyed before; it does nothing after that.
// Threads: the loop's only. Callbacks come on the loop, not inside a call, and
// must not destroy the link.
// Ownership: loop and segments must outlive it. Destroying it cancels the
// stream and waits for gRPC to let go of it.
class LogLink {
 public:
  struct Callbacks {
    // All of the log before the position is acknowledged.
    std::function<void(LogPosition)> on_release;
    // After Finish, when the log was sent to its end: how far the streams have
    // come and how they ended. `sent` is how far they were sent. Those that are
    // missing here are not ended.
    std::function<std::vector<StreamState>(
        const std::vector<StreamState>& sent)>
        streams_at_end;
    std::function<void(const LogDone&)> on_done;
    // Trying again is of no use.
    std::function<void(const grpc::Status&)> on_failed;
    // Another attempt follows after a pause. Not said of a run that is about to
    // be made.
    std::function<void(const grpc::Status&)> on_broken;
    std::function<void()> on_connected;
    // The collector has taken more since the last of these: on_broken is over.
    std::function<void()> on_advanced;
  };

  LogLink(asio::io_context& loop, std::shared_ptr<grpc::Channel> channel,
          const Introduction& introduction, const Segments& segments,
          BufferPool pool, Callbacks callbacks);
  ~LogLink();
  LogLink(const LogLink&) = delete;
  LogLink& operator=(const LogLink&) = delete;

  // The log has grown.
  void Poke();
  // The log grows no more.
  void Finish();

  // Bytes of all streams that are acknowledged, gaps included.
  uint64_t acknowledged_bytes() const {
    return forwarder_.acknowledged_bytes();
  }
  bool connected() const { return welcomed_; }

 private:
  void Open();
  void OnMessage(const LogDown& message);
  void Advanced();
  void OnClosed(const grpc::Status& status);
  void Pump();
  // False when there is nothing to send now.
  bool Refill();
  void Release();
  void Fail(const grpc::Status& status);
  void Break(const grpc::Status& status);

  asio::io_context& loop_;
  const std::shared_ptr<grpc::Channel> channel_;
  const Introduction introduction_;
  const Callbacks callbacks_;
  Forwarder forwarder_;
  SpoolReader reader_;
  Backoff backoff_;
  asio::steady_timer retry_;
  std::unique_ptr<LogStream> stream_;
  bool welcomed_ = false;
  bool finishing_ = false;
  bool finish_queued_ = false;
  bool over_ = false;     // done or failed
  bool pumping_ = false;  // a Pump is posted
  const std::shared_ptr<int> alive_ = std::make_shared<int>();  // for what is
                                                                // posted
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_LOG_LINK_H_
