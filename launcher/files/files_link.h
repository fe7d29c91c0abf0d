// This end of Collector.Files: a stream that is opened again when it breaks.
#ifndef MUSTER_LAUNCHER_FILES_FILES_LINK_H_
#define MUSTER_LAUNCHER_FILES_FILES_LINK_H_

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "launcher/streams/retry.h"
#include "proto/collector.pb.h"

namespace muster::files {

// Job: speak with the collector. What is sent is asked for when there is room
// for it, a message at a time; after a break nothing of what was sent is
// remembered here.
//
//   connecting --welcome--> open --broken--> waiting --backoff--> connecting
//        \--broken--> waiting          any --of no use--> on_failed
//
// The pauses grow until the collector has taken something: one that opens the
// stream and has no place for files is not tried again and again.
//
// Life cycle: Start once; destruction cancels the stream and waits until gRPC
// has let go of it, which takes no network.
// Threads: the loop's only. Callbacks are posted to it or called in Wake, never
// after destruction.
// Ownership: `loop` must outlive it.
class FilesLink {
 public:
  struct Callbacks {
    // The collector takes files: nothing was sent on this stream yet.
    std::function<void(uint64_t window)> on_open;
    // Whether the collector has taken something that it had not before.
    std::function<bool(const FileDown&)> on_message;
    // What was sent and not answered is lost. It is tried again. Not said of a
    // run that is about to be made.
    std::function<void(const grpc::Status&)> on_broken;
    // Nothing more comes.
    std::function<void(const grpc::Status&)> on_failed;
    // Fills in what is to be sent next; false when there is nothing now.
    std::function<bool(FileUp*)> next;
  };

  FilesLink(asio::io_context& loop, std::shared_ptr<grpc::Channel> channel,
            Introduction introduction, Callbacks callbacks);
  ~FilesLink();
  FilesLink(const FilesLink&) = delete;
  FilesLink& operator=(const FilesLink&) = delete;

  void Start();
  // There may be something to send.
  void Wake();
  bool is_open() const { return open_; }
  // The stream may end now: FileDone has come.
  void ExpectEnd() { ending_ = true; }

 private:
  class Stream;

  void Connect();
  void Received(const FileDown& message);
  void Ended(const grpc::Status& status);

  asio::io_context& loop_;
  const std::shared_ptr<grpc::Channel> channel_;
  const Introduction introduction_;
  const Callbacks callbacks_;
  asio::steady_timer timer_;
  streams::Backoff backoff_;
  std::shared_ptr<Stream> stream_;
  bool open_ = false;
  bool ending_ = false;
  const std::shared_ptr<const bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_FILES_LINK_H_
