// Every scheduler's contract as pairs of files: golden/<name>.env is what a
// node is started with, golden/<name>.out what must be learnt from it.
//
// After a change that is meant, UPDATE_GOLDEN=1 rewrites the .out files when
// this test runs; read what it changed before it is committed.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "env/schedulers/discover.h"
#include "gtest/gtest.h"
#include "tests/env/schedulers/case_file.h"

namespace muster::test {
namespace {

namespace fs = std::filesystem;

std::string ReadAll(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<fs::path> FilesWith(const std::string& extension) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(MUSTER_GOLDEN)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, IsWhatIsLearnt) {
  const fs::path path = fs::path(MUSTER_GOLDEN) / GetParam();
  const Case given = ParseCase(ReadAll(path.string() + ".env"));
  const std::string learnt = Describe(
      env::Discover({given.variables, given.node, given.files, given.level},
                    given.scheduler));
  const std::string expected = path.string() + ".out";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(expected, std::ios::binary) << learnt;
  }
  EXPECT_EQ(learnt, ReadAll(expected))
      << "if that is meant: UPDATE_GOLDEN=1 with this test writes " << expected;
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const fs::path& file : FilesWith(".env")) {
    names.push_back(file.stem().string());
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, ::testing::ValuesIn(Names()),
                         [](const auto& param_info) {
                           return param_info.param;
                         });

TEST(GoldenFiles, AreThereInPairsAndForEveryScheduler) {
  std::string all;
  for (const fs::path& file : FilesWith(".out")) {
    EXPECT_TRUE(fs::exists(fs::path(file).replace_extension(".env"))) << file;
    all += ReadAll(file);
  }
  for (const std::string& name : env::SchedulerNames()) {
    EXPECT_NE(all.find("scheduler: " + name + " ("), std::string::npos)
        << "no golden file shows what " << name << " says";
  }
}

}  // namespace
}  // namespace muster::test
