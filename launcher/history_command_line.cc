#include "launcher/history_command_line.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "launcher/exit_codes.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

using Strings = std::vector<std::string>;

// What stands after the flags, in this order; "[" for what may be left out.
Strings OperandsOf(HistoryKind kind) {
  switch (kind) {
    case HistoryKind::kRuns:
      return {};
    case HistoryKind::kShow:
    case HistoryKind::kLogs:
      return {"RUN"};
    case HistoryKind::kFiles:
      return {"RUN", "[PREFIX]"};
    case HistoryKind::kGet:
      return {"RUN", "PREFIX", "DIR"};
  }
  return {};
}

// Job: one command line, from its arguments to a HistoryCommand or all
// mistakes.
// Life cycle: made, Parse() once, thrown away. Threads: one. Ownership:
// `surroundings` must outlive it.
class HistoryParser {
 public:
  HistoryParser(HistoryKind kind, const Surroundings& surroundings)
      : kind_(kind), surroundings_(surroundings) {
    command_.kind = kind;
    command_.place.set_host_name(surroundings.host_name);
  }

  CommandLine Parse(const Strings& arguments) {
    if (!Scan(arguments)) {
      return {PrintCommand{HistoryHelp(kind_), kSuccess}, {}, {}};
    }
    for (const HistoryFlag& flag : HistoryFlags()) ReadVariable(flag);
    if (command_.spool.empty()) {
      TakeOperands();
    } else {
      CheckSpool();
    }
    Check();
    if (!mistakes_.empty()) {
      return {
          UsageErrors{std::move(mistakes_), absl::StrCat(Name(), " --help")},
          {},
          {}};
    }
    return {std::move(command_), {}, {}};
  }

 private:
  std::string Name() const {
    return absl::StrCat("muster ", HistoryName(kind_));
  }

