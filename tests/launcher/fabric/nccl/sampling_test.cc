#include "launcher/fabric/nccl/sampling.h"

#include <limits>

#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

TEST(Sampling, WarmsUpWhereThatIsCheap) {
  EXPECT_EQ(PlanWarmUp(0.001, 0.5), 3u);
  EXPECT_EQ(PlanWarmUp(2.0, 0.5), 0u);
}

TEST(Sampling, FillsTheTimeWithBatches) {
  const Sampling plan = PlanSampling(0.010, 0.5, 10);
  EXPECT_EQ(plan.in_batch, 5u);
  EXPECT_EQ(plan.batches, 10u);
}

TEST(Sampling, SlowReductionsAreTimedOneByOne) {
  const Sampling plan = PlanSampling(0.3, 0.5, 10);
  EXPECT_EQ(plan.in_batch, 1u);
  EXPECT_EQ(plan.batches, 1u);
  EXPECT_EQ(PlanSampling(100, 0.5, 10).batches, 1u);
}

TEST(Sampling, LeavesHalfOfTheRest) {
  const Sampling plan = PlanSampling(0.010, 60, 2);
  EXPECT_EQ(plan.batches, 20u);
}

TEST(Sampling, HasAnEndWhereTimeIsTooShortToMeasure) {
  for (const double seconds :
       {0.0, 1e-12, std::numeric_limits<double>::quiet_NaN()}) {
    const Sampling plan = PlanSampling(seconds, 0.5, 10);
    EXPECT_EQ(plan.batches, 100u);
    EXPECT_EQ(plan.in_batch, 5u);
  }
}

}  // namespace
}  // namespace muster::fabric
