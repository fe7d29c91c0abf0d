// Takes arguments apart into flags and values. What the values mean is not
// looked at here.
#ifndef MUSTER_LAUNCHER_FLAG_SCANNER_H_
#define MUSTER_LAUNCHER_FLAG_SCANNER_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "launcher/flags.h"

namespace muster::launcher {

struct ScannedFlags {
  std::map<const Flag*, std::vector<std::string>> values;  // as often as given
  std::set<absl::string_view> without_value;               // names
  bool help = false;                                       // --help or -h
  bool command_seen = false;  // it seems to begin where "--" is missing
  std::vector<std::string> mistakes;
};

// `arguments` are those between the command's name and "--";
// `has_separator` says whether there is a "--". Goes on after a mistake; only
// without "--", the first argument that is no flag ends the scan, since the
// user's command seems to begin there.
ScannedFlags ScanFlags(std::vector<std::string> arguments, Command command,
                       bool has_separator);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_FLAG_SCANNER_H_
