// What a node does about a call to the collector that ended too early.
#ifndef MUSTER_LAUNCHER_STREAMS_RETRY_H_
#define MUSTER_LAUNCHER_STREAMS_RETRY_H_

#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <random>

namespace muster::streams {

// Whether the call may succeed another time; see proto/collector.proto.
bool IsWorthRetrying(grpc::StatusCode code);

// Job: pauses that double from kFirst to kLast, each somewhere between half of
// it and all of it, so that the nodes of a job do not come back all at once.
// For a run that is not there yet they are short at first: its coordinator
// makes it at this moment, which is no trouble that people should hear of.
// Threads: one.
class Backoff {
 public:
  using Milliseconds = std::chrono::milliseconds;
  static constexpr Milliseconds kFirst{200};
  static constexpr Milliseconds kLast{5'000};
  static constexpr Milliseconds kForARun{50};
  static constexpr int kTriesForARun = 40;

  explicit Backoff(uint32_t seed) : random_(seed) {}

  Milliseconds Next(grpc::StatusCode why);
  void Reset() { pause_ = kFirst; }

  // Whether the last pause was for a run that is about to be made.
  bool is_for_a_run() const { return is_for_a_run_; }

 private:
  std::mt19937 random_;
  Milliseconds pause_ = kFirst;
  int tries_ = 0;  // for a run
  bool is_for_a_run_ = false;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_RETRY_H_
