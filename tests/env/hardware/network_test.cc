#include "env/hardware/network.h"

#include "gtest/gtest.h"

namespace muster::env {
namespace {

TEST(Network, HoldsTheAddressesWithItsPrefix) {
  const Network network = *MakeNetwork("10.77.3.9", 22);
  EXPECT_EQ(network.ToString(), "10.77.0.0/22");
  EXPECT_TRUE(network.Contains("10.77.0.0"));
  EXPECT_TRUE(network.Contains("10.77.3.255"));
  EXPECT_FALSE(network.Contains("10.77.4.0"));
  EXPECT_FALSE(network.Contains("fe80::1"));
  EXPECT_FALSE(network.Contains("node7"));
}

TEST(Network, CanBeEverythingOrOneAddress) {
  EXPECT_TRUE(MakeNetwork("10.0.0.1", 0)->Contains("192.168.1.1"));
  EXPECT_TRUE(MakeNetwork("10.0.0.1", 32)->Contains("10.0.0.1"));
  EXPECT_FALSE(MakeNetwork("10.0.0.1", 32)->Contains("10.0.0.2"));
}

TEST(Network, RefusesWhatIsNone) {
  EXPECT_FALSE(MakeNetwork("::1", 8).ok());
  EXPECT_FALSE(MakeNetwork("10.0.0.1", 33).ok());
  EXPECT_FALSE(MakeNetwork("10.0.0.1", -1).ok());
  EXPECT_FALSE(NetworkOf("no address").ok());
}

TEST(Network, OfAnyLoopbackAddressIsTheLoopbackNetwork) {
  EXPECT_EQ(NetworkOf("127.81.104.180")->ToString(), "127.0.0.0/8");
}

}  // namespace
}  // namespace muster::env
