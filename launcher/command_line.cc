#include "launcher/command_line.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "launcher/exit_codes.h"
#include "launcher/flag_scanner.h"
#include "launcher/flags.h"
#include "launcher/help.h"
#include "launcher/history_command_line.h"
#include "launcher/job_checks.h"
#include "launcher/learning.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

using Strings = std::vector<std::string>;

// In the contract, but not in this version.
const char* const kLater[] = {"doctor"};

const char kCommands[] =
    "run, sim, check, env, collect, runs, show, logs, files, get, rsh and "
    "token";

// Variables that are read elsewhere.
const char* const kOtherVariables[] = {"MUSTER_TOKEN", "MUSTER_RUN_ID",
                                       "MUSTER_DIR", "MUSTER_LISTEN",
                                       "MUSTER_RUN_QUOTA", "MUSTER_FROM",
                                       // Of stand-ins for NCCL, in tests.
                                       "MUSTER_FAULT"};

template <size_t n>
bool IsOneOf(const char* const (&names)[n], const std::string& name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool HasToken(const Variables& variables) {
  const auto token = variables.find("MUSTER_TOKEN");
  return token != variables.end() && !token->second.empty();
}

// The flags whose Decisions are told.
const char* const kDecisive[] = {"framework", "nnodes", "nproc-per-node",
                                 "node-rank"};

// Job: the command line of `muster run`, `sim` and `env`, from its arguments to
// a JobSpec or all mistakes.
// Life cycle: made, Parse() once, thrown away. Threads: one. Ownership:
// `surroundings` must outlive it.
class JobParser {
 public:
  JobParser(Command command, const Surroundings& surroundings)
      : command_(command), surroundings_(surroundings) {
    facts_.command = command;
    facts_.has_token = HasToken(surroundings.variables);
  }

  CommandLine Parse(Strings arguments) {
    if (command_ == Command::kEnv || command_ == Command::kCheck) {
      TakeJson(&arguments);
    }
    const auto separator = std::find(arguments.begin(), arguments.end(), "--");
    const bool has_separator = separator != arguments.end();
    ScannedFlags scanned =
        ScanFlags({arguments.begin(), separator}, command_, has_separator);
    if (scanned.help) return {PrintCommand{CommandHelp(command_)}};
    mistakes_ = std::move(scanned.mistakes);
    facts_.unread = std::move(scanned.without_value);

    ReadFallbacks();
    for (const Flag& flag : Flags()) ReadFlag(flag, scanned.values[&flag]);
    if (command_ == Command::kCheck) {
      TakeNoCommand(has_separator || scanned.command_seen);
    } else if (has_separator) {
      ReadCommand({separator + 1, arguments.end()});
    } else if (!scanned.command_seen) {
      ReadCommand({});
    }
    if (command_ != Command::kSim) Learn();
    for (std::string& mistake : CheckJob(spec_, facts_)) {
      mistakes_.push_back(std::move(mistake));
    }
    WarnOfUnknownVariables();
    if (spec_.insecure() && facts_.has_token) {
      warnings_.push_back("--insecure: MUSTER_TOKEN is not used");
    }
    return Result();
  }

 private:
  // --json says nothing of the job, so it is no flag like the others.
  void TakeJson(Strings* arguments) {
    const auto separator =
        std::find(arguments->begin(), arguments->end(), "--");
    const auto flags_end = std::remove(arguments->begin(), separator, "--json");
    json_ = flags_end != separator;
    arguments->erase(flags_end, separator);
  }

  void ReadFallbacks() {
    spec_.mutable_agreement()->set_muster_version(MUSTER_VERSION);
    spec_.set_collect(true);
    if (command_ != Command::kSim) {
      spec_.set_host_name(surroundings_.host_name);
    }
    for (const Flag& flag : Flags()) {
      if (!flag.fallback.empty()) {
        // Cannot fail: the tests read every fallback.
        flag.codec->read(std::string(flag.fallback), &spec_).IgnoreError();
      }
    }
  }

  // What the flags leave open, from the environment.
  void Learn() {
    learnt_ = LearnFromEnvironment(surroundings_, sources_, &facts_, &spec_);
    for (std::string& mistake : learnt_.mistakes) {
      mistakes_.push_back(std::move(mistake));
    }
    for (std::string& warning : learnt_.warnings) {
      warnings_.push_back(std::move(warning));
    }
    sources_.merge(learnt_.sources);
  }

  // The flag as given, else its variable.
  void ReadFlag(const Flag& flag, const Strings& given) {
    const std::string name = absl::StrCat("--", flag.name);
    if (given.empty()) return ReadVariable(flag);
    if (!flag.BelongsTo(command_)) return ReportMisplaced(flag, name);
    if (given.size() > 1 && !flag.repeatable) {
      facts_.unread.insert(flag.name);
      mistakes_.push_back(absl::StrCat(
          name, ": given ", given.size(), " times (",
          Printable(absl::StrJoin(given, ", ")), "); give it once"));
      return;
    }
    for (const std::string& value : given) {
      ReadValue(flag, value, flag.IsSwitch() ? name + "=" : name + " ");
    }
  }

  void ReadVariable(const Flag& flag) {
    const std::string name = VariableName(flag);
    const auto variable = surroundings_.variables.find(name);
    // An empty variable is none: manifests often set one to clear it.
    if (variable == surroundings_.variables.end() || variable->second.empty()) {
      return;
    }
    if (!flag.BelongsTo(command_)) {
      // The agents of a simulated job inherit the simulator's variables.
      if (command_ == Command::kSim) ReportMisplaced(flag, name);
      return;
    }
    Strings values = {variable->second};
    if (flag.repeatable) {
      values = absl::StrSplit(variable->second, '\n', absl::SkipEmpty());
    }
    for (const std::string& value : values) {
      ReadValue(flag, value, name + "=");
    }
  }

  void ReadValue(const Flag& flag, const std::string& value,
                 const std::string& source) {
    // Text goes to other nodes as UTF-8; only --env is bytes.
    const absl::Status status =
        flag.repeatable || IsUtf8(value)
            ? flag.codec->read(value, &spec_)
            : absl::InvalidArgumentError("must be UTF-8");
    if (!status.ok()) {
      facts_.unread.insert(flag.name);
      mistakes_.push_back(absl::StrCat(source, Printable(value), ": ",
                                       Printable(status.message())));
    }
    std::string& shown = sources_[std::string(flag.name)];
    absl::StrAppend(&shown, shown.empty() ? "" : ", ", source,
                    Printable(value));
  }

  void ReportMisplaced(const Flag& flag, const std::string& name) {
    mistakes_.push_back(absl::StrCat(
        name, flag.scope == Scope::kSimOnly
                  ? ": only for muster sim; muster run looks for GPUs itself"
                  : ": not for muster sim: sim gives each node its own"));
  }

  // The self-test is all that there is.
  void TakeNoCommand(bool has_command) {
    FabricSettings* fabric = spec_.mutable_agreement()->mutable_fabric();
    fabric->set_only(true);
    if (has_command) {
      mistakes_.push_back(
          "muster check starts no command; muster run tests before it does");
    }
    if (fabric->kind() == FABRIC_OFF) {
      mistakes_.push_back("--fabric-check off leaves muster check nothing");
    }
  }

  // The user's own command.
  void ReadCommand(const Strings& command) {
    if (command.empty()) {
      if (command_ == Command::kEnv) return;
      mistakes_.push_back(absl::StrCat(
          "no command: end with -- COMMAND [ARG...], as in muster ",
          CommandName(command_), " -- python train.py"));
    } else if (command[0].empty()) {
      mistakes_.push_back("the command after -- is an empty word");
    }
    for (const std::string& word : command) {
      spec_.mutable_agreement()->add_command(word);
    }
  }

  void WarnOfUnknownVariables() {
    Strings known;
    for (const Flag& flag : Flags()) {
      if (flag.group != Group::kHidden) known.push_back(VariableName(flag));
    }
    for (const auto& [name, value] : surroundings_.variables) {
      if (!absl::StartsWith(name, "MUSTER_") ||
          IsOneOf(kOtherVariables, name) ||
          std::find(known.begin(), known.end(), name) != known.end()) {
        continue;
      }
      const std::string nearest = Nearest(name, known);
      warnings_.push_back(absl::StrCat(
          Printable(name), ": not a variable of muster, ignored",
          nearest.empty() ? ""
                          : absl::StrCat("; did you mean ", nearest, "?")));
    }
  }

  Decisions MakeDecisions() const {
    Decisions decisions;
    for (const char* flag : kDecisive) {
      const auto source = sources_.find(flag);
      if (source != sources_.end()) decisions.insert(*source);
    }
    // What is not decided otherwise; this node's rank may well be open.
    for (const char* flag : {"framework", "nnodes", "nproc-per-node"}) {
      decisions.emplace(flag, "default");
    }
    return decisions;
  }

  CommandLine Result() {
    CommandLine result;
    if (!mistakes_.empty()) {
      result.command = UsageErrors{
          std::move(mistakes_),
          absl::StrCat("muster ", CommandName(command_), " --help")};
    } else if (command_ == Command::kRun) {
      result.command =
          RunCommand{std::move(spec_), std::move(learnt_.discovery),
                     std::move(learnt_.lines)};
    } else if (command_ == Command::kCheck) {
      result.command =
          CheckCommand{{std::move(spec_), std::move(learnt_.discovery),
                        std::move(learnt_.lines)},
                       json_};
    } else if (command_ == Command::kEnv) {
      result.command = EnvCommand{std::move(spec_), json_, MakeDecisions()};
    } else {
      result.command = SimCommand{std::move(spec_)};
    }
    result.warnings = std::move(warnings_);
    result.sources = std::move(sources_);
    return result;
  }

  const Command command_;
  const Surroundings& surroundings_;
  JobFacts facts_;
  bool json_ = false;
  JobSpec spec_;
  Strings mistakes_;
  Strings warnings_;
  std::map<std::string, std::string> sources_;
  Learnt learnt_;
};

CommandLine Print(std::string text, int exit_code = kSuccess) {
  return {PrintCommand{std::move(text), exit_code}};
}

CommandLine Wrong(std::string mistake) {
  return {UsageErrors{{std::move(mistake)}, "muster --help"}};
}

CommandLine ParseToken(const Strings& arguments) {
  if (arguments.empty()) return {TokenCommand{}};
  if (arguments[0] == "--help" || arguments[0] == "-h") {
    return Print(TokenHelp());
  }
  return Wrong(absl::StrCat("muster token: takes no arguments, but ",
                            arguments.size(), " given"));
}

CommandLine ParseRsh(const Strings& arguments) {
  if (!arguments.empty() &&
      (arguments[0] == "--help" || arguments[0] == "-h")) {
    return Print(RshHelp());
  }
  if (arguments.size() < 2 || arguments[0].empty()) {
    return {UsageErrors{{"muster rsh: needs a host and a command, as in muster "
                         "rsh node1 hostname"},
                        "muster rsh --help"},
            {},
            {}};
  }
  return {RshCommand{arguments[0], {arguments.begin() + 1, arguments.end()}},
          {},
          {}};
}

// Agents write it, so what is wrong is a fault of muster's own.
CommandLine ParseFabricProbe(const Strings& arguments) {
  FabricProbeCommand command;
  const std::map<absl::string_view, std::string*> values = {
      {"--nccl-library", &command.nccl_library},
      {"--log", &command.log},
      {"--host-id", &command.host_id}};
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto found = values.find(arguments[i]);
    if (arguments[i] == "--inventory") {
      command.inventory = true;
    } else if (found != values.end() && i + 1 < arguments.size()) {
      *found->second = arguments[++i];
    } else {
      return Wrong(
          absl::StrCat("muster fabric-probe: ", Printable(arguments[i]),
                       ": for muster's own agents alone"));
    }
  }
  return {std::move(command)};
}

