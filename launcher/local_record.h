// The record of a run whose collector is in this process.
#ifndef MUSTER_LAUNCHER_LOCAL_RECORD_H_
#define MUSTER_LAUNCHER_LOCAL_RECORD_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "launcher/record_sink.h"

namespace muster::launcher {

// Job: hands documents to the collector. One that can't be written is a warning
// in the log, never the end of the job.
// Threads: the loop's only.
class LocalRecord final : public RecordSink {
 public:
  using Keep = std::function<absl::Status(const RecordUpdate&)>;

  explicit LocalRecord(Keep keep);

  void Write(RecordDocument document, std::string content) override;
  void Append(std::string lines) override;

 private:
  void Add(const RecordUpdate& update);

  const Keep keep_;
  uint64_t events_end_ = 0;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_LOCAL_RECORD_H_
