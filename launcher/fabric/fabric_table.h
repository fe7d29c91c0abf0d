// The self-test for people: what `muster check` prints, and what a job's log
// says.
#ifndef MUSTER_LAUNCHER_FABRIC_FABRIC_TABLE_H_
#define MUSTER_LAUNCHER_FABRIC_FABRIC_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "proto/fabric.pb.h"

namespace muster::fabric {

struct TableOptions {
  bool colour = false;
  // Sentences are broken at this width; tables are wider where names are long.
  size_t columns = 100;
  bool heat_map = false;  // of the pairs of nodes
};

// What tested, the nodes (with NCCL their GPUs), the rounds, the pairs, the
// limits, what was found, what was not tested; the last line is the verdict.
// Speeds are GB/s of 1e9 bytes, busbw as nccl-tests define it. Control
// characters of names and messages are shown as \xNN.
std::string FabricTable(const FabricReport& report,
                        const TableOptions& options);

// A few lines for the job's log, without line ends: the verdict; each finding
// with its next step; who is left out. None where nothing was tested.
std::vector<std::string> FabricLines(const FabricReport& report);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_FABRIC_TABLE_H_
