#include "launcher/framing/digest.h"

// For a state that is part of ours:
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <algorithm>
#include <array>

namespace muster::framing {

struct Digest::State {
  XXH3_state_t xxh;
};

uint64_t Checksum(absl::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

Digest::Digest() : state_(std::make_unique<State>()) {
  XXH3_INITSTATE(&state_->xxh);
  XXH3_128bits_reset(&state_->xxh);
}

Digest::Digest(const Digest& other)
    : state_(std::make_unique<State>(*other.state_)) {}

Digest& Digest::operator=(const Digest& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}

Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::Update(absl::string_view bytes) {
  XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
}

void Digest::UpdateZeros(uint64_t count) {
  static constexpr std::array<char, 64 * 1024> kZeros = {};
  while (count > 0) {
    const auto piece =
        static_cast<size_t>(std::min<uint64_t>(count, kZeros.size()));
    Update(absl::string_view(kZeros.data(), piece));
    count -= piece;
  }
}

std::string Digest::Value() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_->xxh));
  return std::string(reinterpret_cast<const char*>(canonical.digest),
                     kDigestBytes);
}

}  // namespace muster::framing
