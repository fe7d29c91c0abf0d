#include "launcher/flag_scanner.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

bool IsFlag(const std::string& argument) {
  return argument.size() > 1 && argument[0] == '-';
}

// The flag's name as the table writes it: "nnodes" for --nnodes=2.
std::string NameOf(const std::string& argument) {
  const std::string name = argument.substr(0, argument.find('='));
  return absl::StrReplaceAll(name.substr(std::min<size_t>(2, name.size())),
                             {{"_", "-"}});
}

// Job: one scan, mistakes included, on top of CLI11. CLI11 stops at the first
// thing it does not know, so it is given the rest again and again.
// Life cycle: made, Scan() once, thrown away. Threads: one. Owns all it holds.
class Scanner {
 public:
  Scanner(Command command, bool has_separator)
      : command_(command), has_separator_(has_separator) {}

  ScannedFlags Scan(std::vector<std::string> arguments) {
    arguments = Normalized(std::move(arguments));
    while (!arguments.empty()) {
      arguments = SkipUnknown(ScanKnown(std::move(arguments)));
    }
    return std::move(scanned_);
  }

 private:
  // Writes names with dashes. Takes out "--flag=", for which CLI11 would eat
  // the next argument, and ties to its flag a value that looks like one.
  std::vector<std::string> Normalized(std::vector<std::string> arguments) {
    std::vector<std::string> normalized;
    for (size_t i = 0; i < arguments.size(); ++i) {
      std::string& argument = arguments[i];
      if (!absl::StartsWith(argument, "--")) {
        normalized.push_back(std::move(argument));
        continue;
      }
      const std::string name = NameOf(argument);
      const size_t equals = argument.find('=');
      const Flag* flag = FindFlag(name);
      if (flag != nullptr && equals + 1 == argument.size()) {
        MissingValue(*flag);
      } else if (flag != nullptr && flag->takes_flags &&
                 equals == std::string::npos && i + 1 < arguments.size()) {
        normalized.push_back(absl::StrCat("--", name, "=", arguments[++i]));
      } else if (equals == std::string::npos) {
        normalized.push_back(absl::StrCat("--", name));
      } else {
        normalized.push_back(absl::StrCat("--", name, argument.substr(equals)));
      }
    }
    return normalized;
  }

  // Returns what CLI11 does not know: unknown flags, then all from the first
  // other argument on.
  std::vector<std::string> ScanKnown(std::vector<std::string> arguments) {
    CLI::App app;
    app.set_help_flag();
    app.prefix_command();
    const CLI::Option* help = app.add_flag("-h,--help");
    std::map<const Flag*, const CLI::Option*> options;
    for (const Flag& flag : Flags()) {
      const std::string name = absl::StrCat("--", flag.name);
      // The value may be missing, so that this is one mistake among others.
      CLI::Option* option = flag.IsSwitch()
                                ? app.add_flag(name)
                                : app.add_option(name)->expected(0, 1);
      options[&flag] =
          option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
    std::reverse(arguments.begin(), arguments.end());
    try {
      app.parse(std::move(arguments));
    } catch (const CLI::Error& error) {
      scanned_.mistakes.push_back(error.what());
      return {};
    }
    scanned_.help = scanned_.help || help->count() > 0;
    for (const auto& [flag, option] : options) Keep(*flag, option->results());
    return app.remaining();
  }

  void Keep(const Flag& flag, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      if (value.empty()) {
        MissingValue(flag);
      } else {
        scanned_.values[&flag].push_back(value);
      }
    }
  }

  // Reports what stands in front of `arguments` and returns what follows it.
  std::vector<std::string> SkipUnknown(std::vector<std::string> arguments) {
    auto next = arguments.begin();
    bool takes_value = false;
    for (; next != arguments.end() && IsFlag(*next); ++next) {
      UnknownFlag(*next);
      takes_value = next->find('=') == std::string::npos;
    }
    if (next == arguments.end()) return {};
    if (!takes_value) {
      if (!has_separator_) {
        scanned_.command_seen = true;
        scanned_.mistakes.push_back(
            absl::StrCat(Printable(*next),
                         ": the command goes after --, as in "
                         "muster ",
                         CommandName(command_), " -- ", Printable(*next)));
        return {};
      }
      scanned_.mistakes.push_back(
          absl::StrCat(Printable(*next),
                       ": no flag; flags stand before --, the command "
                       "after it"));
    }
    return std::vector<std::string>(next + 1, arguments.end());
  }

  void MissingValue(const Flag& flag) {
    scanned_.without_value.insert(flag.name);
    scanned_.mistakes.push_back(
        absl::StrCat("--", flag.name, ": needs a value: --", flag.name, " ",
                     flag.IsSwitch() ? "true|false" : flag.value));
  }

  void UnknownFlag(const std::string& argument) {
    const std::string name = NameOf(argument);
    if (name == "token") {
      scanned_.mistakes.push_back(
          "--token: never in argv: use MUSTER_TOKEN or --token-file");
      return;
    }
    std::vector<std::string> names = {"help"};
    for (const Flag& flag : Flags()) {
      if (flag.group != Group::kHidden && flag.BelongsTo(command_)) {
        names.emplace_back(flag.name);
      }
    }
    const std::string nearest = Nearest(name, names);
    // Without its value, which may be a secret.
    scanned_.mistakes.push_back(absl::StrCat(
        Printable(argument.substr(0, argument.find('='))),
        ": no flag of muster ", CommandName(command_),
        nearest.empty() ? ""
                        : absl::StrCat("; did you mean --", nearest, "?")));
  }

  const Command command_;
  const bool has_separator_;
  ScannedFlags scanned_;
};

}  // namespace

ScannedFlags ScanFlags(std::vector<std::string> arguments, Command command,
                       bool has_separator) {
  return Scanner(command, has_separator).Scan(std::move(arguments));
}

}  // namespace muster::launcher
