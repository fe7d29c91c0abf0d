// The verdict for programs: report.json.
#ifndef MUSTER_LAUNCHER_REPORT_JSON_H_
#define MUSTER_LAUNCHER_REPORT_JSON_H_

#include <string>

#include "absl/strings/string_view.h"
#include "proto/report.pb.h"

namespace muster::launcher {

// The words of report.json.
absl::string_view ResultWord(Result result);
absl::string_view CauseWord(CauseKind kind);

// `report` as indented JSON with a line end. Fields that do not apply are
// left out; bytes that are not UTF-8 become U+FFFD.
std::string ReportToJson(const Report& report);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_REPORT_JSON_H_
