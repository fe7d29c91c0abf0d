#include "env/schedulers/system_files.h"

#include <sys/stat.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/env/hardware/temp_tree.h"

namespace muster::env {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SystemFilesTest : public ::testing::Test {
 protected:
  const SystemFiles files_;
  TempTree tree_;
};

TEST_F(SystemFilesTest, ReadsAFileByteForByte) {
  const std::string bytes("a\0\n\xff", 4);
  EXPECT_EQ(*files_.Read(tree_.Write("f", bytes)), bytes);
  EXPECT_EQ(*files_.Read(tree_.Write("empty", "")), "");
}

TEST_F(SystemFilesTest, SaysWhyAFileIsNotRead) {
  EXPECT_TRUE(absl::IsNotFound(files_.Read(tree_.path() + "/no").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(files_.Read(tree_.path()).status()));
  const std::string pipe = tree_.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(std::string(files_.Read(pipe).status().message()),
              HasSubstr("it is no ordinary file"));
}

TEST_F(SystemFilesTest, IsBounded) {
  EXPECT_EQ(files_.Read(tree_.Write("f", std::string(1 << 20, 'x')))->size(),
            size_t{1} << 20);
  EXPECT_TRUE(absl::IsResourceExhausted(
      files_.Read(tree_.Write("g", std::string((1 << 20) + 1, 'x'))).status()));
}

TEST_F(SystemFilesTest, ListsADirectoryInOrder) {
  tree_.Write("b", "");
  tree_.Write("a", "");
  EXPECT_THAT(files_.List(tree_.path()), ElementsAre("a", "b"));
  EXPECT_THAT(files_.List(tree_.path() + "/no"), IsEmpty());
}

}  // namespace
}  // namespace muster::env
