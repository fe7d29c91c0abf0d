#include "launcher/fabric/nccl/settings.h"

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

TEST(Settings, TheJobsOwnStay) {
  const Environment made =
      MakeNcclEnvironment({{"NCCL_SOCKET_IFNAME", "eth"},
                           {"FI_PROVIDER", "efa"},
                           {"NCCL_ALGO", "Tree"},
                           {"LD_LIBRARY_PATH", "/opt/nccl"},
                           {"NCCL_SOCKET_RETRY_CNT", "50"},
                           {"NCCL_IB_TIMEOUT", "22"}},
                          {});
  EXPECT_THAT(made, Contains(Pair("NCCL_SOCKET_IFNAME", "eth")));
  EXPECT_THAT(made, Contains(Pair("FI_PROVIDER", "efa")));
  EXPECT_THAT(made, Contains(Pair("NCCL_ALGO", "Tree")));
  EXPECT_THAT(made, Contains(Pair("LD_LIBRARY_PATH", "/opt/nccl")));
  EXPECT_THAT(made, Contains(Pair("NCCL_SOCKET_RETRY_CNT", "50")));
  EXPECT_THAT(made, Contains(Pair("NCCL_IB_TIMEOUT", "22")));
}

TEST(Settings, WaitsAreShortWhereTheJobSaysNothing) {
  const Environment made = MakeNcclEnvironment({}, {});
  EXPECT_THAT(made, Contains(Pair("NCCL_SOCKET_RETRY_CNT", "10")));
  EXPECT_THAT(made, Contains(Pair("NCCL_IB_TIMEOUT", "18")));
}

TEST(Settings, WhatWouldDisturbTheTestIsReplaced) {
  const Environment made =
      MakeNcclEnvironment({{"NCCL_DEBUG", "WARN"},
                           {"NCCL_DEBUG_FILE", "/tmp/mine"},
                           {"NCCL_RAS_ENABLE", "1"},
                           {"NCCL_COMM_BLOCKING", "1"},
                           {"NCCL_COMM_ID", "10.0.0.1:4000"},
                           {"CUDA_DEVICE_ORDER", "FASTEST_FIRST"}},
                          {});
  EXPECT_THAT(made, Contains(Pair("NCCL_DEBUG", "INFO")));
  EXPECT_THAT(made, Contains(Pair("NCCL_DEBUG_SUBSYS", "INIT,NET,GRAPH,ENV")));
  EXPECT_THAT(made, Not(Contains(Key("NCCL_DEBUG_FILE"))));
  EXPECT_THAT(made, Contains(Pair("NCCL_RAS_ENABLE", "0")));
  EXPECT_THAT(made, Contains(Pair("NCCL_COMM_BLOCKING", "0")));
  EXPECT_THAT(made, Not(Contains(Key("NCCL_COMM_ID"))));
  EXPECT_THAT(made, Contains(Pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID")));
  EXPECT_THAT(made, Contains(Pair("CUDA_MODULE_LOADING", "LAZY")));
}

TEST(Settings, ALogsPathIsTakenAsItIs) {
  EXPECT_THAT(MakeNcclEnvironment({}, {.log = "/tmp/100%p/gpu0.log"}),
              Contains(Pair("NCCL_DEBUG_FILE", "/tmp/100%%p/gpu0.log")));
}

TEST(Settings, AHostOfItsOwnSharesNoMemory) {
  const Environment made = MakeNcclEnvironment({}, {.host_id = "node3"});
  EXPECT_THAT(made, Contains(Pair("NCCL_HOSTID", "node3")));
  EXPECT_THAT(made, Contains(Pair("NCCL_MNNVL_ENABLE", "0")));
  EXPECT_THAT(MakeNcclEnvironment({}, {}), Not(Contains(Key("NCCL_HOSTID"))));
}

TEST(Settings, ARingBeatsTheJobsAlgorithm) {
  const Environment job = {{"NCCL_ALGO", "Tree"}};
  EXPECT_EQ(*AlgorithmFor(true, job), "Ring");
  EXPECT_EQ(*AlgorithmFor(false, job), "Tree");
  EXPECT_EQ(AlgorithmFor(false, {}), nullptr);
}

TEST(Settings, TheProcessGetsWhatDiffers) {
  ApplyEnvironment({}, {{"MUSTER_TEST_OLD", "1"}, {"MUSTER_TEST_KEPT", "2"}});
  ApplyEnvironment({{"MUSTER_TEST_OLD", "1"}, {"MUSTER_TEST_KEPT", "2"}},
                   {{"MUSTER_TEST_KEPT", "2"}, {"MUSTER_TEST_NEW", ""}});
  EXPECT_EQ(getenv("MUSTER_TEST_OLD"), nullptr);
  EXPECT_STREQ(getenv("MUSTER_TEST_KEPT"), "2");
  EXPECT_STREQ(getenv("MUSTER_TEST_NEW"), "");
}

}  // namespace
}  // namespace muster::fabric
