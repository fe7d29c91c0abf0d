#include "launcher/fabric/limits.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

using testing::HasSubstr;

constexpr uint64_t kGib = uint64_t{1} << 30;

GpuHardware H100() {
  return {.name = "NVIDIA H100 80GB HBM3",
          .compute_capability = 90,
          .nvlinks = 18,
          .nvswitch = true,
          .pcie_generation = 5,
          .pcie_lanes = 16};
}

GpuHardware PcieCard() {
  return {.name = "NVIDIA L40S",
          .compute_capability = 89,
          .pcie_generation = 4,
          .pcie_lanes = 16};
}

LocalFacts Machine(const GpuHardware& gpu, size_t count) {
  return {.gpus = std::vector<GpuHardware>(count, gpu)};
}

TEST(LocalLimits, AKnownMachineHasMeasuredOnes) {
  const Limits limits = LocalLimits(Machine(H100(), 8), kGib);
  EXPECT_EQ(limits.expected, 473);
  EXPECT_EQ(limits.warn->speed, 420);
  EXPECT_EQ(limits.fail->speed, 300);
  EXPECT_EQ(limits.warn->origin, "420 GB/s for 8 x H100, which reach 473");
  EXPECT_FALSE(limits.warn_only);
}

TEST(LocalLimits, BehindASwitchTheyAreComputedFromAllLinks) {
  const Limits limits = LocalLimits(Machine(H100(), 4), kGib);
  EXPECT_NEAR(limits.expected, 370.8, 0.01);
  EXPECT_NEAR(limits.warn->speed, 296.6, 0.1);
  EXPECT_NEAR(limits.fail->speed, 222.5, 0.1);
  EXPECT_EQ(limits.warn->origin, "0.80 of 18 NVLinks x 20.6 GB/s");
  EXPECT_EQ(limits.fail->origin, "0.60 of 18 NVLinks x 20.6 GB/s");
}

TEST(LocalLimits, WithoutInSwitchReductionTheRingCounts) {
  LocalFacts facts = Machine(H100(), 8);
  facts.nvls_off = true;
  EXPECT_EQ(LocalLimits(facts, kGib).warn->origin,
            "0.80 of 18 NVLinks x 20.6 GB/s");
}

TEST(LocalLimits, MachinesThatNeverReduceInTheirSwitchesKeepTheirs) {
  LocalFacts facts = Machine({.name = "NVIDIA A100-SXM4-80GB",
                              .compute_capability = 80,
                              .nvlinks = 12},
                             8);
  facts.nvls_off = true;
  const Limits limits = LocalLimits(facts, kGib);
  ASSERT_TRUE(limits.warn.has_value());
  EXPECT_EQ(limits.warn->speed, 200);
}

TEST(LocalLimits, TheGpuWithTheFewestLinksCounts) {
  LocalFacts facts = Machine(H100(), 8);
  facts.gpus[5].nvlinks = 16;
  EXPECT_EQ(LocalLimits(facts, kGib).warn->origin,
            "0.80 of 16 NVLinks x 20.6 GB/s");
}

TEST(LocalLimits, WithoutASwitchOnlyThePairIsKnown) {
  GpuHardware bridged = H100();
  bridged.nvswitch = false;
  bridged.nvlinks = 12;
  LocalFacts facts = Machine(bridged, 2);
  facts.nvlinks_between = 12;
  EXPECT_EQ(LocalLimits(facts, kGib).warn->origin,
            "0.80 of 12 NVLinks x 20.6 GB/s");
  const Limits mesh = LocalLimits(Machine(bridged, 4), kGib);
  EXPECT_FALSE(mesh.warn.has_value());
  EXPECT_FALSE(mesh.never_judged);
  EXPECT_THAT(mesh.reason, HasSubstr("how they are wired"));
}

TEST(LocalLimits, OverPcieItIsNeverMoreThanAWarning) {
  const Limits limits = LocalLimits(Machine(PcieCard(), 4), kGib);
  EXPECT_TRUE(limits.warn_only);
  EXPECT_NEAR(limits.expected, 23.6, 0.1);
  EXPECT_EQ(limits.warn->origin, "0.40 of 0.75 x PCIe gen4 x16 (31.5 GB/s)");
  EXPECT_EQ(Judge(0.1, limits, {}).speed, Speed::kWarn);
}

TEST(LocalLimits, OfUnknownHardwareThereIsOnlyTheComparison) {
  const Limits limits = LocalLimits(Machine({.name = "Something"}, 8), kGib);
  EXPECT_FALSE(limits.warn.has_value());
  EXPECT_FALSE(limits.never_judged);
  const Limits relative =
      RelativeLimits({100, 100, 100, 30}, Noise::kLow, "nodes");
  EXPECT_EQ(Judge(30, limits, relative).speed, Speed::kFail);
  EXPECT_EQ(Judge(90, limits, relative).speed, Speed::kFine);
}

