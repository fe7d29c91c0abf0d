// Colours and line breaks of what the self-test prints.
#ifndef MUSTER_LAUNCHER_FABRIC_VIEW_PAINT_H_
#define MUSTER_LAUNCHER_FABRIC_VIEW_PAINT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// In green, yellow or red; unchanged without `colour`, or a verdict.
std::string Paint(absl::string_view text, FabricVerdict verdict, bool colour);

// `text` in lines with their ends, broken between words so that none is wider
// than `columns`. The first line begins with `first`, the others with as many
// spaces.
std::string Wrap(absl::string_view first, absl::string_view text,
                 size_t columns);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_VIEW_PAINT_H_
