#include "launcher/streams/record.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "launcher/framing/numbers.h"

namespace muster::streams {
namespace {

using framing::Load;
using framing::Store;
using Type = Record::Type;

constexpr size_t kRankAt = 4;
constexpr size_t kOffsetAt = 8;
constexpr size_t kLengthAt = 16;

void EncodeHeader(const Record& record, char* to) {
  const int code = record.type == Type::kLost ? static_cast<int>(record.reason)
                                              : static_cast<int>(record.how);
  to[0] = static_cast<char>(record.type);
  to[1] = static_cast<char>(record.stream.kind);
  to[2] = static_cast<char>(code);
  to[3] = 0;
  Store(record.stream.rank, to + kRankAt);
  Store(record.offset, to + kOffsetAt);
  Store(record.length, to + kLengthAt);
}

// Whether the fields are those that EncodeHeader is given.
bool IsSound(const Record& record, int code) {
  if (record.stream.kind < STREAM_STDOUT || record.stream.kind > STREAM_AGENT ||
      record.length > std::numeric_limits<uint64_t>::max() - record.offset) {
    return false;
  }
  switch (record.type) {
    case Type::kData:
      return code == 0 && record.length > 0;
    case Type::kEnd:
      return code > 0 && StreamEnd_IsValid(code) && record.length == 0;
    case Type::kLost:
      return code > 0 && GapReason_IsValid(code) && record.length > 0;
    case Type::kState:
      return StreamEnd_IsValid(code) && record.length == 0;
    case Type::kDamage:
      break;
  }
  return false;
}

}  // namespace

StreamName ToProto(StreamId stream) {
  StreamName name;
  name.set_kind(stream.kind);
  name.set_rank(stream.rank);
  return name;
}

StreamId FromProto(const StreamName& name) {
  return {.kind = name.kind(), .rank = name.rank()};
}

void EncodeRecord(const Record& record, std::string& payload) {
  std::array<char, kRecordHeaderBytes> header;
  EncodeHeader(record, header.data());
  payload.append(header.data(), header.size());
  payload.append(record.bytes.data(), record.bytes.size());
}

absl::StatusOr<Record> TakeRecord(absl::string_view& payload) {
  if (payload.size() < kRecordHeaderBytes) {
    return absl::DataLossError("a record is cut off");
  }
  const char* const header = payload.data();
  const int code = static_cast<uint8_t>(header[2]);
  Record record;
  record.type = static_cast<Type>(header[0]);
  record.stream.kind = static_cast<StreamKind>(static_cast<uint8_t>(header[1]));
  record.stream.rank = Load<uint32_t>(header + kRankAt);
  record.offset = Load<uint64_t>(header + kOffsetAt);
  record.length = Load<uint64_t>(header + kLengthAt);
  if (header[3] != 0 || !IsSound(record, code)) {
    return absl::DataLossError("a record has fields that make no sense");
  }
  if (record.type == Type::kLost) {
    record.reason = static_cast<GapReason>(code);
  } else {
    record.how = static_cast<StreamEnd>(code);
  }
  absl::string_view rest = payload.substr(kRecordHeaderBytes);
  if (record.type == Type::kData) {
    if (record.length > rest.size()) {
      return absl::DataLossError("a record's bytes are cut off");
    }
    record.bytes = rest.substr(0, record.length);
    rest.remove_prefix(record.length);
  }
  payload = rest;
  return record;
}

Chunk::Chunk(std::shared_ptr<char[]> buffer) : buffer_(std::move(buffer)) {}

size_t Chunk::AddData(StreamId stream, uint64_t offset,
                      absl::string_view bytes) {
  const bool extend = extends_ && last_stream_ == stream && last_end_ == offset;
  const size_t header = extend ? 0 : kRecordHeaderBytes;
  if (bytes.empty() || room() <= header) return 0;
  const size_t taken = std::min(bytes.size(), room() - header);
  if (extend) {
    char* const length = buffer_.get() + last_ + kLengthAt;
    Store(Load<uint64_t>(length) + taken, length);
  } else {
    last_ = size_;
    last_stream_ = stream;
    AddHeader({.type = Type::kData,
               .stream = stream,
               .offset = offset,
               .length = taken});
    extends_ = true;
  }
  memcpy(buffer_.get() + size_, bytes.data(), taken);
  size_ += taken;
  last_end_ = offset + taken;
  return taken;
}

bool Chunk::AddEnd(StreamId stream, uint64_t offset, StreamEnd how) {
  if (room() < kRecordHeaderBytes) return false;
  AddHeader(
      {.type = Type::kEnd, .stream = stream, .offset = offset, .how = how});
  extends_ = false;
  return true;
}

void Chunk::AddHeader(const Record& record) {
  EncodeHeader(record, buffer_.get() + size_);
  size_ += kRecordHeaderBytes;
}

}  // namespace muster::streams
