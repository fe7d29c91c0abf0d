// Building blocks of the schedulers' functions: values out of variables.
#ifndef MUSTER_ENV_SCHEDULERS_READING_H_
#define MUSTER_ENV_SCHEDULERS_READING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "env/schedulers/discovery.h"
#include "env/schedulers/inputs.h"

namespace muster::env {

// What a scheduler's function returns: nothing where the node was not started
// by it.
//
// Errors:
//   InvalidArgument     a value is wrong; the text shows it.
//   FailedPrecondition  the scheduler is there, and what it says is not about
//                       nodes; the text says what to do.
//   AlreadyExists       this agent must not run: another one, or another
//                       launcher, has the node.
using MaybeDiscovery = absl::StatusOr<std::optional<Discovery>>;

// "NAME=VALUE: what is wrong".
absl::Status WrongValue(const Evidence& evidence, absl::string_view what);
// The same, where a helper says what is wrong.
absl::Status WrongValue(const Evidence& evidence, const absl::Status& why);

// Job: reads the variables of one scheduler. A value that is there and wrong
// is remembered, so that a function can read all of them in a row and look at
// status() once. An empty variable is none: manifests set one to clear it.
// Life cycle: one for each call of a scheduler's function. Threads: one.
// Ownership: the inputs must outlive it.
class Reading {
 public:
  explicit Reading(const Inputs& inputs) : inputs_(inputs) {}

  bool Has(absl::string_view name) const { return Find(name) != nullptr; }
  // Null where it is missing or empty.
  const std::string* Find(absl::string_view name) const;
  // As evidence; its value is "" where it is missing.
  Evidence Get(absl::string_view name) const;

  std::optional<Fact<std::string>> Text(absl::string_view name) const;
  // From `least` to `most`.
  std::optional<Fact<uint32_t>> Number(absl::string_view name, uint32_t least,
                                       uint32_t most);
  // From 1 to 65536.
  std::optional<Fact<NodeCount>> Nodes(absl::string_view name);
  // From 0 to 65535.
  std::optional<Fact<uint32_t>> Rank(absl::string_view name);
  // The host part of HOST[:PORT].
  std::optional<Fact<std::string>> Host(absl::string_view name);
  std::optional<Fact<uint32_t>> Port(absl::string_view name);

  // The first failure counts.
  void Fail(absl::Status status);
  const absl::Status& status() const { return status_; }

 private:
  const Inputs& inputs_;
  absl::Status status_;
};

// Sets nodes, hosts and rendezvous_host of `discovery` from a checked list of
// all hosts.
void SetHosts(const std::vector<std::string>& hosts, const Evidence& evidence,
              Discovery* discovery);

// Sets node_rank of `discovery`, whose hosts are set, by who this node is.
//
// Errors:
//   InvalidArgument  the node is none of them, or two; the text says who it
//                    thought it was.
absl::Status SetOwnPlace(const NodeIdentity& node, Discovery* discovery);

// Whether the node rank and the nodes of `discovery` go together.
//
// Errors:
//   InvalidArgument  the rank is not below the number of nodes.
absl::Status CheckRank(const Discovery& discovery);

// "A=1, B=2".
std::string EvidenceText(const std::vector<Evidence>& evidence);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_READING_H_
