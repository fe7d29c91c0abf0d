#include "launcher/fabric/choice/nccl_choice.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/choice/made_up_tree.h"

namespace muster::fabric::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kSite[] = "venv/lib/python3.11/site-packages/";

class NcclChoiceTest : public ::testing::Test {
 protected:
  NcclChoiceTest() {
    tree_.Binary("usr/bin/env");
    tree_.Binary("usr/bin/python3.11");
    tree_.Link("usr/bin/python3", "python3.11");
    python_ = tree_.VirtualEnvironment("venv", "usr/bin/python3.11");
    tree_.Directory("work");
  }

  NcclChoice Choose(const std::vector<std::string>& command = {"python3",
                                                               "train.py"}) {
    return ChooseNccl({.nccl_library = library_,
                       .command = command,
                       .variables = variables_,
                       .directory = tree_.At("work")});
  }

  std::string InSite(const std::string& name, const std::string& bytes = "") {
    return tree_.File(kSite + name, bytes);
  }
  std::string AddWheel() { return InSite("nvidia/nccl/lib/libnccl.so.2"); }
  void AddTorch(const MadeUpElf& elf) {
    InSite("torch/__init__.py");
    InSite("torch/lib/libtorch_cuda.so", elf.Bytes());
  }
  std::string AddLibraryPath() {
    variables_["LD_LIBRARY_PATH"] = tree_.At("loader");
    return tree_.File("loader/libnccl.so.2");
  }

  MadeUpTree tree_;
  std::string python_;
  std::string library_;
  env::Variables variables_ = {
      {"PATH", tree_.At("venv/bin") + ":" + tree_.At("usr/bin")}};
};

TEST_F(NcclChoiceTest, TheFlagBeatsAll) {
  AddWheel();
  variables_["LD_PRELOAD"] = "/x/libnccl.so.2";
  library_ = "/no/libnccl.so.2";
  const NcclChoice choice = Choose();
  EXPECT_EQ(choice.file, "/no/libnccl.so.2");
  EXPECT_EQ(choice.origin, "--nccl-library");
}

TEST_F(NcclChoiceTest, PyTorchsWheelAsksForTheWheelOfNccl) {
  AddTorch(TorchOfWheels());
  const std::string wheel = AddWheel();
  AddLibraryPath();  // which its rpath beats
  const NcclChoice choice = Choose();
  EXPECT_EQ(choice.file, wheel);
  EXPECT_EQ(choice.origin, "python3's, " + python_);
  EXPECT_EQ(Choose({"env", "python"}).origin,
            "python's, " + tree_.At("venv/bin/python"));
}

TEST_F(NcclChoiceTest, APyTorchOfAContainerAsksForTheSystems) {
  AddTorch({.needed = {"libnccl.so.2"}, .rpath = "$ORIGIN", .runpath = ""});
  AddWheel();  // another package's
  NcclChoice choice = Choose();
  EXPECT_EQ(choice.file, "");
  EXPECT_EQ(choice.origin,
            "the system's, as the PyTorch of " + python_ + " asks");
  const std::string by_variable = AddLibraryPath();
  choice = Choose();
  EXPECT_EQ(choice.file, by_variable);
  EXPECT_THAT(choice.origin, StartsWith("LD_LIBRARY_PATH's, as the PyTorch"));
}

TEST_F(NcclChoiceTest, APyTorchWithItsOwnInsideCannotBeLoadedFrom) {
  AddTorch({});
  AddWheel();
  const NcclChoice choice = Choose();
  EXPECT_EQ(choice.file, "");
  EXPECT_EQ(choice.origin,
            "the system's; the PyTorch of " + python_ + " has its own inside");
}

TEST_F(NcclChoiceTest, AnythingThatCannotBeReadGoesByTheUsualPlaces) {
  InSite("torch/lib/libtorch_cuda.so", "garbage");
  EXPECT_EQ(Choose().origin, "the system's");
  const std::string bundled = InSite("torch/lib/libnccl.so.2");
  EXPECT_EQ(Choose().file, bundled);
  const std::string wheel = AddWheel();
  EXPECT_EQ(Choose().file, wheel);
}

TEST_F(NcclChoiceTest, WithoutPyTorchTheWheelIsTensorFlowsOrJaxs) {
  const std::string wheel = AddWheel();
  AddLibraryPath();
  EXPECT_EQ(Choose().file, wheel);
  InSite("torch/__init__.py");  // without CUDA
  EXPECT_EQ(Choose().file, wheel);
}

