#include "env/frameworks/plain.h"

#include <gtest/gtest.h>

#include "tests/env/frameworks/placements.h"

namespace muster::env {
namespace {

TEST(PlainVariables, OfTwoNodesWithTwoWorkers) {
  EXPECT_EQ(PlainVariables(TwoByTwo(0, 1)).facts,
            (Variables{{"LOCAL_RANK", "1"},
                       {"LOCAL_WORLD_SIZE", "2"},
                       {"MASTER_ADDR", "10.0.0.4"},
                       {"MASTER_PORT", "23456"},
                       {"NODE_RANK", "0"},
                       {"RANK", "1"},
                       {"WORLD_SIZE", "4"}}));
  EXPECT_EQ(PlainVariables(TwoByTwo(1, 0)).facts,
            (Variables{{"LOCAL_RANK", "0"},
                       {"LOCAL_WORLD_SIZE", "2"},
                       {"MASTER_ADDR", "10.0.0.4"},
                       {"MASTER_PORT", "23456"},
                       {"NODE_RANK", "1"},
                       {"RANK", "2"},
                       {"WORLD_SIZE", "4"}}));
}

TEST(PlainVariables, OfOneNode) {
  EXPECT_EQ(PlainVariables(Alone()).facts,
            (Variables{{"LOCAL_RANK", "0"},
                       {"LOCAL_WORLD_SIZE", "1"},
                       {"MASTER_ADDR", "127.0.0.1"},
                       {"MASTER_PORT", "10001"},
                       {"NODE_RANK", "0"},
                       {"RANK", "0"},
                       {"WORLD_SIZE", "1"}}));
}

TEST(PlainVariables, OnlyUnbufferedOutputIsADefault) {
  EXPECT_EQ(PlainVariables(TwoByTwo(0, 0)).defaults,
            (Variables{{"PYTHONUNBUFFERED", "1"}}));
}

TEST(PlainVariables, GiveEachWorkerItsOwnGpuWhenAsked) {
  Placement placement = TwoByTwo(1, 1);
  placement.one_gpu_each = true;
  EXPECT_EQ(PlainVariables(placement).facts.at("CUDA_VISIBLE_DEVICES"),
            "GPU-5a");
  placement.local_rank = 0;
  EXPECT_EQ(PlainVariables(placement).facts.at("CUDA_VISIBLE_DEVICES"), "2");
  placement.gpus.clear();
  EXPECT_EQ(PlainVariables(placement).facts.count("CUDA_VISIBLE_DEVICES"), 0);
}

}  // namespace
}  // namespace muster::env
