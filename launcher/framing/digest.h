// XXH3, as proto/collector.proto says it of pieces of files and of whole ones.
#ifndef MUSTER_LAUNCHER_FRAMING_DIGEST_H_
#define MUSTER_LAUNCHER_FRAMING_DIGEST_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace muster::framing {

// XXH3-64 of the bytes.
uint64_t Checksum(absl::string_view bytes);

constexpr size_t kDigestBytes = 16;

// Job: XXH3-128 of bytes that come piece by piece.
// Life cycle: Update any number of times; Value at any time.
// Threads: one at a time. A value: copies go on apart.
class Digest {
 public:
  Digest();
  Digest(const Digest& other);
  Digest& operator=(const Digest& other);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  void Update(absl::string_view bytes);
  // As many zeros.
  void UpdateZeros(uint64_t count);

  // Of all so far, in the canonical order: kDigestBytes bytes.
  std::string Value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::framing

#endif  // MUSTER_LAUNCHER_FRAMING_DIGEST_H_