  // False: the help is asked for.
  bool Scan(const Strings& arguments) {
    bool only_operands = false;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const std::string& word = arguments[i];
      if (only_operands || word.size() < 2 || word[0] != '-') {
        operands_.push_back(word);
      } else if (word == "--") {
        only_operands = true;
      } else if (word == "--help" || word == "-h") {
        return false;
      } else {
        i += ReadFlag(word,
                      i + 1 < arguments.size() ? &arguments[i + 1] : nullptr);
      }
    }
    return true;
  }

  // How many arguments it took besides its own.
  size_t ReadFlag(const std::string& word, const std::string* next) {
    const size_t equals = word.find('=');
    const std::string written = word.substr(0, equals);
    const HistoryFlag* const found = Find(written);
    if (!found) {
      UnknownFlag(written);
      return 0;
    }
    const std::string name = absl::StrCat("--", found->flag.name);
    if (found->flag.IsSwitch()) {
      Read(*found, name,
           equals == std::string::npos ? "true" : word.substr(equals + 1));
      return 0;
    }
    const bool has_value = equals != std::string::npos || next != nullptr;
    const std::string value = equals != std::string::npos
                                  ? word.substr(equals + 1)
                                  : (next ? *next : "");
    if (!has_value || value.empty()) {
      mistakes_.push_back(absl::StrCat(name, ": needs a value: ", name, " ",
                                       found->flag.value));
    } else {
      Read(*found, name + " ", value);
    }
    return equals == std::string::npos && next != nullptr ? 1 : 0;
  }

  const HistoryFlag* Find(const std::string& written) const {
    const std::string name = absl::StrReplaceAll(written, {{"_", "-"}});
    for (const HistoryFlag& flag : HistoryFlags()) {
      const bool is_letter = written.size() == 2 && written[1] == flag.letter;
      if (Has(flag) &&
          (is_letter || name == absl::StrCat("--", flag.flag.name))) {
        return &flag;
      }
    }
    return nullptr;
  }

  bool Has(const HistoryFlag& flag) const {
    return (flag.of >> static_cast<unsigned>(kind_) & 1U) != 0;
  }

  void UnknownFlag(const std::string& written) {
    if (written == "--token") {
      mistakes_.push_back(
          "--token: never in argv: use MUSTER_TOKEN or --token-file");
      return;
    }
    Strings names = {"help"};
    for (const HistoryFlag& flag : HistoryFlags()) {
      if (Has(flag)) names.emplace_back(flag.flag.name);
    }
    const std::string nearest =
        Nearest(written.substr(std::min<size_t>(2, written.size())), names);
    mistakes_.push_back(absl::StrCat(
        Printable(written), ": no flag of ", Name(),
        nearest.empty() ? ""
                        : absl::StrCat("; did you mean --", nearest, "?")));
  }

  void ReadVariable(const HistoryFlag& flag) {
    const std::string flag_name(flag.flag.name);
    if (!flag.is_variable || given_.count(flag_name) > 0) return;
    // Where the runs are is one choice: a flag decides it as a whole.
    const bool is_place = flag_name == "run-dir" || flag_name == "from";
    if (is_place && (given_.count("run-dir") + given_.count("from") > 0)) {
      return;
    }
    const std::string name = VariableName(flag.flag);
    const auto variable = surroundings_.variables.find(name);
    if (variable == surroundings_.variables.end() || variable->second.empty()) {
      if (!flag.flag.fallback.empty()) {
        Apply(flag, "", std::string(flag.flag.fallback));
      }
      return;
    }
    Apply(flag, name + "=", variable->second);
  }

  void Read(const HistoryFlag& flag, const std::string& source,
            const std::string& value) {
    const bool is_first = given_.insert(std::string(flag.flag.name)).second;
    if (!is_first && !flag.flag.repeatable) {
      mistakes_.push_back(
          absl::StrCat("--", flag.flag.name, ": given more than once"));
      return;
    }
    Apply(flag, source, value);
  }

  // `source`: the flag or the variable, as it is to be shown before the value.
  void Apply(const HistoryFlag& flag, const std::string& source,
             const std::string& value) {
    const absl::Status status =
        !IsUtf8(value)    ? absl::InvalidArgumentError("must be UTF-8")
        : flag.flag.codec ? flag.flag.codec->read(value, &command_.place)
                          : flag.read(value, &command_);
    if (!status.ok()) {
      mistakes_.push_back(absl::StrCat(source, Printable(value), ": ",
                                       Printable(status.message())));
    }
  }

  void TakeOperands() {
    const Strings wanted = OperandsOf(kind_);
    std::string* const places[] = {&command_.run, &command_.prefix,
                                   &command_.directory};
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (i < operands_.size()) {
        *places[i] = operands_[i];
      } else if (wanted[i][0] != '[') {
        mistakes_.push_back(absl::StrCat(Name(), ": needs ", wanted[i], ": ",
                                         Name(), " ",
                                         absl::StrJoin(wanted, " ")));
        return;
      }
    }
    for (size_t i = wanted.size(); i < operands_.size(); ++i) {
      mistakes_.push_back(absl::StrCat(
          Printable(operands_[i]), ": one too many; it is ", Name(),
          wanted.empty() ? "" : " ", absl::StrJoin(wanted, " ")));
    }
    const bool has_run = !wanted.empty() && !operands_.empty();
    if (has_run && command_.run.empty()) {
      mistakes_.push_back("RUN is an empty word");
    }
    if (kind_ == HistoryKind::kGet && operands_.size() > 2 &&
        command_.directory.empty()) {
      mistakes_.push_back("DIR is an empty word");
    }
  }

  void CheckSpool() {
    if (!operands_.empty() ||
        given_.count("run-dir") + given_.count("from") > 0) {
      mistakes_.push_back(absl::StrCat(
          "--spool sends what is left on this machine, and takes no RUN, "
          "PREFIX, DIR, --run-dir or --from; it is ",
          Name(), " --spool DIR --collector HOST:PORT"));
    }
  }

  void Check() {
    if (given_.count("collector") > 0 && command_.spool.empty()) {
      mistakes_.push_back(
          "--collector is for --spool; to copy from a collector give --from");
    }
    const bool remote = !command_.place.endpoint_host().empty();
    if (given_.count("run-dir") + given_.count("from") > 1) {
      mistakes_.push_back("--run-dir and --from: give one of them");
    } else if (remote && absl::StrContains(command_.run, "/")) {
      mistakes_.push_back(absl::StrCat(
          Printable(command_.run),
          ": a path is of this machine; with --from give the run's id"));
    }
    if (command_.logs.stdout_only && command_.logs.stderr_only) {
      mistakes_.push_back("--stdout and --stderr: leave out both to see both");
    }
    if (command_.logs.agents &&
        (command_.logs.stdout_only || command_.logs.stderr_only ||
         !command_.logs.ranks.empty())) {
      mistakes_.push_back(
          "--agent: the agents have no ranks and one log each; choose with "
          "--node K");
    }
    const JobSpec& place = command_.place;
    const int files = (place.tls_cert_file().empty() ? 0 : 1) +
                      (place.tls_key_file().empty() ? 0 : 1) +
                      (place.tls_ca_file().empty() ? 0 : 1);
    if (files != 0 && files != 3) {
      mistakes_.push_back(
          "--tls-cert, --tls-key and --tls-ca: give all three or none");
    }
    if (files != 0 && place.insecure()) {
      mistakes_.push_back("--insecure and --tls-cert: give one of them");
    }
  }

  const HistoryKind kind_;
  const Surroundings& surroundings_;
  HistoryCommand command_;
  std::set<std::string> given_;  // flags, not variables
  Strings operands_;
  Strings mistakes_;
};

}  // namespace

CommandLine ParseHistory(HistoryKind kind,
                         const std::vector<std::string>& arguments,
                         const Surroundings& surroundings) {
  return HistoryParser(kind, surroundings).Parse(arguments);
}

}  // namespace muster::launcher
