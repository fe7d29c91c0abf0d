#include "rendezvous/node_addresses.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::rendezvous {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Problem(const std::vector<std::string>& addresses, uint32_t nodes) {
  return std::string(NodeAddresses(addresses, nodes).status().message());
}

TEST(NodeAddresses, AreInNumericOrder) {
  EXPECT_THAT(*NodeAddresses({"10.0.0.10", "10.0.0.9", "9.255.0.1"}, 3),
              ElementsAre("9.255.0.1", "10.0.0.9", "10.0.0.10"));
  EXPECT_THAT(
      *NodeAddresses({"fd00::10", "fd00::9", "200.0.0.1", "20.0.0.1"}, 2),
      ElementsAre("20.0.0.1", "200.0.0.1"));
  EXPECT_THAT(*NodeAddresses({"fd00::ff", "fd00::9"}, 2),
              ElementsAre("fd00::9", "fd00::ff"));
}

TEST(NodeAddresses, ANodeWithBothFamiliesCountsOnce) {
  EXPECT_THAT(*NodeAddresses({"fd00::1", "10.0.0.2", "fd00::2", "10.0.0.1"}, 2),
              ElementsAre("10.0.0.1", "10.0.0.2"));
}

TEST(NodeAddresses, SayHowManyAreMissing) {
  EXPECT_EQ(Problem({"10.0.0.2", "10.0.0.1"}, 3),
            "2 of 3 addresses are there: 10.0.0.1, 10.0.0.2");
  EXPECT_EQ(Problem({"not an address"}, 2), "0 of 2 addresses are there");
}

TEST(NodeAddresses, SayWhenThereAreTooMany) {
  std::vector<std::string> many;
  for (int i = 1; i < 20; ++i) many.push_back(absl::StrCat("10.0.0.", i));
  EXPECT_THAT(Problem(many, 4),
              AllOf(HasSubstr("19 addresses for the 4 nodes of --nnodes: "
                              "10.0.0.1, "),
                    HasSubstr("10.0.0.8, ...")));
}

TEST(NodeAddresses, AreTheSameForEveryAgent) {
  std::vector<std::string> all = {"10.0.0.3", "10.0.0.20", "10.0.0.100"};
  std::sort(all.begin(), all.end());
  do {
    EXPECT_THAT(*NodeAddresses(all, 3),
                ElementsAre("10.0.0.3", "10.0.0.20", "10.0.0.100"));
  } while (std::next_permutation(all.begin(), all.end()));
}

}  // namespace
}  // namespace muster::rendezvous
