#include "launcher/framing/frame.h"

// For a state on the stack:
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <algorithm>

#include "absl/status/status.h"
#include "launcher/framing/numbers.h"

namespace muster::framing {
namespace {

constexpr absl::string_view kMagic = "mstr";

uint64_t Seed(uint64_t identity, uint64_t position) {
  const std::array<uint64_t, 2> both = {identity, position};
  return XXH3_64bits(both.data(), sizeof both);
}

uint32_t HeaderCheck(uint64_t seed, uint32_t length, uint64_t payload_check) {
  const std::array<uint64_t, 2> both = {length, payload_check};
  return static_cast<uint32_t>(
      XXH3_64bits_withSeed(both.data(), sizeof both, seed));
}

uint64_t PayloadCheck(uint64_t seed,
                      absl::Span<const absl::string_view> parts) {
  if (parts.size() == 1) {
    return XXH3_64bits_withSeed(parts[0].data(), parts[0].size(), seed);
  }
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset_withSeed(&state, seed);
  for (const absl::string_view part : parts) {
    XXH3_64bits_update(&state, part.data(), part.size());
  }
  return XXH3_64bits_digest(&state);
}

}  // namespace

std::string EncodeFileHeader(const FileHeader& header) {
  std::string bytes(kFileHeaderBytes, '\0');
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  bytes[4] = header.kind;
  bytes[5] = static_cast<char>(header.version);
  Store(header.identity, &bytes[8]);
  return bytes;
}

absl::StatusOr<FileHeader> DecodeFileHeader(absl::string_view bytes) {
  if (bytes.size() < kFileHeaderBytes) {
    return absl::OutOfRangeError("its header is cut off");
  }
  if (bytes.substr(0, kMagic.size()) != kMagic || bytes[6] != 0 ||
      bytes[7] != 0) {
    return absl::DataLossError("it does not begin with muster's header");
  }
  return FileHeader{.kind = bytes[4],
                    .version = static_cast<uint8_t>(bytes[5]),
                    .identity = Load<uint64_t>(&bytes[8])};
}

std::array<char, kFrameHeaderBytes> EncodeFrameHeader(
    uint64_t identity, uint64_t position,
    absl::Span<const absl::string_view> parts) {
  size_t length = 0;
  for (const absl::string_view part : parts) length += part.size();
  const uint64_t seed = Seed(identity, position);
  const uint64_t check = PayloadCheck(seed, parts);
  std::array<char, kFrameHeaderBytes> header;
  Store(static_cast<uint32_t>(length), &header[0]);
  Store(HeaderCheck(seed, static_cast<uint32_t>(length), check), &header[4]);
  Store(check, &header[8]);
  return header;
}

Frame DecodeFrame(uint64_t identity, uint64_t position,
                  absl::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) return {.state = Frame::State::kTorn};
  const uint64_t seed = Seed(identity, position);
  const auto length = Load<uint32_t>(&bytes[0]);
  const auto check = Load<uint64_t>(&bytes[8]);
  if (Load<uint32_t>(&bytes[4]) != HeaderCheck(seed, length, check) ||
      length > kMaxPayloadBytes) {
    return {.state = Frame::State::kBadHeader};
  }
  bytes.remove_prefix(kFrameHeaderBytes);
  if (bytes.size() < length) return {.state = Frame::State::kTorn};
  const absl::string_view payload = bytes.substr(0, length);
  const bool whole = PayloadCheck(seed, {payload}) == check;
  return {.state = whole ? Frame::State::kWhole : Frame::State::kBadPayload,
          .payload = payload,
          .size = kFrameHeaderBytes + length};
}

}  // namespace muster::framing
