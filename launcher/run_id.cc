#include "launcher/run_id.h"

#include <sys/random.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace muster::launcher {

std::string MakeRunId(const std::string& job) {
  // Two runs of one second have to differ; no randomness at all is no reason
  // to fail here, since the run directory refuses a name that is taken.
  uint32_t random = 0;
  (void)!getrandom(&random, sizeof random, 0);
  constexpr size_t kLongestJob = 36;
  return absl::StrCat(
      job.substr(0, kLongestJob), "-",
      absl::FormatTime("%Y%m%d-%H%M%S", absl::Now(), absl::UTCTimeZone()), "-",
      absl::StrFormat("%06x", random & 0xffffff));
}

}  // namespace muster::launcher
