#include "rendezvous/hosting.h"

#include "gtest/gtest.h"

namespace muster::rendezvous {
namespace {

HostingAnswer Decide(std::optional<uint32_t> rank, const std::string& host,
                     const std::vector<std::string>& addresses,
                     const std::string& own, uint32_t nodes = 2) {
  return DecideHosting(
      {.max_nodes = nodes,
       .node_rank = rank,
       .endpoint_host = host,
       .addresses = addresses,
       .is_local = [own](const std::string& a) { return a == own; }});
}

TEST(Hosting, OneNodeOpensNoPort) {
  EXPECT_EQ(Decide({}, "", {}, "", 1).hosting, Hosting::kInProcess);
}

TEST(Hosting, RankZeroBindsTheNumericAddressThatIsItsOwn) {
  const HostingAnswer answer = Decide(0, "10.0.0.1", {}, "10.0.0.1");
  EXPECT_EQ(answer.hosting, Hosting::kListen);
  EXPECT_EQ(answer.bind_address, "10.0.0.1");
  EXPECT_FALSE(answer.may_connect_instead);
}

TEST(Hosting, RankZeroBehindAServiceAddressBindsAll) {
  const HostingAnswer answer = Decide(0, "10.96.0.7", {}, "10.0.0.1");
  EXPECT_EQ(answer.hosting, Hosting::kListen);
  EXPECT_EQ(answer.bind_address, "::");
}

TEST(Hosting, RankZeroNeedsNoNameToResolve) {
  EXPECT_EQ(Decide(0, "node0.svc", {}, "10.0.0.1").hosting, Hosting::kListen);
}

TEST(Hosting, OtherRanksConnectEvenWhenTheAddressIsTheirs) {
  EXPECT_EQ(Decide(1, "10.0.0.1", {}, "10.0.0.1").hosting, Hosting::kConnect);
}

TEST(Hosting, WithoutRanksTheOwnerOfTheAddressBinds) {
  EXPECT_EQ(Decide({}, "10.0.0.1", {}, "10.0.0.1").hosting, Hosting::kListen);
  EXPECT_EQ(Decide({}, "10.0.0.1", {}, "10.0.0.2").hosting, Hosting::kConnect);
  EXPECT_TRUE(Decide({}, "10.0.0.1", {}, "10.0.0.1").may_connect_instead);
}

TEST(Hosting, ANameIsDecidedOnceItResolvesAndBoundOnAllAddresses) {
  EXPECT_EQ(Decide({}, "head", {}, "10.0.0.1").hosting, Hosting::kUnknown);
  const HostingAnswer answer =
      Decide({}, "head", {"10.0.0.9", "10.0.0.1"}, "10.0.0.1");
  EXPECT_EQ(answer.hosting, Hosting::kListen);
  EXPECT_EQ(answer.bind_address, "::");
  EXPECT_EQ(Decide({}, "head", {"10.0.0.9"}, "10.0.0.1").hosting,
            Hosting::kConnect);
}

TEST(Hosting, TellsNamesFromAddresses) {
  EXPECT_TRUE(IsNumeric("10.0.0.1"));
  EXPECT_TRUE(IsNumeric("fe80::1"));
  EXPECT_FALSE(IsNumeric("node0"));
  EXPECT_FALSE(IsNumeric(""));
  EXPECT_FALSE(IsNumeric("10.0.0"));
}

}  // namespace
}  // namespace muster::rendezvous
