#include "env/frameworks/azure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "env/frameworks/jax.h"
#include "env/frameworks/pytorch.h"
#include "tests/env/frameworks/placements.h"

namespace muster::env {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;

// The values themselves are in golden/.

TEST(AzureVariables, TheMasterNodeAgreesWithTheMasterAddress) {
  const Variables facts = AzureVariables(TwoByTwo(1, 0)).facts;
  EXPECT_EQ(facts.at("AZ_BATCH_MASTER_NODE"), "10.0.0.4:23456");
  EXPECT_EQ(facts.at("AZ_BATCHAI_MPI_MASTER_NODE"), "10.0.0.4");
}

TEST(AzureVariables, OneNodeIsToldFromSeveral) {
  const Variables facts = AzureVariables(Alone()).facts;
  EXPECT_THAT(facts, Not(Contains(Key("AZ_BATCH_MASTER_NODE"))));
  EXPECT_EQ(facts.at("AZ_BATCHAI_MPI_MASTER_NODE"), "localhost");
}

TEST(AzureVariables, ExactlyOneNodeIsTheMaster) {
  EXPECT_EQ(AzureVariables(TwoByTwo(0, 1))
                .facts.at("AZ_BATCH_IS_CURRENT_NODE_MASTER"),
            "true");
  EXPECT_EQ(AzureVariables(TwoByTwo(1, 0))
                .facts.at("AZ_BATCH_IS_CURRENT_NODE_MASTER"),
            "false");
}

TEST(AzureVariables, NodesMayRunDifferentNumbersOfWorkers) {
  Placement placement = TwoByTwo(0, 0);
  placement.nodes = {{"10.0.0.4", 2}, {"10.0.0.5", 7}};
  EXPECT_EQ(AzureVariables(placement).facts.at("CCP_NODES"),
            "2 10.0.0.4 2 10.0.0.5 7");
  EXPECT_EQ(HostFileText(placement.nodes),
            "10.0.0.4 slots=2\n10.0.0.5 slots=7\n");
}

TEST(AzureVariables, NothingThatWouldCallAzuresServices) {
  for (const Placement& placement : {Alone(), TwoByTwo(0, 0)}) {
    Variables all = AzureVariables(placement).facts;
    all.merge(AzureVariables(placement).defaults);
    all.merge(PytorchVariables(placement).facts);
    for (const char* name :
         {"AZUREML_RUN_ID", "AZUREML_RUN_TOKEN", "AZUREML_EXPERIMENT_ID",
          "AZUREML_SERVICE_ENDPOINT", "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT",
          "AZ_BATCHAI_CLUSTER_NAME"}) {
      EXPECT_THAT(all, Not(Contains(Key(name))));
    }
  }
}

TEST(AzureVariables, WithoutATemporaryDirectoryNothingNamesIt) {
  Placement placement = Alone();
  placement.job_temp = "";
  placement.host_file = "";
  placement.interface = "";
  EXPECT_THAT(AzureVariables(placement).defaults, IsEmpty());
  EXPECT_THAT(AzureVariables(placement).facts,
              Not(Contains(Key("AZ_BATCHAI_MPI_HOST_FILE"))));
}

TEST(AzureVariables, NameTheInterfaceThatScriptsAskFor) {
  EXPECT_EQ(AzureVariables(TwoByTwo(0, 0)).defaults.at("NCCL_SOCKET_IFNAME"),
            "eth0");
}

TEST(AzureFactNames, HoldEveryFact) {
  const auto names = AzureFactNames();
  Variables facts = AzureVariables(TwoByTwo(0, 0)).facts;
  for (const auto& [name, value] : PytorchVariables(TwoByTwo(0, 0)).facts) {
    if (name.rfind("AZ", 0) == 0) facts[name] = value;
  }
  for (const auto& [name, value] : facts) {
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  }
}

TEST(DirectoryVariables, AreNoneUnlessAskedFor) {
  EXPECT_THAT(DirectoryVariables(Alone()), IsEmpty());
}

TEST(JaxVariables, NameTheOnlyDeviceOfAWorkerWithItsOwnGpu) {
  Placement placement = TwoByTwo(0, 1);
  EXPECT_THAT(JaxVariables(placement),
              Not(Contains(Key("JAX_LOCAL_DEVICE_IDS"))));
  placement.one_gpu_each = true;
  EXPECT_EQ(JaxVariables(placement).at("JAX_LOCAL_DEVICE_IDS"), "0");
  placement.gpus.clear();
  EXPECT_THAT(JaxVariables(placement),
              Not(Contains(Key("JAX_LOCAL_DEVICE_IDS"))));
}

TEST(Placement, APortThatIsNotKnownIsShownAsSuch) {
  EXPECT_EQ(AddressWithPort("10.0.0.4", 6105), "10.0.0.4:6105");
  EXPECT_EQ(AddressWithPort("fd00::4", 6105), "[fd00::4]:6105");
  EXPECT_EQ(AddressWithPort("<node0>", 0), "<node0>:<port>");
  EXPECT_EQ(PortText(1), "1");
}

}  // namespace
}  // namespace muster::env
