#include "env/hardware/limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/env/hardware/temp_tree.h"

namespace muster::env {
namespace {

TEST(MemlockLimit, IsTheSoftLimit) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &before), 0);
  rlimit lower = before;
  lower.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &lower), 0);
  EXPECT_EQ(MemlockLimit(), 4096u);
  ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &before), 0);
  EXPECT_EQ(MemlockLimit(), before.rlim_cur == RLIM_INFINITY
                                ? kNoLimit
                                : uint64_t{before.rlim_cur});
}

TEST(SharedMemorySize, IsThatOfTheWholeFileSystem) {
  const TempTree tree;
  const uint64_t size = SharedMemorySize(tree.path());
  const std::filesystem::space_info space = std::filesystem::space(tree.path());
  EXPECT_EQ(size, space.capacity);
  EXPECT_GT(size, 0u);
}

TEST(SharedMemorySize, IsZeroWhereThereIsNone) {
  const TempTree tree;
  EXPECT_EQ(SharedMemorySize(tree.path() + "/dev/shm"), 0u);
}

TEST(BootId, IsOneLine) {
  TempTree tree;
  EXPECT_EQ(BootId(tree.path()), "");
  tree.Write("proc/sys/kernel/random/boot_id",
             "4b0c1df6-6a37-4bd1-9a0e-3d4c2f8e9b11\n");
  EXPECT_EQ(BootId(tree.path()), "4b0c1df6-6a37-4bd1-9a0e-3d4c2f8e9b11");
}

}  // namespace
}  // namespace muster::env
