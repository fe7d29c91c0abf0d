// Why a job ended as it did, in words.
#ifndef MUSTER_LAUNCHER_CAUSE_TEXT_H_
#define MUSTER_LAUNCHER_CAUSE_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "proto/report.pb.h"

namespace muster::launcher {

// What the first cause is: one sentence without its full stop.
std::string WhatHappened(const Report& report);

// What the exit code says. It depends on whose code it is: a worker may end
// with 77 too.
absl::string_view ExitCodeMeaning(const Report& report);

// "died of a signal"
absl::string_view WhatHappenedToOthers(CauseKind kind);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_CAUSE_TEXT_H_
