#include "env/hardware/nics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/env/hardware/temp_tree.h"

namespace muster::env {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

// A /sys of this test's own.
class Nics : public ::testing::Test {
 protected:
  void Port(const std::string& adapter, int port, const std::string& layer,
            const std::string& state, const std::string& physical,
            const std::string& rate) {
    const std::string at = "sys/class/infiniband/" + adapter + "/ports/" +
                           std::to_string(port) + "/";
    tree_.Write(at + "link_layer", layer + "\n");
    tree_.Write(at + "state", state + "\n");
    tree_.Write(at + "phys_state", physical + "\n");
    tree_.Write(at + "rate", rate + "\n");
  }
  // `mark` is a file that only such interfaces have; "" for none.
  void Interface(const std::string& name, const std::string& mark,
                 const std::string& speed, const std::string& state,
                 const std::string& type = "1") {
    const std::string at = "sys/class/net/" + name + "/";
    tree_.Write(at + "speed", speed + "\n");
    tree_.Write(at + "operstate", state + "\n");
    tree_.Write(at + "type", type + "\n");
    if (!mark.empty()) tree_.Write(at + mark, "");
  }
  std::vector<Nic> List() const { return ListNics(tree_.path()); }
  double Speed(const std::string& name) const {
    return InterfaceGbps(name, tree_.path());
  }

  TempTree tree_;
};

auto Is(const char* name, const char* layer, bool active, double gbps,
        const char* state) {
  return AllOf(
      Field("name", &Nic::name, name), Field("layer", &Nic::layer, layer),
      Field("active", &Nic::active, active), Field("gbps", &Nic::gbps, gbps),
      Field("state", &Nic::state, state));
}

TEST_F(Nics, AreNoneWhereNothingCanBeRead) { EXPECT_THAT(List(), IsEmpty()); }

TEST_F(Nics, ArePortsOfAdapters) {
  Port("mlx5_0", 1, "InfiniBand", "4: ACTIVE", "5: LinkUp",
       "400 Gb/sec (4X NDR)");
  Port("mlx5_1", 1, "Ethernet", "4: ACTIVE", "5: LinkUp",
       "100 Gb/sec (4X EDR)");
  Port("rdmap0", 1, "Unspecified", "4: ACTIVE", "5: LinkUp",
       "100 Gb/sec (4X EDR)");
  EXPECT_THAT(
      List(),
      ElementsAre(Is("mlx5_0", "infiniband", true, 400, "ACTIVE, LinkUp"),
                  Is("mlx5_1", "roce", true, 100, "ACTIVE, LinkUp"),
                  Is("rdmap0", "unspecified", true, 100, "ACTIVE, LinkUp")));
}

TEST_F(Nics, ThatAreDownHaveNoRate) {
  Port("mlx5_0", 1, "InfiniBand", "1: DOWN", "3: Disabled",
       "10 Gb/sec (4X SDR)");
  Port("mlx5_1", 1, "InfiniBand", "2: INIT", "5: LinkUp",
       "400 Gb/sec (4X NDR)");
  EXPECT_THAT(
      List(),
      ElementsAre(Is("mlx5_0", "infiniband", false, 0, "DOWN, Disabled"),
                  Is("mlx5_1", "infiniband", false, 0, "INIT, LinkUp")));
}

TEST_F(Nics, OfSeveralPortsAreNumbered) {
  Port("mlx4_0", 1, "InfiniBand", "4: ACTIVE", "5: LinkUp",
       "56 Gb/sec (4X FDR)");
  Port("mlx4_0", 2, "Ethernet", "1: DOWN", "2: Polling", "10 Gb/sec");
  EXPECT_THAT(
      List(),
      ElementsAre(Is("mlx4_0:1", "infiniband", true, 56, "ACTIVE, LinkUp"),
                  Is("mlx4_0:2", "roce", false, 0, "DOWN, Polling")));
}

TEST_F(Nics, MayHaveBrokenRates) {
  Port("mlx5_0", 1, "InfiniBand", "4: ACTIVE", "5: LinkUp", "2.5 Gb/sec (1X)");
  tree_.Write("sys/class/infiniband/mlx5_1/ports/1/state", "4: ACTIVE\n");
  EXPECT_THAT(List(), ElementsAre(Is("mlx5_0", "infiniband", true, 2.5,
                                     "ACTIVE, LinkUp"),
                                  Is("mlx5_1", "", true, 0, "ACTIVE")));
}

TEST_F(Nics, AreInterfacesThatAreHardwareOrBondIt) {
  Interface("eth0", "device", "25000", "up");
  Interface("eth1", "device", "-1", "down");
  Interface("bond0", "bonding", "50000", "up");
  Interface("ib0", "device", "400000", "up", "32");
  Interface("lo", "", "", "unknown", "772");
  Interface("veth1", "", "10000", "up");
  Interface("docker0", "", "-1", "down");
  Interface("eth0.7", "", "25000", "up");
  EXPECT_THAT(List(), ElementsAre(Is("bond0", "ethernet", true, 50, "up"),
                                  Is("eth0", "ethernet", true, 25, "up"),
                                  Is("eth1", "ethernet", false, 0, "down"),
                                  Is("ib0", "infiniband", true, 400, "up")));
}

TEST_F(Nics, AreInNaturalOrder) {
  for (const char* name : {"eth10", "eth2", "eth1", "ens3f1np1", "ens3f0np0"}) {
    Interface(name, "device", "1000", "up");
  }
  std::vector<std::string> names;
  for (const Nic& nic : List()) names.push_back(nic.name);
  EXPECT_THAT(names,
              ElementsAre("ens3f0np0", "ens3f1np1", "eth1", "eth2", "eth10"));
}

TEST_F(Nics, HaveASpeedWhereTheyKnowIt) {
  Interface("eth0", "device", "100000", "up");
  Interface("virtio0", "device", "-1", "up");
  Interface("odd0", "device", "fast", "up");
  Interface("veth1", "", "10000", "up");
  Interface("eth0.7", "", "100000", "up");
  tree_.Write("sys/class/net/eth0.7/uevent", "DEVTYPE=vlan\nIFINDEX=9\n");
  EXPECT_EQ(Speed("eth0"), 100);
  EXPECT_EQ(Speed("virtio0"), 0);
  EXPECT_EQ(Speed("odd0"), 0);
  EXPECT_EQ(Speed("veth1"), 0);
  EXPECT_EQ(Speed("eth0.7"), 100);
  EXPECT_EQ(Speed("absent"), 0);
}

// Whatever this machine has.
TEST(NicsOfThisMachine, AreRead) {
  for (const Nic& nic : ListNics()) {
    EXPECT_FALSE(nic.name.empty());
    EXPECT_GE(nic.gbps, 0);
  }
  EXPECT_EQ(InterfaceGbps("lo"), 0);
}

}  // namespace
}  // namespace muster::env
