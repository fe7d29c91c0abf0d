#include "tests/cluster/check.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::test {

Command CheckTest::Check(const Flags& flags) const {
  Flags all = flags;
  all.insert({{"--nnodes", absl::StrCat(hosts_->count())},
              {"--rdzv-endpoint", hosts_->Name(0)},
              {"--rdzv-id", "check"},
              {"--rdzv-timeout", "60s"},
              {"--report", "verdict.json"}});
  Command command{.argv = MusterArgv("check", all, {}), .env = environment_};
  command.argv.pop_back();  // the "--" before a command
  command.env["MUSTER_TOKEN"] = kToken;
  return command;
}

void CheckTest::RunCheck(ExitStatus status, const Flags& flags) {
  StartAll(Check(flags));
  ExpectAllEndWith(status);
}

nlohmann::json CheckTest::Fabric() const {
  return nlohmann::json::parse(FileOfRun(0, "fabric.json"));
}

std::vector<std::string> CheckTest::Findings(const Counts& counts) const {
  std::vector<std::string> texts;
  const nlohmann::json fabric = Fabric();
  for (const nlohmann::json& finding : fabric["findings"]) {
    if (counts && !counts(finding)) continue;
    std::string text = absl::StrCat(finding["verdict"].get<std::string>(), " ",
                                    finding["culprit"].get<std::string>());
    if (finding.contains("gpus")) {
      for (const nlohmann::json& gpu : finding["gpus"]) {
        absl::StrAppend(&text, " ", gpu["host"].get<std::string>(), "/",
                        gpu["gpu"].get<int>());
      }
    } else if (finding.contains("hosts")) {
      for (const nlohmann::json& host : finding["hosts"]) {
        absl::StrAppend(&text, " ", host.get<std::string>());
      }
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

std::string CheckTest::Seen() {
  return absl::StrCat(agent(0).Text(), Fabric()["findings"].dump(2));
}

}  // namespace muster::test
