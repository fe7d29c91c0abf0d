// The self-test of the fabric on several hosts.
#ifndef MUSTER_TESTS_CLUSTER_CHECK_H_
#define MUSTER_TESTS_CLUSTER_CHECK_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/cluster/job.h"

namespace muster::test {

class CheckTest : public JobTest {
 protected:
  // `muster check` of as many nodes as there are hosts, that meets at the
  // first; `flags` replace these.
  Command Check(const Flags& flags = {}) const;
  // It, on every host, until all have ended with that status.
  void RunCheck(ExitStatus status, const Flags& flags = {});

  // fabric.json of the first host.
  nlohmann::json Fabric() const;
  // Each as "FAIL node host3", "WARN link host1 host2", "FAIL gpu host2/1".
  // Only those that count, where that is given.
  using Counts = std::function<bool(const nlohmann::json& finding)>;
  std::vector<std::string> Findings(const Counts& counts = nullptr) const;
  // What host 0 printed, and what it found, for messages.
  std::string Seen();

  TempDir temp_;  // where probes that failed leave their logs
  // Of every agent.
  std::map<std::string, std::string> environment_ = {{"TMPDIR", temp_.path()}};
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_CLUSTER_CHECK_H_
