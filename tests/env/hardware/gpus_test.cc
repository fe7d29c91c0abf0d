#include "env/hardware/gpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/env/hardware/temp_tree.h"

namespace muster::env {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(VisibleDevices, AreAllWhenTheVariableIsUnset) {
  EXPECT_THAT(VisibleDevices(3, std::nullopt), ElementsAre("0", "1", "2"));
  EXPECT_THAT(VisibleDevices(0, std::nullopt), IsEmpty());
}

TEST(VisibleDevices, AreNoneWhenTheVariableIsEmpty) {
  EXPECT_THAT(VisibleDevices(3, ""), IsEmpty());
}

TEST(VisibleDevices, KeepTheirOrder) {
  EXPECT_THAT(VisibleDevices(4, "3,1,0"), ElementsAre("3", "1", "0"));
}

TEST(VisibleDevices, EndBeforeTheFirstInvalidEntry) {
  EXPECT_THAT(VisibleDevices(4, "0,1,-1,2"), ElementsAre("0", "1"));
  EXPECT_THAT(VisibleDevices(4, "-1"), IsEmpty());
  EXPECT_THAT(VisibleDevices(4, "NoDevFiles"), IsEmpty());
  EXPECT_THAT(VisibleDevices(4, "1,x,2"), ElementsAre("1"));
  EXPECT_THAT(VisibleDevices(4, "1,,2"), ElementsAre("1"));
  EXPECT_THAT(VisibleDevices(4, ",1"), IsEmpty());
  EXPECT_THAT(VisibleDevices(4, "2,"), ElementsAre("2"));
}

TEST(VisibleDevices, EndBeforeAnIndexThatTheNodeDoesNotHave) {
  EXPECT_THAT(VisibleDevices(2, "1,2,0"), ElementsAre("1"));
  EXPECT_THAT(VisibleDevices(2, "2"), IsEmpty());
  EXPECT_THAT(VisibleDevices(2, "0,99999999999999999999"), ElementsAre("0"));
  EXPECT_THAT(VisibleDevices(0, "0"), IsEmpty());
}

TEST(VisibleDevices, AreNoneWhenOneIsListedTwice) {
  EXPECT_THAT(VisibleDevices(4, "0,1,0"), IsEmpty());
  EXPECT_THAT(VisibleDevices(4, "1,1gpu"), IsEmpty());
  EXPECT_THAT(VisibleDevices(4, "GPU-a,GPU-a"), IsEmpty());
  EXPECT_THAT(VisibleDevices(4, "0,-1,0"), ElementsAre("0"));
}

TEST(VisibleDevices, MayBeNamedByUuid) {
  EXPECT_THAT(VisibleDevices(4, "GPU-8932f937-d72c,GPU-1f"),
              ElementsAre("GPU-8932f937-d72c", "GPU-1f"));
  EXPECT_THAT(VisibleDevices(1, "MIG-GPU-8932f937/1/2,MIG-11"),
              ElementsAre("MIG-GPU-8932f937/1/2", "MIG-11"));
  EXPECT_THAT(VisibleDevices(0, "GPU-8932f937-d72c"), IsEmpty());
}

TEST(VisibleDevices, AreOfTheKindOfTheFirstEntry) {
  EXPECT_THAT(VisibleDevices(4, "0,GPU-1f,1"), ElementsAre("0"));
  EXPECT_THAT(VisibleDevices(4, "GPU-1f,0"), ElementsAre("GPU-1f"));
  EXPECT_THAT(VisibleDevices(4, "MIG-1f,GPU-1f"), ElementsAre("MIG-1f"));
}

TEST(VisibleDevices, LoseTheBlanksAroundThem) {
  EXPECT_THAT(VisibleDevices(4, " 2 , 3"), ElementsAre("2", "3"));
}

TEST(VisibleDevices, StayAsTheyAreWritten) {
  EXPECT_THAT(VisibleDevices(4, "02,1gpu"), ElementsAre("02", "1gpu"));
}

// No NVML: the library's name is one that no node has.
GpuPaths WithoutNvml(const TempTree& tree) {
  return {.nvml_library = "libmuster-test-absent.so.1", .root = tree.path()};
}

TEST(CountGpus, CountsTheEntriesOfProc) {
  TempTree tree;
  tree.Write("proc/driver/nvidia/gpus/0000:07:00.0/information", "");
  tree.Write("proc/driver/nvidia/gpus/0000:0b:00.0/information", "");
  tree.Write("dev/nvidia0", "");
  const GpuCount found = CountGpus(WithoutNvml(tree));
  EXPECT_EQ(found.count, 2);
  EXPECT_EQ(found.source, GpuSource::kProc);
  EXPECT_THAT(found.nvml_problem, HasSubstr("libmuster-test-absent.so.1"));
}

TEST(CountGpus, CountsNumberedDeviceFilesWhenProcShowsNone) {
  TempTree tree;
  for (const char* name :
       {"nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm",
        "nvidia-modeset", "nvidia", "nvidia1p", "xnvidia2"}) {
    tree.Write(std::string("dev/") + name, "");
  }
  tree.Write("proc/driver/nvidia/version", "");
  std::filesystem::create_directory(tree.path() + "/proc/driver/nvidia/gpus");
  const GpuCount found = CountGpus(WithoutNvml(tree));
  EXPECT_EQ(found.count, 3);
  EXPECT_EQ(found.source, GpuSource::kDev);
}

TEST(CountGpus, IsZeroOnANodeThatHasNone) {
  TempTree tree;
  const GpuCount found = CountGpus(WithoutNvml(tree));
  EXPECT_EQ(found.count, 0);
  EXPECT_EQ(found.source, GpuSource::kNone);
  EXPECT_EQ(GpuSourceName(found.source), "none");
}

}  // namespace
}  // namespace muster::env
