#include "launcher/help.h"

#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace muster::launcher {
namespace {

constexpr size_t kColumns = 80;

struct Section {
  Group group;
  absl::string_view title;
};

constexpr Section kSections[] = {
    {Group::kJob, "Job"},
    {Group::kMeeting, "Rendezvous"},
    {Group::kSelfTest, "Self-test"},
    {Group::kWorkers, "Workers"},
    {Group::kOutput, "Output"},
    {Group::kSecurity, "Security"},
};

constexpr char kAboutRun[] = R"(Usage: muster run [flags] -- COMMAND [ARG...]

The agent of one node. It meets the agents of the other nodes, starts the
workers, brings their output home and ends with the verdict of the whole job.
)";

constexpr char kAboutSim[] = R"(Usage: muster sim [flags] -- COMMAND [ARG...]

A job of N nodes on this machine, through the same code as `muster run`: one
agent for each node, all with one job token, made for them if none is set.
)";

constexpr char kAboutEnv[] =
    R"(Usage: muster env [flags] [--json] [-- COMMAND [ARG...]]

Prints what every rank of the job would be given: its variables, each with its
source, and its command. Takes the flags and variables of `muster run` and of
`muster sim`; starts nothing, opens no port and asks nobody. What is known only
when the job runs is shown as <port>, <node0> and so on. What a rank would
inherit from here is left out, unless it is a setting that muster knows.

  --json
      For programs: all ranks, each with all its variables.
)";

constexpr char kAboutCheck[] = R"(Usage: muster check [flags] [--json]

The self-test alone, by hand: run the same on every node. They meet as the
agents of a job do, look at what each one has, reduce alone, in pairs and all
together, and the first node prints what was measured and who is to blame: a
node, a GPU, a link, or what all share. Nothing else is started.

  --json
      For programs: what fabric.json holds, on standard output.
)";

constexpr char kAboutFlags[] = R"(
Every flag is written --flag VALUE or --flag=VALUE, with - or _ inside its
name, or as a variable: MUSTER_NNODES=2 is --nnodes 2. A flag beats a variable.
A duration D is written 500ms, 30s, 10m or 1h.
)";

constexpr char kAboutArguments[] = R"(
In COMMAND and its arguments, $NAME and ${NAME} become the worker's variables,
without a shell: quote them, as in --rank '$RANK'.
)";

constexpr char kExitCodes[] = R"(
Exit codes, the same on every node
  0              every worker ended with 0
  1-63, 79-125   the first failing worker's own code, kept
  126, 127       the command cannot be executed; is not found
  128+n          the first failing worker died of signal n, or the job was
                 cancelled by it
  64             usage: the command line is wrong, or names what a node does
                 not have
  69             rendezvous: not all nodes joined in time, one of them can't
                 reach a port of another, a port of --base-port is taken, or
                 mpirun did not start all ranks in time
  70             a fault of muster's own
  75             a node was lost, or failed the self-test: try again elsewhere
  76             the self-test failed with nobody to blame
  77             refused: wrong or missing token
  78             refused: the agents' settings or their Open MPI differ, or
                 mpirun is too old, not Open MPI's, or does not answer
  A worker's own code in 64-78 is kept too; the report tells the two apart.
)";

constexpr char kCheckExitCodes[] = R"(
Exit codes, the same on every node
  0    the test passed, maybe with warnings
  64   usage: the command line is wrong
  69   rendezvous: not all nodes joined in time
  70   a fault of muster's own
  75   a node, GPU or link failed and is named, or a node was lost
  76   the test failed with nobody to blame
  77   refused: wrong or missing token
  78   refused: the agents' settings differ
  128+n  cancelled by signal n
)";

constexpr char kMainHelp[] = R"(Usage: muster COMMAND [flags] ...

muster starts a distributed training job: one agent on each node meets the
others, gives every worker its rank and its environment, and starts it. The
agents carry all output to one place and end with one verdict, the same exit
code on every node.

