// How an agent and its probes speak: messages over pipes, each with its length
// before it.
#ifndef MUSTER_LAUNCHER_FABRIC_PROBE_MESSAGES_H_
#define MUSTER_LAUNCHER_FABRIC_PROBE_MESSAGES_H_

#include <cstddef>
#include <string>

#include "google/protobuf/message_lite.h"

namespace muster::fabric {

// The longest message that is taken.
inline constexpr size_t kLongestProbeMessage = 256 * 1024;

// The bytes of `message` for a pipe.
std::string EncodeProbeMessage(const google::protobuf::MessageLite& message);

// Job: takes bytes as they come, gives messages.
// Life cycle: Add, then Next until it says no more; broken() is for ever.
// Threads: one at a time.
class ProbeMessageReader {
 public:
  void Add(const char* bytes, size_t size) { buffer_.append(bytes, size); }

  // False when there is no whole message yet, or never will be: what came is
  // no message, or one of more than kLongestProbeMessage.
  bool Next(google::protobuf::MessageLite* message);
  bool broken() const { return broken_; }

 private:
  std::string buffer_;
  bool broken_ = false;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_PROBE_MESSAGES_H_