TEST_F(NcclChoiceTest, TheFirstPyTorchOfThePathsCounts) {
  AddTorch(TorchOfWheels());
  AddWheel();
  tree_.File("own/torch/__init__.py");
  tree_.File("own/torch/lib/libtorch_cuda.so", TorchOfWheels().Bytes());
  const std::string own = tree_.File("own/nvidia/nccl/lib/libnccl.so.2");
  variables_["PYTHONPATH"] = tree_.At("own");
  EXPECT_EQ(Choose().file, own);
}

TEST_F(NcclChoiceTest, CondasPythonHasItsEnvironments) {
  tree_.Binary("conda/bin/python3.12");
  tree_.Link("conda/bin/python3", "python3.12");
  const std::string nccl = tree_.File("conda/lib/libnccl.so.2");
  variables_["PATH"] = tree_.At("conda/bin");
  EXPECT_EQ(Choose().file, "");
  tree_.Directory("conda/conda-meta");
  EXPECT_EQ(Choose().file, nccl);
  tree_.File("conda/lib/python3.12/site-packages/torch/lib/libtorch_cuda.so",
             MadeUpElf{.needed = {"libnccl.so.2"},
                       .rpath = "",
                       .runpath = "$ORIGIN/../../../.."}
                 .Bytes());
  EXPECT_EQ(Choose().file, nccl);
  const std::string by_variable = AddLibraryPath();  // which beats a runpath
  EXPECT_EQ(Choose().file, by_variable);
}

TEST_F(NcclChoiceTest, APreloadedOneBeatsWhatTorchAsksFor) {
  AddTorch(TorchOfWheels());
  AddWheel();
  variables_["LD_PRELOAD"] = "/x/libjemalloc.so /x/libnccl.so.2.30.4";
  NcclChoice choice = Choose();
  EXPECT_EQ(choice.file, "/x/libnccl.so.2.30.4");
  EXPECT_EQ(choice.origin, "LD_PRELOAD's");
  variables_["LD_PRELOAD"] = "/x/libjemalloc.so";
  EXPECT_EQ(Choose({"env", "LD_PRELOAD=/y/libnccl.so.2", "python3"}).file,
            "/y/libnccl.so.2");
}

TEST_F(NcclChoiceTest, APythonWithoutNcclLeavesItToTheLoader) {
  NcclChoice choice = Choose();
  EXPECT_EQ(choice.file, "");
  EXPECT_EQ(choice.origin, "the system's");
  const std::string by_variable = AddLibraryPath();
  choice = Choose();
  EXPECT_EQ(choice.file, by_variable);
  EXPECT_EQ(choice.origin, "LD_LIBRARY_PATH's");
}

TEST_F(NcclChoiceTest, AnotherProgramIsAskedItself) {
  const std::string trainer = tree_.Binary(
      "opt/bin/trainer",
      {.needed = {"libnccl.so.2"}, .rpath = "$ORIGIN/../lib", .runpath = ""});
  AddWheel();  // the Python of PATH has nothing to do with it
  EXPECT_EQ(Choose({trainer}).origin, "the system's");
  const std::string nccl = tree_.File("opt/lib/libnccl.so.2");
  EXPECT_EQ(Choose({trainer}).file, nccl);
  EXPECT_EQ(Choose({trainer}).origin, "trainer's, " + trainer);
  EXPECT_EQ(Choose({tree_.Binary("opt/bin/other")}).file, "");
}

TEST_F(NcclChoiceTest, WithoutACommandPathsPythonCountsWhereItHasOne) {
  EXPECT_EQ(Choose({}).origin, "the system's");
  const std::string wheel = AddWheel();
  EXPECT_EQ(Choose({}).file, wheel);
  EXPECT_EQ(Choose({}).origin, "python3's, " + python_);
  EXPECT_EQ(Choose({"bash", "-c", "python3 train.py"}).file, wheel);
}

TEST_F(NcclChoiceTest, AProblemSaysWhoseFileItIs) {
  const std::string wheel = AddWheel();
  EXPECT_EQ(NcclProblemText(Choose(), wheel + ": file too short"),
            wheel + ": file too short; it would be python3's, " + python_ +
                ": install NCCL there, or name another by --nccl-library");
  EXPECT_THAT(NcclProblemText({"", "the system's"},
                              "libnccl.so.2: cannot open shared object file"),
              AllOf(HasSubstr("the system's"), HasSubstr("--nccl-library")));
  EXPECT_EQ(NcclProblemText({"/x", "--nccl-library"}, "/x: no such file"),
            "/x: no such file; --nccl-library named it");
  EXPECT_EQ(NcclProblemText(Choose(), "compiled without the probe"),
            "compiled without the probe");
}

}  // namespace
}  // namespace muster::fabric::test
