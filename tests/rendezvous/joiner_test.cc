#include "rendezvous/joiner.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rendezvous/name_wait.h"
#include "rendezvous/token.h"
#include "tests/rendezvous/looped_agent.h"
#include "tests/rendezvous/real_server.h"

namespace muster::rendezvous {
namespace {

using std::chrono::milliseconds;
using test::AgreementOf;
using test::HelloOf;
using test::NodeNamed;
using test::RunUntil;
using testing::HasSubstr;

Credentials FromSecret(const std::string& secret) {
  return *Credentials::FromToken(Token(secret), "host");
}

// A port on which nobody listens, for now.
int FreePort() { return test::RawListener().port(); }

struct Outcome {
  std::optional<JoinFailure> failure;
  std::unique_ptr<Session> session;
  CoordinatorMessage first;
  std::vector<std::string> progress;
};

class JoinerTest : public testing::Test {
 protected:
  std::unique_ptr<Joiner> Join(const Credentials& credentials,
                               JoinerOptions options, Outcome* outcome) {
    return std::make_unique<Joiner>(
        loop, credentials, std::move(options),
        JoinerCallbacks{
            .make_hello =
                [](const std::string& reached) {
                  NodeFacts node = NodeNamed("node1");
                  node.set_reached(reached);
                  return HelloOf(AgreementOf(2, 2), node);
                },
            .on_progress =
                [outcome](const std::string& why) {
                  outcome->progress.push_back(why);
                },
            .on_joined =
                [outcome](std::unique_ptr<Session> session,
                          CoordinatorMessage first) {
                  outcome->session = std::move(session);
                  outcome->session->SetCallbacks(
                      {[](const auto&) {}, [](const auto&) {}});
                  outcome->first = std::move(first);
                },
            .on_failed = [outcome](JoinFailure f) { outcome->failure = f; }});
  }
  JoinerOptions To(int port, milliseconds timeout,
                   const std::string& host = "127.0.0.1") {
    return {.host = host, .port = port, .deadline = Now().at + timeout};
  }
  // A coordinator of two nodes that listens on `port`.
  ListeningServer Serve(Coordinator& coordinator, int port,
                        const Credentials& credentials) {
    auto server = Listen("127.0.0.1", port, credentials, {&coordinator});
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }
  std::unique_ptr<Coordinator> MakeCoordinator() {
    return std::make_unique<Coordinator>(
        loop,
        CoordinatorOptions{.roster = {.run_id = "run",
                                      .agreement = AgreementOf(2, 2),
                                      .our_host = "node0",
                                      .join_timeout = std::chrono::minutes(1)},
                           .node_timeout = std::chrono::minutes(1)},
        CoordinatorCallbacks{
            .on_sealed = [](const auto&) {},
            .on_event = [](const std::string&, const std::string&) {},
            .on_verdict = [](Report*) {},
            .on_idle = [] {}});
  }

