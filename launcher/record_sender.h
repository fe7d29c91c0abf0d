// The record of a run on its way to the collector, here or elsewhere.
#ifndef MUSTER_LAUNCHER_RECORD_SENDER_H_
#define MUSTER_LAUNCHER_RECORD_SENDER_H_

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "proto/collector.grpc.pb.h"

namespace muster::launcher {

// Job: sends a run's documents to its collector, in order, again and again
// until they are there. A document that waits is replaced by a newer one.
// Life cycle: construct (which makes the run there), use, Finish where nobody
// can wait, Close or destroy.
// Threads: any; a thread of its own waits for the collector.
// Ownership: shares the channel.
class RecordSender {
 public:
  RecordSender(const std::shared_ptr<grpc::Channel>& channel,
               std::string run_id, std::string run_key);
  ~RecordSender();
  RecordSender(const RecordSender&) = delete;
  RecordSender& operator=(const RecordSender&) = delete;

  // A document of the run, whole; replaces the one before.
  void Write(RecordDocument document, std::string content);
  // At the end of events.jsonl: whole lines.
  void Append(std::string lines);

  // Nothing is written after this. `on_done` comes once, on any thread, when
  // everything is there or it is of no use to try again; not after Close.
  void Finish(std::function<void()> on_done);

  // Waits until everything is there, or gives up when the time is over. "" or
  // what keeps it from going there. Nothing may be written after it.
  std::string Close(std::chrono::milliseconds timeout);

 private:
  void Add(RecordUpdate update);
  void Run();
  void Over();
  // What to send next; null once the record is closed and all is sent, or
  // given up.
  const RecordUpdate* Next();
  grpc::Status Send(const RecordUpdate& update);

  const std::unique_ptr<Collector::Stub> stub_;
  const std::string run_id_;
  const std::string run_key_;

  absl::Mutex mutex_;
  std::list<RecordUpdate> queue_ ABSL_GUARDED_BY(mutex_);  // first: being sent
  uint64_t events_end_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool given_up_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;  // the thread's work
  std::function<void()> on_done_ ABSL_GUARDED_BY(mutex_);
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::string problem_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_RECORD_SENDER_H_
