#include "launcher/fabric/gloo/memory.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "launcher/fabric/gloo/pace.h"
#include "launcher/fabric/gloo/pattern.h"

namespace muster::fabric {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Counts the words of both that are wrong; the first is of the one or other.
Wrong CheckBoth(const uint64_t* source, const uint64_t* copy, size_t count,
                uint32_t pass) {
  Wrong wrong = CheckWords(source, count, pass);
  const Wrong copied = CheckWords(copy, count, pass);
  if (wrong.count == 0) wrong.first = copied.first;
  wrong.count += copied.count;
  return wrong;
}

}  // namespace

void TestMemory(Attempt& attempt) {
  const size_t count =
      std::max<size_t>(1, attempt.group().bytes() / sizeof(uint64_t));
  const size_t bytes = count * sizeof(uint64_t);
  const double limit = attempt.group().measure_ms() / 1000.0;
  // Not initialized: the first touch is the test's.
  const std::unique_ptr<uint64_t[]> source(new uint64_t[count]);
  const std::unique_ptr<uint64_t[]> copy(new uint64_t[count]);
  std::vector<double> samples;
  double passed = 0;
  for (uint32_t pass = 0; pass < 2; ++pass) {
    FillWords(source.get(), count, pass);
    // In both passes, so that each bit is copied as 0 and as 1.
    do {
      if (attempt.closed()) return;
      const Clock::time_point start = Clock::now();
      std::memcpy(copy.get(), source.get(), bytes);
      samples.push_back(SecondsSince(start));
      passed += samples.back();
    } while (passed < limit * (pass + 1) / 2 && samples.size() < kMostSamples);
    const Wrong wrong = CheckBoth(source.get(), copy.get(), count, pass);
    if (wrong.count == 0) continue;
    FabricFailure failure = attempt.Failure(
        FABRIC_FAILURE_WRONG,
        std::to_string(wrong.count) + " of " + std::to_string(2 * count) +
            " words of memory are not what was written, the first at byte " +
            std::to_string(wrong.first * sizeof(uint64_t)) +
            "; test this node's memory");
    failure.set_wrong(wrong.count);
    attempt.Fail(std::move(failure));
    return;
  }
  // The first copies touch pages that nobody had.
  if (samples.size() > 2) samples.erase(samples.begin());
  attempt.Measured(Measured(bytes, samples));
}

}  // namespace muster::fabric
