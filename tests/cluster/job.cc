#include "tests/cluster/job.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::test {

void JobTest::SetUp() {
  const std::string reason = Hosts::WhyNot();
  if (!reason.empty()) GTEST_SKIP() << reason;
}

void JobTest::MakeHosts(int count) { hosts_ = std::make_unique<Hosts>(count); }

void JobTest::MakeHosts(const std::vector<std::string>& names) {
  hosts_ = std::make_unique<Hosts>(names);
}

Command JobTest::Agent(const Flags& flags,
                       const std::vector<std::string>& command) const {
  Flags all = flags;
  all.insert({{"--nnodes", absl::StrCat(hosts_->count())},
              {"--nproc-per-node", "1"},
              {"--rdzv-id", "job"},
              {"--rdzv-timeout", "60s"},
              {"--report", "verdict.json"}});
  if (!flags.contains("--host-dns")) {
    all.emplace("--rdzv-endpoint", hosts_->Name(0));
  }
  return {.argv = MusterArgv("run", all, command),
          .env = {{"MUSTER_TOKEN", kToken}}};
}

Subprocess& JobTest::Start(int host, Command command) {
  std::unique_ptr<Subprocess>& agent = agents_[host];
  if (agent != nullptr) earlier_.push_back(std::move(agent));
  agent = std::make_unique<Subprocess>(hosts_->On(host, std::move(command)));
  return *agent;
}

void JobTest::StartAll(const Command& command) {
  for (int host = 0; host < hosts_->count(); ++host) Start(host, command);
}

void JobTest::ExpectAllEndWith(ExitStatus status, absl::Duration deadline) {
  for (const auto& [host, process] : agents_) {
    EXPECT_EQ(process->Wait(deadline), status)
        << hosts_->Name(host) << process->Text();
  }
}

void JobTest::ExpectNothingIsLeft() {
  for (const auto& [host, process] : agents_) {
    EXPECT_TRUE(NothingIsLeftOf(*process)) << hosts_->Name(host);
  }
}

void JobTest::Reset() {
  agents_.clear();
  earlier_.clear();
  hosts_.reset();
}

nlohmann::json JobTest::ReportOn(int host) const {
  return ReadJson(hosts_->Directory(host) + "/verdict.json");
}

std::string JobTest::FileOfRun(int host, const std::string& name) const {
  return ReadFile(
      absl::StrCat(RunDirectory(hosts_->Directory(host)), "/", name));
}

}  // namespace muster::test
