// Reads a spool back, whatever has become of it.
#ifndef MUSTER_LAUNCHER_STREAMS_SPOOL_READER_H_
#define MUSTER_LAUNCHER_STREAMS_SPOOL_READER_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "launcher/process/unique_fd.h"
#include "launcher/streams/buffer_pool.h"
#include "launcher/streams/record.h"
#include "launcher/streams/segments.h"

namespace muster::streams {

// What one read brought, in the log's order.
struct Batch {
  std::vector<Record> records;           // none: the end of the log, so far
  LogPosition end;                       // the log up to here was looked at
  std::shared_ptr<const char[]> memory;  // what the records' bytes point into
};

// Job: a cursor over a log that may be damaged anywhere. A frame that fails its
// check, or a segment that is cut off, missing, unreadable or somebody else's,
// gives a record of kDamage in its place, and reading goes on with the next
// frame that is whole. What was not wholly written at the very end of the log
// is no damage: its writer died.
//
// A frame is searched for over 16 MiB, twice what a segment has.
//
// Every Read comes further in the log or says that it is at the end, so that
// reading ends whatever the bytes are. One Read looks at 256 KiB, or, where it
// has to find the next whole frame, at one segment.
//
// Life cycle: read; rewind at any time. The log may grow and be cut off at its
// beginning meanwhile.
// Threads: one, that of the segments.
// Ownership: borrows the segments, which must outlive it.
class SpoolReader {
 public:
  explicit SpoolReader(const Segments& segments, BufferPool pool = {})
      : segments_(segments), pool_(std::move(pool)) {}

  Batch Read();

  // Back to the beginning of what is left of the log.
  void Rewind();

  LogPosition position() const { return cursor_; }
  // Something was missing since the last Rewind.
  bool damaged() const { return damaged_; }

 private:
  // Goes to the segment that the cursor is in, or to the next one that there
  // is. False at the end of the log.
  bool Enter(Batch& batch);
  void ReadHeader(const Segment& segment, Batch& batch);
  void ReadFrames(const Segment& segment, Batch& batch);
  // Without the disk; false when the frame at the cursor is not remembered.
  bool RecallFrame(Batch& batch);
  void TakeRecords(absl::string_view payload, Batch& batch);
  // Up to `size` bytes from the cursor on; empty on an error.
  absl::string_view ReadBlock(size_t size, Batch& batch);
  // Where the first whole frame after the cursor begins; `segment_end` if there
  // is none.
  uint64_t FindFrame(uint64_t segment_end) const;
  void Damage(GapReason reason, Batch& batch);
  // Leaves the segment for the next one, unless it is the newest, which may
  // grow.
  void Leave(const Segment& segment);

  const Segments& segments_;
  BufferPool pool_;
  LogPosition cursor_;
  bool entered_ = false;    // the cursor's segment was opened, or can't be
  process::UniqueFd file_;  // of the cursor's segment
  uint64_t identity_ = 0;   // of that file
  bool damaged_ = false;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_SPOOL_READER_H_
