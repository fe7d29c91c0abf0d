#ifndef MUSTER_LAUNCHER_RUN_ID_H_
#define MUSTER_LAUNCHER_RUN_ID_H_

#include <string>

namespace muster::launcher {

// A name for one run: readable, sorted by time, unique. `job` is --rdzv-id, or
// what stands for it; fit for a file name, as --rdzv-id is.
std::string MakeRunId(const std::string& job);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_RUN_ID_H_
