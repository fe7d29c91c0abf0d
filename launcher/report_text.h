// The verdict for people.
#ifndef MUSTER_LAUNCHER_REPORT_TEXT_H_
#define MUSTER_LAUNCHER_REPORT_TEXT_H_

#include <string>

#include "proto/report.pb.h"

namespace muster::launcher {

// Where things are; "" for what is not there and is then not shown.
struct ReportPaths {
  std::string logs;
  std::string outputs;
  std::string report;
  std::string first_cause_stderr;  // all that the failing worker wrote
};

enum class Colour { kOff, kOn };  // of the result's word

// One block for the node that tells the story: what came of the job, the first
// cause with the end of its stderr, what followed from it, and where to look.
// Text from workers and other nodes is shown without control characters.
std::string ReportBlock(const Report& report, const ReportPaths& paths,
                        Colour colour = Colour::kOff);

// One line for every other node, without its line end.
std::string ReportLine(const Report& report);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_REPORT_TEXT_H_
