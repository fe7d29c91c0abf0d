#include "launcher/fabric/hardware_profiles.h"

#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

TEST(HardwareProfiles, AMachineIsKnownByTheWordCountAndLinksOfItsGpus) {
  ASSERT_NE(FindLocalProfile("NVIDIA H100 80GB HBM3", 8, 18), nullptr);
  EXPECT_EQ(FindLocalProfile("NVIDIA H100 80GB HBM3", 8, 18)->gpu, "H100");
  EXPECT_EQ(FindLocalProfile("NVIDIA A100-SXM4-80GB", 8, 12)->gpu, "A100");
  EXPECT_EQ(FindLocalProfile("NVIDIA B200", 8, 18)->gpu, "B200");
  EXPECT_EQ(FindLocalProfile("AMD Instinct MI300X OAM", 8, 0)->gpu, "MI300X");
}

TEST(HardwareProfiles, ItsRelativesAreOtherMachines) {
  EXPECT_EQ(FindLocalProfile("NVIDIA H100 80GB HBM3", 4, 18), nullptr);
  EXPECT_EQ(FindLocalProfile("NVIDIA H100 NVL", 8, 12), nullptr);
  EXPECT_EQ(FindLocalProfile("NVIDIA H100 PCIe", 8, 0), nullptr);
  EXPECT_EQ(FindLocalProfile("NVIDIA GH200 480GB", 8, 18), nullptr);
  EXPECT_EQ(FindLocalProfile("NVIDIA H20", 8, 18), nullptr);
  EXPECT_EQ(FindLocalProfile("", 8, 18), nullptr);
}

TEST(HardwareProfiles, LimitsLieBelowWhatIsHealthy) {
  for (const char* name : {"H100", "H200", "B200", "A100", "MI300X"}) {
    const LocalProfile* profile = FindLocalProfile(name, 8, 18);
    ASSERT_NE(profile, nullptr) << name;
    EXPECT_LT(profile->fail, profile->warn) << name;
    EXPECT_LT(profile->warn, profile->healthy) << name;
  }
}

TEST(HardwareProfiles, LinksCarryWhatNcclReckonsWith) {
  EXPECT_DOUBLE_EQ(NvlinkRate(90), 20.6);
  EXPECT_DOUBLE_EQ(NvlinkRate(86), 12);
  EXPECT_DOUBLE_EQ(NvlinkRate(89), 20);
  EXPECT_DOUBLE_EQ(NvlinkRate(120), 40.1);
  EXPECT_EQ(NvlinkRate(52), 0);
  EXPECT_NEAR(PcieRate(3, 16), 15.75, 0.01);
  EXPECT_NEAR(PcieRate(4, 16), 31.5, 0.1);
  EXPECT_NEAR(PcieRate(5, 8), 31.5, 0.1);
  EXPECT_EQ(PcieRate(0, 16), 0);
  EXPECT_EQ(PcieRate(7, 16), 0);
  EXPECT_EQ(PcieRate(4, 0), 0);
}

}  // namespace
}  // namespace muster::fabric
