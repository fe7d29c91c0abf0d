// This end of Collector.Deliver: one node's output on its way.
#ifndef MUSTER_LAUNCHER_STREAMS_DELIVERY_H_
#define MUSTER_LAUNCHER_STREAMS_DELIVERY_H_

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "proto/collector.pb.h"

namespace muster::streams {

// Job: send logs and files to the collector in order, with a bounded queue.
//
//   open --Finish--> finishing --receipt--> on_receipt
//     \-----------------\------any error--> on_failed
//
// Life cycle: construction opens the stream and introduces the node. Exactly
// one of on_receipt and on_failed comes, unless it is destroyed first; that
// cancels the stream. After on_failed everything is dropped and nothing is
// full: readers that were paused can go on, so that no worker waits.
// Threads: the loop's only. Callbacks are posted to the loop: never inside a
// call, never after destruction; they may destroy the Delivery.
// Ownership: `loop` must outlive it. Destruction waits until gRPC has let go of
// the stream, which takes no network.
class Delivery {
 public:
  // At this many queued bytes Full() becomes true, and below half of it false.
  static constexpr size_t kBound = 4 * 1024 * 1024;
  static constexpr size_t kMaxChunk = 64 * 1024;

  struct Callbacks {
    absl::AnyInvocable<void()> on_writable;  // was Full(), is not any more
    absl::AnyInvocable<void(const Receipt&)> on_receipt;
    absl::AnyInvocable<void(const grpc::Status&)> on_failed;
  };

  Delivery(asio::io_context& loop,
           const std::shared_ptr<grpc::Channel>& channel,
           const Introduction& introduction, Callbacks callbacks);
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // While it is full, callers pause what they read from: the queue takes
  // whatever it is given.
  bool Full() const;
  size_t QueuedBytes() const;
  // False after an error or a receipt.
  bool IsOpen() const;

  // Any number of bytes, of which each is sent once and in order.
  void AppendLog(uint32_t rank, bool is_stderr, absl::string_view bytes);
  // The stream of that worker is over; nothing may be appended to it.
  void EndLog(uint32_t rank, bool is_stderr);
  void AppendAgentLog(absl::string_view bytes);
  // At most kMaxChunk bytes of data.
  void SendFileChunk(FileChunk chunk);
  // Nothing may follow; the receipt comes when all is in the run directory.
  void Finish();

 private:
  class Stream;

  const std::shared_ptr<Stream> stream_;
  std::map<std::pair<uint32_t, bool>, uint64_t> offsets_;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_DELIVERY_H_
