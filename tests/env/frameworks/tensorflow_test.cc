#include "env/frameworks/tensorflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/env/frameworks/placements.h"

namespace muster::env {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;

// Three nodes with one parameter server and three workers.
TaskCluster ThreeNodes() {
  return {.ps = {"10.0.0.4:2222"},
          .worker = {"10.0.0.4:2223", "10.0.0.5:2222", "10.0.0.6:2222"}};
}

// What Azure gave such a job, byte for byte.
TEST(TfConfig, IsWhatAzureWrote) {
  EXPECT_EQ(
      TfConfig(ThreeNodes(), "ps", 0),
      R"({"cluster":{"ps":["10.0.0.4:2222"],"worker":["10.0.0.4:2223",)"
      R"("10.0.0.5:2222","10.0.0.6:2222"]},"task":{"type":"ps","index":0},)"
      R"("environment":"cloud"})");
  EXPECT_EQ(
      TfConfig(ThreeNodes(), "worker", 0),
      R"({"cluster":{"ps":["10.0.0.4:2222"],"worker":["10.0.0.4:2223",)"
      R"("10.0.0.5:2222","10.0.0.6:2222"]},"task":{"type":"worker","index":0},)"
      R"("environment":"cloud"})");
}

TEST(TfConfig, LeavesRolesWithoutTasksOut) {
  EXPECT_EQ(TfConfig({.worker = {"host0:2222", "host1:2222"}}, "worker", 1),
            R"({"cluster":{"worker":["host0:2222","host1:2222"]},)"
            R"("task":{"type":"worker","index":1},"environment":"cloud"})");
  EXPECT_EQ(TfConfig({.chief = {"a:1"}}, "chief", 0),
            R"({"cluster":{"chief":["a:1"]},)"
            R"("task":{"type":"chief","index":0},"environment":"cloud"})");
}

TEST(TfConfig, ShowsTheEvaluatorToItselfAlone) {
  const TaskCluster cluster = {.chief = {"a:1"},
                               .evaluator = {"b:3"},
                               .ps = {"a:2"},
                               .worker = {"b:1", "b:2"}};
  const char* others =
      R"({"cluster":{"chief":["a:1"],"ps":["a:2"],"worker":["b:1","b:2"]},)";
  EXPECT_EQ(TfConfig(cluster, "chief", 0),
            std::string(others) +
                R"("task":{"type":"chief","index":0},"environment":"cloud"})");
  EXPECT_EQ(TfConfig(cluster, "worker", 1),
            std::string(others) +
                R"("task":{"type":"worker","index":1},"environment":"cloud"})");
  EXPECT_EQ(TfConfig(cluster, "evaluator", 0),
            R"({"cluster":{"chief":["a:1"],"evaluator":["b:3"],"ps":["a:2"],)"
            R"("worker":["b:1","b:2"]},"task":{"type":"evaluator","index":0},)"
            R"("environment":"cloud"})");
}

Placement WorkerOneOfThreeNodes() {
  Placement placement = TwoByTwo(1, 0);
  placement.cluster = ThreeNodes();
  placement.task_type = "worker";
  placement.task_index = 1;
  return placement;
}

TEST(TensorflowVariables, AreAzuresAndTheRanks) {
  const FrameworkVariables given = TensorflowVariables(WorkerOneOfThreeNodes());
  EXPECT_EQ(given.facts,
            (Variables{{"AZ_BATCHAI_PS_HOSTS", "10.0.0.4:2222"},
                       {"AZ_BATCHAI_TASK_INDEX", "1"},
                       {"AZ_BATCHAI_TASK_TYPE", "worker"},
                       {"AZ_BATCHAI_WORKER_HOSTS",
                        "10.0.0.4:2223,10.0.0.5:2222,10.0.0.6:2222"},
                       {"LOCAL_RANK", "0"},
                       {"LOCAL_WORLD_SIZE", "2"},
                       {"MASTER_ADDR", "10.0.0.4"},
                       {"MASTER_PORT", "23456"},
                       {"NODE_RANK", "1"},
                       {"RANK", "2"},
                       {"TF_CONFIG", TfConfig(ThreeNodes(), "worker", 1)},
                       {"WORLD_SIZE", "4"}}));
  EXPECT_EQ(given.defaults, (Variables{{"NCCL_SOCKET_IFNAME", "eth0"},
                                       {"PYTHONUNBUFFERED", "1"}}));
}

TEST(TensorflowVariables, LeaveOutHostsThatThereAreNot) {
  Placement placement = WorkerOneOfThreeNodes();
  placement.cluster.ps.clear();
  EXPECT_THAT(TensorflowVariables(placement).facts,
              Not(Contains(Key("AZ_BATCHAI_PS_HOSTS"))));
  placement.cluster = {.chief = {"a:1"}};
  EXPECT_THAT(TensorflowVariables(placement).facts,
              Not(Contains(Key("AZ_BATCHAI_WORKER_HOSTS"))));
}

TEST(TensorflowVariables, HideOrShareGpusAsThePlacementSays) {
  Placement placement = WorkerOneOfThreeNodes();
  EXPECT_THAT(TensorflowVariables(placement).facts,
              Not(Contains(Key("CUDA_VISIBLE_DEVICES"))));
  placement.visible_gpus = "";
  EXPECT_EQ(TensorflowVariables(placement).facts.at("CUDA_VISIBLE_DEVICES"),
            "");
  placement.visible_gpus = "2,3";
  EXPECT_EQ(TensorflowVariables(placement).facts.at("CUDA_VISIBLE_DEVICES"),
            "2,3");
}

}  // namespace
}  // namespace muster::env
