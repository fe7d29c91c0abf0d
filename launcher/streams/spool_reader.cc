#include "launcher/streams/spool_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "launcher/framing/frame.h"

namespace muster::streams {
namespace {

using framing::Frame;

constexpr size_t kBlock = BufferPool::kBytes;
constexpr uint64_t kLongestSearch = uint64_t{16} << 20;
constexpr size_t kLongestFrame =
    framing::kFrameHeaderBytes + framing::kMaxPayloadBytes;

// As many of the bytes as the file has; -1 on an error.
ssize_t ReadAt(int fd, uint64_t position, char* to, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got =
        pread(fd, to + done, size - done, static_cast<off_t>(position + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

void SpoolReader::Rewind() {
  cursor_ = {};
  entered_ = false;
  damaged_ = false;
}

Batch SpoolReader::Read() {
  Batch batch;
  while (batch.records.empty() && Enter(batch)) {
    const Segment& segment = *segments_.AtOrAfter(cursor_.segment);
    ReadFrames(segment, batch);
    Leave(segment);
  }
  batch.end = cursor_;
  return batch;
}

bool SpoolReader::Enter(Batch& batch) {
  const Segment* const segment = segments_.AtOrAfter(cursor_.segment);
  if (segment == nullptr) return false;
  if (segment->number != cursor_.segment) {
    // Those that are not at the beginning any more were dropped or
    // acknowledged; in the middle, somebody has removed them.
    const bool is_first = segment == &segments_.list().front();
    if (cursor_.segment != 0) {
      Damage(is_first ? GAP_SPOOL_FULL : GAP_SPOOL_ERROR, batch);
    }
    cursor_ = {.segment = segment->number};
    entered_ = false;
  }
  if (!entered_) ReadHeader(*segment, batch);
  return cursor_.offset < segment->end || !segments_.IsNewest(segment->number);
}

void SpoolReader::ReadHeader(const Segment& segment, Batch& batch) {
  entered_ = true;
  absl::StatusOr<process::UniqueFd> file = segments_.Open(segment.number);
  file_ = file.ok() ? *std::move(file) : process::UniqueFd();
  std::string bytes(framing::kFileHeaderBytes, '\0');
  const ssize_t got =
      file_.valid() ? ReadAt(file_.get(), 0, bytes.data(), bytes.size()) : -1;
  if (got < static_cast<ssize_t>(bytes.size())) {
    cursor_.offset = segment.end;
    if (got < 0) {
      Damage(GAP_SPOOL_ERROR, batch);
    } else if (!segments_.IsNewest(segment.number)) {
      Damage(GAP_CORRUPT, batch);
    }
    return;
  }
  cursor_.offset = bytes.size();
  const std::string expected = framing::EncodeFileHeader(
      {.kind = kSegmentKind, .version = kRecordVersion});
  // The directory's version says that the frames are of ours; where only the
  // first half of the header is altered they can still be read.
  const size_t half = bytes.size() / 2;
  if (bytes.compare(0, half, expected, 0, half) != 0) {
    Damage(GAP_CORRUPT, batch);
    bytes.replace(0, half, expected, 0, half);
  }
  identity_ = framing::DecodeFileHeader(bytes)->identity;
}

absl::string_view SpoolReader::ReadBlock(size_t size, Batch& batch) {
  const std::shared_ptr<char[]> block =
      size <= BufferPool::kBytes ? pool_.Get()
                                 : std::make_shared_for_overwrite<char[]>(size);
  const ssize_t got = ReadAt(file_.get(), cursor_.offset, block.get(), size);
  batch.memory = block;
  return {block.get(), got < 0 ? 0 : static_cast<size_t>(got)};
}

void SpoolReader::ReadFrames(const Segment& segment, Batch& batch) {
  if (cursor_.offset >= segment.end || RecallFrame(batch)) return;
  const uint64_t left = segment.end - cursor_.offset;
  uint64_t wanted = std::min<uint64_t>(left, kBlock);
  absl::string_view block = ReadBlock(wanted, batch);
  Frame frame = framing::DecodeFrame(identity_, cursor_.offset, block);
  if (frame.state == Frame::State::kTorn && block.size() == wanted &&
      wanted < left) {
    wanted = std::min<uint64_t>(left, kLongestFrame);
    block = ReadBlock(wanted, batch);
    frame = framing::DecodeFrame(identity_, cursor_.offset, block);
  }
  if (block.empty()) {  // the file is shorter than it was, or unreadable
    Damage(GAP_SPOOL_ERROR, batch);
    cursor_.offset = segment.end;
    return;
  }
  if (frame.state == Frame::State::kBadHeader) {
    Damage(GAP_CORRUPT, batch);
    cursor_.offset = FindFrame(segment.end);
    return;
  }
  if (frame.state == Frame::State::kTorn) {
    if (!segments_.IsNewest(segment.number) || block.size() < wanted) {
      Damage(GAP_CORRUPT, batch);
    }
    cursor_.offset = segment.end;
    return;
  }
  // What is cut off by the end of the block, and what needs a search, is for
  // the next read.
  while (frame.size > 0) {
    if (frame.state == Frame::State::kWhole) {
      TakeRecords(frame.payload, batch);
    } else {
      Damage(GAP_CORRUPT, batch);
    }
    cursor_.offset += frame.size;
    block.remove_prefix(frame.size);
    frame = framing::DecodeFrame(identity_, cursor_.offset, block);
  }
}

bool SpoolReader::RecallFrame(Batch& batch) {
  const Segments::Remembered* const frame = segments_.Recall(cursor_);
  if (frame == nullptr) return false;
  batch.memory = frame->memory;
  TakeRecords(frame->payload, batch);
  cursor_.offset += framing::kFrameHeaderBytes + frame->payload.size();
  return true;
}

void SpoolReader::TakeRecords(absl::string_view payload, Batch& batch) {
  while (!payload.empty()) {
    const absl::StatusOr<Record> record = TakeRecord(payload);
    if (!record.ok()) return Damage(GAP_CORRUPT, batch);
    batch.records.push_back(*record);
  }
}

uint64_t SpoolReader::FindFrame(uint64_t segment_end) const {
  const uint64_t end = std::min(segment_end, cursor_.offset + kLongestSearch);
  std::string block(kBlock, '\0');
  std::string whole;
  for (uint64_t at = cursor_.offset + 1; at < end;) {
    const ssize_t got =
        ReadAt(file_.get(), at, block.data(),
               static_cast<size_t>(std::min<uint64_t>(kBlock, end - at)));
    if (got < static_cast<ssize_t>(framing::kFrameHeaderBytes)) break;
    const absl::string_view bytes(block.data(), static_cast<size_t>(got));
    const size_t starts = bytes.size() - framing::kFrameHeaderBytes + 1;
    for (size_t i = 0; i < starts; ++i, ++at) {
      const absl::string_view header =
          bytes.substr(i, framing::kFrameHeaderBytes);
      if (framing::DecodeFrame(identity_, at, header).state ==
          Frame::State::kBadHeader) {
        continue;
      }
      // It looks like a header; only a frame that is whole proves it.
      whole.resize(std::min<uint64_t>(kLongestFrame, segment_end - at));
      const ssize_t size = ReadAt(file_.get(), at, whole.data(), whole.size());
      if (size > 0 &&
          framing::DecodeFrame(identity_, at,
                               {whole.data(), static_cast<size_t>(size)})
                  .state == Frame::State::kWhole) {
        return at;
      }
    }
  }
  return segment_end;
}

void SpoolReader::Damage(GapReason reason, Batch& batch) {
  damaged_ = true;
  batch.records.push_back({.type = Record::Type::kDamage, .reason = reason});
}

void SpoolReader::Leave(const Segment& segment) {
  if (cursor_.offset < segment.end || segments_.IsNewest(segment.number)) {
    return;
  }
  cursor_ = {.segment = segment.number + 1};
  entered_ = false;
}

}  // namespace muster::streams
