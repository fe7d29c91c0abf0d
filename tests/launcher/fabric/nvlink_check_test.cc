#include "launcher/fabric/nvlink_check.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::fabric::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kBindFailed[] =
    "Failed to bind NVLink SHARP (NVLS) Multicast memory of size 2097152 : "
    "CUDA error 401";

// A node of such GPUs.
TestedNode NodeOf(const std::vector<std::string>& states,
                  uint32_t capability = 90, uint32_t links = 18) {
  TestedNode node;
  node.host = "host0";
  node.slots = states.size();
  FabricInventory& inventory = node.inventory.emplace();
  for (const std::string& state : states) {
    GpuFacts* gpu = inventory.add_gpus();
    gpu->set_gpu(inventory.gpus_size() - 1);
    gpu->set_capability(capability);
    gpu->set_nvlinks(links);
    gpu->set_fabric_state(state);
  }
  return node;
}

std::vector<FabricFinding> LookAt(const TestedNode& node) {
  std::vector<FabricFinding> findings;
  CheckSwitches({node}, 0, &findings);
  return findings;
}

TEST(Switches, ThatAreSetUpOrAbsentAreWell) {
  EXPECT_THAT(LookAt(NodeOf({"completed", "completed"})), IsEmpty());
  EXPECT_THAT(LookAt(NodeOf({"", ""})), IsEmpty());
  EXPECT_THAT(LookAt(NodeOf({})), IsEmpty());
}

TEST(Switches, ThatAreNotSetUpAreOneFindingOfTheNode) {
  const std::vector<FabricFinding> findings =
      LookAt(NodeOf({"completed", "in progress", "failed: NVML error 999"}));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].verdict(), FABRIC_VERDICT_WARN);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_CONFIG);
  EXPECT_THAT(findings[0].nodes(), ElementsAre(0));
  ASSERT_THAT(findings[0].gpus(), SizeIs(2));
  EXPECT_EQ(findings[0].gpus(0).gpu(), 1u);
  EXPECT_THAT(findings[0].message(),
              AllOf(HasSubstr("host0"),
                    HasSubstr("(GPU 1 in progress, GPU 2 failed: NVML error "
                              "999)")));
  EXPECT_THAT(findings[0].next(), HasSubstr("nvidia-fabricmanager"));
}

TEST(Switches, AreNotNeededByOneGpuWithoutLinks) {
  EXPECT_THAT(LookAt(NodeOf({"not started"}, 90, 0)), IsEmpty());
  EXPECT_THAT(LookAt(NodeOf({"not started"}, 90, 18)), SizeIs(1));
}

SlotResult Measured(FabricNvls nvls, const std::string& reason = "") {
  SlotResult result;
  result.mutable_measured()->set_nvls(nvls);
  result.mutable_measured()->set_nvls_reason(reason);
  result.set_log("/tmp/gpu0.log");
  return result;
}

std::vector<FabricFinding> Judge(const TestedNode& node,
                                 const std::vector<SlotResult>& results) {
  JudgedTest test;
  for (uint32_t gpu = 0; gpu < results.size(); ++gpu) {
    *test.outcome.group.add_members() = SlotOf(0, gpu);
  }
  test.outcome.results = results;
  NvlsCheck check;
  check.Take({test});
  std::vector<FabricFinding> findings;
  check.AddFindings({node}, &findings);
  return findings;
}

TEST(Nvls, ThatWorksOrWasTurnedOffIsNoFinding) {
  const TestedNode node = NodeOf({"completed", "completed"});
  EXPECT_THAT(
      Judge(node, {Measured(FABRIC_NVLS_USABLE), Measured(FABRIC_NVLS_USABLE)}),
      IsEmpty());
  EXPECT_THAT(Judge(node, {Measured(FABRIC_NVLS_OFF, "NCCL_NVLS_ENABLE"),
                           Measured(FABRIC_NVLS_OFF, "NCCL_NVLS_ENABLE")}),
              IsEmpty());
  EXPECT_THAT(Judge(node, {Measured(FABRIC_NVLS_UNSPECIFIED),
                           Measured(FABRIC_NVLS_UNSPECIFIED)}),
              IsEmpty());
}

TEST(Nvls, ThatIsMissingNamesTheNodeWithNcclsReason) {
  const std::vector<FabricFinding> findings =
      Judge(NodeOf({"completed", "completed"}),
            {Measured(FABRIC_NVLS_USABLE),
             Measured(FABRIC_NVLS_MISSING,
                      "NVLS multicast support is not available")});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].verdict(), FABRIC_VERDICT_WARN);
  EXPECT_EQ(findings[0].phase(), FABRIC_PHASE_LOCAL);
  EXPECT_THAT(findings[0].nodes(), ElementsAre(0));
  EXPECT_THAT(findings[0].message(),
              HasSubstr("does not work on host0, which makes its GPUs slower "
                        "together: NVLS multicast support is not available"));
  EXPECT_THAT(findings[0].evidence(), IsEmpty());
}

TEST(Nvls, ThatBreaksTheTestIsNamedToo) {
  SlotResult result;
  result.mutable_failed()->add_log_tail("something else");
  result.mutable_failed()->add_log_tail(kBindFailed);
  result.set_log("/tmp/gpu0.log");
  const std::vector<FabricFinding> findings =
      Judge(NodeOf({"completed", "completed"}),
            {result, Measured(FABRIC_NVLS_USABLE)});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].message(), HasSubstr(kBindFailed));
  EXPECT_THAT(findings[0].evidence(),
              ElementsAre("log /tmp/gpu0.log of host0"));
}

TEST(Nvls, IsNotExpectedOfHardwareWithoutIt) {
  const SlotResult missing = Measured(FABRIC_NVLS_MISSING, "not available");
  EXPECT_THAT(Judge(NodeOf({"", ""}, 80, 12), {missing, missing}), IsEmpty());
  EXPECT_THAT(Judge(NodeOf({"", ""}, 90, 0), {missing, missing}), IsEmpty());
  TestedNode slices = NodeOf({"completed", "completed"});
  slices.inventory->mutable_gpus(0)->set_mig(true);
  EXPECT_THAT(Judge(slices, {missing, missing}), IsEmpty());
  // That much is known from the inventory.
  EXPECT_THAT(Judge(NodeOf({"in progress", "in progress"}), {missing, missing}),
              IsEmpty());
}

}  // namespace
}  // namespace muster::fabric::test
