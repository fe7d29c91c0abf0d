// What an agent keeps on its own disk of output that is not yet acknowledged.
#ifndef MUSTER_LAUNCHER_STREAMS_SPOOL_H_
#define MUSTER_LAUNCHER_STREAMS_SPOOL_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/streams/record.h"
#include "launcher/streams/segments.h"
#include "launcher/streams/spool_directory.h"

namespace muster::streams {

// At the bound:
enum class SpoolFull {
  kDrop,   // the oldest bytes are dropped, which becomes a gap
  kBlock,  // whoever writes has to wait
};

struct SpoolOptions {
  std::string base;                    // --spool-dir
  uint64_t bound = uint64_t{1} << 30;  // --spool-size, at least kLeastBound
  SpoolFull full = SpoolFull::kDrop;   // --spool-full
};

// Job: one log of all streams of a node, in files of about 8 MiB that are
// removed when all in them is acknowledged, or, at the bound, before.
//
// Each segment begins with the state of every stream that is not acknowledged
// to its end, so that it stands for itself when earlier ones are gone.
//
// The death of any process loses nothing that Append took. Nothing is synced:
// the loss of the whole node may lose the end of the log.
//
// A disk that does not take bytes any more loses those bytes and no others:
// they are counted, the next segment says which are missing, and a new attempt
// is made once a second.
//
// Life cycle: create, append and release; then Close, or destroy it, which
// leaves all on the disk.
// Threads: one.
class Spool {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr uint64_t kLeastBound = uint64_t{1} << 20;

  enum class Appended {
    kYes,
    kFull,  // nothing was taken; again after a Release, or some time later
    kLost,  // the disk did not take it; see error()
  };

  // Errors: as SpoolDirectory::Create; what WriteFrame says, for a disk that
  // is full from the start.
  static absl::StatusOr<std::unique_ptr<Spool>> Create(
      const SpoolOptions& options, const SpoolManifest& manifest);

  // Appends data and ends as record.h has them, at most a Chunk.
  Appended Append(absl::string_view payload, TimePoint now);

  // All before `position`, which is the end of a frame, is acknowledged.
  void Release(LogPosition position);

  // From now on the oldest bytes are dropped at the bound, and the bound is
  // another one.
  void StopBlocking() { full_ = SpoolFull::kDrop; }
  void RaiseBound(uint64_t by) { bound_ += by; }

  // Removes the spool. Errors: as SpoolDirectory::Remove.
  absl::Status Remove() { return directory_->Remove(); }

  Segments& segments() { return segments_; }
  const std::string& path() const { return directory_->path(); }
  // Of every stream that is not acknowledged to its end, in order.
  std::vector<StreamState> States() const;
  // The disk has not taken everything, and the log does not say so yet.
  bool lossy() const { return !lost_.empty(); }
  const absl::Status& error() const { return error_; }  // the last one
  uint64_t dropped_segments() const { return dropped_segments_; }
  uint64_t lost_bytes() const { return lost_bytes_; }

 private:
  struct Stream {
    uint64_t offset = 0;
    StreamEnd how = STREAM_END_UNSPECIFIED;
    LogPosition ended;  // where its end is in the log
  };
  struct Range {
    uint64_t offset = 0;
    uint64_t end = 0;
  };

  Spool(std::unique_ptr<SpoolDirectory> directory, const SpoolOptions& options);
  absl::Status TryAppend(absl::string_view payload);
  // False when all that is left is needed.
  bool DropOldest();
  void Count(absl::string_view payload, bool lost);
  std::string Checkpoint() const;

  const std::unique_ptr<SpoolDirectory> directory_;
  Segments segments_;
  const uint64_t segment_bytes_;
  uint64_t bound_;
  SpoolFull full_;
  std::map<StreamId, Stream> streams_;
  std::map<StreamId, Range> lost_;
  bool sealed_ = false;  // nothing may be added to the newest segment
  absl::Status error_;
  TimePoint retry_at_;  // nothing is attempted before, after an error
  uint64_t dropped_segments_ = 0;
  uint64_t lost_bytes_ = 0;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_SPOOL_H_
