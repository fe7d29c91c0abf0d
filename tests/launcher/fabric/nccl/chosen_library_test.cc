// Whose NCCL `muster check` loads, with one pretended GPU that it finds by
// NVML.
#include <unistd.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ChosenLibrary : public ::testing::Test {
 protected:
  // A virtual environment whose Python is never started.
  ChosenLibrary() {
    std::filesystem::create_directories(At("venv/bin"));
    std::filesystem::create_directories(Wheel().parent_path());
    WriteFile(At("venv/pyvenv.cfg"), "version = 3.11.2\n");
    std::filesystem::create_symlink("/bin/false", At("venv/bin/python3"));
  }

  std::string At(const std::string& name) const { return root_.File(name); }
  std::filesystem::path Wheel() const {
    return At("venv/lib/python3.11/site-packages/nvidia/nccl/lib/libnccl.so.2");
  }

  // What it says of its NCCL.
  nlohmann::json Check(std::vector<std::string> flags = {}) {
    std::vector<std::string> argv = {
        MusterBinary(), "check",  "--nnodes",       "1",   "--size",
        "64KiB",        "--json", "--fabric-check", "nccl"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    Subprocess check({.argv = argv,
                      .env = {{"LD_LIBRARY_PATH", MUSTER_STAND_INS},
                              {"CUDA_VISIBLE_DEVICES", "0"},
                              {"TMPDIR", root_.Dir("tmp")},
                              {"PATH", At("venv/bin") + ":/usr/bin:/bin"}},
                      .cwd = root_.Dir("work")});
    status_ = check.Wait(2 * kSoon);
    said_ = check.Text();
    const nlohmann::json report =
        nlohmann::json::parse(check.Out(), nullptr, false);
    return report.value(nlohmann::json::json_pointer("/nodes/0/inventory/nccl"),
                        nlohmann::json::object());
  }

  const TempDir root_;
  ExitStatus status_;
  std::string said_;
};

TEST_F(ChosenLibrary, IsTheVirtualEnvironmentsThatPathHasFirst) {
  std::filesystem::create_symlink(MUSTER_STAND_INS "/libnccl.so.2", Wheel());
  const nlohmann::json nccl = Check();
  EXPECT_EQ(status_, Code(0)) << said_;
  EXPECT_EQ(nccl.value("library", ""), Wheel()) << said_;
  EXPECT_EQ(nccl.value("origin", ""),
            absl::StrCat("python3's, ", At("venv/bin/python3")));
}

TEST_F(ChosenLibrary, IsTheFlags) {
  std::filesystem::create_symlink(MUSTER_STAND_INS "/libnccl.so.2", Wheel());
  const std::string own = MUSTER_STAND_INS "/libnccl.so.2";
  const nlohmann::json nccl = Check({"--nccl-library", own});
  EXPECT_EQ(status_, Code(0)) << said_;
  EXPECT_EQ(nccl.value("library", ""), own) << said_;
  EXPECT_EQ(nccl.value("origin", ""), "--nccl-library");
}

TEST_F(ChosenLibrary, IsTheLoadersWherePythonHasNone) {
  const nlohmann::json nccl = Check();
  EXPECT_EQ(status_, Code(0)) << said_;
  EXPECT_EQ(nccl.value("library", ""), MUSTER_STAND_INS "/libnccl.so.2");
  EXPECT_EQ(nccl.value("origin", ""), "LD_LIBRARY_PATH's");
}

TEST_F(ChosenLibrary, ThatCannotBeLoadedIsNamedWithWhoseItIs) {
  WriteFile(Wheel().string(), "no library");
  const nlohmann::json nccl = Check();
  EXPECT_NE(status_, Code(0)) << said_;
  EXPECT_EQ(nccl.value("library", ""), "");
  EXPECT_THAT(nccl.value("problem", ""),
              AllOf(HasSubstr(Wheel().string() + ": "),
                    HasSubstr("python3's, " + At("venv/bin/python3")),
                    HasSubstr("--nccl-library")));
}

}  // namespace
}  // namespace muster::test
