// What a collector knows of a node's streams, as proto/collector.proto has it.
#ifndef MUSTER_TESTS_LAUNCHER_STREAMS_LEDGER_H_
#define MUSTER_TESTS_LAUNCHER_STREAMS_LEDGER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "launcher/streams/record.h"
#include "proto/collector.pb.h"

namespace muster::streams {

struct Gap {
  uint64_t offset = 0;
  uint64_t length = 0;
  GapReason reason = GAP_UNSPECIFIED;
  bool operator==(const Gap&) const = default;
};
void PrintTo(const Gap& gap, std::ostream* out);

// A stream as the collector has it.
struct Stored {
  std::string bytes;  // gaps are left out
  std::vector<Gap> gaps;
  uint64_t offset = 0;
  StreamEnd how = STREAM_END_UNSPECIFIED;

  uint64_t GapBytes() const;
};

// "" when what is stored is exactly what was written but for the gaps;
// otherwise the first difference.
std::string Compare(const std::string& written, const Stored& stored);
// The same, of as much of it as is stored.
std::string ComparePrefix(const std::string& written, const Stored& stored);

// Plain memory of one thread.
class Ledger {
 public:
  // With `keep` false data is counted and not kept.
  explicit Ledger(bool keep = true) : keep_(keep) {}

  LogWelcome Welcome(uint64_t window_bytes) const;
  // Errors: InvalidArgument when it breaks the protocol.
  absl::Status Take(const LogUp& message);
  // What was taken up to now survives Forget, which stands for a crash.
  void MakeDurable();
  void Forget();
  LogDone Done() const;

  const std::map<StreamId, Stored>& streams() const { return streams_; }
  Stored Get(StreamId stream) const;

 private:
  absl::Status Store(const StreamName& name, uint64_t offset, uint64_t length,
                     Stored** stored);

  bool keep_;
  std::map<StreamId, Stored> streams_;
  struct Durable {
    size_t bytes = 0;
    size_t gaps = 0;
    uint64_t offset = 0;
    StreamEnd how = STREAM_END_UNSPECIFIED;
  };
  std::map<StreamId, Durable> durable_;
};

}  // namespace muster::streams

#endif  // MUSTER_TESTS_LAUNCHER_STREAMS_LEDGER_H_
