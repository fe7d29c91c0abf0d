// What must hold for every discovery, whatever it was made of.
#ifndef MUSTER_TESTS_FUZZ_DISCOVERY_CHECKS_H_
#define MUSTER_TESTS_FUZZ_DISCOVERY_CHECKS_H_

#include "env/schedulers/hosts.h"
#include "env/schedulers/reading.h"
#include "tests/env/schedulers/case_file.h"
#include "tests/fuzz/target.h"

namespace muster::test {

inline void CheckDiscovery(const env::MaybeDiscovery& found) {
  if (!found.ok()) {
    Require(absl::IsInvalidArgument(found.status()) ||
                absl::IsFailedPrecondition(found.status()) ||
                absl::IsAlreadyExists(found.status()),
            "an error has one of the three codes of MaybeDiscovery");
    Require(!found.status().message().empty(), "an error says what is wrong");
    Require(found.status().message().size() < 4000, "an error stays readable");
    return;
  }
  if (!found->has_value()) return;
  const env::Discovery& one = **found;
  Require(!one.scheduler.empty() && !one.title.empty(), "it has a name");
  if (one.nodes) {
    Require(one.nodes->value.min >= 1, "a job has a node");
    Require(one.nodes->value.min <= one.nodes->value.max, "MIN <= MAX");
    Require(one.nodes->value.max <= env::kMaxHosts, "the count is bounded");
    Require(!one.nodes->evidence.empty(), "the count has a source");
  }
  if (one.node_rank) {
    Require(!one.node_rank->evidence.empty(), "the rank has a source");
    Require(!one.nodes || one.node_rank->value < one.nodes->value.max,
            "the rank is one of the job's");
  }
  if (one.hosts) {
    Require(env::CheckHosts(one.hosts->value).ok(),
            "hosts are sound and different");
    Require(one.nodes && one.hosts->value.size() == one.nodes->value.max,
            "there is a host for each node");
  }
  if (one.rendezvous_host) {
    Require(env::CheckHost(one.rendezvous_host->value).ok(),
            "the rendezvous is a host");
  }
  if (one.rendezvous_port) {
    Require(
        one.rendezvous_port->value >= 1 && one.rendezvous_port->value <= 65535,
        "the port is one");
  }
}

// Feeds `text` to one scheduler as the value of a variable, on a node without
// files.
inline void CheckVariable(const char* name, const std::string& text,
                          env::MaybeDiscovery (*discover)(const env::Inputs&),
                          env::Variables others = {}) {
  others[name] = text;
  const FakeFiles files;
  const env::NodeIdentity node{{"a1", "worker-1"}, {"10.0.0.5"}};
  const env::MaybeDiscovery found = discover({others, node, files});
  if (found.ok() && found->has_value() && !env::CheckRank(**found).ok()) {
    return;  // Discover() refuses it
  }
  CheckDiscovery(found);
}

}  // namespace muster::test

#endif  // MUSTER_TESTS_FUZZ_DISCOVERY_CHECKS_H_
