// The self-test of hosts without GPUs: real links, cut and slowed.
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/check.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Where speed is judged a busy machine may make more hosts slow, but none as
// slow as these.
using GlooCheck = CheckTest;

TEST_F(GlooCheck, OfEightHealthyHostsPassesWithATable) {
  MakeHosts(8);
  RunCheck(Code(0));
  EXPECT_NE(Fabric()["verdict"], "fail") << Seen();
  EXPECT_THAT(agent(0).Out(), ContainsRegex("(PASS|WARN)  8 nodes, Gloo"));
  for (int host = 0; host < 8; ++host) {
    EXPECT_THAT(agent(0).Out(), HasSubstr(hosts_->Name(host)));
  }
  for (int host = 1; host < 8; ++host) {
    EXPECT_EQ(agent(host).Out(), "") << hosts_->Name(host);
  }
  EXPECT_EQ(Fabric()["kind"], "gloo");
  EXPECT_EQ(Fabric()["nodes"][3]["inventory"]["interface"], "eth0");
  ExpectNothingIsLeft();
}

TEST_F(GlooCheck, NamesTheOneLinkThatIsSlow) {
  MakeHosts(8);
  hosts_->Slow(2, 3, 50);
  hosts_->Slow(3, 2, 50);
  RunCheck(Code(0), {{"--exhaustive", ""}});
  EXPECT_THAT(Findings(), Contains("warn link host2 host3")) << Seen();
  EXPECT_THAT(agent(0).Out(), AllOf(HasSubstr("WARN"), HasSubstr("GB/s")));
}

TEST_F(GlooCheck, FailsForASlowLinkWithStrict) {
  MakeHosts(6);
  hosts_->Slow(0, 1, 50);
  RunCheck(Code(75), {{"--exhaustive", ""}, {"--strict", ""}});
  EXPECT_THAT(Findings(), Contains("fail link host0 host1")) << Seen();
}

TEST_F(GlooCheck, NamesTheOneNodeThatIsSlow) {
  MakeHosts(8);
  hosts_->SlowAll(5, 50);
  RunCheck(Code(0));
  EXPECT_THAT(Findings(), Contains("warn node host5")) << Seen();
}

TEST_F(GlooCheck, NamesTheLinkThatIsCut) {
  MakeHosts(5);
  hosts_->Cut(2, 3);
  RunCheck(Code(75), {{"--exhaustive", ""}});
  EXPECT_THAT(Findings(), ElementsAre("fail link host2 host3")) << Seen();
}

}  // namespace
}  // namespace muster::test
