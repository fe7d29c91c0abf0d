// Collector.Deliver of proto/collector.proto, for one run: the way of muster
// 0.1.
#ifndef MUSTER_LAUNCHER_COLLECTOR_DELIVER_SERVICE_H_
#define MUSTER_LAUNCHER_COLLECTOR_DELIVER_SERVICE_H_

#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "launcher/collector/console.h"
#include "launcher/collector/intake.h"
#include "launcher/collector/run_directory.h"
#include "proto/collector.grpc.pb.h"
#include "proto/job.pb.h"

namespace muster::collector {

struct DeliverOptions {
  Console console = CONSOLE_ALL;
  int console_fd = STDOUT_FILENO;  // borrowed
  // A node's stream ended without Finish, or was refused: which and why. On
  // the collector's thread; must not block and must not call Shutdown.
  absl::AnyInvocable<void(uint32_t node_rank, const absl::Status& why)>
      on_delivery_broken;
};

// Job: take the deliveries of all nodes of one run.
// Life cycle: construct, register with a server, serve; then shut the server
// down, then Shutdown() or destroy.
// Threads: gRPC calls Deliver on its own threads; all disk and console work
// happens on one thread of the service. A stream has one message in memory at
// a time and the next is read when that one is written: a slow disk slows the
// senders and costs no memory.
// Ownership: must outlive the server it is registered with.
class DeliverService final : public Collector::CallbackService {
 public:
  DeliverService(std::shared_ptr<RunDirectory> directory,
                 DeliverOptions options);
  ~DeliverService() override;

  // Cancels what is still open and returns when every stream is done and the
  // thread has ended. Later streams are refused with UNAVAILABLE. Not to be
  // called on a thread of gRPC or of the service.
  void Shutdown();

  grpc::ServerBidiReactor<Delivery, Receipt>* Deliver(
      grpc::CallbackServerContext* context) override;

 private:
  class Stream;

  void Run();
  void Add(std::unique_ptr<Stream> stream);
  void Remove(Stream* stream);

  const std::shared_ptr<RunDirectory> directory_;
  asio::io_context loop_;

  // The service's thread only.
  DeliverOptions options_;
  ConsoleWriter writer_;
  ConsolePrinter console_;
  Shelf shelf_;
  std::map<Stream*, std::unique_ptr<Stream>> streams_;
  bool leaving_ = false;

  std::mutex mutex_;
  bool closed_ = false;  // guarded by mutex_
  size_t open_ = 0;      // guarded by mutex_: streams that are not done
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>>
      work_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_DELIVER_SERVICE_H_
