#include "env/hardware/processors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "tests/env/hardware/temp_tree.h"

namespace muster::env {
namespace {

using ::testing::Optional;

// A tree with the control groups of one process.
class Cgroups : public ::testing::Test {
 protected:
  // `self` is the content of /proc/self/cgroup.
  ProcessorPaths Paths(const std::string& self) {
    return {.self_cgroup = tree_.Write("self", self),
            .cgroup_root = tree_.path() + "/fs"};
  }

  TempTree tree_;
};

TEST_F(Cgroups, OfVersionTwoLimitByQuotaOverPeriodRoundedUp) {
  tree_.Write("fs/job/cpu.max", "150000 100000\n");
  EXPECT_THAT(CgroupProcessorLimit(Paths("0::/job\n")), Optional(2));
  tree_.Write("fs/job/cpu.max", "200000 100000\n");
  EXPECT_THAT(CgroupProcessorLimit(Paths("0::/job\n")), Optional(2));
  tree_.Write("fs/job/cpu.max", "1000 100000\n");
  EXPECT_THAT(CgroupProcessorLimit(Paths("0::/job\n")), Optional(1));
}

TEST_F(Cgroups, OfVersionTwoMayHaveNoQuota) {
  tree_.Write("fs/job/cpu.max", "max 100000\n");
  EXPECT_EQ(CgroupProcessorLimit(Paths("0::/job\n")), std::nullopt);
}

TEST_F(Cgroups, AboveTheProcessCountToo) {
  tree_.Write("fs/a/cpu.max", "300000 100000\n");
  tree_.Write("fs/a/b/cpu.max", "max 100000\n");
  tree_.Write("fs/a/b/c/cpu.max", "800000 100000\n");
  EXPECT_THAT(CgroupProcessorLimit(Paths("0::/a/b/c\n")), Optional(3));
}

TEST_F(Cgroups, OfAContainerAreAtTheRootOfTheMount) {
  tree_.Write("fs/cpu.max", "250000 100000\n");
  EXPECT_THAT(CgroupProcessorLimit(Paths("0::/\n")), Optional(3));
  EXPECT_THAT(CgroupProcessorLimit(Paths("0::/docker/4f2a\n")), Optional(3));
}

TEST_F(Cgroups, OfVersionOneLimitByQuotaOverPeriodRoundedUp) {
  const ProcessorPaths paths =
      Paths("4:memory:/m\n3:cpu,cpuacct:/job\n0::/other\n");
  tree_.Write("fs/cpu,cpuacct/job/cpu.cfs_quota_us", "350000\n");
  tree_.Write("fs/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_THAT(CgroupProcessorLimit(paths), Optional(4));
}

TEST_F(Cgroups, OfVersionOneMayBeMountedAsCpu) {
  tree_.Write("fs/cpu/job/cpu.cfs_quota_us", "100000\n");
  tree_.Write("fs/cpu/job/cpu.cfs_period_us", "50000\n");
  EXPECT_THAT(CgroupProcessorLimit(Paths("3:cpuacct,cpu:/job\n")), Optional(2));
}

TEST_F(Cgroups, OfVersionOneMayHaveNoQuota) {
  tree_.Write("fs/cpu/cpu.cfs_quota_us", "-1\n");
  tree_.Write("fs/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(CgroupProcessorLimit(Paths("3:cpu:/\n")), std::nullopt);
}

TEST_F(Cgroups, OfOtherControllersDoNotCount) {
  tree_.Write("fs/cpuset/cpu.cfs_quota_us", "100000\n");
  tree_.Write("fs/cpuset/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(CgroupProcessorLimit(Paths("3:cpuset:/\n")), std::nullopt);
}

TEST_F(Cgroups, ThatCannotBeReadDoNotLimit) {
  EXPECT_EQ(CgroupProcessorLimit(Paths("0::/gone\nnonsense\n")), std::nullopt);
  tree_.Write("fs/cpu.max", "many 0\n");
  EXPECT_EQ(CgroupProcessorLimit(Paths("0::/\n")), std::nullopt);
  EXPECT_EQ(CgroupProcessorLimit({.self_cgroup = tree_.path() + "/absent",
                                  .cgroup_root = tree_.path()}),
            std::nullopt);
}

TEST_F(Cgroups, WithASmallQuotaLeaveFewProcessors) {
  tree_.Write("fs/cpu.max", "10000 100000\n");
  EXPECT_EQ(UsableProcessors(Paths("0::/\n")), 1);
}

// The affinity mask belongs to a thread, so each test sets that of its own.
TEST_F(Cgroups, WithALargeQuotaLeaveTheAffinityMask) {
  tree_.Write("fs/cpu.max", "90000000 100000\n");
  const ProcessorPaths paths = Paths("0::/\n");
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(UsableProcessors(paths), CPU_COUNT(&before));

  std::thread([&] {
    int first = 0;
    while (!CPU_ISSET(first, &before)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_EQ(UsableProcessors(paths), 1);
  }).join();
}

TEST(UsableProcessors, AreAtLeastOneAndAtMostThoseOfTheMask) {
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  EXPECT_GE(UsableProcessors(), 1);
  EXPECT_LE(UsableProcessors(), CPU_COUNT(&mask));
}

}  // namespace
}  // namespace muster::env
