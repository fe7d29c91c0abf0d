// One stream of Collector.Logs, at the node's end.
#ifndef MUSTER_LAUNCHER_STREAMS_LOG_STREAM_H_
#define MUSTER_LAUNCHER_STREAMS_LOG_STREAM_H_

#include <grpcpp/channel.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <asio/io_context.hpp>
#include <functional>
#include <memory>

#include "proto/collector.pb.h"

namespace muster::streams {

// Job: gRPC's side of one connection: what is to be written waits in a short
// queue, so that gRPC never waits for the loop, and what comes is handed to the
// loop.
// Life cycle: construction opens it; on_closed comes once and is the last call.
// Destruction cancels it, and waits until gRPC has let go of it, which takes no
// network: otherwise one of gRPC's threads might be the last to hold the
// channel, and gRPC 1.51 does not survive that where it is the last channel of
// the process.
// Threads: the loop's only. Callbacks are posted to it, never inside a call,
// never after destruction; they may destroy the stream.
// Ownership: the loop must outlive it.
class LogStream {
 public:
  static constexpr int kMostQueued = 3;

  struct Callbacks {
    std::function<void(const LogDown&)> on_message;
    std::function<void()> on_written;  // CanWrite(), again
    std::function<void(const grpc::Status&)> on_closed;
  };

  LogStream(asio::io_context& loop,
            const std::shared_ptr<grpc::Channel>& channel, Callbacks callbacks);
  ~LogStream();
  LogStream(const LogStream&) = delete;
  LogStream& operator=(const LogStream&) = delete;

  // Fewer than kMostQueued messages wait.
  bool CanWrite() const;
  // Only when CanWrite().
  void Write(const grpc::ByteBuffer& message);

 private:
  class Call;
  const std::shared_ptr<Call> call_;  // shared with what is posted
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_LOG_STREAM_H_
