#include "launcher/mpi/mpirun.h"

#include <cstddef>
#include <initializer_list>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace muster::mpi {
namespace {

constexpr uint32_t kOldest = 4;

std::string FirstLine(absl::string_view text) {
  return std::string(
      absl::StripAsciiWhitespace(text.substr(0, text.find('\n'))));
}

}  // namespace

absl::StatusOr<Version> ParseVersion(absl::string_view output) {
  constexpr absl::string_view kMark = "(Open MPI) ";
  const std::string line = FirstLine(output);
  const size_t mark = line.find(std::string(kMark));
  Version version;
  if (mark != std::string::npos) {
    version.text = line.substr(mark + kMark.size());
    const std::vector<std::string> numbers = absl::StrSplit(version.text, '.');
    if (numbers.size() >= 2 && absl::SimpleAtoi(numbers[0], &version.major)) {
      if (version.major >= kOldest) return version;
      return absl::FailedPreconditionError(absl::StrCat(
          "mpirun is Open MPI ", version.text,
          ", which is too old; install Open MPI ", kOldest, ".0 or later"));
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "mpirun is not Open MPI's, it says \"", line.substr(0, 80),
      "\"; install Open MPI, or put its bin directory first into PATH"));
}

std::vector<std::string> MpirunCommand(const MpirunOptions& options) {
  const bool prrte = options.version.major >= 5;
  std::vector<std::string> command = {"mpirun"};
  const auto add = [&](std::initializer_list<std::string> words) {
    command.insert(command.end(), words);
  };
  uint32_t world = 0;
  std::vector<std::string> hosts;
  for (size_t i = 0; i < options.hosts.size(); ++i) {
    world += options.slots[i];
    hosts.push_back(absl::StrCat(options.hosts[i], ":", options.slots[i]));
  }
  add({"--allow-run-as-root", "-np", absl::StrCat(world), "--host",
       absl::StrJoin(hosts, ","), "--bind-to", "none", "--map-by", "slot"});
  // mpirun hands this down to its daemons, which crash unless the program
  // exists with them too, though only mpirun runs it. So there is a second
  // choice for them, which every node has.
  const std::string agent = absl::StrCat(options.remote_agent, ":false");
  // The parameters of the daemons moved to PRRTE with Open MPI 5.
  if (prrte) {
    add({"--prtemca", "plm_ssh_agent", agent, "--prtemca",
         "plm_ssh_no_tree_spawn", "1", "--leave-session-attached"});
  } else {
    add({"--mca", "plm_rsh_agent", agent, "--mca", "plm_rsh_no_tree_spawn", "1",
         "--leave-session-attached"});
  }
  if (!options.network.empty()) {
    if (prrte) {
      add({"--prtemca", "prte_if_include", options.network});
    } else {
      add({"--mca", "oob_tcp_if_include", options.network});
    }
    add({"--mca", "btl_tcp_if_include", options.network});
  }
  // The directory of this node may not exist on another; each agent has its
  // ranks start in its own.
  add({"--wdir", "/"});
  command.insert(command.end(), options.user_arguments.begin(),
                 options.user_arguments.end());
  command.insert(command.end(), options.program.begin(), options.program.end());
  return command;
}

}  // namespace muster::mpi
