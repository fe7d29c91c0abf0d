#include "launcher/collector_access.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/history/remote_source.h"
#include "rendezvous/token.h"
#include "tests/launcher/history/run.h"
#include "tests/launcher/history/server.h"

namespace muster::launcher {
namespace {

using ::testing::HasSubstr;

constexpr char kToken[] = "a-token-that-is-long-enough-1";

absl::StatusOr<rendezvous::Credentials> Access(
    const std::string& host, const JobSpec& place,
    const std::optional<std::string>& token) {
  return AccessTo({host, 29401}, "--collector x", place, token,
                  [](absl::string_view) {});
}

TEST(AccessTo, NeedsASecretUnlessTheCollectorIsOnThisMachine) {
  EXPECT_FALSE(Access("127.0.0.1", {}, std::nullopt)->secure());
  EXPECT_TRUE(Access("127.0.0.1", {}, kToken)->secure());
  EXPECT_TRUE(Access("192.0.2.1", {}, kToken)->secure());
  const absl::Status refused = Access("192.0.2.1", {}, std::nullopt).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(
      std::string(refused.message()),
      testing::AllOf(HasSubstr("--collector x"), HasSubstr("MUSTER_TOKEN"),
                     HasSubstr("--insecure")));
  JobSpec insecure;
  insecure.set_insecure(true);
  EXPECT_FALSE(Access("192.0.2.1", insecure, std::nullopt)->secure());
}

TEST(ReachCollector, SaysWhyItCant) {
  const auto ours =
      *rendezvous::Credentials::FromToken(rendezvous::Token(kToken), "us");
  const auto theirs = *rendezvous::Credentials::FromToken(
      rendezvous::Token("a-token-that-is-long-enough-2"), "them");
  const history::TestRun run;
  history::TestServer secure({.run_dir = run.run_dir()}, ours);
  history::TestServer plain({.run_dir = run.run_dir()});
  const auto at = [](const history::TestServer& server) {
    return Endpoint{"127.0.0.1", static_cast<uint32_t>(server.port())};
  };

  const auto channel = ReachCollector(at(secure), ours);
  ASSERT_TRUE(channel.ok()) << channel.status();
  EXPECT_EQ(history::MakeRemoteRuns(*channel, {})->ListRuns({})->size(), 1u);

  EXPECT_TRUE(
      absl::IsPermissionDenied(ReachCollector(at(secure), theirs).status()));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(ReachCollector(at(plain), ours).status()));
  plain.Stop();
  EXPECT_TRUE(absl::IsUnavailable(
      ReachCollector(at(plain), rendezvous::Credentials::Insecure()).status()));
  EXPECT_TRUE(absl::IsNotFound(
      ReachCollector({"no-such-host.invalid", 1}, ours).status()));
}

}  // namespace
}  // namespace muster::launcher
