#include "env/frameworks/gpu_shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::env {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

using Strings = std::vector<std::string>;

// "-" for what is left as it is.
Strings Shares(const Strings& gpus, const Strings& tasks, bool bind = true) {
  const auto shares = ShareGpus(gpus, tasks, bind);
  if (!shares.ok()) return {std::string(shares.status().message())};
  Strings texts;
  for (const auto& share : *shares) texts.push_back(share.value_or("-"));
  return texts;
}

TEST(GpuShares, AreEqualPartsInOrder) {
  EXPECT_THAT(Shares({"0", "1", "2", "3"}, {"worker", "worker"}),
              ElementsAre("0,1", "2,3"));
  EXPECT_THAT(Shares({"2", "GPU-5a"}, {"chief", "worker"}),
              ElementsAre("2", "GPU-5a"));
  EXPECT_THAT(Shares({"0", "1", "2"}, {"worker"}), ElementsAre("0,1,2"));
}

TEST(GpuShares, LeaveWhatIsOddUnusedSoThatAllHaveAsMany) {
  EXPECT_THAT(Shares({"0", "1", "2"}, {"worker", "worker"}),
              ElementsAre("0", "1"));
}

TEST(GpuShares, HideGpusFromParameterServers) {
  EXPECT_THAT(Shares({"0", "1"}, {"ps", "ps", "worker", "worker"}),
              ElementsAre("", "", "0", "1"));
  // Also where nothing is bound, and where there seems to be nothing to hide.
  EXPECT_THAT(Shares({"0", "1"}, {"ps", "worker"}, false),
              ElementsAre("", "-"));
  EXPECT_THAT(Shares({}, {"ps", "worker", "worker"}),
              ElementsAre("", "-", "-"));
}

TEST(GpuShares, GiveTheEvaluatorTheRest) {
  EXPECT_THAT(Shares({"0", "1", "2"}, {"worker", "worker", "evaluator"}),
              ElementsAre("0", "1", "2"));
  EXPECT_THAT(Shares({"0", "1"}, {"worker", "worker", "evaluator"}),
              ElementsAre("0", "1", ""));
  EXPECT_THAT(Shares({"0", "1"}, {"evaluator"}), ElementsAre("0,1"));
  EXPECT_THAT(Shares({"0"}, {"ps", "evaluator"}), ElementsAre("", "0"));
}

TEST(GpuShares, AreRefusedWithFewerGpusThanWorkers) {
  EXPECT_THAT(Shares({"0"}, {"ps", "worker", "worker"}),
              ElementsAre(AllOf(HasSubstr("1 visible GPUs for 2 workers"),
                                HasSubstr("--gpu-binding none"))));
  EXPECT_THAT(Shares({"0"}, {"worker", "worker"}, false),
              ElementsAre("-", "-"));
}

}  // namespace
}  // namespace muster::env
