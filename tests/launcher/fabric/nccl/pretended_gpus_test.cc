// `muster sim` with fewer pretended GPUs than the stand-in libraries have.
#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

TEST(PretendedGpus, AreAllThatIsTested) {
  const TempDir directory;
  Subprocess sim({.argv = MusterArgv("sim",
                                     {{"--nnodes", "2"},
                                      {"--gpus-per-node", "2"},
                                      {"--nproc-per-node", "1"},
                                      {"--size", "64KiB"},
                                      {"--fabric-check", "nccl"}},
                                     {"true"}),
                  .env = {{"LD_LIBRARY_PATH", MUSTER_STAND_INS},
                          {"TMPDIR", directory.Dir("tmp")}},
                  .cwd = directory.path()});
  EXPECT_EQ(sim.Wait(2 * kSoon), Code(0)) << sim.Text();
  const nlohmann::json report =
      ReadJson(RunDirectory(directory.path()) + "/fabric.json");
  ASSERT_EQ(report.value("nodes", nlohmann::json::array()).size(), 2u)
      << sim.Text();
  for (const nlohmann::json& node : report["nodes"]) {
    const nlohmann::json& inventory = node["inventory"];
    EXPECT_EQ(inventory["gpus"].size(), 2u) << node;
    // Libraries that pretend are the loader's, never the Python's of PATH.
    EXPECT_EQ(inventory["nccl"].value("library", ""),
              MUSTER_STAND_INS "/libnccl.so.2");
  }
}

}  // namespace
}  // namespace muster::test
