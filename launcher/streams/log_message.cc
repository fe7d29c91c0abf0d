#include "launcher/streams/log_message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/slice.h>

#include <cstring>
#include <string>
#include <vector>

namespace muster::streams {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

// Pieces below this are cheaper to copy than to refer to.
constexpr size_t kWorthReferring = 8 * 1024;

grpc::ByteBuffer Encode(const LogUp& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return {&slice, 1};
}

// What stands before a field of bytes or of a message.
void AppendFieldHead(int field, size_t length, std::string& to) {
  uint8_t head[16];
  uint8_t* end = CodedOutputStream::WriteTagToArray(
      WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED),
      head);
  end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(length),
                                                end);
  to.append(reinterpret_cast<char*>(head), static_cast<size_t>(end - head));
}

grpc::Slice Refer(absl::string_view piece,
                  const std::shared_ptr<const char[]>& memory) {
  auto* const holder = new std::shared_ptr<const char[]>(memory);
  return grpc::Slice(
      const_cast<char*>(piece.data()), piece.size(),
      [](void* held) {
        delete static_cast<std::shared_ptr<const char[]>*>(held);
      },
      holder);
}

grpc::Slice Copy(absl::Span<const absl::string_view> pieces, size_t size) {
  grpc::Slice slice(size);
  auto* to = const_cast<uint8_t*>(slice.begin());
  for (const absl::string_view piece : pieces) {
    memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  return slice;
}

// `data` is the last field of LogData, so that everything else of the message
// stands before its bytes.
grpc::ByteBuffer EncodeData(const LogMessage& message) {
  LogData data;
  *data.mutable_stream() = ToProto(message.stream);
  data.set_offset(message.offset);
  std::string fields = data.SerializeAsString();
  AppendFieldHead(LogData::kDataFieldNumber, message.length, fields);
  std::string head;
  AppendFieldHead(LogUp::kDataFieldNumber, fields.size() + message.length,
                  head);
  std::vector<grpc::Slice> slices;
  slices.emplace_back(head + fields);
  size_t begin = 0;  // of the small pieces that are not in slices yet
  size_t small = 0;
  for (size_t i = 0; i <= message.pieces.size(); ++i) {
    const bool is_small =
        i < message.pieces.size() && message.pieces[i].size() < kWorthReferring;
    if (is_small) {
      small += message.pieces[i].size();
      continue;
    }
    if (small > 0) {
      slices.push_back(Copy(
          absl::MakeSpan(message.pieces).subspan(begin, i - begin), small));
    }
    if (i < message.pieces.size()) {
      slices.push_back(Refer(message.pieces[i], message.memory));
    }
    begin = i + 1;
    small = 0;
  }
  return {slices.data(), slices.size()};
}

}  // namespace

grpc::ByteBuffer EncodeIntroduction(const Introduction& introduction) {
  LogUp up;
  *up.mutable_introduction() = introduction;
  return Encode(up);
}

grpc::ByteBuffer EncodeLogMessage(const LogMessage& message,
                                  int64_t now_unix_ms) {
  LogUp up;
  switch (message.type) {
    case LogMessage::Type::kData:
      return EncodeData(message);
    case LogMessage::Type::kGap: {
      LogGap& gap = *up.mutable_gap();
      *gap.mutable_stream() = ToProto(message.stream);
      gap.set_offset(message.offset);
      gap.set_length(message.length);
      gap.set_reason(message.reason);
      gap.set_at_unix_ms(now_unix_ms);
      break;
    }
    case LogMessage::Type::kEnd: {
      LogEnd& end = *up.mutable_end();
      *end.mutable_stream() = ToProto(message.stream);
      end.set_offset(message.offset);
      end.set_how(message.how);
      break;
    }
    case LogMessage::Type::kFinish:
      up.mutable_finish();
      break;
  }
  return Encode(up);
}

}  // namespace muster::streams
