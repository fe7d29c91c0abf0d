// Collector.Files of proto/collector.proto, for all runs of a collector.
#ifndef MUSTER_LAUNCHER_COLLECTOR_FILES_SERVICE_H_
#define MUSTER_LAUNCHER_COLLECTOR_FILES_SERVICE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "launcher/collector/file_store.h"
#include "launcher/collector/file_worker.h"
#include "proto/collector.pb.h"

namespace muster::collector {

struct FilesServiceOptions {
  // Whether the node may send, and where its files go; the store lives as long
  // as the pointer. On the files thread. Errors as at Collector.Logs.
  absl::AnyInvocable<absl::StatusOr<std::shared_ptr<FileStore>>(
      const Introduction&)>
      admit;
  // The disk failed: nothing that is not acknowledged can be relied on. On the
  // files thread; must not call Shutdown.
  absl::AnyInvocable<void(const absl::Status& why)> on_disk_failed;
};

// Job: the streams of Collector.Files. Files are written on one thread, synced
// and named on another, and parts of an earlier process are read on a third:
// neither the logs' streams nor gRPC's threads wait for them.
// Life cycle: construct, have Files() called by a registered service; shut the
// server down, then Shutdown() or destroy.
// Threads: gRPC calls Files on its own threads. A stream has two messages in
// memory at a time.
// Ownership: must outlive the server.
class FilesService {
 public:
  explicit FilesService(FilesServiceOptions options);
  ~FilesService();

  // Cancels what is open and returns when every stream is done and the threads
  // have ended. Later streams are refused with UNAVAILABLE. Not to be called on
  // a thread of gRPC or of this service.
  void Shutdown();

  // Bytes of files taken since the start. Any thread.
  uint64_t bytes() const { return bytes_; }

  grpc::ServerBidiReactor<FileUp, FileDown>* Files(
      grpc::CallbackServerContext* context);

 private:
  class Stream;
  using Place = std::pair<const FileStore*, uint32_t>;  // and node rank

  void Run();
  void Add(std::unique_ptr<Stream> stream);
  void Remove(Stream* stream);
  void WorkDone(uint64_t stream, std::shared_ptr<FileStore> store,
                std::unique_ptr<FileWork> work);
  void GiveUp(FileStore& store, std::unique_ptr<FileWork> work);
  void DiskFailed(const absl::Status& why);

  asio::io_context loop_;
  std::atomic<uint64_t> bytes_{0};

  // The files thread only.
  FilesServiceOptions options_;
  std::map<uint64_t, std::unique_ptr<Stream>> streams_;  // by serial
  std::map<Place, Stream*> sending_;
  uint64_t next_serial_ = 0;
  bool leaving_ = false;

  std::mutex mutex_;
  bool closed_ = false;  // guarded by mutex_
  size_t open_ = 0;      // guarded by mutex_: streams that are not done
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>>
      guard_;  // guarded by mutex_
  std::unique_ptr<FileWorker> worker_;
  std::unique_ptr<FileWorker> verifier_;
  std::thread thread_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_FILES_SERVICE_H_
