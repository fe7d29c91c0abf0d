#include "launcher/mpi/local_socket.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::mpi {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string Line(const std::string& name) {
  return "0000000000000000: 00000002 00000000 00010000 0001 01 30551 @" + name +
         "\n";
}

TEST(AgentsIn, FindsTheFirstNodeOfEachRun) {
  EXPECT_THAT(
      AgentsIn("Num RefCount Protocol Flags Type St Inode Path\n" +
               Line("/tmp/.X11-unix/X0") + Line(SocketName("run-b", 2, "x1")) +
               Line(SocketName("run-b", 10, "x2")) +
               Line(SocketName("run-a", 1, "x3")) +
               Line(SocketName("run-b", 1, "x4"))),
      ElementsAre(SocketName("run-a", 1, "x3"), SocketName("run-b", 1, "x4")));
}

TEST(AgentsIn, PassesOverWhatIsNoAgentsName) {
  EXPECT_THAT(
      AgentsIn(Line("muster-agent/run/x/y") + Line("muster-agent/run/1") +
               Line("muster-agent/") + "muster-agent/run/1/z\n"),
      IsEmpty());
}

TEST(ChooseAgent, TakesTheVariablesWord) {
  EXPECT_EQ(*ChooseAgent("muster-agent/r/0/a"), "muster-agent/r/0/a");
}

TEST(ConnectToAgent, SaysThatNobodyListens) {
  EXPECT_TRUE(
      absl::IsUnavailable(ConnectToAgent("muster-agent/no/0/such").status()));
  EXPECT_TRUE(
      absl::IsUnavailable(ConnectToAgent(std::string(200, 'x')).status()));
}

}  // namespace
}  // namespace muster::mpi
