// What agents that died left behind, on its way to where it belongs.
#ifndef MUSTER_LAUNCHER_STREAMS_LEFTOVERS_H_
#define MUSTER_LAUNCHER_STREAMS_LEFTOVERS_H_

#include <grpcpp/channel.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/collector.pb.h"
#include "proto/spool.pb.h"

namespace muster::streams {

// What became of one spool.
struct LeftoverResult {
  std::string spool;       // its directory
  SpoolManifest manifest;  // empty when it could not be read
  // All of it is acknowledged, and it is removed.
  std::optional<LogDone> done;
  // Its agent lives, or somebody else is sending it at this moment.
  bool is_in_use = false;
  // Otherwise it is as it was, and this says why, naming it.
  std::string problem;
};

struct LeftoversOptions {
  // --spool-dir, or a single spool.
  std::string directory;
  // A spool of whose output nothing was acknowledged for so long is kept for
  // another time, so that the next one gets its turn.
  std::chrono::milliseconds patience{30'000};
};

struct LeftoversCallbacks {
  // The way to the collector of that spool, or why there is none. Called on a
  // thread of its own.
  std::function<absl::StatusOr<std::shared_ptr<grpc::Channel>>(
      const SpoolManifest&)>
      channel_for;
  std::function<void(const LeftoverResult&)> on_spool;
  // All were looked at. A directory that can't be read is the only error.
  std::function<void(const absl::Status&)> on_done;
};

// Job: send the spools of dead agents, one after the other, and remove those
// that are acknowledged. Streams that have no end get one, since nobody knows
// whether there was more.
//
// Life cycle: works from construction on, until on_done or destruction, which
// leaves what is not acknowledged for another time. Hurry for those who want to
// leave.
// Threads: the loop's only; callbacks are posted to it, but for channel_for.
// A thread of its own does the work.
// Ownership: `loop` must outlive it.
class Leftovers {
 public:
  Leftovers(asio::io_context& loop, LeftoversOptions options,
            LeftoversCallbacks callbacks);
  ~Leftovers();
  Leftovers(const Leftovers&) = delete;
  Leftovers& operator=(const Leftovers&) = delete;

  // From now on `patience` is all that there is, and the first spool that does
  // not move for so long is the last one.
  void Hurry(std::chrono::milliseconds patience);

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_LEFTOVERS_H_
