#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "launcher/endpoint.h"
#include "launcher/flag_values.h"
#include "launcher/history_command_line.h"

namespace muster::launcher {
namespace {

constexpr unsigned Bit(HistoryKind kind) {
  return 1U << static_cast<unsigned>(kind);
}
constexpr unsigned kAll = Bit(HistoryKind::kRuns) | Bit(HistoryKind::kShow) |
                          Bit(HistoryKind::kLogs) | Bit(HistoryKind::kFiles) |
                          Bit(HistoryKind::kGet);
constexpr unsigned kLogsOnly = Bit(HistoryKind::kLogs);
constexpr unsigned kGetOnly = Bit(HistoryKind::kGet);
constexpr unsigned kWithJson = Bit(HistoryKind::kRuns) |
                               Bit(HistoryKind::kShow) |
                               Bit(HistoryKind::kFiles);

// A rank or a node has no larger number.
constexpr uint32_t kMostNumbers = 1'000'000;

// "3", "0-3", "0-3,7".
absl::Status ReadNumbers(const std::string& value,
                         std::vector<uint32_t>* numbers) {
  for (const absl::string_view part : absl::StrSplit(value, ',')) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(part, absl::MaxSplits('-', 1));
    const bool is_range = part.find('-') != absl::string_view::npos;
    uint32_t first = 0;
    uint32_t last = 0;
    if (ends.first.empty() || !ParseCount(ends.first, &first) ||
        (is_range &&
         (ends.second.empty() || !ParseCount(ends.second, &last)))) {
      return Must("numbers, as in 3, 0-3 or 0,4-7");
    }
    if (!is_range) last = first;
    if (last < first) return Must("the smaller number first, as in 0-3");
    if (last >= kMostNumbers) {
      return Must(absl::StrCat("below ", kMostNumbers));
    }
    for (uint32_t number = first; number <= last; ++number) {
      if (std::find(numbers->begin(), numbers->end(), number) ==
          numbers->end()) {
        numbers->push_back(number);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ReadFrom(const std::string& value, HistoryCommand* command) {
  const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(value, kDefaultPort);
  if (!endpoint.ok()) return endpoint.status();
  command->place.set_endpoint_host(endpoint->host);
  command->place.set_endpoint_port(endpoint->port);
  return absl::OkStatus();
}

absl::Status ReadCollector(const std::string& value, HistoryCommand* command) {
  const absl::StatusOr<Endpoint> endpoint =
      ParseEndpoint(value, kDefaultCollectorPort);
  if (!endpoint.ok()) return endpoint.status();
  command->place.set_collector_host(endpoint->host);
  command->place.set_collector_port(endpoint->port);
  return absl::OkStatus();
}

absl::Status ReadTail(const std::string& value, HistoryCommand* command) {
  uint32_t lines = 0;
  if (value.empty() || !ParseCount(value, &lines)) {
    return Must("a number of lines");
  }
  command->logs.tail_lines = lines;
  return absl::OkStatus();
}

template <bool history::LogsChoice::*field>
absl::Status Choose(const std::string& value, HistoryCommand* command) {
  return ReadSwitch(value, &(command->logs.*field));
}

template <bool HistoryCommand::*field>
absl::Status Switch(const std::string& value, HistoryCommand* command) {
  return ReadSwitch(value, &(command->*field));
}

const HistoryFlag kFlags[] = {
    {.flag = {.name = "follow",
              .help = "Goes on as the logs grow, each line as it comes, until "
                      "the run is over. With --from it waits for a collector "
                      "that is restarted.",
              .group = Group::kOutput},
     .letter = 'f',
     .of = kLogsOnly,
     .read = Choose<&history::LogsChoice::follow>},
    {.flag = {.name = "rank",
              .value = "R",
              .default_text = "all",
              .help = "Only this rank: 3, 0-3 or 0,4-7; can be given many "
                      "times. The lines of one rank alone have no [rank] in "
                      "front.",
              .group = Group::kOutput,
              .repeatable = true},
     .of = kLogsOnly,
     .read =
         [](const std::string& value, HistoryCommand* command) {
           return ReadNumbers(value, &command->logs.ranks);
         }},
    {.flag = {.name = "node",
              .value = "K",
              .default_text = "all",
              .help = "Only the ranks of this node, written like --rank.",
              .group = Group::kOutput,
              .repeatable = true},
     .of = kLogsOnly,
     .read =
         [](const std::string& value, HistoryCommand* command) {
           return ReadNumbers(value, &command->logs.nodes);
         }},
    {.flag = {.name = "stdout",
              .help = "Only what the workers wrote to standard output.",
              .group = Group::kOutput},
     .of = kLogsOnly,
     .read = Choose<&history::LogsChoice::stdout_only>},
    {.flag = {.name = "stderr",
              .help = "Only what the workers wrote to standard error.",
              .group = Group::kOutput},
     .of = kLogsOnly,
     .read = Choose<&history::LogsChoice::stderr_only>},
    {.flag = {.name = "agent",
              .help = "The agents' own logs in place of the workers'; with "
                      "--node K that node's.",
              .group = Group::kOutput},
     .of = kLogsOnly,
     .read = Choose<&history::LogsChoice::agents>},
    {.flag = {.name = "merged",
              .help = "The lines of all ranks in the order in which they come, "
                      "which -f does by itself. What is stored already keeps "
                      "no times: it is shown rank by rank.",
              .group = Group::kOutput},
     .of = kLogsOnly,
     .read = Switch<&HistoryCommand::merged>},
    {.flag = {.name = "tail",
              .value = "N",
              .default_text = "all",
              .help = "Only the last N lines of each log; 0 with -f for new "
                      "ones only.",
              .group = Group::kOutput},
     .of = kLogsOnly,
     .read = ReadTail},
    {.flag = {.name = "raw",
              .help = "Bytes as they are, escape sequences and all. With one "
                      "rank and --stdout or --stderr exactly the stored file.",
              .group = Group::kOutput},
     .of = kLogsOnly,
     .read = Choose<&history::LogsChoice::raw>},
    {.flag = {.name = "json", .help = "For programs.", .group = Group::kOutput},
     .of = kWithJson,
     .read = Switch<&HistoryCommand::json>},
    {.flag = {.name = "spool",
              .value = "DIR",
              .help = "Copies nothing from a collector, but sends it what dead "
                      "agents of this machine left: DIR is their --spool-dir, "
                      "or one spool in it.",
              .group = Group::kMeeting},
     .of = kGetOnly,
     .read =
         [](const std::string& value, HistoryCommand* command) {
           command->spool = value;
           return absl::OkStatus();
         }},
    {.flag = {.name = "collector",
              .value = "HOST[:PORT]",
              .default_text = "the one that the job had",
              .help = "With --spool: the collector that takes it. One that "
                      "never heard of the run makes it.",
              .group = Group::kMeeting},
     .of = kGetOnly,
     .read = ReadCollector},
    {.flag = {.name = "run-dir",
              .value = "DIR",
              .fallback = "./muster-runs",
              .help = "Where the runs are, or one of them.",
              .group = Group::kMeeting,
              .codec = &kRunDirCodec},
     .of = kAll,
     .is_variable = true},
    {.flag = {.name = "from",
              .value = "HOST[:PORT]",
              .default_text = "the runs in --run-dir",
              .help = "Asks the collector that listens there: of a running job "
                      "its --rdzv-endpoint, or a `muster collect`.",
              .group = Group::kMeeting},
     .of = kAll,
     .is_variable = true,
     .read = ReadFrom},
    {.flag = {.name = "token-file",
              .value = "FILE",
              .default_text = "MUSTER_TOKEN",
              .help = "With --from: file with the token of the job, or of the "
                      "collector.",
              .group = Group::kSecurity,
              .codec = &kTokenFileCodec},
     .of = kAll,
     .is_variable = true},
    {.flag = {.name = "tls-cert",
              .value = "FILE",
              .default_text = "made from the token",
              .help = "Own certificate, as PEM; with --tls-key and --tls-ca.",
              .group = Group::kSecurity,
              .codec = &kTlsCertCodec},
     .of = kAll,
     .is_variable = true},
    {.flag = {.name = "tls-key",
              .value = "FILE",
              .default_text = "made from the token",
              .help = "Private key, as PEM.",
              .group = Group::kSecurity,
              .codec = &kTlsKeyCodec},
     .of = kAll,
     .is_variable = true},
    {.flag = {.name = "tls-ca",
              .value = "FILE",
              .default_text = "made from the token",
              .help = "Authority that signed the collector's certificate, as "
                      "PEM.",
              .group = Group::kSecurity,
              .codec = &kTlsCaCodec},
     .of = kAll,
     .is_variable = true},
    {.flag = {.name = "insecure",
              .default_text = "off",
              .help = "No token and no encryption. Not needed for a collector "
                      "on this machine that has no token.",
              .group = Group::kSecurity,
              .codec = &kInsecureCodec},
     .of = kAll,
     .is_variable = true},
};

}  // namespace

absl::Span<const HistoryFlag> HistoryFlags() { return kFlags; }

const char* HistoryName(HistoryKind kind) {
  switch (kind) {
    case HistoryKind::kRuns:
      return "runs";
    case HistoryKind::kShow:
      return "show";
    case HistoryKind::kLogs:
      return "logs";
    case HistoryKind::kFiles:
      return "files";
    case HistoryKind::kGet:
      return "get";
  }
  return "";
}

std::optional<HistoryKind> FindHistoryCommand(absl::string_view name) {
  for (const HistoryKind kind :
       {HistoryKind::kRuns, HistoryKind::kShow, HistoryKind::kLogs,
        HistoryKind::kFiles, HistoryKind::kGet}) {
    if (name == HistoryName(kind)) return kind;
  }
  return std::nullopt;
}

}  // namespace muster::launcher