Commands
  run     the agent of one node; the entrypoint of its container
  sim     a job of N nodes on this machine, to try things out
  check   the self-test of GPUs and network alone, as a table
  env     print what each rank would be given; starts nothing
  collect a collector of its own, for the output of many jobs
  rsh     run a command on another node of a job
  token   print a fresh job token
  runs    the runs that are kept, here or at a collector
  show    what one run was, and what came of it
  logs    what its workers wrote, also while it goes on
  files   the files that it left
  get     copy them

  muster COMMAND --help   the flags of a command, and the exit codes
  muster --version        the version

Examples
  One node, a worker on each of its GPUs:
    muster run -- python train.py

  Two nodes; run the same on both, with node1 the name of one of them:
    export MUSTER_TOKEN=...   # what `muster token` printed once
    muster run --nnodes 2 --rdzv-endpoint node1 -- python train.py

  Two nodes with four workers each, all on this machine:
    muster sim --nnodes 2 --nproc-per-node 4 -- python train.py

  What the last run says, as it says it, and the model that it leaves:
    muster logs latest -f
    muster get latest outputs/ ./model
)";

constexpr char kTokenHelp[] = R"(Usage: muster token

Prints a fresh job token. Set MUSTER_TOKEN to it on every node of a job, or
write it to a file for --token-file: only agents with the token can join.
)";

constexpr char kRshHelp[] = R"(Usage: muster rsh HOST COMMAND...

Runs a command on another node of the job, over the agents' own connection: no
ssh, no key, no port. HOST is an address or a name of the node, or node<k>. The
words of COMMAND are joined by spaces and run by /bin/sh there, so what shall
reach the command as it is needs quotes of its own:

  muster rsh node1 'ls "$HOME"'

Standard input, output and error, the exit status and signals are carried, the
working directory, and the variables that differ from the agent's own.

It works in jobs of --framework mpi, where mpirun uses it to start its daemons,
and only for processes of the user who runs the agent. Beside a job it finds the
agent by itself; with several jobs on the host MUSTER_AGENT_SOCKET names one.

Exit codes: those of the command, or 128 + its signal; and 69 when this node's
agent is not there, 75 when the other node is lost or can't run it, 77 when the
agent refuses.
)";

// `text` in lines of at most kColumns, each indented.
std::string Wrapped(absl::string_view text, size_t indent) {
  const std::string margin(indent, ' ');
  std::string wrapped;
  std::string line = margin;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (line.size() > indent && line.size() + 1 + word.size() > kColumns) {
      absl::StrAppend(&wrapped, line, "\n");
      line = margin;
    }
    absl::StrAppend(&line, line.size() > indent ? " " : "", word);
  }
  return absl::StrCat(wrapped, line, "\n");
}

}  // namespace

std::string FlagHelp(const Flag& flag) {
  const absl::string_view shown =
      flag.fallback.empty() ? flag.default_text : flag.fallback;
  return absl::StrCat(
      "  --", flag.name, flag.IsSwitch() ? "" : " ", flag.value, "\n",
      Wrapped(shown.empty() ? std::string(flag.help)
                            : absl::StrCat(flag.help, " Default: ", shown, "."),
              6));
}

namespace {

const char* About(Command command) {
  switch (command) {
    case Command::kRun:
      return kAboutRun;
    case Command::kSim:
      return kAboutSim;
    case Command::kEnv:
      return kAboutEnv;
    case Command::kCheck:
      return kAboutCheck;
  }
  return "";
}

}  // namespace

std::string MainHelp() { return kMainHelp; }

std::string CommandHelp(Command command) {
  std::string help = absl::StrCat(About(command), kAboutFlags);
  if (command != Command::kCheck) absl::StrAppend(&help, kAboutArguments);
  for (const Section& section : kSections) {
    std::string flags;
    for (const Flag& flag : Flags()) {
      if (flag.group == section.group && flag.BelongsTo(command)) {
        absl::StrAppend(&flags, FlagHelp(flag));
      }
    }
    if (!flags.empty())
      absl::StrAppend(&help, "\n", section.title, "\n", flags);
  }
  if (command == Command::kEnv) {
    return absl::StrCat(help, "\nExit codes: 0, and 64 for a usage error\n");
  }
  return absl::StrCat(
      help, command == Command::kCheck ? kCheckExitCodes : kExitCodes);
}

std::string TokenHelp() { return kTokenHelp; }

std::string RshHelp() { return kRshHelp; }

}  // namespace muster::launcher
