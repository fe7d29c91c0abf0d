#include "launcher/directories.h"

#include <sys/stat.h>
#include <unistd.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"

namespace muster::launcher {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Variable Alias(const std::string& name, const std::string& path) {
  Variable alias;
  alias.set_name(name);
  alias.set_value(path);
  return alias;
}

std::string MessageOf(const JobSpec& spec) {
  return std::string(PrepareDirectories(spec).message());
}

TEST(Directories, AreMadeAbsolute) {
  EXPECT_EQ(AbsolutePath("data", "/work"), "/work/data");
  EXPECT_EQ(AbsolutePath("./a/./b/", "/work/"), "/work/a/b");
  EXPECT_EQ(AbsolutePath(".", "/work"), "/work");
  EXPECT_EQ(AbsolutePath("/x//y/", "/work"), "/x/y");
  EXPECT_EQ(AbsolutePath("/", "/work"), "/");
  // Behind a link ".." is not the directory before it.
  EXPECT_EQ(AbsolutePath("link/../data", "/work"), "/work/link/../data");

  JobSpec spec;
  MakeDirectoriesAbsolute("/work", &spec);
  EXPECT_EQ(spec.shared_dir(), "") << "what is not given stays so";
  spec.set_shared_dir("s");
  *spec.add_inputs() = Alias("A", "a");
  *spec.add_outputs() = Alias("B", "../b");
  MakeDirectoriesAbsolute("/work", &spec);
  EXPECT_EQ(spec.shared_dir(), "/work/s");
  EXPECT_EQ(spec.inputs(0).value(), "/work/a");
  EXPECT_EQ(spec.outputs(0).value(), "/work/../b");
}

TEST(Directories, OutputsAreMadeWhereTheyAreMissing) {
  const test::TempDir directory;
  JobSpec spec;
  *spec.add_inputs() = Alias("DATA", directory.path());
  *spec.add_outputs() = Alias("MODEL", directory.File("deep/er"));
  *spec.add_outputs() = Alias("THERE", directory.path());
  spec.set_shared_dir(directory.path());
  EXPECT_TRUE(PrepareDirectories(spec).ok()) << MessageOf(spec);
  EXPECT_TRUE(test::Exists(directory.File("deep/er")));
}

TEST(Directories, EveryMistakeIsToldWithItsFlagAndPath) {
  const test::TempDir directory;
  const std::string file = directory.File("file");
  test::WriteFile(file, "x");
  JobSpec spec;
  spec.set_shared_dir(directory.File("no shared"));
  *spec.add_inputs() = Alias("DATA", directory.File("none"));
  *spec.add_inputs() = Alias("FILE", file);
  *spec.add_outputs() = Alias("MODEL", file);
  *spec.add_outputs() = Alias("BELOW", file + "/out");
  const absl::Status status = PrepareDirectories(spec);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(
      MessageOf(spec),
      AllOf(
          HasSubstr(absl::StrCat("--shared-dir ", directory.path(),
                                 "/no shared: No such file or directory")),
          HasSubstr(absl::StrCat("--input DATA=", directory.path(),
                                 "/none: No such file or directory; give")),
          HasSubstr(absl::StrCat("--input FILE=", file, ": not a directory")),
          HasSubstr(absl::StrCat("--output MODEL=", file, ": not a directory")),
          HasSubstr(absl::StrCat("--output BELOW=", file,
                                 "/out: can't be made: Not a directory")),
          Not(HasSubstr("\n"))));
  EXPECT_FALSE(test::Exists(directory.File("none")));
}

TEST(Directories, AreLookedAtAsThisUser) {
  const test::TempDir directory;
  const std::string closed = directory.Dir("closed");
  JobSpec spec;
  spec.set_shared_dir(closed);
  *spec.add_inputs() = Alias("DATA", closed);
  *spec.add_outputs() = Alias("MODEL", closed);
  *spec.add_outputs() = Alias("NEW", closed + "/new");
  // Root may do everything, so ask as somebody else, in a child process.
  EXPECT_EXIT(
      {
        if (chmod(directory.path().c_str(), 0755) != 0 ||
            chmod(closed.c_str(), 0111) != 0 ||
            (getuid() == 0 && setuid(65534) != 0)) {
          _exit(2);
        }
        std::cerr << MessageOf(spec);
        _exit(0);
      },
      ::testing::ExitedWithCode(0),
      "--shared-dir .*Permission denied.*--input DATA=.*Permission denied.*"
      "--output MODEL=.*Permission denied.*"
      "--output NEW=.*can't be made: Permission denied");
}

TEST(SpoolDirectory, IsMadeForTheUserAlone) {
  const test::TempDir directory;
  const std::string path = directory.path() + "/a/spool";
  const auto made = PrepareSpoolDirectory(path);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(*made, path);
  struct stat found;
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700u);
  EXPECT_TRUE(PrepareSpoolDirectory(path).ok()) << "it is there now";
}

TEST(SpoolDirectory, ThatCannotBeIsNamedWithItsFlag) {
  const test::TempDir directory;
  const std::string path = directory.path() + "/file";
  test::WriteFile(path, "");
  EXPECT_EQ(std::string(PrepareSpoolDirectory(path).status().message()),
            "--spool-dir " + path +
                ": not a directory; give a directory that can be made and "
                "written");
  EXPECT_THAT(
      std::string(PrepareSpoolDirectory("/proc/none/x").status().message()),
      HasSubstr("--spool-dir /proc/none/x: can't be made"));
}

}  // namespace
}  // namespace muster::launcher
