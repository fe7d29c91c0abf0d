// When to try again.
#ifndef MUSTER_LAUNCHER_STREAMS_BACKOFF_H_
#define MUSTER_LAUNCHER_STREAMS_BACKOFF_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace muster::streams {

// Job: pauses that double from kFirst to kLast, each somewhere between half of
// it and all of it, so that the nodes of a job do not come back all at once.
// Threads: one.
class Backoff {
 public:
  using Milliseconds = std::chrono::milliseconds;
  static constexpr Milliseconds kFirst{200};
  static constexpr Milliseconds kLast{5'000};

  explicit Backoff(uint32_t seed) : random_(seed) {}

  Milliseconds Next() {
    const auto full = pause_.count();
    pause_ = std::min(2 * pause_, kLast);
    return Milliseconds(
        std::uniform_int_distribution<int64_t>(full / 2, full)(random_));
  }
  void Reset() { pause_ = kFirst; }

 private:
  std::mt19937 random_;
  Milliseconds pause_ = kFirst;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_BACKOFF_H_
