// What one node delivers, message by message.
#ifndef MUSTER_LAUNCHER_COLLECTOR_INTAKE_H_
#define MUSTER_LAUNCHER_COLLECTOR_INTAKE_H_

#include <cstdint>
#include <optional>
#include <set>

#include "absl/status/status.h"
#include "launcher/collector/console.h"
#include "launcher/collector/run_directory.h"
#include "proto/collector.pb.h"

namespace muster::collector {

// What all streams of a collector share. Must outlive every Intake.
struct Shelf {
  RunDirectory& directory;
  ConsolePrinter& console;
  std::set<uint32_t> delivering = {};  // node ranks with a stream
};

// Job: check one stream's messages against collector.proto, and put what they
// carry into the run directory and on the console.
// Life cycle: Take until it fails or finished() is true; then destroy. What is
// unfinished then is dropped (files) or printed (console lines).
// Threads: the collector's only.
class Intake {
 public:
  explicit Intake(Shelf& shelf) : shelf_(shelf) {}
  ~Intake();
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // Errors as listed at Collector.Deliver, and:
  //   FailedPrecondition  a file is where a directory is needed, or reverse
  absl::Status Take(const Delivery& message);

  // Whether the node said Finish: all of it is in the run directory.
  bool finished() const { return finished_; }
  const Receipt& receipt() const { return receipt_; }
  // Nothing before the introduction is accepted.
  std::optional<uint32_t> node_rank() const;

 private:
  absl::Status Introduce(const Introduction& introduction);
  absl::Status TakeLog(const LogChunk& chunk);
  absl::Status TakeFile(const FileChunk& chunk);

  Shelf& shelf_;
  std::optional<Introduction> introduction_;
  Receipt receipt_;
  bool finished_ = false;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_INTAKE_H_
