// What every fuzz target of this folder defines.
#ifndef MUSTER_TESTS_FUZZ_TARGET_H_
#define MUSTER_TESTS_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

// Feeds one input to the code under test and aborts where an answer breaks its
// contract. Called many times in one process: by libFuzzer, and by replay.cc
// for each file of the corpus. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace muster::test {

// Aborts with the text, as a finding, unless `holds`.
inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken contract: %s\n", what);
  std::abort();
}

inline std::string Text(const uint8_t* data, size_t size) {
  return size == 0 ? std::string()
                   : std::string(reinterpret_cast<const char*>(data), size);
}

}  // namespace muster::test

#endif  // MUSTER_TESTS_FUZZ_TARGET_H_
