// A real coordinator and real sessions on one loop, for tests.
#ifndef MUSTER_TESTS_RENDEZVOUS_LOOPED_AGENT_H_
#define MUSTER_TESTS_RENDEZVOUS_LOOPED_AGENT_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "asio/io_context.hpp"
#include "rendezvous/coordinator.h"
#include "rendezvous/session.h"
#include "rendezvous/transport.h"
#include "tests/rendezvous/fixtures.h"

namespace muster::rendezvous::test {

// Turns the loop until `done` holds; false after ten seconds.
inline bool RunUntil(asio::io_context& loop,
                     const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!done()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= end) return false;
    loop.restart();
    loop.run_one_for(end - now);
  }
  return true;
}

// A coordinator with a server inside this process.
struct LoopedCoordinator {
  LoopedCoordinator(asio::io_context& loop, const Agreement& agreement,
                    std::chrono::milliseconds join_timeout,
                    std::chrono::milliseconds node_timeout)
      : coordinator(loop,
                    {.roster = {.run_id = "run",
                                .agreement = agreement,
                                .our_host = "node0",
                                .join_timeout = join_timeout},
                     .node_timeout = node_timeout},
                    {.on_sealed =
                         [this](const std::vector<Member>& m) {
                           sealed = true;
                           members = m;
                         },
                     .on_event =
                         [this](const std::string&, const std::string& text) {
                           events.push_back(text);
                         },
                     .on_verdict = [this](Report* r) { verdict = *r; },
                     .on_idle = [this] { idle = true; }}) {
    grpc::ServerBuilder builder;
    Configure(builder);
    builder.RegisterService(&coordinator);
    server = builder.BuildAndStart();
  }
  ~LoopedCoordinator() { server->Shutdown(std::chrono::system_clock::now()); }

  bool sealed = false;
  std::vector<Member> members;
  bool idle = false;
  Report verdict;
  std::vector<std::string> events;
  Coordinator coordinator;
  std::unique_ptr<grpc::Server> server;
};

// An agent's session that keeps what it is told.
struct LoopedAgent {
  LoopedAgent(asio::io_context& loop,
              const std::shared_ptr<grpc::Channel>& channel,
              const muster::Hello& hello)
      : session(std::make_unique<Session>(
            loop, channel, hello,
            Session::Callbacks{.on_message =
                                   [this](CoordinatorMessage message) {
                                     received.push_back(std::move(message));
                                   },
                               .on_closed =
                                   [this](const grpc::Status& s) {
                                     status = s;
                                     closed = true;
                                   }})) {}

  // The last message of a kind, or null.
  const CoordinatorMessage* Last(CoordinatorMessage::BodyCase kind) const {
    for (auto it = received.rbegin(); it != received.rend(); ++it) {
      if (it->body_case() == kind) return &*it;
    }
    return nullptr;
  }
  bool Has(CoordinatorMessage::BodyCase kind) const { return Last(kind); }

  void Exit(uint32_t rank, uint32_t code) {
    AgentMessage message;
    message.mutable_exited()->set_rank(rank);
    message.mutable_exited()->set_exit_code(code);
    session->Send(std::move(message));
  }
  void Drain() {
    AgentMessage message;
    message.mutable_drained();
    session->Send(std::move(message));
  }

  std::vector<CoordinatorMessage> received;
  bool closed = false;
  grpc::Status status;
  std::unique_ptr<Session> session;
};

}  // namespace muster::rendezvous::test

#endif  // MUSTER_TESTS_RENDEZVOUS_LOOPED_AGENT_H_
