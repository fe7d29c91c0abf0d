// The command line of `muster collect`.
#ifndef MUSTER_LAUNCHER_COLLECT_COMMAND_LINE_H_
#define MUSTER_LAUNCHER_COLLECT_COMMAND_LINE_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "proto/job.pb.h"

namespace muster::launcher {

// `muster collect`: a collector of its own.
struct CollectCommand {
  std::string directory;
  std::string host;        // a name or a numeric address
  uint32_t port = 0;       // 0: any free one
  uint64_t run_quota = 0;  // bytes; 0 for none
  JobSpec security;        // the fields of --token-file, --tls-*, --insecure
};

// What the command line comes to: a command, that its help is asked for, or
// all mistakes, a line each.
struct CollectHelpWanted {};
using ParsedCollect =
    std::variant<CollectCommand, CollectHelpWanted, std::vector<std::string>>;

// From the arguments after "collect", and MUSTER_* variables for what they do
// not say. Pure.
ParsedCollect ParseCollect(const std::vector<std::string>& arguments,
                           const std::map<std::string, std::string>& variables);

std::string CollectHelp();

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_COLLECT_COMMAND_LINE_H_
