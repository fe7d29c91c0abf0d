#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/simulate/loopback.h"
#include "launcher/simulate/node_directory.h"
#include "tests/support/files.h"

namespace muster::simulate {
namespace {

namespace fs = std::filesystem;

TEST(Loopback, CountsAddressesAcrossBytes) {
  EXPECT_EQ(LoopbackAddress(0x7f0001fe, 0), "127.0.1.254");
  EXPECT_EQ(LoopbackAddress(0x7f0001fe, 3), "127.0.2.1");
}

TEST(Loopback, FindsAPlaceForManyNodes) {
  const auto base = FindLoopbackBase(4096, 29400);
  ASSERT_TRUE(base.ok());
  EXPECT_EQ(*base >> 24, 127u);
  EXPECT_EQ((*base + 4096) >> 24, 127u);
}

TEST(NodeDirectory, LinksEverythingButItsOwn) {
  const test::TempDir temp;
  const fs::path source = fs::path(temp.path()) / "job";
  fs::create_directories(source / "outputs");
  fs::create_directories(source / "package");
  std::ofstream(source / "train.py") << "print(1)";
  const std::string node = (fs::path(temp.path()) / "a/b/node0").string();
  ASSERT_TRUE(MakeNodeDirectory(node, source.string(), {"outputs"}).ok());
  EXPECT_EQ(fs::read_symlink(fs::path(node) / "train.py"), source / "train.py");
  EXPECT_TRUE(fs::is_directory(fs::path(node) / "package"));
  EXPECT_FALSE(fs::exists(fs::path(node) / "outputs"));
}

TEST(NodeDirectory, NamesThePathThatCantBeMade) {
  const test::TempDir temp;
  std::ofstream(fs::path(temp.path()) / "file") << "x";
  const std::string node = temp.path() + "/file/node0";
  const absl::Status status = MakeNodeDirectory(node, temp.path(), {});
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(node));
}

}  // namespace
}  // namespace muster::simulate
