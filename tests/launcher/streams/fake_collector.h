// A collector for tests: Collector.Logs as proto/collector.proto has it, in
// memory, for one node, with a say in when it acknowledges and when it breaks.
#ifndef MUSTER_TESTS_LAUNCHER_STREAMS_FAKE_COLLECTOR_H_
#define MUSTER_TESTS_LAUNCHER_STREAMS_FAKE_COLLECTOR_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "launcher/streams/record.h"
#include "proto/collector.grpc.pb.h"
#include "rendezvous/transport.h"
#include "tests/launcher/streams/ledger.h"

namespace muster::streams {

class FakeCollector final : public Collector::CallbackService {
 public:
  // With `keep` false data is counted and not kept.
  explicit FakeCollector(bool keep = true) : ledger_(keep) {}

  // What follows may be called on any thread.

  std::map<StreamId, Stored> Streams();
  Stored Get(StreamId stream) { return Streams()[stream]; }
  std::vector<Introduction> Introductions();
  uint64_t messages();  // taken in all, introductions left out
  uint64_t bytes();     // of data taken in all
  // Of data that was taken and not acknowledged, the most at any moment.
  uint64_t most_unacknowledged();
  std::optional<LogDone> done();
  // Waits until it holds; false when that takes 30 seconds.
  bool WaitUntil(const std::function<bool(FakeCollector&)>& holds);

  void SetWindow(uint64_t bytes);
  // Takes, and does not acknowledge; going on acknowledges everything.
  void HoldAcks(bool hold);
  // Streams that are opened from now on end with this; OK to end it.
  void Refuse(const grpc::Status& status);
  // Welcomes, and ends with RESOURCE_EXHAUSTED when the first message comes.
  void SetFull(bool full);
  // The next stream ends so after `messages` messages.
  void BreakAfter(uint64_t messages, const grpc::Status& status);
  // It acknowledges messages that were never sent.
  void AcknowledgeTooMuch();
  // Waits until all streams are over; then it knows of nothing any more.
  void Reset();
  // Ends what is open, and forgets what is not acknowledged.
  void Crash();

 private:
  class Call;
  grpc::ServerBidiReactor<LogUp, LogDown>* Logs(
      grpc::CallbackServerContext* context) override;
  bool IsTaken() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Take(const LogUp& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  Ledger ledger_ ABSL_GUARDED_BY(mutex_);
  std::vector<Introduction> introductions_ ABSL_GUARDED_BY(mutex_);
  uint64_t messages_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t unacknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t most_unacknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<LogDone> done_ ABSL_GUARDED_BY(mutex_);
  uint64_t window_ ABSL_GUARDED_BY(mutex_) = uint64_t{4} << 20;
  bool lies_ ABSL_GUARDED_BY(mutex_) = false;
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  bool full_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status refusal_ ABSL_GUARDED_BY(mutex_);
  uint64_t break_after_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: not
  grpc::Status break_with_ ABSL_GUARDED_BY(mutex_);
  std::set<Call*> calls_ ABSL_GUARDED_BY(mutex_);
};

// The collector behind a real server.
class CollectorServer {
 public:
  CollectorServer() { Start(); }
  ~CollectorServer() { Stop(); }

  FakeCollector& collector() { return collector_; }
  std::shared_ptr<grpc::Channel> Channel() {
    return rendezvous::Dial("127.0.0.1", port_, credentials_,
                            rendezvous::ChannelUse::kBulk);
  }
  int port() const { return port_; }
  // Nobody listens any more; Start listens on the same port again.
  void Stop();
  void Start();

 private:
  const rendezvous::Credentials credentials_ =
      rendezvous::Credentials::Insecure();
  FakeCollector collector_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace muster::streams

#endif  // MUSTER_TESTS_LAUNCHER_STREAMS_FAKE_COLLECTOR_H_
