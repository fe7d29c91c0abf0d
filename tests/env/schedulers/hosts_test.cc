#include "env/schedulers/hosts.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::env {
namespace {

using ::testing::HasSubstr;

using Strings = std::vector<std::string>;

// The place as text; "none", or the error.
std::string Place(const Strings& hosts, const NodeIdentity& node) {
  const absl::StatusOr<std::optional<size_t>> place = PlaceAmong(hosts, node);
  if (!place.ok()) return std::string(place.status().message());
  return place->has_value() ? absl::StrCat(**place) : "none";
}

TEST(Hosts, ANodeFindsItselfByName) {
  EXPECT_EQ(Place({"a", "b"}, {{"b"}, {}}), "1");
  EXPECT_EQ(Place({"a", "B"}, {{"b"}, {}}), "1");
  EXPECT_EQ(Place({"a.x.org", "b.x.org"}, {{"b"}, {}}), "1");
  EXPECT_EQ(Place({"a", "b"}, {{"b.x.org"}, {}}), "1");
  EXPECT_EQ(Place({"a", "b"}, {{"c"}, {}}), "none");
  EXPECT_EQ(Place({"a", "b"}, {}), "none");
}

TEST(Hosts, AWholeNameBeatsAShortOne) {
  EXPECT_EQ(Place({"a.x.org", "a"}, {{"a"}, {}}), "1");
  EXPECT_EQ(Place({"a.x.org", "a.y.org"}, {{"a.y.org"}, {}}), "1");
  // Two domains are two hosts.
  EXPECT_EQ(Place({"a.x.org"}, {{"a.y.org"}, {}}), "none");
}

TEST(Hosts, TheSurestIdentityCounts) {
  EXPECT_EQ(Place({"a", "b"}, {{"b", "a"}, {}}), "1");
  EXPECT_EQ(Place({"10.0.0.1", "b"}, {{"b"}, {"10.0.0.1"}}), "1");
  EXPECT_EQ(Place({"10.0.0.1", "10.0.0.2"}, {{"b"}, {"10.0.0.2", "10.0.0.1"}}),
            "1");
}

TEST(Hosts, TwoPlacesForOneNameAreAnError) {
  EXPECT_EQ(Place({"a.x.org", "a.y.org"}, {{"a"}, {}}),
            "this node, a, may be a.x.org or a.y.org; give --node-rank or a "
            "--host-name that is one");
}

TEST(Hosts, AnAddressHasNoShortForm) {
  EXPECT_EQ(Place({"10.0.0.1"}, {{"10"}, {}}), "none");
  EXPECT_EQ(Place({"10"}, {{"10.0.0.1"}, {}}), "none");
}

TEST(Hosts, PartsOfAnEndpoint) {
  EXPECT_EQ(SplitHostPort("h")->host, "h");
  EXPECT_FALSE(SplitHostPort("h")->port.has_value());
  EXPECT_EQ(SplitHostPort("h:2222")->port, 2222u);
  EXPECT_EQ(SplitHostPort("fd00::1")->host, "fd00::1");
  EXPECT_EQ(SplitHostPort("[fd00::1]:7")->host, "fd00::1");
  EXPECT_EQ(SplitHostPort("[fd00::1]:7")->port, 7u);
  EXPECT_FALSE(SplitHostPort("[fd00::1]")->port.has_value());
  for (const char* text : {"", ":1", "h:", "h:0", "h:65536", "h:x", "a:b:c",
                           "[fd00::1", "[fd00::1]7", "a b", "a/b"}) {
    EXPECT_FALSE(SplitHostPort(text).ok()) << text;
  }
}

TEST(Hosts, AnAddressEndsWhereItsTextEnds) {
  EXPECT_TRUE(IsNumericHost("10.0.0.1"));
  EXPECT_TRUE(IsNumericHost("fd00::1"));
  EXPECT_FALSE(IsNumericHost(std::string("10.0.0.1\0x", 10)));
  EXPECT_FALSE(CheckHost(std::string("fd00::1\0", 8)).ok());
}

TEST(Hosts, AListMustBeOfSoundAndDifferentHosts) {
  EXPECT_TRUE(CheckHosts({"a", "10.0.0.1", "fd00::1"}).ok());
  EXPECT_THAT(std::string(CheckHosts({}).message()), HasSubstr("no host"));
  EXPECT_THAT(std::string(CheckHosts({"a", "b", "a"}).message()),
              HasSubstr("the host a twice"));
  EXPECT_THAT(std::string(CheckHosts({"a", ""}).message()),
              HasSubstr("a host has no name"));
  EXPECT_THAT(std::string(CheckHosts({"a$b"}).message()),
              HasSubstr("'a$b' is no host's name or address"));
  EXPECT_THAT(std::string(CheckHosts({std::string(254, 'a')}).message()),
              HasSubstr("longer than 253"));
  Strings many;
  for (size_t i = 0; i <= kMaxHosts; ++i) many.push_back(absl::StrCat("n", i));
  EXPECT_THAT(std::string(CheckHosts(many).message()),
              HasSubstr("65537 hosts; a job has at most 65536"));
}

TEST(Hosts, TheJobsPortIsItsOwnAndBelowTheSystems) {
  std::set<uint32_t> ports;
  for (int job = 1000; job < 1100; ++job) {
    for (uint32_t step = 0; step < 3; ++step) {
      const auto port = PortOfJob(absl::StrCat(job), step);
      ASSERT_TRUE(port.has_value());
      EXPECT_GE(*port, 20000u);
      EXPECT_LT(*port, 30000u);
      ports.insert(*port);
    }
  }
  EXPECT_EQ(ports.size(), 300u);
  EXPECT_EQ(PortOfJob("77.head"), PortOfJob("77"));
  EXPECT_EQ(PortOfJob("head"), std::nullopt);
  EXPECT_EQ(PortOfJob("99999999999999999999999"), std::nullopt);
}

}  // namespace
}  // namespace muster::env
