#include "tests/support/fabric_stand_ins/faults.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::stand_in {
namespace {

using ::testing::HasSubstr;

Faults Read(const std::string& text, const std::string& self) {
  std::string why;
  auto faults = ParseFaults(text, &why);
  EXPECT_TRUE(faults) << why;
  return Faults(faults.value_or(std::vector<Fault>{}), Member::Parse(self));
}

TEST(Faults, AHostsFaultHitsEachOfItsGpus) {
  const Faults faults = Read("slow@node-1:8", "node-1/3");
  ASSERT_NE(faults.OfGpu("slow"), nullptr);
  EXPECT_EQ(faults.OfGpu("slow")->Number(1), 8);
  EXPECT_EQ(faults.OfGpu("wrong"), nullptr);
  EXPECT_EQ(Read("slow@node-1:8", "node-10/3").OfGpu("slow"), nullptr);
  EXPECT_NE(Read("slow@node-1:8", "node-1/").OfGpu("slow"), nullptr);
}

TEST(Faults, AGpusFaultHitsItAlone) {
  EXPECT_NE(Read("wrong@a/1", "a/1").OfGpu("wrong"), nullptr);
  EXPECT_EQ(Read("wrong@a/1", "a/0").OfGpu("wrong"), nullptr);
  EXPECT_EQ(Read("wrong@a/1", "a/").OfGpu("wrong"), nullptr);
}

TEST(Faults, ALinksFaultHitsBothEndsAndNeitherAlone) {
  const Faults faults = Read("wrong@node-1-node-2", "node-2/0");
  EXPECT_NE(faults.OfLink("wrong", {"node-1", "3"}), nullptr);
  EXPECT_EQ(faults.OfLink("wrong", {"node-3", "3"}), nullptr);
  EXPECT_EQ(faults.OfGpu("wrong"), nullptr);
}

TEST(Faults, ALinkOfTwoGpusIsNoneOfTheirNeighbours) {
  const Faults faults = Read("slow@a/0-b/0:4", "a/0");
  EXPECT_NE(faults.OfLink("slow", {"b", "0"}), nullptr);
  EXPECT_EQ(faults.OfLink("slow", {"b", "1"}), nullptr);
}

TEST(Faults, AStarIsEveryOtherHost) {
  const Faults nic = Read("hang-run@a-*", "b/2");
  EXPECT_NE(nic.OfLink("hang-run", {"a", "0"}), nullptr);
  EXPECT_EQ(nic.OfLink("hang-run", {"c", "0"}), nullptr);
  const Faults rail = Read("hang-run@a/2-*", "a/2");
  EXPECT_NE(rail.OfLink("hang-run", {"b", "2"}), nullptr);
  EXPECT_EQ(rail.OfLink("hang-run", {"a", "1"}), nullptr);
}

TEST(Faults, SeveralStandInOneText) {
  const Faults faults = Read("sockets@a;error@a/0:6,no route;;", "a/0");
  EXPECT_NE(faults.OfGpu("sockets"), nullptr);
  EXPECT_NE(faults.OfGpu("error"), nullptr);
}

TEST(Faults, AMessageMayHaveColonsAndCommas) {
  const Faults faults = Read("error@a:6,NET/IB: status=12, len 0", "a/0");
  EXPECT_EQ(faults.OfGpu("error")->value, "6,NET/IB: status=12, len 0");
}

TEST(Faults, WhatIsNoFaultIsTold) {
  std::string why;
  EXPECT_FALSE(ParseFaults("slow", &why));
  EXPECT_THAT(why, HasSubstr("KIND@TARGET"));
  EXPECT_FALSE(ParseFaults("sloow@a", &why));
  EXPECT_THAT(why, HasSubstr("no such kind"));
  EXPECT_FALSE(ParseFaults("slow@:2", &why));
  EXPECT_THAT(why, HasSubstr("no target"));
}

}  // namespace
}  // namespace muster::stand_in
