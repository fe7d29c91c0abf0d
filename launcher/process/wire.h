#ifndef MUSTER_LAUNCHER_PROCESS_WIRE_H_
#define MUSTER_LAUNCHER_PROCESS_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "launcher/process/unique_fd.h"

namespace muster::process {

// Frames on a SOCK_STREAM socket pair between two processes of one program:
// {magic, payload size, type, number of descriptors} and the payload, in the
// machine's byte order. Descriptors travel with the first byte of their frame.

// More than the kernel would accept as arguments and environment of one exec.
inline constexpr size_t kMaxPayload = 16 << 20;
// The kernel's limit of descriptors in one message (SCM_MAX_FD).
inline constexpr size_t kMaxFrameFds = 253;

struct Frame {
  uint16_t type = 0;
  std::string payload;
  std::vector<UniqueFd> fds;
  // Set by FrameReader: this process had no room for the descriptors (EMFILE).
  bool fds_lost = false;
};

// Sends frames in order without ever blocking. Unbounded: the callers' traffic
// is a few frames for each worker. Owns the descriptors until they are sent,
// then closes them. One thread.
class FrameWriter {
 public:
  enum class Result { kDone, kBlocked, kBroken };

  // `frame` must keep within kMaxPayload and kMaxFrameFds.
  void Push(Frame frame);

  // Writes what the socket takes. kBlocked: call again when `socket` is
  // writable. kBroken: the other side is gone (errno says more); the queue is
  // dropped.
  Result Flush(int socket);

 private:
  struct Outgoing {
    std::string bytes;
    size_t sent = 0;
    std::vector<UniqueFd> fds;
  };
  std::deque<Outgoing> queue_;
};

// Receives frames without ever blocking. Never reads past the frame under way:
// while the keeper forks for one request it must not yet hold the ports of the
// next one. One thread.
class FrameReader {
 public:
  enum class Result { kFrame, kWouldBlock, kEnd, kBroken };

  // kFrame: `frame` is the next one. kWouldBlock: call again when `socket` is
  // readable. kEnd: the other side closed between two frames. kBroken: it
  // closed inside a frame, or sent what is no frame; error() says which. After
  // kEnd and kBroken the reader is of no more use.
  Result Next(int socket, Frame* frame);

  const std::string& error() const { return error_; }

 private:
  Result Fill(int socket, char* buffer, size_t size, size_t* filled);
  Result Broken(std::string error);
  bool TakeHeader();

  struct Header {
    uint32_t magic;
    uint32_t size;
    uint16_t type;
    uint16_t fds;
  };
  friend class FrameWriter;

  Header header_ = {};
  size_t header_filled_ = 0;
  size_t payload_filled_ = 0;
  Frame frame_;
  std::string error_;
};

// Puts numbers and strings into a payload.
class PayloadWriter {
 public:
  void U32(uint32_t value);
  void I64(int64_t value);
  void String(absl::string_view value);
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Gets them out again. A read past the end gives 0 or "" and makes Finished()
// false, so that a decoder checks once, at its end.
class PayloadReader {
 public:
  explicit PayloadReader(absl::string_view bytes) : left_(bytes) {}
  uint32_t U32();
  int64_t I64();
  std::string String();
  // A count of items of at least four bytes each; 0 if there cannot be so many.
  uint32_t Count();
  // True when everything was there and nothing is left over.
  bool Finished() const { return ok_ && left_.empty(); }

 private:
  absl::string_view Take(size_t size);

  absl::string_view left_;
  bool ok_ = true;
};

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_WIRE_H_
