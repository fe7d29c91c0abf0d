#include "launcher/fabric/probe_messages.h"

#include <cstdint>

#include "google/protobuf/io/coded_stream.h"

namespace muster::fabric {

using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

std::string EncodeProbeMessage(const google::protobuf::MessageLite& message) {
  const std::string body = message.SerializeAsString();
  uint8_t length[5];
  const uint8_t* end = CodedOutputStream::WriteVarint32ToArray(
      static_cast<uint32_t>(body.size()), length);
  return std::string(static_cast<const uint8_t*>(length), end) + body;
}

bool ProbeMessageReader::Next(google::protobuf::MessageLite* message) {
  if (broken_ || buffer_.empty()) return false;
  CodedInputStream in(reinterpret_cast<const uint8_t*>(buffer_.data()),
                      static_cast<int>(buffer_.size()));
  uint32_t length = 0;
  if (!in.ReadVarint32(&length)) {
    broken_ = buffer_.size() >= sizeof(uint64_t);
    return false;
  }
  if (length > kLongestProbeMessage) {
    broken_ = true;
    return false;
  }
  const size_t start = static_cast<size_t>(in.CurrentPosition());
  if (buffer_.size() < start + length) return false;
  broken_ = !message->ParseFromArray(buffer_.data() + start,
                                     static_cast<int>(length));
  buffer_.erase(0, start + length);
  return !broken_;
}

}  // namespace muster::fabric
