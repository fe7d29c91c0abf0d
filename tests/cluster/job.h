// One job on several hosts: what the tests of this folder start from.
#ifndef MUSTER_TESTS_CLUSTER_JOB_H_
#define MUSTER_TESTS_CLUSTER_JOB_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/cluster/namespaces.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {

// Skips where hosts cannot be made. Members are torn down agents first.
class JobTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void MakeHosts(int count);
  void MakeHosts(const std::vector<std::string>& names);

  // `muster run` as the first, second, ... agent of a job of as many nodes as
  // there are hosts, one worker each, that meets at the first host (unless
  // --host-dns says where); `flags` replace these. To be given to Start().
  Command Agent(const Flags& flags = {},
                const std::vector<std::string>& command = {"true"}) const;
  // Starts it on that host; agent(host) is the latest started there.
  Subprocess& Start(int host, Command command);
  Subprocess& agent(int host) { return *agents_.at(host); }
  // The same agent on every host.
  void StartAll(const Command& command);

  // On every host that has one, in the order of the hosts.
  void ExpectAllEndWith(ExitStatus status, absl::Duration deadline = kSoon);
  // Nothing of an agent's family is left on any host.
  void ExpectNothingIsLeft();

  // No agents and no hosts any more, for another job.
  void Reset();

  // What --report wrote on that host.
  nlohmann::json ReportOn(int host) const;
  // A file in the only run directory on that host.
  std::string FileOfRun(int host, const std::string& name) const;

  std::unique_ptr<Hosts> hosts_;

 private:
  // Those that were replaced stay, so that nothing of them is killed early.
  std::vector<std::unique_ptr<Subprocess>> earlier_;
  std::map<int, std::unique_ptr<Subprocess>> agents_;
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_CLUSTER_JOB_H_
