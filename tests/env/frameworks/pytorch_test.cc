#include "env/frameworks/pytorch.h"

#include <gtest/gtest.h>

#include "tests/env/frameworks/placements.h"

namespace muster::env {
namespace {

// What all ranks of TwoByTwo() have in common.
Variables CommonOfTwoByTwo() {
  return {{"AZ_BATCHAI_PYTORCH_BACKEND", "nccl"},
          {"AZ_BATCHAI_PYTORCH_INIT_METHOD", "tcp://10.0.0.4:23456"},
          {"GROUP_WORLD_SIZE", "2"},
          {"LOCAL_WORLD_SIZE", "2"},
          {"MASTER_ADDR", "10.0.0.4"},
          {"MASTER_PORT", "23456"},
          {"ROLE_NAME", "default"},
          {"ROLE_WORLD_SIZE", "4"},
          {"TORCHELASTIC_MAX_RESTARTS", "3"},
          {"TORCHELASTIC_RESTART_COUNT", "1"},
          {"TORCHELASTIC_RUN_ID", "mnist"},
          {"WORLD_SIZE", "4"}};
}

TEST(PytorchVariables, OfTwoNodesWithTwoWorkers) {
  for (uint32_t node : {0, 1}) {
    for (uint32_t local : {0, 1}) {
      const std::string rank = std::to_string(2 * node + local);
      Variables expected = CommonOfTwoByTwo();
      expected["GROUP_RANK"] = std::to_string(node);
      expected["LOCAL_RANK"] = std::to_string(local);
      expected["NODE_RANK"] = std::to_string(node);
      expected["RANK"] = rank;
      expected["ROLE_RANK"] = rank;
      EXPECT_EQ(PytorchVariables(TwoByTwo(node, local)).facts, expected);
    }
  }
}

TEST(PytorchVariables, DefaultsOfTwoNodesWithTwoWorkers) {
  EXPECT_EQ(PytorchVariables(TwoByTwo(1, 0)).defaults,
            (Variables{{"GLOO_SOCKET_IFNAME", "eth0"},
                       {"NCCL_SOCKET_IFNAME", "eth0"},
                       {"OMP_NUM_THREADS", "1"},
                       {"PYTHONUNBUFFERED", "1"},
                       {"TORCH_NCCL_ASYNC_ERROR_HANDLING", "1"}}));
}

TEST(PytorchVariables, OfOneNode) {
  const FrameworkVariables given = PytorchVariables(Alone());
  EXPECT_EQ(
      given.facts,
      (Variables{{"AZ_BATCHAI_PYTORCH_BACKEND", "gloo"},
                 {"AZ_BATCHAI_PYTORCH_INIT_METHOD", "tcp://127.0.0.1:10001"},
                 {"GROUP_RANK", "0"},
                 {"GROUP_WORLD_SIZE", "1"},
                 {"LOCAL_RANK", "0"},
                 {"LOCAL_WORLD_SIZE", "1"},
                 {"MASTER_ADDR", "127.0.0.1"},
                 {"MASTER_PORT", "10001"},
                 {"NODE_RANK", "0"},
                 {"RANK", "0"},
                 {"ROLE_NAME", "default"},
                 {"ROLE_RANK", "0"},
                 {"ROLE_WORLD_SIZE", "1"},
                 {"TORCHELASTIC_MAX_RESTARTS", "0"},
                 {"TORCHELASTIC_RESTART_COUNT", "0"},
                 {"TORCHELASTIC_RUN_ID", "run8"},
                 {"WORLD_SIZE", "1"}}));
  EXPECT_EQ(given.defaults,
            (Variables{{"PYTHONUNBUFFERED", "1"},
                       {"TORCH_NCCL_ASYNC_ERROR_HANDLING", "1"}}));
}

TEST(PytorchVariables, PutAnIpv6AddressInBracketsOnlyInTheUrl) {
  Placement placement = TwoByTwo(0, 0);
  placement.master_address = "fd00::a:4";
  const Variables facts = PytorchVariables(placement).facts;
  EXPECT_EQ(facts.at("AZ_BATCHAI_PYTORCH_INIT_METHOD"),
            "tcp://[fd00::a:4]:23456");
  EXPECT_EQ(facts.at("MASTER_ADDR"), "fd00::a:4");
}

std::string InitMethodOf(const Placement& placement) {
  return PytorchVariables(placement).facts.at("AZ_BATCHAI_PYTORCH_INIT_METHOD");
}

TEST(PytorchVariables, NameOneInitFileForAllRanksOfAnAttempt) {
  Placement placement = TwoByTwo(0, 0);
  placement.init_method = "file:///mnt/shared";
  const std::string first = InitMethodOf(placement);
  EXPECT_EQ(first, "file:///mnt/shared/muster-run7-1");

  Placement other_rank = TwoByTwo(1, 1);
  other_rank.init_method = "file:///mnt/shared/";
  EXPECT_EQ(InitMethodOf(other_rank), first);

  Placement next_attempt = placement;
  next_attempt.attempt = 2;
  EXPECT_NE(InitMethodOf(next_attempt), first);
  EXPECT_EQ(InitFile("file:///mnt/shared", "run7", 2),
            "/mnt/shared/muster-run7-2");
  EXPECT_EQ(InitFile("tcp", "run7", 2), "");
  Placement next_run = placement;
  next_run.run_id = "run8";
  EXPECT_NE(InitMethodOf(next_run), first);
}

TEST(PytorchVariables, NameAnErrorFileOnlyWhenThereIsOne) {
  Placement placement = Alone();
  EXPECT_EQ(PytorchVariables(placement).facts.count("TORCHELASTIC_ERROR_FILE"),
            0);
  placement.error_file = "/tmp/run8/0.json";
  EXPECT_EQ(PytorchVariables(placement).facts.at("TORCHELASTIC_ERROR_FILE"),
            "/tmp/run8/0.json");
}

TEST(PytorchVariables, GiveEachWorkerItsOwnGpuWhenAsked) {
  Placement placement = TwoByTwo(1, 1);
  EXPECT_EQ(PytorchVariables(placement).facts.count("CUDA_VISIBLE_DEVICES"), 0);
  placement.one_gpu_each = true;
  const Variables facts = PytorchVariables(placement).facts;
  EXPECT_EQ(facts.at("CUDA_VISIBLE_DEVICES"), "GPU-5a");
  EXPECT_EQ(facts.at("LOCAL_RANK"), "1");
}

}  // namespace
}  // namespace muster::env
