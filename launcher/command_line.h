// From argv and the environment to a command, or to all mistakes at once.
#ifndef MUSTER_LAUNCHER_COMMAND_LINE_H_
#define MUSTER_LAUNCHER_COMMAND_LINE_H_

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "env/schedulers/discovery.h"
#include "env/schedulers/inputs.h"
#include "launcher/collect_command_line.h"
#include "launcher/history_command.h"
#include "proto/job.pb.h"

namespace muster::launcher {

using Variables = std::map<std::string, std::string>;

// What the parser may know of the machine besides the arguments.
struct Surroundings {
  Variables variables;    // the environment
  std::string host_name;  // shown for this node unless --host-name is given
  // Numeric, of this node, the surest first: it looks for them in lists of
  // hosts.
  std::vector<std::string> addresses = {};
  // Must outlive the parser; null: there are no files.
  const env::FileReader* files = nullptr;
};

// The environment as a map; entries without "=" are left out.
Variables ReadVariables(const char* const* environment);

// `muster run`: this node's agent.
struct RunCommand {
  JobSpec spec;
  // What the scheduler said, used or not, with its evidence.
  std::optional<env::Discovery> discovery = {};
  // Lines for the log: what was learnt from the environment, and from where.
  std::vector<std::string> learnt = {};
};

// `muster sim`: spec.agreement().max_nodes() agents on this machine. Endpoint,
// node rank, advertised address and host name are left to the simulator, as is
// the token where none is given.
struct SimCommand {
  JobSpec spec;
};

// `muster check`: this node's agent, for the self-test alone.
struct CheckCommand {
  RunCommand run;     // spec.agreement().fabric().only() is set, no command
  bool json = false;  // not a table
};

// What decided, for each flag that says how large the job is and which part of
// it is here, by the flag's name: "--nnodes 4", "MUSTER_NNODES=4",
// "SLURM_STEP_NUM_NODES=4" or "default".
using Decisions = std::map<std::string, std::string>;

// `muster env`: print what every rank would be given, and start nothing.
struct EnvCommand {
  JobSpec spec;  // the command may be empty
  bool json = false;
  Decisions decisions;
};

// `muster token`: print a fresh token.
struct TokenCommand {};

// `muster rsh HOST COMMAND...`: run the words on another node of this job.
struct RshCommand {
  std::string host;
  std::vector<std::string> words;  // at least one
};

// `muster mpi-rank`: for mpirun alone.
struct RankShimCommand {};

// `muster fabric-probe`: for agents alone.
struct FabricProbeCommand {
  bool inventory = false;    // print what this node has, and leave
  std::string nccl_library;  // "": the loader's
  std::string log;           // of NCCL's own; "": standard error
  std::string host_id;       // what NCCL takes for this host; "": itself
};

// --help, --version, or `muster` alone: print and leave.
struct PrintCommand {
  std::string text;
  int exit_code = 0;
};

// The command line is wrong: print Text() on stderr and leave with kUsage.
struct UsageErrors {
  std::vector<std::string> mistakes;  // a line each; at least one
  std::string help;                   // the command that shows what is right

  // One line for each mistake, then where the help is.
  std::string Text() const;
};

struct CommandLine {
  std::variant<RunCommand, SimCommand, EnvCommand, CheckCommand, TokenCommand,
               RshCommand, RankShimCommand, FabricProbeCommand, CollectCommand,
               HistoryCommand, PrintCommand, UsageErrors>
      command;
  std::vector<std::string> warnings = {};  // a line each, for stderr
  // For each flag that is not left to its default, by its name without dashes,
  // where its value comes from: "--nnodes 4", "MUSTER_NNODES=4" or
  // "SLURM_STEP_NUM_NODES=4". Printable.
  std::map<std::string, std::string> sources = {};
};

// Reads `arguments` (argv without the program's name); what they and MUSTER_*
// variables do not say is learnt from the environment (env/schedulers). Pure,
// but for the surroundings' files and the directory that --init-method names.
// Never fails: what is wrong becomes UsageErrors, all of it.
CommandLine ParseCommandLine(const std::vector<std::string>& arguments,
                             const Surroundings& surroundings);

// The flags that make `muster run` give this very spec, whatever the MUSTER_*
// variables say; without "run", "--" and the command. For the agents of a
// simulated job. What the spec says nothing of (no endpoint, no node rank, no
// report, ...) has no flag, and is then open to variables.
std::vector<std::string> ToArguments(const JobSpec& spec);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_COMMAND_LINE_H_
