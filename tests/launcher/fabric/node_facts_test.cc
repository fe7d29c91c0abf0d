#include "launcher/fabric/node_facts.h"

#include <vector>

#include "env/hardware/interfaces.h"
#include "env/hardware/limits.h"
#include "env/hardware/nics.h"
#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

TEST(NodeFacts, OfAnAddressNameItsInterface) {
  const auto interfaces = env::ListInterfaces();
  ASSERT_TRUE(interfaces.ok()) << interfaces.status();
  ASSERT_FALSE(interfaces->empty());
  for (const env::InterfaceAddress& each : *interfaces) {
    const auto holder = env::FindInterface(*interfaces, each.address);
    ASSERT_TRUE(holder.ok()) << holder.status();
    EXPECT_EQ(NodeFacts(each.address).interface(), *holder) << each.address;
  }
}

TEST(NodeFacts, OfAnAddressOfNobodyLeaveTheInterfaceEmpty) {
  // The block for documentation, the form of no address, and none.
  for (const char* address : {"192.0.2.1", "host1", ""}) {
    const FabricInventory facts = NodeFacts(address);
    EXPECT_EQ(facts.interface(), "") << address;
    EXPECT_EQ(facts.interface_gbps(), 0) << address;
    EXPECT_EQ(facts.memlock_bytes(), env::MemlockLimit())
        << "the rest is there";
  }
}

TEST(NodeFacts, HaveTheLimitsOfThisNode) {
  const FabricInventory facts = NodeFacts("127.0.0.1");
  EXPECT_EQ(facts.memlock_bytes(), env::MemlockLimit());
  EXPECT_EQ(facts.shm_bytes(), env::SharedMemorySize());
  EXPECT_EQ(facts.boot_id(), env::BootId());
}

TEST(NodeFacts, HaveEveryAdapterAsTheKernelTellsIt) {
  const std::vector<env::Nic> nics = env::ListNics();
  const FabricInventory facts = NodeFacts("127.0.0.1");
  ASSERT_EQ(facts.nics_size(), static_cast<int>(nics.size()));
  for (int i = 0; i < facts.nics_size(); ++i) {
    const NicFacts& told = facts.nics(i);
    EXPECT_EQ(told.name(), nics[i].name);
    EXPECT_EQ(told.layer(), nics[i].layer);
    EXPECT_EQ(told.active(), nics[i].active);
    EXPECT_EQ(told.gbps(), nics[i].gbps);
    EXPECT_EQ(told.state(), nics[i].state);
  }
}

TEST(NodeFacts, SayNothingOfWhatOnlyAProbeKnows) {
  const FabricInventory facts = NodeFacts("127.0.0.1");
  EXPECT_EQ(facts.gpus_size(), 0);
  EXPECT_EQ(facts.driver(), "");
  EXPECT_EQ(facts.nccl_version(), 0u);
  EXPECT_FALSE(facts.pretended());
}

}  // namespace
}  // namespace muster::fabric
