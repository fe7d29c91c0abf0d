// This node's streams on their way home.
#ifndef MUSTER_LAUNCHER_STREAMS_OUTFLOW_H_
#define MUSTER_LAUNCHER_STREAMS_OUTFLOW_H_

#include <grpcpp/channel.h>

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/streams/record.h"
#include "launcher/streams/spool.h"
#include "proto/collector.pb.h"

namespace muster::streams {

struct OutflowOptions {
  SpoolOptions spool;
  Introduction introduction;
  std::string collector;  // "HOST:PORT"; "" when it is in this very process
  std::string host_name;
};

struct OutflowResult {
  std::optional<LogDone> done;  // all is acknowledged, and the spool is removed
  // Otherwise, for people: how much is missing at the collector and why, where
  // it is, and what to do.
  std::string problem;
  uint64_t bytes_left = 0;
  std::string spool;  // the directory that holds them
};

struct OutflowProgress {
  uint64_t acknowledged_bytes = 0;  // of all streams, gaps included
  uint64_t waiting_bytes = 0;       // appended and not acknowledged
  bool is_connected = false;
};

struct OutflowCallbacks {
  // The spool's disk is slower than the workers, or the spool is full and must
  // not drop: stop reading them, or go on.
  std::function<void(bool paused)> on_pause;
  // One line for the log: the collector is gone or back, the spool is full.
  std::function<void(const std::string& line)> on_notice;
  std::function<void(const OutflowResult&)> on_done;
};

// Job: keep what the workers write on this node's disk until the collector has
// it on its own. The collector is never waited for: what it does not take
// stays in the spool, and at the spool's bound the oldest is dropped.
//
// Life cycle: Open, append and end streams, Finish once, await on_done.
// Destroyed before, it leaves everything in the spool, as the death of the
// agent does.
// Threads: the loop's only; callbacks are posted to it, never after
// destruction. A thread of its own writes the spool and sends; the loop never
// waits for a disk or for the network. Destruction waits for that thread: as
// long as the disk takes for what was appended last (8 MiB at most).
// Ownership: `loop` must outlive it.
// Memory: at most 16 MiB.
class Outflow {
 public:
  // Errors: as Spool::Create.
  static absl::StatusOr<std::unique_ptr<Outflow>> Open(
      asio::io_context& loop, const OutflowOptions& options,
      std::shared_ptr<grpc::Channel> channel, OutflowCallbacks callbacks);
  ~Outflow();
  Outflow(const Outflow&) = delete;
  Outflow& operator=(const Outflow&) = delete;

  // Bytes of a stream that has not ended.
  void Append(StreamId stream, absl::string_view bytes);
  void End(StreamId stream, StreamEnd how);
  void AppendAgentLog(absl::string_view bytes);

  // Nothing follows: ends the agent's log, and as abandoned what is still
  // open. on_done comes when all is acknowledged, or can't be.
  void Finish();

  // Finish, but nobody waits for the collector any more, for this reason:
  // on_done comes as soon as the spool has everything.
  void Abandon(const std::string& why);

  OutflowProgress progress() const;
  const std::string& spool_path() const;

 private:
  class Worker;
  struct Progress {
    uint64_t offset = 0;
    bool ended = false;
  };

  Outflow() = default;

  std::map<StreamId, Progress> streams_;
  bool finished_ = false;
  std::unique_ptr<Worker> worker_;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_OUTFLOW_H_
