#include "env/hardware/interfaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace muster::env {
namespace {

using ::testing::HasSubstr;

const std::vector<InterfaceAddress>& Example() {
  static const auto& list = *new std::vector<InterfaceAddress>{
      {.name = "lo", .address = "127.0.0.1", .loopback = true, .up = true},
      {.name = "eth0", .address = "10.0.0.4", .up = true},
      {.name = "lo", .address = "::1", .loopback = true, .up = true},
      {.name = "ib0", .address = "fd00::a:4", .up = true}};
  return list;
}

TEST(FindInterface, FindsIpv4AndIpv6Addresses) {
  EXPECT_EQ(FindInterface(Example(), "10.0.0.4").value(), "eth0");
  EXPECT_EQ(FindInterface(Example(), "fd00::a:4").value(), "ib0");
  EXPECT_EQ(FindInterface(Example(), "::1").value(), "lo");
}

TEST(FindInterface, ComparesAddressesAndNotTheirSpelling) {
  EXPECT_EQ(FindInterface(Example(), "FD00:0:0::000A:0004").value(), "ib0");
  EXPECT_EQ(FindInterface(Example(), "::ffff:10.0.0.4").value(), "eth0");
}

TEST(FindInterface, GivesAllOf127ToTheLoopbackInterface) {
  EXPECT_EQ(FindInterface(Example(), "127.0.0.1").value(), "lo");
  EXPECT_EQ(FindInterface(Example(), "127.3.2.1").value(), "lo");
  EXPECT_EQ(FindInterface(Example(), "::ffff:127.3.2.1").value(), "lo");
}

TEST(FindInterface, NamesAnAddressThatNoInterfaceHolds) {
  for (const char* address : {"10.0.0.5", "fd00::a:5", "128.0.0.1"}) {
    const absl::Status status = FindInterface(Example(), address).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << address;
    EXPECT_THAT(status.message(), HasSubstr(address));
  }
}

TEST(FindInterface, RefusesWhatIsNoNumericAddress) {
  for (const char* text : {"", "node0", "localhost", "10.0.0", "10.0.0.4:80",
                           "[::1]", "10.0.0.04x"}) {
    EXPECT_EQ(FindInterface(Example(), text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

std::vector<InterfaceAddress> OfThisNode() {
  absl::StatusOr<std::vector<InterfaceAddress>> list = ListInterfaces();
  EXPECT_TRUE(list.ok()) << list.status();
  return list.value_or(std::vector<InterfaceAddress>());
}

TEST(ListInterfaces, ShowsTheLoopbackInterface) {
  const std::vector<InterfaceAddress> list = OfThisNode();
  const auto found = std::find_if(
      list.begin(), list.end(),
      [](const InterfaceAddress& one) { return one.address == "127.0.0.1"; });
  ASSERT_NE(found, list.end());
  EXPECT_EQ(found->name, "lo");
  EXPECT_TRUE(found->loopback);
  EXPECT_TRUE(found->up);
}

TEST(InterfaceOf, KnowsEveryAddressOfThisNode) {
  for (const InterfaceAddress& one : OfThisNode()) {
    const absl::StatusOr<std::string> name = InterfaceOf(one.address);
    ASSERT_TRUE(name.ok()) << name.status();
    EXPECT_EQ(*name, one.name) << one.address;
    EXPECT_TRUE(IsLocalAddress(one.address)) << one.address;
  }
}

TEST(InterfaceOf, GivesAllOf127ToLo) {
  EXPECT_EQ(InterfaceOf("127.9.8.7").value(), "lo");
}

TEST(IsLocalAddress, IsTrueForLoopbackAddresses) {
  EXPECT_TRUE(IsLocalAddress("127.0.0.1"));
  EXPECT_TRUE(IsLocalAddress("127.9.8.7"));
  EXPECT_TRUE(IsLocalAddress("::ffff:127.9.8.7"));
  EXPECT_TRUE(IsLocalAddress("::1"));
}

TEST(IsLocalAddress, IsFalseForOthers) {
  // Addresses that documentation and multicast reserve: no node has them.
  EXPECT_FALSE(IsLocalAddress("203.0.113.77"));
  EXPECT_FALSE(IsLocalAddress("2001:db8:77::1"));
  EXPECT_FALSE(IsLocalAddress("224.0.0.1"));
  EXPECT_FALSE(IsLocalAddress("localhost"));
  EXPECT_FALSE(IsLocalAddress(""));
}

TEST(SourceAddressTo, IsTheLoopbackAddressForLoopback) {
  EXPECT_EQ(SourceAddressTo("127.0.0.1", 29400).value(), "127.0.0.1");
  EXPECT_EQ(SourceAddressTo("::ffff:127.0.0.1", 29400).value(), "127.0.0.1");
}

TEST(SourceAddressTo, IsTheNodesOwnAddressForThatAddress) {
  for (const InterfaceAddress& one : OfThisNode()) {
    if (!one.up) continue;
    const absl::StatusOr<std::string> source =
        SourceAddressTo(one.address, 29400);
    ASSERT_TRUE(source.ok()) << source.status();
    EXPECT_EQ(*source, one.address);
  }
}

TEST(SourceAddressTo, SaysThatThereIsNoWay) {
  // The kernel lets nobody connect to the broadcast address unasked.
  const absl::Status status = SourceAddressTo("255.255.255.255", 9).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("255.255.255.255"));
}

TEST(SourceAddressTo, RefusesWhatIsNoNumericAddress) {
  EXPECT_EQ(SourceAddressTo("localhost", 9).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace muster::env
