// What the frames of a spool hold: records of a node's streams.
//
//   payload  records, one after the other
//   record   type (8), kind of stream (8), code (8), 0 (8), rank (32),
//            offset (64), length (64), and for data so many bytes
//
// Numbers are little-endian. The version is that of the file's header, so that
// a payload needs none of its own.
#ifndef MUSTER_LAUNCHER_STREAMS_RECORD_H_
#define MUSTER_LAUNCHER_STREAMS_RECORD_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/streams/buffer_pool.h"
#include "proto/collector.pb.h"

namespace muster::streams {

constexpr char kSegmentKind = 's';
constexpr uint8_t kRecordVersion = 1;
constexpr size_t kRecordHeaderBytes = 24;

// muster::StreamName as a plain value, made for every read from a pipe.
struct StreamId {
  StreamKind kind = STREAM_UNSPECIFIED;
  uint32_t rank = 0;
  auto operator<=>(const StreamId&) const = default;
};

StreamName ToProto(StreamId stream);
StreamId FromProto(const StreamName& name);

// How far a stream has come.
struct StreamState {
  StreamId stream;
  uint64_t offset = 0;                     // of what comes next, gaps included
  StreamEnd how = STREAM_END_UNSPECIFIED;  // unspecified: it is open
  bool operator==(const StreamState&) const = default;
};

struct Record {
  enum class Type : uint8_t {
    // In no file; made by the reader: something is missing here, for `reason`.
    kDamage = 0,
    kData = 1,
    kEnd = 2,    // at `offset`, `how`
    kLost = 3,   // `length` bytes from `offset` on, for `reason`
    kState = 4,  // a stream that is not acknowledged to its end is at `offset`;
                 // `how` it ended if it has. Segments begin with these
  };
  Type type = Type::kData;
  StreamId stream;
  uint64_t offset = 0;
  uint64_t length = 0;  // of bytes, or of what was lost
  StreamEnd how = STREAM_END_UNSPECIFIED;
  GapReason reason = GAP_UNSPECIFIED;
  absl::string_view bytes;  // kData
};

// Appends the record to `payload`.
void EncodeRecord(const Record& record, std::string& payload);

// Takes the first record off `payload`; its bytes point into it.
// Errors: DataLoss when it begins with none, as this version writes them;
// nothing is taken then.
absl::StatusOr<Record> TakeRecord(absl::string_view& payload);

// Job: collect what a node's streams say, as the payload of one frame: bytes
// are copied once, to where they are written and sent from.
// Life cycle: a value that can be moved; its payload lives as long as anybody
// holds memory().
// Threads: one at a time.
class Chunk {
 public:
  // With the frame's header it fills a buffer.
  static constexpr size_t kCapacity = BufferPool::kBytes - 16;

  explicit Chunk(std::shared_ptr<char[]> buffer = BufferPool().Get());

  // Adds as many of the bytes as there is room for; returns how many. They
  // extend the last record where they go on with it.
  size_t AddData(StreamId stream, uint64_t offset, absl::string_view bytes);
  // False when there is no room.
  bool AddEnd(StreamId stream, uint64_t offset, StreamEnd how);

  absl::string_view payload() const { return {buffer_.get(), size_}; }
  const std::shared_ptr<char[]>& memory() const { return buffer_; }

 private:
  size_t room() const { return kCapacity - size_; }
  void AddHeader(const Record& record);

  std::shared_ptr<char[]> buffer_;
  size_t size_ = 0;
  // Of the last record, if it is data:
  bool extends_ = false;
  size_t last_ = 0;  // where its header is
  StreamId last_stream_;
  uint64_t last_end_ = 0;  // the offset after its bytes
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_RECORD_H_
