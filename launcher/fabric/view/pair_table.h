// The tests of a self-test, one by one.
#ifndef MUSTER_LAUNCHER_FABRIC_VIEW_PAIR_TABLE_H_
#define MUSTER_LAUNCHER_FABRIC_VIEW_PAIR_TABLE_H_

#include <cstddef>
#include <string>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// What each round was for, and what came of it; "" without rounds.
std::string RoundTable(const FabricReport& report);

// A row for each pair of nodes (with NCCL its worst rail), for each pair of a
// node's GPUs that had to be tried, and for the test of all together. Of many
// pairs those that did not pass, the slowest few and the median. "" without
// any.
std::string PairTable(const FabricReport& report, bool colour);

// The limits of busbw by which tests were judged, each once, and where it came
// from: "network limit 0.60 GB/s: half of the median"; or why there was none:
// "no network limit: --limit-network 0". The first few of many. "" without any.
std::string LimitLines(const FabricReport& report, size_t columns);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_VIEW_PAIR_TABLE_H_
