// All variables of every rank, one file for each kind of job in golden/. After
// a change that is meant, write the files anew and read the difference:
//   MUSTER_UPDATE_GOLDEN=1 build/dev/tests/env/frameworks/env_frameworks_test
//   git diff tests/env/frameworks/golden
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "env/frameworks/environment.h"
#include "tests/env/frameworks/placements.h"

namespace muster::env {
namespace {

std::vector<Placement> AllOfTwoByTwo() {
  return {TwoByTwo(0, 0), TwoByTwo(0, 1), TwoByTwo(1, 0), TwoByTwo(1, 1)};
}

Placement OnlyTask() {
  Placement placement = Alone();
  placement.cluster.worker = {"127.0.0.1:10002"};
  placement.task_type = "worker";
  placement.visible_gpus = "0,1";
  return placement;
}

// Of two nodes: ps 0 and worker 0 on the first, workers 1 and 2 on the second.
std::vector<Placement> FourTasks() {
  std::vector<Placement> placements = AllOfTwoByTwo();
  const std::pair<const char*, uint32_t> tasks[] = {
      {"ps", 0}, {"worker", 0}, {"worker", 1}, {"worker", 2}};
  const char* const gpus[] = {"", "2,GPU-5a", "2", "GPU-5a"};
  for (size_t i = 0; i < placements.size(); ++i) {
    placements[i].cluster.ps = {"10.0.0.4:2222"};
    placements[i].cluster.worker = {"10.0.0.4:2223", "10.0.0.5:2222",
                                    "10.0.0.5:2223"};
    placements[i].task_type = tasks[i].first;
    placements[i].task_index = tasks[i].second;
    placements[i].visible_gpus = gpus[i];
  }
  return placements;
}

std::vector<Placement> With(std::vector<Placement> placements,
                            void (*change)(Placement*)) {
  for (Placement& placement : placements) change(&placement);
  return placements;
}

struct Golden {
  const char* name;  // of the file
  Framework framework;
  std::vector<Placement> placements;
};

void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }

std::vector<Golden> AllGolden() {
  const auto one_gpu_each = [](Placement* placement) {
    placement->one_gpu_each = true;
  };
  return {
      {"pytorch_one_node", FRAMEWORK_PYTORCH, {Alone()}},
      {"pytorch_2x2", FRAMEWORK_PYTORCH, AllOfTwoByTwo()},
      {"pytorch_2x2_gpu_binding_one", FRAMEWORK_PYTORCH,
       With(AllOfTwoByTwo(), one_gpu_each)},
      {"pytorch_2x2_ipv6", FRAMEWORK_PYTORCH,
       With(AllOfTwoByTwo(),
            [](Placement* placement) {
              placement->nodes = {{"fd00::4", 2}, {"fd00::5", 2}};
              placement->master_address = "fd00::4";
            })},
      {"pytorch_2x2_shared_files", FRAMEWORK_PYTORCH,
       With(AllOfTwoByTwo(),
            [](Placement* placement) {
              placement->init_method = "file:///mnt/shared";
              placement->shared_dir = "/mnt/shared";
              placement->inputs = {{"DATA", "/mnt/data"}};
              placement->outputs = {{"MODEL", "/mnt/out"}, {"m_2", "/out2"}};
            })},
      {"plain_one_node", FRAMEWORK_PLAIN, {Alone()}},
      {"plain_2x2_gpu_binding_one", FRAMEWORK_PLAIN,
       With(AllOfTwoByTwo(), one_gpu_each)},
      {"plain_2x2_ipv6", FRAMEWORK_PLAIN,
       With(AllOfTwoByTwo(),
            [](Placement* placement) {
              placement->master_address = "fd00::4";
            })},
      {"tensorflow_one_node", FRAMEWORK_TENSORFLOW, {OnlyTask()}},
      {"tensorflow_3_workers_1_ps", FRAMEWORK_TENSORFLOW, FourTasks()},
      {"mpi_one_node", FRAMEWORK_MPI, {Alone()}},
      {"mpi_2x2", FRAMEWORK_MPI, AllOfTwoByTwo()},
  };
}

// A line "source NAME=VALUE" for each variable, rank by rank.
std::string Written(const Golden& golden) {
  std::string text;
  for (const Placement& placement : golden.placements) {
    const absl::StatusOr<ExplainedVariables> explained =
        ExplainEnvironment(golden.framework, placement, {});
    EXPECT_TRUE(explained.ok()) << explained.status();
    if (!explained.ok()) return "";
    absl::StrAppend(&text, "# rank ", placement.rank, "\n");
    for (const auto& [name, variable] : *explained) {
      absl::StrAppend(&text, variable.source, " ", name, "=", variable.value,
                      "\n");
    }
  }
  return text;
}

class GoldenTest : public ::testing::TestWithParam<Golden> {};

TEST_P(GoldenTest, EveryRankGetsExactlyThis) {
  const std::string path =
      absl::StrCat(GOLDEN_DIRECTORY, "/", GetParam().name, ".txt");
  const std::string written = Written(GetParam());
  if (getenv("MUSTER_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << written;
  }
  std::stringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(written, golden.str()) << path;
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTest, ::testing::ValuesIn(AllGolden()),
                         [](const auto& param_info) {
                           return std::string(param_info.param.name);
                         });

}  // namespace
}  // namespace muster::env
