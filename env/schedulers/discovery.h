// What a node learns about its job from the environment it was started in.
#ifndef MUSTER_ENV_SCHEDULERS_DISCOVERY_H_
#define MUSTER_ENV_SCHEDULERS_DISCOVERY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster::env {

// One variable or file that something was learnt from. Bytes as they were
// found: make them printable before people see them.
struct Evidence {
  std::string name;   // of a variable, or the path of a file
  std::string value;  // "" where only the name says something

  // "NAME=VALUE", a long value cut short.
  std::string Text() const;
  bool operator==(const Evidence&) const = default;
};

// A value and where it comes from.
template <typename T>
struct Fact {
  T value{};
  std::vector<Evidence> evidence;
};

// min == max but for elastic jobs.
struct NodeCount {
  uint32_t min = 1;
  uint32_t max = 1;
  bool operator==(const NodeCount&) const = default;
};

// What one scheduler says. A value that it does not say is absent, not guessed.
struct Discovery {
  std::string scheduler;  // as in --scheduler: "slurm"
  std::string title;      // for people: "Slurm"

  std::optional<Fact<NodeCount>> nodes;
  std::optional<Fact<uint32_t>> node_rank;  // of this node
  std::optional<Fact<std::string>> rendezvous_host;
  std::optional<Fact<uint32_t>> rendezvous_port;
  std::optional<Fact<std::vector<std::string>>> hosts;  // by node rank
  std::optional<Fact<std::string>> workers_per_node;    // as --nproc-per-node
  std::optional<Fact<std::string>> job_id;
  std::optional<Fact<std::string>> interface;  // that joins the nodes

  // Why a value that a job needs is not known, and what to do about it; ""
  // where it is known or there is nothing to say.
  std::string nodes_advice;
  std::string rendezvous_advice;
  // What people should know besides, a line each.
  std::vector<std::string> notes;

  // Everything that decided nodes, rank and rendezvous, each once.
  std::vector<Evidence> Deciding() const;
};

// "4", or "2 to 4".
std::string CountText(const NodeCount& nodes);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_DISCOVERY_H_