  asio::io_context loop;
};

TEST_F(JoinerTest, WaitsForACoordinatorThatComesLate) {
  const Credentials credentials = FromSecret("a token for this test");
  const int port = FreePort();
  Outcome outcome;
  auto joiner = Join(credentials, To(port, milliseconds(60'000)), &outcome);
  ASSERT_TRUE(RunUntil(loop, [&] { return !outcome.progress.empty(); }));
  EXPECT_THAT(outcome.progress[0], HasSubstr("TCP"));
  auto coordinator = MakeCoordinator();
  ListeningServer server = Serve(*coordinator, port, credentials);
  ASSERT_TRUE(RunUntil(loop, [&] { return outcome.session != nullptr; }));
  EXPECT_TRUE(outcome.first.has_welcome());
  outcome.session.reset();
  server.server->Shutdown(std::chrono::system_clock::now());
}

TEST_F(JoinerTest, AnotherTokenEndsItAtOnceWith77) {
  const Credentials theirs = FromSecret("a token for this test");
  const Credentials ours = FromSecret("another token entirely");
  auto coordinator = MakeCoordinator();
  ListeningServer server = Serve(*coordinator, 0, theirs);
  Outcome outcome;
  auto joiner = Join(ours, To(server.port, milliseconds(60'000)), &outcome);
  ASSERT_TRUE(RunUntil(loop, [&] { return outcome.failure.has_value(); }));
  EXPECT_EQ(outcome.failure->kind, CAUSE_AUTH);
  EXPECT_EQ(outcome.failure->exit_code, 77u);
  EXPECT_THAT(outcome.failure->message, HasSubstr("token"));
  server.server->Shutdown(std::chrono::system_clock::now());
}

TEST_F(JoinerTest, SaysAtTheDeadlineThatTcpFailed) {
  const Credentials credentials = FromSecret("a token for this test");
  Outcome outcome;
  auto joiner = Join(credentials, To(FreePort(), milliseconds(300)), &outcome);
  ASSERT_TRUE(RunUntil(loop, [&] { return outcome.failure.has_value(); }));
  EXPECT_EQ(outcome.failure->exit_code, 69u);
  EXPECT_THAT(outcome.failure->message, HasSubstr("127.0.0.1:"));
  EXPECT_THAT(outcome.failure->message, HasSubstr("TCP"));
}

TEST_F(JoinerTest, SaysAtTheDeadlineThatTheNameFailed) {
  const Credentials credentials = Credentials::Insecure();
  Outcome outcome;
  auto joiner =
      Join(credentials, To(29400, milliseconds(300), "no-such-host.invalid"),
           &outcome);
  ASSERT_TRUE(RunUntil(loop, [&] { return outcome.failure.has_value(); }));
  EXPECT_EQ(outcome.failure->exit_code, 69u);
  EXPECT_THAT(outcome.failure->message, HasSubstr("no-such-host.invalid"));
}

TEST_F(JoinerTest, SaysThatACoordinatorSpeaksNoTls) {
  const Credentials plain = Credentials::Insecure();
  const Credentials ours = FromSecret("a token for this test");
  auto coordinator = MakeCoordinator();
  ListeningServer server = Serve(*coordinator, 0, plain);
  Outcome outcome;
  auto joiner = Join(ours, To(server.port, milliseconds(60'000)), &outcome);
  ASSERT_TRUE(RunUntil(loop, [&] {
    return !outcome.progress.empty() || outcome.failure.has_value();
  }));
  ASSERT_FALSE(outcome.progress.empty());
  EXPECT_THAT(outcome.progress[0], HasSubstr("TLS"));
  joiner.reset();
  server.server->Shutdown(std::chrono::system_clock::now());
}

TEST_F(JoinerTest, CanBeGivenUpAtAnyTime) {
  const Credentials credentials = FromSecret("a token for this test");
  for (int turns = 0; turns < 8; ++turns) {
    Outcome outcome;
    auto joiner =
        Join(credentials, To(FreePort(), milliseconds(60'000)), &outcome);
    for (int i = 0; i < turns; ++i) {
      loop.restart();
      loop.run_one_for(milliseconds(100));
    }
    joiner.reset();
    loop.restart();
    loop.run_for(milliseconds(1));
    EXPECT_FALSE(outcome.failure.has_value());
  }
  // The threads that still probe hold work on the loop until they are done.
  loop.restart();
  loop.run();
}

TEST_F(JoinerTest, NameWaitResolvesANameThatIsThere) {
  std::vector<std::string> addresses;
  NameWait wait(
      loop,
      {.host = "127.0.0.7",
       .port = 1,
       .deadline = Now().at + std::chrono::minutes(1)},
      {.on_progress = [](const std::string&) {},
       .on_resolved = [&](std::vector<std::string> a) { addresses = a; },
       .on_failed = [](const JoinFailure&) { FAIL(); }});
  ASSERT_TRUE(RunUntil(loop, [&] { return !addresses.empty(); }));
  EXPECT_EQ(addresses[0], "127.0.0.7");
}

TEST_F(JoinerTest, NameWaitGivesUpAtItsDeadline) {
  std::optional<JoinFailure> failure;
  std::vector<std::string> progress;
  NameWait wait(
      loop,
      {.host = "no-such-host.invalid",
       .port = 1,
       .deadline = Now().at + milliseconds(300)},
      {.on_progress = [&](const std::string& why) { progress.push_back(why); },
       .on_resolved = [](const std::vector<std::string>&) { FAIL(); },
       .on_failed = [&](const JoinFailure& f) { failure = f; }});
  ASSERT_TRUE(RunUntil(loop, [&] { return failure.has_value(); }));
  EXPECT_EQ(failure->exit_code, 69u);
  EXPECT_THAT(failure->message, HasSubstr("did not resolve"));
}

}  // namespace
}  // namespace muster::rendezvous
