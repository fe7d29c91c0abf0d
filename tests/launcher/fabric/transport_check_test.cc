#include "launcher/fabric/transport_check.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::fabric::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// What one member says of its network.
struct Said {
  uint32_t node = 0;
  std::string network = "IB";
  std::string reason = {};
  bool failed = false;
  uint32_t gpu = 0;
};

class TransportCheckTest : public ::testing::Test {
 protected:
  // Nodes host0, host1, ..., of which these have an active port.
  void SetNodes(uint32_t count, const std::vector<uint32_t>& with_ports = {}) {
    for (uint32_t i = 0; i < count; ++i) {
      TestedNode& node = nodes_.emplace_back();
      node.host = absl::StrCat("host", i);
      node.slots = 2;
      FabricInventory& inventory = node.inventory.emplace();
      NicFacts* nic = inventory.add_nics();
      nic->set_name("eth0");
      nic->set_layer("ethernet");
      nic->set_active(true);
      nic = inventory.add_nics();
      nic->set_name("mlx5_0");
      nic->set_layer("infiniband");
      nic->set_active(std::find(with_ports.begin(), with_ports.end(), i) !=
                      with_ports.end());
    }
  }

  void Pair(const Said& a, const Said& b) {
    JudgedTest test;
    for (const Said& said : {a, b}) {
      *test.outcome.group.add_members() = SlotOf(said.node, said.gpu);
      SlotResult& result = test.outcome.results.emplace_back();
      result.set_log(absl::StrCat("/tmp/gpu", said.gpu, ".log"));
      if (said.failed) {
        result.mutable_failed()->set_network(said.network);
        result.mutable_failed()->set_network_reason(said.reason);
      } else {
        result.mutable_measured()->set_network(said.network);
        result.mutable_measured()->set_network_reason(said.reason);
      }
    }
    check_.Take({test});
  }

  std::vector<FabricFinding> Findings() {
    std::vector<FabricFinding> findings;
    check_.AddFindings(nodes_, &findings);
    return findings;
  }

  TestedNodes nodes_;
  TransportCheck check_;
};

TEST_F(TransportCheckTest, NodesThatUseWhatTheyHaveAreWell) {
  SetNodes(4, {0, 1, 2, 3});
  Pair({.node = 0}, {.node = 1});
  Pair({.node = 2}, {.node = 3, .network = "AWS Libfabric"});
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(TransportCheckTest, AClusterThatHasNothingButTcpIsWell) {
  SetNodes(2);
  Pair({.node = 0, .network = "Socket", .reason = "NET/IB : No device found"},
       {.node = 1, .network = "Socket"});
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(TransportCheckTest, WhereNoTestRanNothingIsSaid) {
  SetNodes(2, {0, 1});
  EXPECT_THAT(Findings(), IsEmpty());
  Pair({.node = 0, .network = ""}, {.node = 1, .network = "", .failed = true});
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(TransportCheckTest, TheNodeThatDiffersIsNamedWithNcclsReason) {
  SetNodes(4, {0, 1, 2});
  Pair({.node = 0}, {.node = 1});
  Pair({.node = 2},
       {.node = 3, .network = "Socket", .reason = "NET/IB : No device found"});
  const std::vector<FabricFinding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].verdict(), FABRIC_VERDICT_WARN);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_CONFIG);
  EXPECT_EQ(findings[0].confidence(), FABRIC_CONFIDENCE_CONFIRMED);
  EXPECT_THAT(findings[0].nodes(), ElementsAre(3));
  EXPECT_EQ(findings[0].message(),
            "host3 fell back to TCP; 3 nodes use IB: NET/IB : No device found");
  EXPECT_THAT(findings[0].evidence(),
              ElementsAre("network Socket in 1 result of host3"));
  EXPECT_THAT(findings[0].gpus(), IsEmpty());
  EXPECT_THAT(findings[0].next(),
              AllOf(HasSubstr("on host3: "), HasSubstr("/dev/infiniband")));
}

