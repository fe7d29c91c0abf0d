// The help texts, from the table of flags.
#ifndef MUSTER_LAUNCHER_HELP_H_
#define MUSTER_LAUNCHER_HELP_H_

#include <string>

#include "launcher/flags.h"

namespace muster::launcher {

std::string MainHelp();
std::string CommandHelp(Command command);
std::string TokenHelp();
std::string RshHelp();

// A flag's own paragraph.
std::string FlagHelp(const Flag& flag);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_HELP_H_
