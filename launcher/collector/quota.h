// How much a run may hold.
#ifndef MUSTER_LAUNCHER_COLLECTOR_QUOTA_H_
#define MUSTER_LAUNCHER_COLLECTOR_QUOTA_H_

#include <atomic>
#include <cstdint>

namespace muster::collector {

// Job: count the bytes of one run against its bound.
// Threads: any.
class Quota {
 public:
  // 0: no bound.
  explicit Quota(uint64_t most) : most_(most) {}

  // False, and nothing is counted, where that would be too much.
  bool Charge(uint64_t bytes) {
    uint64_t used = used_;
    do {
      if (most_ > 0 && (bytes > most_ || used > most_ - bytes)) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes));
    return true;
  }
  // What is there already, whatever the bound.
  void Count(uint64_t bytes) { used_ += bytes; }
  void Refund(uint64_t bytes) { used_ -= bytes; }

  uint64_t most() const { return most_; }
  uint64_t used() const { return used_; }

 private:
  const uint64_t most_;
  std::atomic<uint64_t> used_{0};
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_QUOTA_H_
