#include "launcher/fabric/inventory_check.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/some_nodes.h"

namespace muster::fabric {
namespace {

using test::SomeNodes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

FabricSettings Wanted(FabricKind kind) {
  FabricSettings settings;
  settings.set_kind(kind);
  return settings;
}

FabricKind AutoKind(const TestedNodes& nodes) {
  return ChooseKind(nodes, Wanted(FABRIC_AUTO)).kind;
}

// The only one; an empty one where there are none or more.
FabricFinding OnlyFinding(const TestedNodes& nodes,
                          FabricKind kind = FABRIC_NCCL) {
  const std::vector<FabricFinding> findings = CompareInventories(nodes, kind);
  EXPECT_EQ(findings.size(), 1);
  if (findings.size() != 1) return {};
  EXPECT_FALSE(findings[0].evidence().empty());
  EXPECT_FALSE(findings[0].next().empty());
  return findings[0];
}

TEST(ChooseKind, NcclWhereAtLeastHalfOfTheNodesHaveGpus) {
  TestedNodes nodes = SomeNodes(4, 2);
  EXPECT_EQ(AutoKind(nodes), FABRIC_NCCL);
  for (const int node : {0, 1}) nodes[node].inventory->clear_gpus();
  EXPECT_EQ(AutoKind(nodes), FABRIC_NCCL);
  nodes[2].inventory->clear_gpus();
  EXPECT_EQ(AutoKind(nodes), FABRIC_GLOO);
}

TEST(ChooseKind, NodesThatAreLostDoNotCount) {
  TestedNodes nodes = SomeNodes(3, 2);
  for (const int node : {0, 1}) {
    nodes[node].inventory->clear_gpus();
    nodes[node].good = false;
  }
  EXPECT_EQ(AutoKind(nodes), FABRIC_NCCL);
}

TEST(ChooseKind, OneNodeWithoutGpusHasNothingToTest) {
  EXPECT_EQ(AutoKind(SomeNodes(1, 0)), FABRIC_OFF);
  EXPECT_EQ(AutoKind(SomeNodes(1, 1)), FABRIC_NCCL);
  EXPECT_EQ(AutoKind(SomeNodes(2, 0)), FABRIC_GLOO);
}

TEST(ChooseKind, PretendedGpusAreTestedOnlyWhereNcclIsAskedFor) {
  TestedNodes nodes = SomeNodes(2, 2);
  for (TestedNode& node : nodes) node.inventory->set_pretended(true);
  EXPECT_EQ(AutoKind(nodes), FABRIC_GLOO);
  EXPECT_EQ(ChooseKind(nodes, Wanted(FABRIC_NCCL)).problem, "");
}

TEST(ChooseKind, WithoutTheLibraryItIsLeftOutAndSaidWhy) {
  TestedNodes gpus = SomeNodes(2, 2);
  for (TestedNode& node : gpus) node.inventory->set_nccl_problem("no libnccl");
  KindChoice choice = ChooseKind(gpus, Wanted(FABRIC_AUTO));
  EXPECT_EQ(choice.kind, FABRIC_OFF);
  EXPECT_EQ(choice.why, "the GPUs are not tested; host0: no libnccl");
  EXPECT_EQ(choice.problem, "");
  TestedNodes cpus = SomeNodes(3, 0);
  cpus[1].inventory->set_gloo_problem("no probe");
  choice = ChooseKind(cpus, Wanted(FABRIC_AUTO));
  EXPECT_EQ(choice.kind, FABRIC_OFF);
  EXPECT_EQ(choice.why, "the network is not tested; host1: no probe");
}

TEST(ChooseKind, WhatIsAskedForAndNowhereToBeHadIsAProblem) {
  TestedNodes nodes = SomeNodes(2, 0);
  EXPECT_THAT(ChooseKind(nodes, Wanted(FABRIC_NCCL)).problem,
              HasSubstr("host0: it has no visible GPU"));
  EXPECT_EQ(ChooseKind(nodes, Wanted(FABRIC_GLOO)).problem, "");
  for (TestedNode& node : nodes) node.inventory->set_gloo_problem("no probe");
  EXPECT_THAT(ChooseKind(nodes, Wanted(FABRIC_GLOO)).problem,
              HasSubstr("host0: no probe"));
}

TEST(CompareInventories, EqualNodesAreWell) {
  EXPECT_THAT(CompareInventories(SomeNodes(4, 4), FABRIC_NCCL), IsEmpty());
  EXPECT_THAT(CompareInventories(SomeNodes(4, 0), FABRIC_GLOO), IsEmpty());
}

TEST(CompareInventories, TheMinoritysNcclIsNamed) {
  TestedNodes nodes = SomeNodes(4, 1);
  nodes[2].inventory->set_nccl_version(21805);
  const FabricFinding finding = OnlyFinding(nodes);
  EXPECT_EQ(finding.verdict(), FABRIC_VERDICT_FAIL);
  EXPECT_EQ(finding.culprit(), FABRIC_CULPRIT_CONFIG);
  EXPECT_EQ(finding.message(),
            "host2 has NCCL 2.18.5; 3 of 4 nodes have 2.28.9");
  EXPECT_THAT(finding.evidence(), ElementsAre("2.28.9: host0, host1, host3"));
}

TEST(CompareInventories, WithoutAMajorityNobodysNcclIsBlamed) {
  TestedNodes nodes = SomeNodes(2, 1);
  nodes[1].inventory->set_nccl_version(21805);
  const FabricFinding finding = OnlyFinding(nodes);
  EXPECT_EQ(finding.culprit(), FABRIC_CULPRIT_PAIR);
  EXPECT_EQ(finding.confidence(), FABRIC_CONFIDENCE_AMBIGUOUS);
  EXPECT_THAT(finding.nodes(), testing::UnorderedElementsAre(0, 1));
}

TEST(CompareInventories, OtherGpusDriversAndNicsAreWarnings) {
  TestedNodes nodes = SomeNodes(4, 1);
  nodes[0].inventory->mutable_gpus(0)->set_name("Tesla V100");
  nodes[1].inventory->set_driver("470.1");
  NicFacts nic;
  nic.set_layer("infiniband");
  nic.set_gbps(400);
  for (TestedNode& node : nodes) {
    nic.set_active(&node != &nodes[3]);
    *node.inventory->add_nics() = nic;
  }
  const auto findings = CompareInventories(nodes, FABRIC_NCCL);
  ASSERT_EQ(findings.size(), 3);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(findings[i].verdict(), FABRIC_VERDICT_WARN);
    EXPECT_EQ(findings[i].nodes(0), std::vector({0u, 1u, 3u})[i]);
  }
  EXPECT_THAT(findings[2].message(), HasSubstr("no active RDMA port"));
}

TEST(CompareInventories, WhatIsUnknownDiffersFromNothing) {
  TestedNodes nodes = SomeNodes(3, 1);
  nodes[0].inventory->set_driver("");
  nodes[1].inventory.reset();
  EXPECT_THAT(CompareInventories(nodes, FABRIC_NCCL), IsEmpty());
}

TEST(CompareInventories, FewerGpusFailAndMoreOnlyWarn) {
  TestedNodes nodes = SomeNodes(4, 2);
  nodes[1].inventory->mutable_gpus()->RemoveLast();
  FabricFinding finding = OnlyFinding(nodes);
  EXPECT_EQ(finding.culprit(), FABRIC_CULPRIT_NODE);
  EXPECT_EQ(finding.verdict(), FABRIC_VERDICT_FAIL);
  EXPECT_EQ(finding.confidence(), FABRIC_CONFIDENCE_CONFIRMED);
  EXPECT_EQ(finding.message(), "host1 shows 1 GPUs; 3 of 4 nodes show 2");
  nodes = SomeNodes(4, 2);
  GpuFacts third = nodes[1].inventory->gpus(0);
  *nodes[1].inventory->add_gpus() = third;
  EXPECT_EQ(OnlyFinding(nodes).verdict(), FABRIC_VERDICT_WARN);
}

TEST(CompareInventories, OfTwoNodesTheOneWithFewerGpusIsProbablyBad) {
  TestedNodes nodes = SomeNodes(2, 4);
  nodes[0].inventory->mutable_gpus()->RemoveLast();
  const FabricFinding finding = OnlyFinding(nodes);
  EXPECT_THAT(finding.nodes(), ElementsAre(0));
  EXPECT_EQ(finding.confidence(), FABRIC_CONFIDENCE_PROBABLE);
}

TEST(CompareInventories, ANodeThatCannotBeTestedIsToldOnce) {
  TestedNodes nodes = SomeNodes(3, 2);
  nodes[2].inventory->clear_gpus();
  const FabricFinding finding = OnlyFinding(nodes);
  EXPECT_EQ(finding.culprit(), FABRIC_CULPRIT_CONFIG);
  EXPECT_THAT(finding.message(), HasSubstr("host2 can't be tested with NCCL"));
  TestedNodes cpus = SomeNodes(3, 0);
  cpus[0].inventory->set_gloo_problem("no probe");
  EXPECT_THAT(OnlyFinding(cpus, FABRIC_GLOO).nodes(), ElementsAre(0));
}

TEST(CompareInventories, AGpusOwnAccountCounts) {
  TestedNodes nodes = SomeNodes(2, 2);
  nodes[1].inventory->mutable_gpus(1)->set_problem("the driver wants a reset");
  FabricFinding finding = OnlyFinding(nodes);
  EXPECT_EQ(finding.culprit(), FABRIC_CULPRIT_GPU);
  EXPECT_EQ(finding.verdict(), FABRIC_VERDICT_FAIL);
  EXPECT_EQ(finding.message(), "host1 GPU 1: the driver wants a reset");
  nodes = SomeNodes(2, 2);
  nodes[0].inventory->mutable_gpus(0)->set_nvlinks(16);
  nodes[0].inventory->mutable_gpus(0)->set_nvlinks_off(2);
  finding = OnlyFinding(nodes);
  EXPECT_EQ(finding.verdict(), FABRIC_VERDICT_WARN);
  EXPECT_EQ(finding.message(),
            "host0 GPU 0: 2 of its 18 NVLinks are not active");
}

TEST(CompareInventories, SmallLimitsOfAContainerAreWarnings) {
  TestedNodes nodes = SomeNodes(1, 2);
  nodes[0].inventory->set_shm_bytes(64 << 20);
  EXPECT_THAT(OnlyFinding(nodes).message(), HasSubstr("only 64 MiB"));
  nodes = SomeNodes(1, 2);
  nodes[0].inventory->set_memlock_bytes(64 << 10);
  EXPECT_THAT(CompareInventories(nodes, FABRIC_NCCL), IsEmpty());
  NicFacts& nic = *nodes[0].inventory->add_nics();
  nic.set_layer("roce");
  EXPECT_THAT(OnlyFinding(nodes).message(), HasSubstr("only 64 KiB"));
}

TEST(ShareGpus, TellsSimulatedNodes) {
  TestedNodes nodes = SomeNodes(3, 2);
  EXPECT_FALSE(ShareGpus(nodes));
  nodes[2].inventory->mutable_gpus(1)->set_uuid("GPU-0-0");
  EXPECT_TRUE(ShareGpus(nodes));
  TestedNodes unknown = SomeNodes(2, 1);
  for (TestedNode& node : unknown)
    node.inventory->mutable_gpus(0)->set_uuid("");
  EXPECT_FALSE(ShareGpus(unknown));
}

}  // namespace
}  // namespace muster::fabric
