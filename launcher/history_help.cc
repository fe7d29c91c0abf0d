#include <string>

#include "absl/strings/str_cat.h"
#include "launcher/help.h"
#include "launcher/history_command_line.h"

namespace muster::launcher {
namespace {

constexpr char kAboutRuns[] = R"(Usage: muster runs [flags]

Lists the runs that are kept, the newest first: those in ./muster-runs, in
another --run-dir, or at the collector that --from names.

  muster runs
  muster runs --run-dir /shared/runs
  MUSTER_TOKEN=... muster runs --from head:29400
)";

constexpr char kAboutShow[] = R"(Usage: muster show RUN [flags]

What a run was and what came of it: its command, its nodes with their ranks, how
long each phase took, the first cause of a failure, bytes that are missing in
its logs, and where things are.
)";

constexpr char kAboutLogs[] = R"(Usage: muster logs RUN [flags]

What the workers of a run wrote, each line with its [rank] in front.

  muster logs latest                    all of it, rank by rank
  muster logs latest -f                 as it comes, until the run is over
  muster logs latest -f --rank 3        one rank alone, without [rank]
  muster logs latest --stderr --tail 20 the end of each rank's stderr
  muster logs latest --rank 0 --stdout --raw >out    byte for byte

A line ends at a newline, at a carriage return (so that progress bars are seen),
at 64 KiB, or when nothing more came for 250 ms. Two ranks never share a line.
Control characters are shown as \x1b and the like unless --raw. Where bytes are
missing, a line says how many and why.
)";

constexpr char kAboutFiles[] = R"(Usage: muster files RUN [PREFIX] [flags]

The files of a run whose paths begin with PREFIX, each with its size, its time
and its path:

  muster files latest                   all of them
  muster files latest outputs/          ./outputs of every node
  muster files latest nodes/node0/logs/ ./logs of node 0
  muster files latest logs/             what the workers wrote
)";

constexpr char kAboutGet[] = R"(Usage: muster get RUN PREFIX DIR [flags]
       muster get --spool DIR [--collector HOST:PORT] [flags]

Copies the files of a run whose paths begin with PREFIX below DIR, with their
modes and times.

  muster get latest outputs/ ./model    ./outputs of every node
  muster get latest logs/ ./logs        what the workers wrote
  muster get latest '' ./all            everything

Of a path, what stands after the last / of PREFIX goes below DIR. `outputs/`
means that directory of every node: its files go directly below DIR. Only where
two nodes have a file of one path, those of every node go below DIR/node<k>/.

A file takes its name when it is whole. The same command again goes on where it
was cut, leaves alone what is there with the same size and time, and replaces
what is not. No link is followed below DIR.

With --spool it goes the other way: what agents could not send before they died
goes to a collector, and leaves this machine when that has it on its disk.

  muster get --spool /var/tmp/muster-spool-0 --collector head:29401
)";

constexpr char kAboutRunWord[] = R"(
RUN is the id of a run or the beginning of one, `latest`, or the path of its
directory.
)";

constexpr char kExitCodes[] = R"(
Exit codes
  0    done; also when the reader of the output has left
  1    a part could not be read or written, which is said
  64   usage: the command line is wrong, or there is no such run
  69   the collector can't be reached
  77   the collector refuses: wrong or missing token
  130  interrupted
)";

const char* About(HistoryKind kind) {
  switch (kind) {
    case HistoryKind::kRuns:
      return kAboutRuns;
    case HistoryKind::kShow:
      return kAboutShow;
    case HistoryKind::kLogs:
      return kAboutLogs;
    case HistoryKind::kFiles:
      return kAboutFiles;
    case HistoryKind::kGet:
      return kAboutGet;
  }
  return "";
}

struct Section {
  Group group;
  const char* title;
};
constexpr Section kSections[] = {
    {Group::kOutput, "What is shown"},
    {Group::kMeeting,
     "Where the runs are (also by MUSTER_RUN_DIR, MUSTER_FROM)"},
    {Group::kSecurity, "Who asks"},
};

}  // namespace

std::string HistoryHelp(HistoryKind kind) {
  std::string help = absl::StrCat(
      About(kind), kind == HistoryKind::kRuns ? "" : kAboutRunWord);
  for (const Section& section : kSections) {
    std::string flags;
    for (const HistoryFlag& flag : HistoryFlags()) {
      const bool has = (flag.of >> static_cast<unsigned>(kind) & 1U) != 0;
      if (!has || flag.flag.group != section.group) continue;
      absl::StrAppend(
          &flags,
          flag.letter != 0
              ? absl::StrCat("  -", std::string(1, flag.letter), ",")
              : "",
          FlagHelp(flag.flag));
    }
    if (!flags.empty()) {
      absl::StrAppend(&help, "\n", section.title, "\n", flags);
    }
  }
  return absl::StrCat(help, kExitCodes);
}

}  // namespace muster::launcher