CommandLine ParseCollectCommand(const Strings& arguments,
                                const Variables& variables) {
  ParsedCollect parsed = ParseCollect(arguments, variables);
  if (auto* const command = std::get_if<CollectCommand>(&parsed)) {
    return {std::move(*command), {}, {}};
  }
  if (auto* const mistakes = std::get_if<Strings>(&parsed)) {
    return {UsageErrors{std::move(*mistakes), "muster collect --help"}, {}, {}};
  }
  return Print(CollectHelp());
}

CommandLine NoSuchCommand(const std::string& word) {
  const std::string shown = Printable(word);
  if (IsOneOf(kLater, word)) {
    return Wrong(absl::StrCat("muster ", shown,
                              ": not in this version; the commands are ",
                              kCommands));
  }
  if (absl::StartsWith(word, "-")) {
    return Wrong(absl::StrCat(Printable(word.substr(0, word.find('='))),
                              ": a command comes first, as in muster run "
                              "[flags] -- COMMAND; the commands are ",
                              kCommands));
  }
  const std::string nearest =
      Nearest(word, {"run", "sim", "check", "env", "rsh", "token", "runs",
                     "show", "logs", "files", "get"});
  return Wrong(absl::StrCat(
      shown, ": no command of muster; the commands are ", kCommands,
      nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
}

}  // namespace

Variables ReadVariables(const char* const* environment) {
  Variables variables;
  for (; *environment != nullptr; ++environment) {
    const std::string entry = *environment;
    const size_t equals = entry.find('=');
    if (equals != std::string::npos) {
      // The first of two is what getenv() finds.
      variables.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
  }
  return variables;
}

std::string UsageErrors::Text() const {
  std::string text;
  for (const std::string& mistake : mistakes) {
    absl::StrAppend(&text, "muster: ", mistake, "\n");
  }
  return absl::StrCat(text, "see `", help, "`\n");
}

CommandLine ParseCommandLine(const Strings& arguments,
                             const Surroundings& surroundings) {
  if (arguments.empty()) return Print(MainHelp(), kUsage);
  const std::string& first = arguments[0];
  const Strings rest(arguments.begin() + 1, arguments.end());
  if (first == "--help" || first == "-h") return Print(MainHelp());
  if (first == "--version") {
    return Print(absl::StrCat("muster ", MUSTER_VERSION, "\n"));
  }
  if (first == "token") return ParseToken(rest);
  if (first == "rsh") return ParseRsh(rest);
  if (first == "collect") {
    return ParseCollectCommand(rest, surroundings.variables);
  }
  if (first == "mpi-rank") return {RankShimCommand{}};
  if (first == "fabric-probe") return ParseFabricProbe(rest);
  if (first == "run") return JobParser(Command::kRun, surroundings).Parse(rest);
  if (first == "sim") return JobParser(Command::kSim, surroundings).Parse(rest);
  if (first == "check") {
    return JobParser(Command::kCheck, surroundings).Parse(rest);
  }
  if (first == "env") return JobParser(Command::kEnv, surroundings).Parse(rest);
  if (const auto history = FindHistoryCommand(first)) {
    return ParseHistory(*history, rest, surroundings);
  }
  return NoSuchCommand(first);
}

Strings ToArguments(const JobSpec& spec) {
  Strings arguments;
  for (const Flag& flag : Flags()) {
    if (!flag.BelongsTo(Command::kRun)) continue;
    for (const std::string& value : flag.codec->write(spec)) {
      arguments.push_back(absl::StrCat("--", flag.name, "=", value));
    }
  }
  return arguments;
}

}  // namespace muster::launcher
