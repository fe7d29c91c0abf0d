#include "env/schedulers/system_files.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::env {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SystemFilesTest : public ::testing::Test {
 protected:
  SystemFilesTest() {
    std::string name = ::testing::TempDir() + "/muster-files-XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~SystemFilesTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(directory_ + "/" + name, std::ios::binary) << bytes;
    return directory_ + "/" + name;
  }

  const SystemFiles files_;
  std::string directory_;
};

TEST_F(SystemFilesTest, ReadsAFileByteForByte) {
  const std::string bytes("a\0\n\xff", 4);
  EXPECT_EQ(*files_.Read(Write("f", bytes)), bytes);
  EXPECT_EQ(*files_.Read(Write("empty", "")), "");
}

TEST_F(SystemFilesTest, SaysWhyAFileIsNotRead) {
  EXPECT_TRUE(absl::IsNotFound(files_.Read(directory_ + "/no").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(files_.Read(directory_).status()));
  const std::string pipe = directory_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(std::string(files_.Read(pipe).status().message()),
              HasSubstr("it is no ordinary file"));
}

TEST_F(SystemFilesTest, IsBounded) {
  EXPECT_EQ(files_.Read(Write("f", std::string(1 << 20, 'x')))->size(),
            size_t{1} << 20);
  EXPECT_TRUE(absl::IsResourceExhausted(
      files_.Read(Write("g", std::string((1 << 20) + 1, 'x'))).status()));
}

TEST_F(SystemFilesTest, ListsADirectoryInOrder) {
  Write("b", "");
  Write("a", "");
  EXPECT_THAT(files_.List(directory_), ElementsAre("a", "b"));
  EXPECT_THAT(files_.List(directory_ + "/no"), IsEmpty());
}

}  // namespace
}  // namespace muster::env