TEST_F(TransportCheckTest, ANodeTellsByItsLogAlsoWhereTheTestFails) {
  SetNodes(3, {0, 1, 2});
  Pair({.node = 0, .failed = true},
       {.node = 1, .network = "Socket", .failed = true});
  Pair({.node = 0}, {.node = 2});
  const std::vector<FabricFinding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].nodes(), ElementsAre(1));
  EXPECT_EQ(findings[0].message(),
            "host1 fell back to TCP; 2 nodes use IB, and mlx5_0 is active");
  EXPECT_THAT(findings[0].evidence(), Contains("log /tmp/gpu0.log of host1"));
}

TEST_F(TransportCheckTest, WhoFollowedAPartnerIsNotNamed) {
  SetNodes(4, {0, 1, 2, 3});
  Pair({.node = 0, .network = "Socket"}, {.node = 1, .network = "Socket"});
  Pair({.node = 0}, {.node = 2});
  const std::vector<FabricFinding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].nodes(), ElementsAre(1));
}

TEST_F(TransportCheckTest, OneOfANodesGpusMayFallBack) {
  SetNodes(2, {0, 1});
  Pair({.node = 0}, {.node = 1});
  Pair({.node = 0, .gpu = 1}, {.node = 1, .network = "Socket", .gpu = 1});
  const std::vector<FabricFinding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].nodes(), ElementsAre(1));
  ASSERT_THAT(findings[0].gpus(), SizeIs(1));
  EXPECT_EQ(findings[0].gpus(0).gpu(), 1u);
  EXPECT_EQ(findings[0].confidence(), FABRIC_CONFIDENCE_PROBABLE);
  EXPECT_THAT(findings[0].message(),
              HasSubstr("host1 uses TCP in some of its tests"));
}

TEST_F(TransportCheckTest, AllNodesWithPortsAreOneFinding) {
  SetNodes(3, {0, 1, 2});
  const std::string why = "NCCL_IB_DISABLE set by environment to 1";
  Pair({.node = 0, .network = "Socket", .reason = why},
       {.node = 1, .network = "Socket", .reason = why});
  Pair({.node = 0, .network = "Socket", .reason = why},
       {.node = 2, .network = "Socket"});
  const std::vector<FabricFinding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_FABRIC);
  EXPECT_THAT(findings[0].nodes(), ElementsAre(0, 1, 2));
  EXPECT_EQ(
      findings[0].message(),
      "all nodes fell back to TCP, though they have active RDMA ports: " + why);
  EXPECT_THAT(findings[0].evidence(), Contains("active on host2: mlx5_0"));
  EXPECT_THAT(findings[0].next(), HasSubstr("unset NCCL_IB_DISABLE"));
}

TEST_F(TransportCheckTest, WhereAllUseTcpThoseWithPortsAreNamed) {
  SetNodes(3, {1});
  Pair({.node = 0, .network = "Socket"}, {.node = 1, .network = "Socket"});
  Pair({.node = 1, .network = "Socket"}, {.node = 2, .network = "Socket"});
  const std::vector<FabricFinding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].nodes(), ElementsAre(1));
  EXPECT_EQ(findings[0].message(),
            "host1 fell back to TCP, though mlx5_0 is active");
}

TEST_F(TransportCheckTest, WhatToDoGoesByTheReason) {
  SetNodes(4, {0, 1, 2, 3});
  Pair({.node = 0}, {.node = 1,
                     .network = "Socket",
                     .reason = "Failed to open libibverbs.so[.1]; NET/IB : No "
                               "device found"});
  Pair({.node = 2,
        .network = "Socket",
        .reason = "NCCL_IB_HCA set to mlx5_9; NET/IB : No device found"},
       {.node = 3,
        .network = "Socket",
        .reason = "NCCL_NET set by environment to Socket"});
  const std::vector<FabricFinding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(3));
  EXPECT_THAT(findings[0].next(), HasSubstr("install libibverbs1"));
  EXPECT_THAT(findings[1].next(), HasSubstr("NCCL_IB_HCA names"));
  EXPECT_THAT(findings[2].next(), HasSubstr("unset"));
}

}  // namespace
}  // namespace muster::fabric::test
