// What a run's journal says, all records taken together.
#ifndef MUSTER_LAUNCHER_COLLECTOR_JOURNAL_STATE_H_
#define MUSTER_LAUNCHER_COLLECTOR_JOURNAL_STATE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "proto/journal.pb.h"

namespace muster::collector {

// A record is kept well below what a frame holds.
constexpr size_t kMaxRecordBytes = size_t{1} << 20;
// A change of a stream says no more of them, so that it fits into a record.
constexpr size_t kMaxGapsAtOnce = 16384;

// Kind and rank of a stream of one node.
using StreamId = std::pair<StreamKind, uint32_t>;

struct DurableStream {
  uint64_t stored = 0;     // bytes of the file
  uint64_t gap_bytes = 0;  // of all gaps
  std::vector<JournalGap> gaps;
  bool ended = false;
  StreamEnd how = STREAM_END_UNSPECIFIED;

  // Where it is in what the worker wrote.
  uint64_t position() const { return stored + gap_bytes; }
};

// Job: the sum of a journal's records. Pure.
// Threads: one at a time.
class JournalState {
 public:
  // DataLoss when the record does not fit to those before it; what it holds
  // may have been taken in part then.
  absl::Status Apply(const JournalRecord& record);

  // Records that make the same state from nothing; at least one.
  std::vector<JournalRecord> Snapshot() const;

  // By id.
  const std::vector<JournalNode>& nodes() const { return nodes_; }
  // Those of which something is known.
  const std::map<StreamId, DurableStream>& streams(uint32_t node) const {
    return streams_[node];
  }

 private:
  absl::Status ApplyStream(const JournalStream& change);

  std::vector<JournalNode> nodes_;
  std::vector<std::map<StreamId, DurableStream>> streams_;  // by node
};

// Adds a stream's change to the record: `change` with these gaps, where those
// before them had `gap_bytes`. Where there are many it is several changes, each
// of them true without the next.
void AddStream(JournalStream change, absl::Span<const JournalGap> gaps,
               uint64_t gap_bytes, JournalRecord* record);

// The same in pieces of at most kMaxRecordBytes each, in the right order; a
// stream's change is never taken apart.
std::vector<JournalRecord> Split(JournalRecord record);

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_JOURNAL_STATE_H_
