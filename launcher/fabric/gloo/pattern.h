// What the members reduce: small whole numbers, so that every order of adding
// gives the same float and the sum is known without asking anybody.
//
// The number of an element depends on its place, the pass and the member: a
// part that is missing, comes twice, belongs elsewhere or to an earlier pass
// shows. Sums are exact for up to 8191 members (below 2^24).
#ifndef MUSTER_LAUNCHER_FABRIC_GLOO_PATTERN_H_
#define MUSTER_LAUNCHER_FABRIC_GLOO_PATTERN_H_

#include <cstddef>
#include <cstdint>

namespace muster::fabric {

// What member `rank` contributes in that pass.
void FillInput(float* data, size_t count, uint32_t rank, uint32_t pass);

// What differs from what was expected.
struct Wrong {
  uint64_t count = 0;
  uint64_t first = 0;  // element; nothing when count is 0
  double is = 0;
  double should_be = 0;
};

// Compares with the sum of the input of `members` members.
Wrong CheckSum(const float* data, size_t count, uint32_t members,
               uint32_t pass);

// The same for memory: words in which every bit changes from pass 0 to pass 1.
void FillWords(uint64_t* words, size_t count, uint32_t pass);
// Counts words; `first` is one, `is` and `should_be` are nothing.
Wrong CheckWords(const uint64_t* words, size_t count, uint32_t pass);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GLOO_PATTERN_H_
