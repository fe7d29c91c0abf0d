#include "launcher/history_main.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "launcher/collector_access.h"
#include "launcher/endpoint.h"
#include "launcher/exit_codes.h"
#include "launcher/history/remote_source.h"
#include "launcher/history/run_source.h"
#include "launcher/send_spools.h"
#include "launcher/text.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

using history::RunSource;

// What was said so far is written; parts of files that are being copied are
// there for the next time.
extern "C" void LeaveInterrupted(int signo) { _exit(kSignalBase + signo); }

void Tell(const HistoryCommand& command, absl::string_view line) {
  fprintf(stderr, "muster %s: %s\n", HistoryName(command.kind),
          Printable(line).c_str());
}

absl::StatusOr<std::unique_ptr<RunSource>> Connect(
    const HistoryCommand& command, const std::optional<std::string>& variable) {
  const JobSpec& place = command.place;
  const Endpoint endpoint = {place.endpoint_host(), place.endpoint_port()};
  const absl::StatusOr<rendezvous::Credentials> credentials = AccessTo(
      endpoint, absl::StrCat("--from ", FormatEndpoint(endpoint)), place,
      variable, [&](absl::string_view line) { Tell(command, line); });
  if (!credentials.ok()) return credentials.status();
  // Not many files are opened; a limit that can't be raised does no harm.
  rendezvous::PrepareProcess().IgnoreError();
  const auto channel = ReachCollector(endpoint, *credentials);
  if (!channel.ok()) return channel.status();
  return history::MakeRemoteRuns(
      *channel, {.where = FormatEndpoint(endpoint),
                 .on_notice = [&command](const std::string& line) {
                   Tell(command, line);
                 }});
}

bool IsPath(const std::string& run) {
  return absl::StrContains(run, "/") || run == "." || run == "..";
}

absl::StatusOr<std::unique_ptr<RunSource>> OpenSource(
    const HistoryCommand& command, const std::optional<std::string>& token) {
  if (!command.place.endpoint_host().empty()) return Connect(command, token);
  const bool is_path = IsPath(command.run);
  const std::string& path = is_path ? command.run : command.place.run_dir();
  absl::StatusOr<std::unique_ptr<RunSource>> source =
      history::OpenLocalRuns(path);
  if (source.ok()) return source;
  const std::string flag = is_path ? "" : "--run-dir ";
  const std::string advice =
      is_path ? ""
              : "; give the directory with the runs, or --from HOST:PORT of a "
                "collector";
  return absl::InvalidArgumentError(
      absl::StrCat(flag, path, ": ", source.status().message(), advice));
}

absl::StatusOr<std::string> ChosenRun(const HistoryCommand& command,
                                      RunSource& source) {
  if (!IsPath(command.run)) return history::FindRun(source, command.run);
  ListRunsRequest brief;
  brief.set_brief(true);
  const absl::StatusOr<std::vector<RunSummary>> runs = source.ListRuns(brief);
  if (!runs.ok()) return runs.status();
  // The directory of a run is one run; another directory has any number.
  const std::string only = source.PathOf("", "");
  if (runs->size() == 1 && only == command.run) return runs->front().run_id();
  return absl::InvalidArgumentError(absl::StrCat(
      command.run, " is no run's directory; `muster runs --run-dir ",
      command.run, "` lists the runs in it"));
}

absl::StatusOr<int> Act(const HistoryCommand& command,
                        const history::Surface& surface,
                        const std::string& run) {
  switch (command.kind) {
    case HistoryKind::kRuns:
      return history::PrintRuns(surface, command.json);
    case HistoryKind::kShow:
      return history::PrintRun(surface, run, command.json);
    case HistoryKind::kLogs:
      if (command.merged && !command.logs.follow) {
        surface.tell(
            "what is stored keeps no times and is shown rank by rank; --merged "
            "is for -f");
      }
      return history::PrintLogs(surface, run, command.logs);
    case HistoryKind::kFiles:
      return history::PrintFiles(surface, run, command.prefix, command.json);
    case HistoryKind::kGet:
      return history::GetFiles(surface, run, command.prefix, command.directory,
                               isatty(STDERR_FILENO) == 1);
  }
  return absl::InternalError("no such command");
}

// `finding`: nothing was done yet, so that what is missing was said wrongly.
int ExitCode(const absl::Status& status, bool finding) {
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
      return kSuccess;  // nobody reads any more
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kResourceExhausted:
      return kRendezvous;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kAuth;
    default:
      return finding ? kUsage : kPartly;
  }
}

int Fail(const HistoryCommand& command, const absl::Status& status,
         bool finding) {
  const int code = ExitCode(status, finding);
  if (code == kSuccess) return code;
  Tell(command,
       absl::IsUnimplemented(status)
           ? absl::StrCat(status.message(), ": it serves no run history")
           : std::string(status.message()));
  return code;
}

int RunOnSource(const HistoryCommand& command, RunSource& source) {
  std::string run;
  if (command.kind != HistoryKind::kRuns) {
    absl::StatusOr<std::string> chosen = ChosenRun(command, source);
    if (!chosen.ok()) return Fail(command, chosen.status(), true);
    run = *std::move(chosen);
  }
  history::Screen screen(STDOUT_FILENO);
  const absl::StatusOr<int> done =
      Act(command,
          {.source = source,
           .out = screen,
           .tell = [&command](absl::string_view line) { Tell(command, line); }},
          run);
  return done.ok() ? *done : Fail(command, done.status(), false);
}

}  // namespace

int RunHistory(const HistoryCommand& command,
               const std::optional<std::string>& token) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, LeaveInterrupted);
  if (!command.spool.empty()) return SendSpools(command, token);
  const absl::StatusOr<std::unique_ptr<RunSource>> source =
      OpenSource(command, token);
  if (!source.ok()) return Fail(command, source.status(), true);
  return RunOnSource(command, **source);
}

}  // namespace muster::launcher
