// The History service of proto/history.proto.
#ifndef MUSTER_LAUNCHER_HISTORY_HISTORY_SERVICE_H_
#define MUSTER_LAUNCHER_HISTORY_HISTORY_SERVICE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "proto/history.grpc.pb.h"

namespace muster::history {

struct HistoryOptions {
  std::string run_dir;   // where the runs are; may come to be later
  std::string only_run;  // "" for all; else no other run is shown
  // So many calls are served at a time; the next are refused.
  size_t max_calls = 64;
};

// Job: show what is in a directory of runs.
// Life cycle: construct, register with a server, serve; Drain() where readers
// are to hear of the end; then shut the server down, then Shutdown() or
// destroy.
// Threads: gRPC calls on its own threads; the disk is read on two threads of
// the service, one that lists and one that reads, so that a long list delays
// no line. A call has one message in memory at a time and the next is read
// when that one is written. Calls that wait for news cost no time: the kernel
// tells of it (where it can't, they look every 200 ms).
// Ownership: must outlive the server it is registered with.
class HistoryService final : public History::CallbackService {
 public:
  explicit HistoryService(HistoryOptions options);
  ~HistoryService() override;

  // Returns when no call is open, or after `most`: who follows a run that has
  // just ended is told so, if it reads. Any thread but gRPC's and the
  // service's.
  void Drain(absl::Duration most);

  // Ends what is open with UNAVAILABLE and returns when every call is done and
  // the threads have ended. Later calls are refused. Not to be called on a
  // thread of gRPC or of the service.
  void Shutdown();

  grpc::ServerWriteReactor<RunSummary>* ListRuns(
      grpc::CallbackServerContext* context,
      const ListRunsRequest* request) override;
  grpc::ServerWriteReactor<FileList>* ListFiles(
      grpc::CallbackServerContext* context,
      const ListFilesRequest* request) override;
  grpc::ServerWriteReactor<ReadChunk>* Read(
      grpc::CallbackServerContext* context,
      const ReadRequest* request) override;
  grpc::ServerWriteReactor<LogPiece>* Logs(grpc::CallbackServerContext* context,
                                           const LogsRequest* request) override;

 private:
  struct Worker;
  struct Calls;

  const HistoryOptions options_;
  const std::unique_ptr<Calls> calls_;
  const std::unique_ptr<Worker> lists_;
  const std::unique_ptr<Worker> reads_;
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_HISTORY_SERVICE_H_
