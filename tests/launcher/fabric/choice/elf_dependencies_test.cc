#include "launcher/fabric/choice/elf_dependencies.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/choice/made_up_tree.h"

namespace muster::fabric::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

TEST(ElfDependencies, TellsWhatThisVeryProgramNeeds) {
  const auto own = ReadElfDependencies("/proc/self/exe");
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_THAT(own->needed, Contains("libc.so.6"));
}

TEST(ElfDependencies, TellsWhereThingsAreWanted) {
  MadeUpTree tree;
  const std::string path =
      tree.File("lib/libtorch_cuda.so", MadeUpElf{.needed = {"a.so", "b.so"},
                                                  .rpath = "$ORIGIN/../x:/y",
                                                  .runpath = "${ORIGIN}"}
                                            .Bytes());
  const auto file = ReadElfDependencies(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->needed, ElementsAre("a.so", "b.so"));
  EXPECT_THAT(file->rpath, ElementsAre(tree.At("lib") + "/../x", "/y"));
  EXPECT_THAT(file->runpath, ElementsAre(tree.At("lib")));
}

TEST(ElfDependencies, WhatIsNoElfFileIsAnError) {
  MadeUpTree tree;
  EXPECT_EQ(ReadElfDependencies(tree.At("no")).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(
      ReadElfDependencies(tree.File("text", "#!/bin/sh\n")).status().code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadElfDependencies(tree.File("empty")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(ReadElfDependencies(tree.Directory("directory")).ok());
}

TEST(ElfDependencies, AFileThatIsCutOffIsAnError) {
  MadeUpTree tree;
  const std::string whole = TorchOfWheels().Bytes();
  // Without the zero at its end the last text has none.
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(
        ReadElfDependencies(tree.File("cut", whole.substr(0, size))).ok())
        << size;
  }
}

TEST(ElfDependencies, GarbageIsNoTrouble) {
  MadeUpTree tree;
  const std::string whole = TorchOfWheels().Bytes();
  for (uint32_t seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    std::string garbled = whole;
    for (int i = 0; i < 8; ++i) {
      garbled[random() % garbled.size()] = static_cast<char>(random());
    }
    const auto file = ReadElfDependencies(tree.File("garbled", garbled));
    if (file.ok()) {
      EXPECT_LE(file->needed.size(), whole.size()) << seed;
    }
  }
}

class Needed : public ::testing::Test {
 protected:
  std::string Find(const MadeUpElf& elf) {
    const auto file =
        ReadElfDependencies(tree_.File("lib/libtorch_cuda.so", elf.Bytes()));
    EXPECT_TRUE(file.ok()) << file.status();
    const FoundLibrary found = FindNeeded(*file, "libnccl.so.2", variables_);
    EXPECT_EQ(found.from_library_path, found.path == by_variable_);
    return found.path;
  }

  MadeUpTree tree_;
  const std::string own_ = tree_.File("own/libnccl.so.2");
  const std::string by_variable_ = tree_.File("variable/libnccl.so.2");
  const env::Variables variables_ = {
      {"LD_LIBRARY_PATH", tree_.At("no") + ":" + tree_.At("variable")}};
};

TEST_F(Needed, AnRpathGoesBeforeLdLibraryPath) {
  EXPECT_EQ(Find({.rpath = "$ORIGIN/../no:$ORIGIN/../own", .runpath = ""}),
            own_);
  EXPECT_EQ(Find({.rpath = "$ORIGIN/../no", .runpath = ""}), by_variable_);
  EXPECT_EQ(Find({}), by_variable_);
}

TEST_F(Needed, ARunpathGoesAfterIt) {
  EXPECT_EQ(Find({.rpath = "", .runpath = "$ORIGIN/../own"}), by_variable_);
  EXPECT_EQ(Find({.rpath = "$ORIGIN/../own", .runpath = "$ORIGIN"}),
            by_variable_);
}

TEST(FindNeeded, WhatIsNowhereIsLeftToTheSystem) {
  const FoundLibrary found = FindNeeded({}, "libnccl.so.2", {});
  EXPECT_EQ(found.path, "");
  EXPECT_FALSE(found.from_library_path);
}

}  // namespace
}  // namespace muster::fabric::test
