// Nodes, hellos and moments for the tests of the pure decisions.
#ifndef MUSTER_TESTS_RENDEZVOUS_FIXTURES_H_
#define MUSTER_TESTS_RENDEZVOUS_FIXTURES_H_

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/rendezvous.pb.h"
#include "rendezvous/roster.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous::test {

// `ms` milliseconds into the test.
inline Moment At(int ms) {
  return {Instant{} + std::chrono::hours(1) + std::chrono::milliseconds(ms),
          1'700'000'000'000 + ms};
}

inline Agreement AgreementOf(uint32_t min_nodes, uint32_t max_nodes) {
  Agreement agreement;
  agreement.set_muster_version("1.0");
  agreement.set_min_nodes(min_nodes);
  agreement.set_max_nodes(max_nodes);
  agreement.set_framework(FRAMEWORK_PYTORCH);
  agreement.set_init_method("tcp");
  agreement.add_command("python3");
  agreement.add_command("train.py");
  return agreement;
}

inline NodeFacts NodeNamed(const std::string& host,
                           std::optional<uint32_t> rank = std::nullopt,
                           uint32_t workers = 2) {
  NodeFacts node;
  node.set_host_name(host);
  node.set_incarnation("incarnation of " + host);
  if (rank) node.set_node_rank(*rank);
  node.set_workers(workers);
  node.set_address("10.0.0." + std::to_string(host.back() - '0' + 1));
  node.set_master_port(20000 + host.back());
  return node;
}

inline muster::Hello HelloOf(const Agreement& agreement,
                             const NodeFacts& node) {
  muster::Hello hello;
  *hello.mutable_agreement() = agreement;
  *hello.mutable_node() = node;
  return hello;
}

inline WorkerStarted Start(uint32_t rank) {
  WorkerStarted event;
  event.set_rank(rank);
  event.set_pid(1000 + rank);
  return event;
}

inline WorkerExited Exit(uint32_t rank, uint32_t code,
                         const std::string& tail = "") {
  WorkerExited event;
  event.set_rank(rank);
  event.set_exit_code(code);
  event.set_stderr_tail(tail);
  return event;
}

// The messages of one kind to one session.
inline std::vector<CoordinatorMessage> To(const Outbox& outbox, SessionId to) {
  std::vector<CoordinatorMessage> out;
  for (const Send& send : outbox) {
    if (send.to == to) out.push_back(send.message);
  }
  return out;
}

inline TaskSettings Tasks(uint32_t workers, uint32_t servers = 0,
                          bool chief = false, bool evaluator = false) {
  TaskSettings settings;
  settings.set_workers(workers);
  settings.set_parameter_servers(servers);
  settings.set_chief(chief);
  settings.set_evaluator(evaluator);
  return settings;
}

inline Agreement TensorflowAgreement(uint32_t nodes,
                                     const TaskSettings& settings) {
  Agreement agreement = AgreementOf(nodes, nodes);
  agreement.set_framework(FRAMEWORK_TENSORFLOW);
  *agreement.mutable_tasks() = settings;
  return agreement;
}

// The members of a job with this agreement and sessions 1, 2, ... `sent` gets
// what they were told when they got their places.
inline std::vector<Member> SealedWith(const Agreement& agreement,
                                      uint32_t workers,
                                      Outbox* sent = nullptr) {
  Roster roster({.run_id = "run",
                 .agreement = agreement,
                 .our_host = "node0",
                 .join_timeout = std::chrono::minutes(1)},
                At(0));
  for (uint32_t i = 0; i < agreement.max_nodes(); ++i) {
    roster.Hello(
        i + 1,
        HelloOf(agreement, NodeNamed("node" + std::to_string(i), i, workers)),
        At(1));
  }
  Outbox out = roster.Assign({}, At(1));
  if (sent) *sent = std::move(out);
  return roster.members();
}

// The members of a TensorFlow job.
inline std::vector<Member> SealedTasks(uint32_t nodes,
                                       const TaskSettings& settings) {
  return SealedWith(TensorflowAgreement(nodes, settings), 1);
}

// The members of a job of `nodes` nodes with sessions 1, 2, ...
inline std::vector<Member> SealedMembers(uint32_t nodes, uint32_t workers) {
  return SealedWith(AgreementOf(nodes, nodes), workers);
}

}  // namespace muster::rendezvous::test

#endif  // MUSTER_TESTS_RENDEZVOUS_FIXTURES_H_
