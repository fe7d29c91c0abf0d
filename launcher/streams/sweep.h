// Sends a directory tree home.
#ifndef MUSTER_LAUNCHER_STREAMS_SWEEP_H_
#define MUSTER_LAUNCHER_STREAMS_SWEEP_H_

#include <asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "launcher/streams/delivery.h"

namespace muster::streams {

struct SkippedFile {
  std::string path;  // as it would have been sent
  std::string reason;
};

struct SweepResult {
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::vector<SkippedFile> skipped;  // the first kMaxListed
  uint64_t skipped_count = 0;
  bool delivered = true;  // false: the delivery failed on the way
};

// Job: send every regular file below a directory through a Delivery, a few
// chunks per turn of the loop and none while the delivery is full. A missing
// directory is an empty one. Links, FIFOs, sockets, devices, what cannot be
// read and what the collector would refuse (over 64 directories deep, a path
// over 4095 bytes) are skipped, with the reason. A file is sent as long as it
// was when opened; one that shrinks meanwhile is sent as read; one that fails
// while being read does not appear at the collector.
// Life cycle: works from construction on; on_done comes once, posted to the
// loop. Destruction ends it without on_done; on_done may destroy it.
// Threads: the loop's only; files are read on it.
// Ownership: `loop` and `delivery` must outlive it.
class Sweep {
 public:
  static constexpr size_t kMaxListed = 1000;

  struct Tree {
    std::string directory;  // a link to a directory is followed
    std::string prefix;     // "outputs/" or "logs/"
  };
  using OnDone = absl::AnyInvocable<void(const SweepResult&)>;

  Sweep(asio::io_context& loop, Delivery& delivery, Tree tree, OnDone on_done);
  ~Sweep();
  Sweep(const Sweep&) = delete;
  Sweep& operator=(const Sweep&) = delete;

  // Goes on after the delivery was full. Whoever owns the delivery calls this
  // in its on_writable and its on_failed.
  void Resume();

 private:
  class Walk;
  const std::shared_ptr<Walk> walk_;  // shared with the posted turn
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_SWEEP_H_
