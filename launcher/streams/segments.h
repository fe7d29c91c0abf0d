// The segment files of one spool.
#ifndef MUSTER_LAUNCHER_STREAMS_SEGMENTS_H_
#define MUSTER_LAUNCHER_STREAMS_SEGMENTS_H_

#include <compare>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/process/unique_fd.h"

namespace muster::streams {

struct Segment {
  uint64_t number = 0;  // from 1 on
  uint64_t end = 0;     // so many bytes of it count
};

// A place in the log that the segments are: where a frame begins or ends.
struct LogPosition {
  uint64_t segment = 0;
  uint64_t offset = 0;
  auto operator<=>(const LogPosition&) const = default;
};

// Job: the list of segments, oldest first, and the writing of the newest one.
// Life cycle: a new spool's list is empty; that of a dead agent is scanned.
// Threads: one. Nothing is synced: what write() took survives this process,
// and only the loss of the whole node can lose it.
// Ownership: borrows the directory, which must outlive it.
class Segments {
 public:
  explicit Segments(int directory) : directory_(directory) {}

  // Takes up the segments that are in the directory. Names that are none, and
  // what is no regular file, are passed over.
  // Errors: as opendir and readdir.
  absl::Status Scan();

  const std::deque<Segment>& list() const { return list_; }
  // The first with that number or a greater one; null if there is none.
  const Segment* AtOrAfter(uint64_t number) const;
  bool IsNewest(uint64_t number) const;
  uint64_t bytes() const { return bytes_; }
  LogPosition end() const;

  // To read from. Errors: as open.
  absl::StatusOr<process::UniqueFd> Open(uint64_t number) const;

  // Begins a new segment whose first frame is `payload`. When it fails, there
  // is no new segment. Errors: as WriteFrame.
  absl::Status Begin(absl::string_view payload);

  // Appends a frame to the newest segment. When it fails, nothing was added.
  // Errors: ResourceExhausted when the disk or a quota is full; Unavailable
  // for anything else, after which nothing may be added to this segment.
  absl::Status WriteFrame(absl::string_view payload);

  // The frame that was written last has its payload in this memory as well: as
  // long as it is one of the last few, it need not be read back.
  void Remember(absl::string_view payload,
                std::shared_ptr<const char[]> memory);
  struct Remembered {
    LogPosition begin;  // of the frame
    absl::string_view payload;
    std::shared_ptr<const char[]> memory;
  };
  // The frame that begins there; null when it has to be read.
  const Remembered* Recall(LogPosition begin) const;

  // Removes the oldest one, whether the file can be removed or not.
  void RemoveOldest();

 private:
  const int directory_;
  std::deque<Segment> list_;
  uint64_t bytes_ = 0;
  uint64_t last_number_ = 0;
  process::UniqueFd writing_;          // the newest
  uint64_t identity_ = 0;              // of the newest
  std::deque<Remembered> remembered_;  // oldest first
};

// "0000000001.segment"
std::string SegmentName(uint64_t number);

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_SEGMENTS_H_
