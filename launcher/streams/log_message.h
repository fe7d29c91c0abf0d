// Messages of LogUp as they go over the wire.
#ifndef MUSTER_LAUNCHER_STREAMS_LOG_MESSAGE_H_
#define MUSTER_LAUNCHER_STREAMS_LOG_MESSAGE_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>

#include "launcher/streams/forwarder.h"

namespace muster::streams {

// The message as a LogUp. Large pieces of data are not copied: the buffer
// refers to them and holds the memory that they lie in. `now_unix_ms` is what
// gaps are dated with.
grpc::ByteBuffer EncodeLogMessage(const LogMessage& message,
                                  int64_t now_unix_ms);
grpc::ByteBuffer EncodeIntroduction(const Introduction& introduction);

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_LOG_MESSAGE_H_
