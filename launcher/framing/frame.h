// Checksummed pieces of a file that only grows. What was cut off, altered or
// moved to another place is told from what is whole.
//
//   file    header (16 bytes), then frames
//   header  "mstr", kind, version, 0, 0, identity (64 bits)
//   frame   length (32), check of this header (32), check of the payload (64),
//           payload
//
// Numbers are little-endian. Checks are XXH3, seeded with the file's identity
// and the frame's position, so that old blocks and frames of other files fail
// them.
#ifndef MUSTER_LAUNCHER_FRAMING_FRAME_H_
#define MUSTER_LAUNCHER_FRAMING_FRAME_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace muster::framing {

constexpr size_t kFileHeaderBytes = 16;
constexpr size_t kFrameHeaderBytes = 16;
constexpr size_t kMaxPayloadBytes = size_t{2} << 20;

struct FileHeader {
  char kind = 0;        // what the payloads are: 's' spool, 'j' journal
  uint8_t version = 0;  // of the payloads' layout
  uint64_t identity = 0;
};

std::string EncodeFileHeader(const FileHeader& header);

// Errors: OutOfRange when there are fewer than 16 bytes; DataLoss when it is
// the header of something else.
absl::StatusOr<FileHeader> DecodeFileHeader(absl::string_view bytes);

// The header of a frame whose payload is `parts` one after the other, together
// at most kMaxPayloadBytes, and which begins at `position` of its file.
std::array<char, kFrameHeaderBytes> EncodeFrameHeader(
    uint64_t identity, uint64_t position,
    absl::Span<const absl::string_view> parts);

struct Frame {
  enum class State {
    kWhole,
    kTorn,        // the bytes end before the frame does
    kBadPayload,  // the payload is altered; the next frame is where it should
                  // be
    kBadHeader,   // nothing can be said of what follows
  };
  State state = State::kTorn;
  absl::string_view payload;  // whole or bad, as it is in the bytes
  size_t size = 0;            // of header and payload; 0 if torn or bad header
};

// Looks at the frame that `bytes` begin with, at `position` of its file. No
// bytes at all are kTorn.
Frame DecodeFrame(uint64_t identity, uint64_t position,
                  absl::string_view bytes);

}  // namespace muster::framing

#endif  // MUSTER_LAUNCHER_FRAMING_FRAME_H_