TEST(LocalLimits, SpeedThatMeansNothingIsNotJudged) {
  const Limits relative = RelativeLimits({100, 100, 100}, Noise::kLow, "nodes");
  for (bool GpuHardware::*why :
       {&GpuHardware::mig, &GpuHardware::busy, &GpuHardware::shared}) {
    LocalFacts facts = Machine(H100(), 8);
    facts.gpus[3].*why = true;
    const Limits limits = LocalLimits(facts, kGib);
    EXPECT_FALSE(limits.fail.has_value());
    const Judgement judgement = Judge(1, limits, relative);
    EXPECT_EQ(judgement.speed, Speed::kNotJudged);
    EXPECT_FALSE(judgement.reason.empty());
  }
  EXPECT_TRUE(LocalLimits(Machine(H100(), 1), kGib).never_judged);
}

TEST(LocalLimits, FewBytesReachLess) {
  const Limits small = LocalLimits(Machine(H100(), 4), 64 << 20);
  EXPECT_LT(small.warn->speed, 0.8 * 296.6);
  EXPECT_GT(small.warn->speed, 0.3 * 296.6);
  EXPECT_THAT(small.warn->origin, HasSubstr(" for 64 MiB"));
  // More than 1 GiB is not asked to reach more.
  EXPECT_EQ(LocalLimits(Machine(H100(), 4), 8 * kGib).warn->speed,
            LocalLimits(Machine(H100(), 4), kGib).warn->speed);
  double last = 0;
  for (uint64_t bytes = 1024; bytes <= kGib; bytes *= 2) {
    const Limits limits = LocalLimits(Machine(H100(), 8), bytes);
    EXPECT_GT(limits.warn->speed, last);
    EXPECT_LT(limits.fail->speed, limits.warn->speed);
    last = limits.warn->speed;
  }
}

TEST(NetworkLimits, OneRailIsItsNic) {
  const Limits limits =
      NetworkLimits({.nics_gbit = {400}, .gpus = {H100()}}, kGib);
  // PCIe carries less than the 50 GB/s of the NIC:
  // 0.75 of 63 is 47.3.
  EXPECT_NEAR(limits.expected, 47.3, 0.1);
  EXPECT_EQ(limits.warn->origin, "0.80 of 0.75 x PCIe gen5 x16 (63.0 GB/s)");
  const Limits nic_alone = NetworkLimits({.nics_gbit = {400}}, kGib);
  EXPECT_DOUBLE_EQ(nic_alone.warn->speed, 40);
  EXPECT_EQ(nic_alone.warn->origin, "0.80 of a NIC of 400 Gb/s");
  EXPECT_EQ(nic_alone.fail->origin, "0.60 of a NIC of 400 Gb/s");
}

TEST(NetworkLimits, RailsThatShareANicShareItsSpeed) {
  const Limits limits =
      NetworkLimits({.nics_gbit = {100}, .rails_per_nic = 4}, kGib);
  EXPECT_DOUBLE_EQ(limits.warn->speed, 2.5);
  EXPECT_EQ(limits.warn->origin, "0.80 of a NIC of 100 Gb/s shared by 4 rails");
}

TEST(NetworkLimits, ANodeHasAllOfItsNics) {
  const Limits limits = NetworkLimits(
      {.nics_gbit = std::vector<double>(8, 200), .rails = 8}, kGib);
  EXPECT_NEAR(limits.warn->speed, 160, 1);
  EXPECT_EQ(limits.warn->origin, "0.80 of 8 NICs of 1600 Gb/s together");
}

TEST(NetworkLimits, OfANicWithoutASpeedThereIsOnlyTheComparison) {
  for (const std::vector<double>& nics :
       {std::vector<double>{}, std::vector<double>{0},
        std::vector<double>{400, 0}}) {
    const Limits limits = NetworkLimits({.nics_gbit = nics}, kGib);
    EXPECT_FALSE(limits.warn.has_value());
    EXPECT_FALSE(limits.never_judged);
    EXPECT_THAT(limits.reason, HasSubstr("unknown"));
  }
}

TEST(TcpLimits, AreLowAndNeverMoreThanAWarning) {
  const Limits limits = TcpLimits(100);
  EXPECT_DOUBLE_EQ(limits.warn->speed, 3.75);
  EXPECT_DOUBLE_EQ(limits.fail->speed, 1.25);
  EXPECT_EQ(limits.warn->origin, "0.30 of an interface of 100 Gb/s");
  EXPECT_TRUE(limits.warn_only);
  EXPECT_FALSE(TcpLimits(0).warn.has_value());
}

TEST(RelativeLimits, AreFractionsOfTheMedian) {
  std::vector<double> speeds(28, 48);
  const Limits low = RelativeLimits(speeds, Noise::kLow, "pairs");
  EXPECT_DOUBLE_EQ(low.warn->speed, 38.4);
  EXPECT_DOUBLE_EQ(low.fail->speed, 24);
  EXPECT_EQ(low.warn->origin, "0.80 of the median of 28 pairs (48 GB/s)");
  EXPECT_EQ(low.fail->origin, "half of the median of 28 pairs (48 GB/s)");
  const Limits high = RelativeLimits(speeds, Noise::kHigh, "pairs");
  EXPECT_EQ(high.warn->origin, "half of the median of 28 pairs (48 GB/s)");
  EXPECT_EQ(high.fail->origin, "a quarter of the median of 28 pairs (48 GB/s)");
}

