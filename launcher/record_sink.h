// Where the record of a run goes.
#ifndef MUSTER_LAUNCHER_RECORD_SINK_H_
#define MUSTER_LAUNCHER_RECORD_SINK_H_

#include <string>

#include "proto/collector.pb.h"

namespace muster::launcher {

// Threads: the loop's only.
class RecordSink {
 public:
  virtual ~RecordSink() = default;

  // A document of the run, whole; replaces the one before.
  virtual void Write(RecordDocument document, std::string content) = 0;
  // At the end of events.jsonl: whole lines.
  virtual void Append(std::string lines) = 0;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_RECORD_SINK_H_
