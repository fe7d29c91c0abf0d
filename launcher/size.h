// Sizes as people write them: 65536, 64KiB, 8MiB, 1GiB.
#ifndef MUSTER_LAUNCHER_SIZE_H_
#define MUSTER_LAUNCHER_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace muster::launcher {

// Bytes. Units are powers of 1024: K, M, G, T, each also as KiB or KB.
//
// Errors: InvalidArgument when `text` is anything else, or over 8 EiB; the
// message says what is right.
absl::StatusOr<uint64_t> ParseSize(absl::string_view text);

// What ParseSize reads, exact: 1GiB, 1536MiB, 1000.
std::string FormatSize(uint64_t bytes);

// For people, rounded: 1.5 GiB, 312 KiB, 7 bytes.
std::string ShortSize(uint64_t bytes);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_SIZE_H_
