// What one node says on a stream of Collector.Logs, message by message.
#ifndef MUSTER_LAUNCHER_COLLECTOR_LOG_INTAKE_H_
#define MUSTER_LAUNCHER_COLLECTOR_LOG_INTAKE_H_

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "launcher/collector/console.h"
#include "launcher/collector/run.h"
#include "proto/collector.pb.h"

namespace muster::collector {

// Job: check the messages against collector.proto and put what they carry into
// the run's logs and on the console. Nothing is durable by that.
// Life cycle: Take until it fails or is_finished(); then destroy.
// Threads: the collector's only.
class LogIntake {
 public:
  // What an introduction leads to.
  struct Admitted {
    std::shared_ptr<Run> run;
    uint32_t node = 0;                  // for LogStore
    ConsolePrinter* console = nullptr;  // borrowed; null for none
  };
  using Admit =
      absl::AnyInvocable<absl::StatusOr<Admitted>(const Introduction&)>;

  explicit LogIntake(Admit admit) : admit_(std::move(admit)) {}

  // Errors as listed at Collector.Logs. A message that fails leaves no trace.
  absl::Status Take(const LogUp& message);

  bool is_introduced() const { return admitted_.run != nullptr; }
  bool is_finished() const { return finished_; }
  // Messages that LogProgress counts.
  uint64_t taken() const { return taken_; }

  // After the introduction:
  LogWelcome Welcome(uint64_t window_bytes) const;
  LogDone Done() const;

 private:
  absl::Status Introduce(const Introduction& introduction);
  absl::Status TakeData(const LogData& data);
  absl::Status TakeEnd(const LogEnd& end);

  Admit admit_;
  Admitted admitted_;
  uint64_t taken_ = 0;
  bool finished_ = false;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_LOG_INTAKE_H_
