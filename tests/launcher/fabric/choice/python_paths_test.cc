#include "launcher/fabric/choice/python_paths.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/choice/made_up_tree.h"

namespace muster::fabric::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PythonPathsTest : public ::testing::Test {
 protected:
  // Debian's.
  void SetUp() override {
    tree_.Binary("usr/bin/python3.11");
    tree_.Link("usr/bin/python3", "python3.11");
    tree_.Directory("usr/lib/python3/dist-packages");
    tree_.Directory("usr/local/lib/python3.11/dist-packages");
    tree_.Directory("usr/local/lib/python3.9/dist-packages");
  }

  MadeUpTree tree_;
};

TEST_F(PythonPathsTest, DebiansPythonHasDistPackages) {
  EXPECT_THAT(PythonPaths(tree_.At("usr/bin/python3"), {}),
              ElementsAre(tree_.At("usr/local/lib/python3.11/dist-packages"),
                          tree_.At("usr/lib/python3/dist-packages")));
}

TEST_F(PythonPathsTest, APythonOfItsOwnOrCondasHasSitePackages) {
  tree_.Binary("opt/conda/bin/python3.12");
  tree_.Link("opt/conda/bin/python", "python3.12");
  const std::string site =
      tree_.Directory("opt/conda/lib/python3.12/site-packages");
  EXPECT_THAT(PythonPaths(tree_.At("opt/conda/bin/python"), {}),
              ElementsAre(site));
}

TEST_F(PythonPathsTest, FedorasLib64CountsOnceWhereItIsALink) {
  tree_.Binary("opt/bin/python3.12");
  const std::string site = tree_.Directory("opt/lib/python3.12/site-packages");
  const std::string other =
      tree_.Directory("opt/lib64/python3.12/site-packages");
  EXPECT_THAT(PythonPaths(tree_.At("opt/bin/python3.12"), {}),
              ElementsAre(site, other));
  std::filesystem::remove_all(tree_.At("opt/lib64"));
  tree_.Link("opt/lib64", "lib");
  EXPECT_THAT(PythonPaths(tree_.At("opt/bin/python3.12"), {}),
              ElementsAre(site));
}

TEST_F(PythonPathsTest, AVirtualEnvironmentHidesTheSystem) {
  const std::string python =
      tree_.VirtualEnvironment("venv", "usr/bin/python3.11");
  EXPECT_THAT(PythonPaths(python, {{"HOME", tree_.At("home")}}),
              ElementsAre(tree_.At("venv/lib/python3.11/site-packages")));
}

TEST_F(PythonPathsTest, AVirtualEnvironmentMayShowTheSystem) {
  const std::string python = tree_.VirtualEnvironment(
      "venv", "usr/bin/python3.11", "include-system-site-packages = True\n");
  const std::string user =
      tree_.Directory("home/.local/lib/python3.11/site-packages");
  EXPECT_THAT(PythonPaths(python, {{"HOME", tree_.At("home")}}),
              ElementsAre(user, tree_.At("venv/lib/python3.11/site-packages"),
                          tree_.At("usr/local/lib/python3.11/dist-packages"),
                          tree_.At("usr/lib/python3/dist-packages")));
}

TEST_F(PythonPathsTest, APythonThatWasCopiedTellsItsVersionByItsSettings) {
  tree_.Binary("venv/bin/python");
  tree_.File("venv/pyvenv.cfg", "version_info = 3.12.1.final.0\n");
  const std::string site = tree_.Directory("venv/lib/python3.12/site-packages");
  tree_.Directory("venv/lib/python3.8/site-packages");
  EXPECT_THAT(PythonPaths(tree_.At("venv/bin/python"), {}), ElementsAre(site));
}

TEST_F(PythonPathsTest, AnUnknownVersionMeansAllThatAreThere) {
  tree_.Binary("opt/bin/python");
  const std::string site = tree_.Directory("opt/lib/python3.10/site-packages");
  EXPECT_THAT(PythonPaths(tree_.At("opt/bin/python"), {}), ElementsAre(site));
}

TEST_F(PythonPathsTest, APythonWithoutTheGlobalLockHasItsOwnPackages) {
  tree_.Binary("opt/bin/python3.13t");
  tree_.Link("opt/bin/python3", "python3.13t");
  tree_.Directory("opt/lib/python3.13/site-packages");
  const std::string site = tree_.Directory("opt/lib/python3.13t/site-packages");
  EXPECT_THAT(PythonPaths(tree_.At("opt/bin/python3"), {}), ElementsAre(site));
}

TEST_F(PythonPathsTest, VariablesAddPathsInFrontAndMoveTheRest) {
  tree_.Binary("opt/bin/python3.12");
  const std::string site = tree_.Directory("opt/lib/python3.12/site-packages");
  const std::string own = tree_.Directory("own");
  const std::string user = tree_.Directory("user/lib/python3.12/site-packages");
  env::Variables variables = {
      {"PYTHONPATH", tree_.At("no") + "::" + own},
      {"PYTHONUSERBASE", tree_.At("user")},
  };
  const std::string python = tree_.At("opt/bin/python3.12");
  EXPECT_THAT(PythonPaths(python, variables), ElementsAre(own, user, site));
  variables["PYTHONNOUSERSITE"] = "1";
  EXPECT_THAT(PythonPaths(python, variables), ElementsAre(own, site));
  variables["PYTHONHOME"] = tree_.At("user");
  EXPECT_THAT(PythonPaths(python, variables), ElementsAre(own, user));
}

TEST_F(PythonPathsTest, APythonThatIsNotThereHasNone) {
  EXPECT_THAT(PythonPaths(tree_.At("no/bin/python3.9"), {}), IsEmpty());
}

}  // namespace
}  // namespace muster::fabric::test