TEST(RelativeLimits, OneSpeedAloneSaysNothing) {
  const Limits limits = RelativeLimits({10}, Noise::kLow, "pairs");
  EXPECT_FALSE(limits.warn.has_value());
  EXPECT_EQ(limits.reason, "fewer than 2 pairs to compare with");
}

// The hardware is never faster than it can be.
TEST(RelativeLimits, OfTwoSpeedsTheOneFarBelowTheOtherIsSlow) {
  const Limits limits = RelativeLimits({10, 3}, Noise::kHigh, "pairs");
  EXPECT_EQ(Judge(3, {}, limits).speed, Speed::kWarn);
  EXPECT_EQ(Judge(10, {}, limits).speed, Speed::kFine);
  const Limits near = RelativeLimits({10, 4}, Noise::kHigh, "pairs");
  EXPECT_EQ(Judge(4, {}, near).speed, Speed::kFine);
}

TEST(Judge, SaysWhetherEveryLimitThatWasMissedOnlyWarns) {
  const Limits tcp = TcpLimits(100);
  ASSERT_TRUE(tcp.warn_only);
  const Limits others = RelativeLimits({10, 10, 10}, Noise::kHigh, "pairs");
  const Judgement by_tcp = Judge(0.5, tcp, {});
  EXPECT_EQ(by_tcp.speed, Speed::kWarn);
  EXPECT_TRUE(by_tcp.warn_only);
  EXPECT_FALSE(Judge(0.5, tcp, others).warn_only);
  EXPECT_FALSE(Judge(11, tcp, others).warn_only);
  const Limits wanted = TcpLimits(100, {"--limit-network", 4.0});
  EXPECT_FALSE(Judge(0.5, wanted, {}).warn_only);
}

TEST(Overrides, TakeThePlaceOfWhatIsComputed) {
  const Override by_user{"--limit-network", 44};
  const Limits limits = NetworkLimits({.nics_gbit = {400}}, kGib, by_user);
  EXPECT_EQ(limits.expected, 50);
  EXPECT_EQ(limits.fail->origin, "--limit-network");
  EXPECT_EQ(Judge(43.9, limits, {}).speed, Speed::kFail);
  EXPECT_EQ(Judge(44, limits, {}).speed, Speed::kFine);
  // They are no longer the weak ones.
  EXPECT_EQ(Judge(1, TcpLimits(100, {"--limit-tcp", 2}), {}).speed,
            Speed::kFail);
  EXPECT_EQ(Judge(1, TcpLimits(0, {"--limit-tcp", 2}), {}).speed, Speed::kFail);
}

TEST(Overrides, ZeroTurnsTheJudgementOff) {
  const Limits limits =
      LocalLimits(Machine(H100(), 8), kGib, {"--limit-local", 0});
  const Judgement judgement =
      Judge(1, limits, RelativeLimits({9, 9, 9}, Noise::kLow, "nodes"));
  EXPECT_EQ(judgement.speed, Speed::kNotJudged);
  EXPECT_EQ(judgement.reason, "--limit-local 0");
}

TEST(Judge, NamesTheLimitThatWasMissed) {
  const Limits absolute = NetworkLimits({.nics_gbit = {400}}, kGib);
  const Limits relative =
      RelativeLimits({48, 48, 48, 48}, Noise::kLow, "pairs");
  const Judgement fine = Judge(47, absolute, relative);
  EXPECT_EQ(fine.speed, Speed::kFine);
  EXPECT_EQ(fine.bound.origin, "0.80 of a NIC of 400 Gb/s");
  const Judgement warn = Judge(39, absolute, relative);
  EXPECT_EQ(warn.speed, Speed::kWarn);
  EXPECT_EQ(warn.bound.origin, "0.80 of a NIC of 400 Gb/s");
  // Below both warnings the failure of one of them counts.
  const Judgement fail = Judge(25, absolute, relative);
  EXPECT_EQ(fail.speed, Speed::kFail);
  EXPECT_EQ(fail.bound.origin, "0.60 of a NIC of 400 Gb/s");
  const Judgement by_median = Judge(
      20, Limits{}, RelativeLimits({48, 48, 48, 20}, Noise::kLow, "pairs"));
  EXPECT_EQ(by_median.speed, Speed::kFail);
  EXPECT_THAT(by_median.bound.origin, HasSubstr("half of the median"));
}

TEST(Judge, WithoutAnyLimitItSaysWhy) {
  const Judgement judgement = Judge(5, TcpLimits(0), {});
  EXPECT_EQ(judgement.speed, Speed::kNotJudged);
  EXPECT_EQ(judgement.reason, "the interface does not tell its speed");
}

}  // namespace
}  // namespace muster::fabric
