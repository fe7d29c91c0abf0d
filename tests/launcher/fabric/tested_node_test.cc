#include "launcher/fabric/tested_node.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

TEST(TestedNode, FindsTheFactsOfAGpuByItsIndex) {
  TestedNode node;
  EXPECT_EQ(node.Gpu(0), nullptr);
  node.inventory.emplace();
  for (const uint32_t gpu : {1u, 3u}) {
    node.inventory->add_gpus()->set_gpu(gpu);
  }
  EXPECT_EQ(node.Gpu(0), nullptr);
  ASSERT_NE(node.Gpu(3), nullptr);
  EXPECT_EQ(node.Gpu(3)->gpu(), 3);
}

TEST(TestedNode, IsNamedWithItsGpuOnlyWhereGpusAreTested) {
  TestedNodes nodes(2);
  nodes[1].host = "host1";
  EXPECT_EQ(NameOf(nodes, SlotOf(1, 4), FABRIC_NCCL), "host1 GPU 4");
  EXPECT_EQ(NameOf(nodes, SlotOf(1, 0), FABRIC_GLOO), "host1");
}

TEST(TestedNode, GoodNodesAreThoseThatTakePart) {
  TestedNodes nodes(4);
  nodes[0].good = nodes[2].good = false;
  EXPECT_THAT(GoodNodes(nodes), testing::ElementsAre(1, 3));
}

}  // namespace
}  // namespace muster::fabric
