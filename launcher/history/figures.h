// Numbers and times as people read them.
#ifndef MUSTER_LAUNCHER_HISTORY_FIGURES_H_
#define MUSTER_LAUNCHER_HISTORY_FIGURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace muster::history {

// "32 B", "1.5 kB", "12 MB", "4.3 GB".
std::string ShownBytes(uint64_t bytes);

// "20ms", "12.5s", "3m20s", "2h05m", "3d04h".
std::string ShownDuration(absl::Duration duration);

// "2026-11-21 05:34:23", in the zone of the reader.
std::string ShownTime(absl::Time time, absl::TimeZone zone);

// "0-3, 7"; `numbers` ascending.
std::string ShownRanks(const std::vector<uint64_t>& numbers);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_FIGURES_H_
