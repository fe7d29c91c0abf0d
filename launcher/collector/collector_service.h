// The Collector service of proto/collector.proto.
#ifndef MUSTER_LAUNCHER_COLLECTOR_COLLECTOR_SERVICE_H_
#define MUSTER_LAUNCHER_COLLECTOR_COLLECTOR_SERVICE_H_

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "launcher/collector/committer.h"
#include "launcher/collector/console.h"
#include "launcher/collector/file_cache.h"
#include "launcher/collector/file_store.h"
#include "launcher/collector/files_service.h"
#include "launcher/collector/logs_stream.h"
#include "launcher/collector/loop_thread.h"
#include "launcher/collector/run_store.h"
#include "proto/collector.grpc.pb.h"
#include "proto/job.pb.h"

namespace muster::collector {

// Calls come on the collector's thread; they must not block, and must not call
// Shutdown.
struct CollectorOptions {
  // A run whose workers' output is echoed; "" for none.
  std::string console_run;
  Console console = CONSOLE_ALL;
  int console_fd = STDOUT_FILENO;  // borrowed

  // A run was made, or is taken up again by this process.
  std::function<void(const std::string& run_id, bool is_new)> on_run_begins;
  // Its report is here, or there is nobody to make one, and no node has a
  // stream open. It may begin again: a node can come late with what another
  // agent left.
  std::function<void(const std::string& run_id, const LogTotals& logs)>
      on_run_over;
  // A node's stream ended before it was finished, or a call was refused.
  std::function<void(const std::string& run_id, const absl::Status& why)>
      on_problem;
  // The disk failed; once. What is open ends as it can, and nothing new is
  // taken. The text names the path. A process that has nothing else to do
  // should end.
  std::function<void(const absl::Status& why)> on_fatal;
  // Whether somebody starts it again then, for whom nodes can wait: they are
  // told DATA_LOSS, else INTERNAL.
  bool is_restarted = true;
};

// Job: take the logs and the record of many runs, and acknowledge what is
// durable.
// Life cycle: construct, register with a server, serve; Shutdown() before or
// after the server's, or destroy after it.
// Threads: gRPC calls Logs, Files and Record on its own threads. One thread of
// the service takes logs in: a stream has one message in memory at a time, and
// the next one is read when that is in the page cache, so that a slow disk
// slows the senders and costs no memory. Another one waits for the disk. Files
// have threads of their own (files_service.h).
// Ownership: owns the store; must outlive the server it is registered with.
class CollectorService final : public Collector::CallbackService,
                               private LogsHost {
 public:
  CollectorService(std::unique_ptr<RunStore> store, CollectorOptions options);
  ~CollectorService() override;

  // Ends what is open, with UNAVAILABLE, and returns when all that was taken is
  // committed. Later calls are refused. Not to be called on a thread of gRPC or
  // of the service.
  void Shutdown();

  // Any thread.
  RunStore& store() { return *store_; }
  // Bytes of logs, and of files, taken since the start.
  uint64_t log_bytes() const { return log_bytes_; }
  uint64_t file_bytes() const { return files_.bytes(); }

  grpc::ServerBidiReactor<LogUp, LogDown>* Logs(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<FileUp, FileDown>* Files(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Record(grpc::CallbackServerContext* context,
                                   const RecordUpdate* request,
                                   RecordReply* reply) override;

 private:
  using NodeKey = std::pair<uint32_t, uint32_t>;  // attempt and node rank
  class OpenFiles;

  // A run with streams, or with a commit under way.
  struct Desk {
    std::shared_ptr<Run> run;
    std::unique_ptr<Committer> committer;
    std::map<NodeKey, LogsStream*> streams;
  };
  // A stream of Logs.
  struct Session {
    std::unique_ptr<LogsStream> stream;
    Desk* desk = nullptr;  // once it is introduced, until it ends
    std::string run_id;
    NodeKey node;
  };

  // LogsHost:
  void Post(absl::AnyInvocable<void()> function) override;
  uint64_t WindowBytes() const override;
  void CountBytes(uint64_t bytes) override { log_bytes_ += bytes; }
  void Ended(LogsStream* stream, const absl::Status& why) override;
  void Done(LogsStream* stream) override;

  // Any thread. Whether a call may begin; it must be closed then.
  //   Unavailable         the collector leaves
  //   DataLoss, Internal  as disk_failure()
  absl::Status OpenCall();
  void CloseCall();
  // Any thread. Nothing is taken any more.
  void DiskFailed(const absl::Status& why);
  // Any thread. Ok, or what nodes are told since.
  absl::Status disk_failure() const;

  // The collector's thread.
  void Add(std::unique_ptr<LogsStream> stream);
  absl::StatusOr<LogIntake::Admitted> Admit(LogsStream* stream,
                                            const Introduction& introduction);
  Desk& DeskOf(const std::shared_ptr<Run>& run);
  void CommitOver(Desk& desk, const absl::Status& status);
  void Tidy(Desk& desk);
  void Announce(const Run& run);
  void LookIfOver(const std::shared_ptr<Run>& run);

  // The files thread.
  absl::StatusOr<std::shared_ptr<FileStore>> AdmitFiles(
      const Introduction& introduction);

  // The sync thread.
  absl::Status WriteRecord(const RecordUpdate& update);

  const std::unique_ptr<RunStore> store_;
  const CollectorOptions options_;
  std::atomic<uint64_t> log_bytes_{0};

  // The collector's thread only.
  ConsoleWriter writer_;
  ConsolePrinter console_;
  std::map<LogsStream*, Session> sessions_;
  std::map<Run*, Desk> desks_;
  std::map<const Run*, int> sending_files_;  // how many OpenFiles
  std::set<std::string> announced_;
  bool leaving_ = false;

  // The files thread only.
  FileCache followed_;
  std::map<std::string, std::weak_ptr<FileStore>> file_stores_;  // by run

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;        // guarded by mutex_
  absl::Status disk_failure_;  // guarded by mutex_
  size_t open_ = 0;            // guarded by mutex_: calls and commits

  LoopThread loop_;  // the collector's
  LoopThread sync_;
  FilesService files_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_COLLECTOR_SERVICE_H_
