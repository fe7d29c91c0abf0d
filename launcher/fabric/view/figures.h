// The self-test's figures as people read them.
#ifndef MUSTER_LAUNCHER_FABRIC_VIEW_FIGURES_H_
#define MUSTER_LAUNCHER_FABRIC_VIEW_FIGURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "launcher/fabric/bandwidth.h"
namespace muster::fabric {

// With three digits or a little more: "1520", "48.1", "1.24", "0.042"; "-" for
// nothing.
std::string FigureText(double value);

// "4 MiB", "1.5 GiB", "700 B"; "-" for nothing.
std::string SizeText(uint64_t bytes);

// "12 ms", "1.4 s", "75 s".
std::string SecondsText(double seconds);

// "1 node", "2 nodes".
std::string CountText(uint64_t count, absl::string_view noun);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_VIEW_FIGURES_H_
