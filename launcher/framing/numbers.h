// Numbers as they stand in files: little-endian, at any address.
#ifndef MUSTER_LAUNCHER_FRAMING_NUMBERS_H_
#define MUSTER_LAUNCHER_FRAMING_NUMBERS_H_

#include <bit>
#include <cstring>

namespace muster::framing {

static_assert(std::endian::native == std::endian::little);

template <typename Number>
void Store(Number number, char* to) {
  std::memcpy(to, &number, sizeof number);
}

template <typename Number>
Number Load(const char* from) {
  Number number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

}  // namespace muster::framing

#endif  // MUSTER_LAUNCHER_FRAMING_NUMBERS_H_
