#include "tests/support/muster.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "tests/support/files.h"

namespace muster::test {

std::string MusterBinary() {
  const char* chosen = std::getenv("MUSTER_BINARY");
  return chosen != nullptr ? chosen : MUSTER_BINARY;
}

std::vector<std::string> MusterArgv(const std::string& subcommand,
                                    const Flags& flags,
                                    const std::vector<std::string>& command) {
  std::vector<std::string> argv = {MusterBinary(), subcommand};
  for (const auto& [name, value] : flags) {
    argv.push_back(name);
    if (!value.empty()) argv.push_back(value);
  }
  argv.push_back("--");
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

std::vector<std::string> Shell(const std::string& script) {
  return {"/bin/sh", "-c", script};
}

std::string RunDirectory(const std::string& cwd) {
  std::string found;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(cwd + "/muster-runs", ignored)) {
    // A simulated run has RUN.nodes beside RUN.
    if (entry.path().extension() == ".nodes") continue;
    if (!found.empty()) return "";
    found = entry.path().string();
  }
  return found;
}

nlohmann::json Report(const std::string& cwd) {
  return ReadJson(RunDirectory(cwd) + "/report.json");
}

std::string CauseText(const nlohmann::json& report, const std::string& field) {
  const nlohmann::json cause = report.value("first_cause", nlohmann::json());
  if (!cause.is_object() || !cause.contains(field)) return "";
  return cause[field].is_string() ? cause[field].get<std::string>()
                                  : cause[field].dump();
}

::testing::AssertionResult NothingIsLeftOf(const Subprocess& process) {
  if (Eventually([&] { return process.Family().empty(); }, absl::Seconds(10))) {
    return ::testing::AssertionSuccess();
  }
  auto failure = ::testing::AssertionFailure() << "left on the host:";
  for (const Process& left : process.Family()) failure << "\n" << left;
  return failure;
}

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

}  // namespace muster::test
