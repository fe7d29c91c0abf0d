#include "launcher/streams/spool.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/failpoints/failpoint.h"
#include "launcher/framing/frame.h"

namespace muster::streams {
namespace {

using Type = Record::Type;

constexpr uint64_t kLargestSegment = uint64_t{8} << 20;
constexpr uint64_t kSmallestSegment = uint64_t{1} << 17;
constexpr std::chrono::seconds kPauseAfterError(1);

// A bound, or a disk, of a few segments still leaves a useful rest when the
// oldest is dropped.
uint64_t SegmentBytes(int directory, uint64_t bound) {
  struct statvfs disk;
  uint64_t room = bound;
  if (fstatvfs(directory, &disk) == 0) {
    room = std::min<uint64_t>(room, disk.f_bavail * disk.f_frsize);
  }
  return std::clamp(room / 8, kSmallestSegment, kLargestSegment);
}

}  // namespace

Spool::Spool(std::unique_ptr<SpoolDirectory> directory,
             const SpoolOptions& options)
    : directory_(std::move(directory)),
      segments_(directory_->fd()),
      segment_bytes_(SegmentBytes(directory_->fd(), options.bound)),
      bound_(std::max(options.bound, kLeastBound)),
      full_(options.full) {}

absl::StatusOr<std::unique_ptr<Spool>> Spool::Create(
    const SpoolOptions& options, const SpoolManifest& manifest) {
  absl::StatusOr<std::unique_ptr<SpoolDirectory>> directory =
      SpoolDirectory::Create(options.base, manifest);
  if (!directory.ok()) return directory.status();
  std::unique_ptr<Spool> spool(new Spool(*std::move(directory), options));
  const absl::Status status = spool->segments_.Begin("");
  if (!status.ok()) {
    spool->Remove().IgnoreError();
    return absl::Status(
        status.code(),
        absl::StrCat("cannot spool the output in ", options.base, ": ",
                     status.message(), "; give --spool-dir another directory"));
  }
  return spool;
}

Spool::Appended Spool::Append(absl::string_view payload, TimePoint now) {
  if (!error_.ok() && now < retry_at_) {
    Count(payload, true);
    return Appended::kLost;
  }
  for (;;) {
    const absl::Status status = TryAppend(payload);
    if (status.ok()) {
      Count(payload, false);
      error_ = absl::OkStatus();
      return Appended::kYes;
    }
    if (absl::IsResourceExhausted(status)) {
      if (full_ == SpoolFull::kBlock) return Appended::kFull;
      if (DropOldest()) continue;
    } else {
      sealed_ = true;
    }
    error_ = absl::Status(
        status.code(),
        absl::StrCat("the spool ", path(),
                     " does not take what workers write: ", status.message()));
    retry_at_ = now + kPauseAfterError;
    Count(payload, true);
    return Appended::kLost;
  }
}

absl::Status Spool::TryAppend(absl::string_view payload) {
  const uint64_t frame = framing::kFrameHeaderBytes + payload.size();
  const bool begin = sealed_ || !lost_.empty() || segments_.list().empty() ||
                     segments_.end().offset + frame > segment_bytes_;
  const std::string checkpoint = begin ? Checkpoint() : "";
  const uint64_t start = framing::kFileHeaderBytes +
                         framing::kFrameHeaderBytes + checkpoint.size();
  if (segments_.bytes() + frame + (begin ? start : 0) > bound_) {
    return absl::ResourceExhaustedError("it has reached its bound");
  }
  if (begin) {
    const absl::Status status = segments_.Begin(checkpoint);
    if (!status.ok()) return status;
    lost_.clear();
    sealed_ = false;
  }
  return segments_.WriteFrame(payload);
}

bool Spool::DropOldest() {
  if (segments_.list().size() <= (sealed_ ? 0 : 1)) return false;
  segments_.RemoveOldest();
  ++dropped_segments_;
  return true;
}

void Spool::Count(absl::string_view payload, bool lost) {
  while (!payload.empty()) {
    const absl::StatusOr<Record> record = TakeRecord(payload);
    if (!record.ok()) return;  // a fault of ours; what is left is not counted
    Stream& stream = streams_[record->stream];
    stream.offset = record->offset + record->length;
    if (record->type == Type::kEnd) {
      stream.how = record->how;
      // One that the log does not have is ended by the states.
      if (!lost) stream.ended = segments_.end();
    }
    if (lost && record->length > 0) {
      lost_bytes_ += record->length;
      const auto [at, is_new] =
          lost_.try_emplace(record->stream, Range{.offset = record->offset});
      at->second.end = stream.offset;
    }
  }
}

std::string Spool::Checkpoint() const {
  std::string payload;
  for (const auto& [stream, range] : lost_) {
    EncodeRecord({.type = Type::kLost,
                  .stream = stream,
                  .offset = range.offset,
                  .length = range.end - range.offset,
                  .reason = GAP_SPOOL_ERROR},
                 payload);
  }
  for (const StreamState& state : States()) {
    EncodeRecord({.type = Type::kState,
                  .stream = state.stream,
                  .offset = state.offset,
                  .how = state.how},
                 payload);
  }
  return payload;
}

void Spool::Release(LogPosition position) {
  std::erase_if(streams_, [&](const auto& entry) {
    const Stream& stream = entry.second;
    return stream.how != STREAM_END_UNSPECIFIED &&
           stream.ended != LogPosition() && stream.ended <= position;
  });
  if (segments_.list().empty() ||
      segments_.list().front().number >= position.segment) {
    return;
  }
  MUSTER_FAILPOINT("spool.before_release");
  while (!segments_.list().empty() &&
         segments_.list().front().number < position.segment) {
    segments_.RemoveOldest();
  }
}

std::vector<StreamState> Spool::States() const {
  std::vector<StreamState> states;
  for (const auto& [id, stream] : streams_) {
    states.push_back(
        {.stream = id, .offset = stream.offset, .how = stream.how});
  }
  return states;
}

}  // namespace muster::streams
