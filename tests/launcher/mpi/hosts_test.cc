#include "launcher/mpi/hosts.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::mpi {
namespace {

using testing::ElementsAre;

std::vector<Peer> Peers(
    const std::vector<std::pair<std::string, std::string>>& nodes) {
  std::vector<Peer> peers;
  for (const auto& [name, address] : nodes) {
    Peer peer;
    peer.set_host_name(name);
    peer.set_address(address);
    peer.set_workers(2);
    peers.push_back(peer);
  }
  return peers;
}

TEST(HostLabels, AreTheAddressesOfHostsOfTheirOwn) {
  EXPECT_THAT(HostLabels(Peers({{"a", "10.0.0.4"}, {"b", "10.0.0.5"}})),
              ElementsAre("10.0.0.4", "10.0.0.5"));
}

TEST(HostLabels, KeepMpirunFromTakingSimulatedNodesForItsOwnMachine) {
  EXPECT_THAT(
      HostLabels(Peers({{"a", "127.9.0.1"}, {"b", "127.9.0.2"}, {"c", "::1"}})),
      ElementsAre("127.0.0.1", "240.0.0.1", "240.0.0.2"));
}

TEST(HostLabels, KeepTheColonsOfIpv6FromMpirun) {
  EXPECT_THAT(HostLabels(Peers({{"a", "fd00::4"}, {"b", "fd00::5"}})),
              ElementsAre("127.0.0.1", "240.0.0.1"));
}

TEST(HostLabels, TellApartTwoAgentsOnOneHost) {
  EXPECT_THAT(HostLabels(Peers({{"a", "10.0.0.4"}, {"b", "10.0.0.4"}})),
              ElementsAre("10.0.0.4", "240.0.0.1"));
}

TEST(HostLabels, AreDifferentForAnyNumberOfNodes) {
  std::vector<std::pair<std::string, std::string>> nodes(70000,
                                                         {"n", "127.0.0.1"});
  const std::vector<std::string> labels = HostLabels(Peers(nodes));
  EXPECT_EQ(std::set<std::string>(labels.begin(), labels.end()).size(), 70000u);
  EXPECT_EQ(labels.back(), "240.1.17.111");
}

TEST(FindNode, KnowsLabelsAddressesAndNames) {
  const auto peers =
      Peers({{"alpha", "10.0.0.4"}, {"beta", "10.0.0.5"}, {"b", "10.0.0.5"}});
  EXPECT_EQ(FindNode(peers, "10.0.0.4"), 0u);
  EXPECT_EQ(FindNode(peers, "240.0.0.2"), 2u);
  EXPECT_EQ(FindNode(peers, "alpha"), 0u);
  EXPECT_EQ(FindNode(peers, "node2"), 2u);
}

TEST(FindNode, AnswersNothingForStrangersAndForTwoOfAName) {
  const auto peers = Peers({{"n", "127.0.0.2"}, {"n", "127.0.0.3"}});
  EXPECT_EQ(FindNode(peers, "n"), std::nullopt);
  EXPECT_EQ(FindNode(peers, "10.0.0.9"), std::nullopt);
  EXPECT_EQ(FindNode(peers, "node2"), std::nullopt);
  EXPECT_EQ(FindNode(peers, ""), std::nullopt);
}

}  // namespace
}  // namespace muster::mpi
