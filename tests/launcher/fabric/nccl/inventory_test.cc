// What `muster fabric-probe --inventory` tells of pretended GPUs.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/probe_messages.h"
#include "proto/fabric.pb.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

FabricInventory Look(std::map<std::string, std::string> env,
                     const std::vector<std::string>& arguments = {}) {
  env.emplace("LD_LIBRARY_PATH", MUSTER_STAND_INS);
  env.emplace("MUSTER_PROBE", "a/");
  std::vector<std::string> argv = {MusterBinary(), "fabric-probe",
                                   "--inventory"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  Subprocess look({.argv = argv, .env = env});
  EXPECT_EQ(look.Wait(), Code(0)) << look.Text();
  const std::string out = look.Out();
  fabric::ProbeMessageReader reader;
  reader.Add(out.data(), out.size());
  ProbeEvent event;
  EXPECT_TRUE(reader.Next(&event)) << look.Text();
  EXPECT_TRUE(event.has_inventory());
  return event.inventory();
}

TEST(Inventory, TellsOfDriverNcclAndGpus) {
  const FabricInventory seen = Look({});
  EXPECT_EQ(seen.driver(), "580.65.06");
  EXPECT_GE(seen.nccl_version(), 21400u);
  EXPECT_THAT(seen.nccl_library(), HasSubstr("/libnccl.so.2"));
  EXPECT_EQ(seen.nccl_problem(), "");
  ASSERT_EQ(seen.gpus_size(), 4);
  EXPECT_EQ(seen.gpus(3).gpu(), 3u);
  EXPECT_THAT(seen.gpus(3).uuid(), StartsWith("GPU-"));
  EXPECT_EQ(seen.gpus(3).pci(), "0000:1e:00.0");
  EXPECT_EQ(seen.gpus(3).memory_bytes(), uint64_t{80} << 30);
  EXPECT_EQ(seen.gpus(3).capability(), 0u);
  EXPECT_EQ(seen.gpus(3).problem(), "");
  EXPECT_THAT(seen.notes(), IsEmpty());
}

TEST(Inventory, TellsWhatLimitsAreMadeOf) {
  const FabricInventory seen =
      Look({{"STAND_IN_MODEL", "H100"}, {"MUSTER_FAULT", "nvlink-off@a/1:2"}});
  EXPECT_EQ(seen.gpus(0).name(), "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(seen.gpus(0).capability(), 90u);
  EXPECT_EQ(seen.gpus(0).nvlinks(), 18u);
  EXPECT_EQ(seen.gpus(0).nvlinks_off(), 0u);
  EXPECT_EQ(seen.gpus(0).pcie_generation(), 5u);
  EXPECT_EQ(seen.gpus(0).pcie_width(), 16u);
  EXPECT_EQ(seen.gpus(0).fabric_state(), "completed");
  EXPECT_EQ(seen.gpus(1).nvlinks(), 16u);
  EXPECT_EQ(seen.gpus(1).nvlinks_off(), 2u);
}

TEST(Inventory, TellsOfTheVisibleGpusInTheirOrder) {
  const FabricInventory all = Look({});
  const std::string third = all.gpus(2).uuid();
  FabricInventory seen = Look({{"CUDA_VISIBLE_DEVICES", "3,0"}});
  ASSERT_EQ(seen.gpus_size(), 2);
  EXPECT_EQ(seen.gpus(0).uuid(), all.gpus(3).uuid());
  EXPECT_EQ(seen.gpus(0).gpu(), 0u);
  EXPECT_EQ(seen.gpus(1).uuid(), all.gpus(0).uuid());
  // CUDA takes the beginning of a UUID, too.
  for (const size_t length : {third.size(), size_t{12}}) {
    seen = Look({{"CUDA_VISIBLE_DEVICES", third.substr(0, length)}});
    ASSERT_EQ(seen.gpus_size(), 1);
    EXPECT_EQ(seen.gpus(0).uuid(), third);
  }
  EXPECT_EQ(Look({{"CUDA_VISIBLE_DEVICES", ""}}).gpus_size(), 0);
}

TEST(Inventory, AGpuThatIsNotThereIsAProblem) {
  const FabricInventory seen = Look({{"CUDA_VISIBLE_DEVICES", "GPU-deadbeef"}});
  ASSERT_EQ(seen.gpus_size(), 1);
  EXPECT_THAT(seen.gpus(0).problem(), HasSubstr("GPU-deadbeef"));
}

TEST(Inventory, TellsOfGpusThatAreMissingBusyOrSick) {
  const FabricInventory seen =
      Look({{"MUSTER_FAULT",
             "fewer-gpus@a:3;processes@a/0:2;recovery@a/1:1;ecc@a/2:5"}});
  ASSERT_EQ(seen.gpus_size(), 3);
  EXPECT_EQ(seen.gpus(0).processes(), 2u);
  EXPECT_THAT(seen.gpus(1).problem(), HasSubstr("asks for a reset"));
  EXPECT_THAT(seen.notes(),
              Contains("GPU 2: 5 uncorrectable memory errors since the driver "
                       "was loaded"));
}

TEST(Inventory, AnOldDriversFieldsAreNotTrusted) {
  const FabricInventory seen =
      Look({{"MUSTER_FAULT", "driver@a:535.104.05;recovery@a/1:1"}});
  EXPECT_EQ(seen.driver(), "535.104.05");
  EXPECT_EQ(seen.gpus(1).problem(), "");
}

TEST(Inventory, AnOldNvmlTellsWhatItKnows) {
  const FabricInventory seen =
      Look({{"MUSTER_FAULT", "missing-symbol@a:nvmlDeviceGetMigMode"}});
  EXPECT_EQ(seen.gpus_size(), 4);
  EXPECT_THAT(seen.notes(), IsEmpty());
}

TEST(Inventory, TellsWhatIsMissing) {
  FabricInventory seen = Look({{"LD_LIBRARY_PATH", "/no"}},
                              {"--nccl-library", "/no/libnccl.so.2"});
  EXPECT_EQ(seen.gpus_size(), 0);
  EXPECT_THAT(seen.notes(), Contains(HasSubstr("libnvidia-ml.so.1")));
  EXPECT_THAT(seen.nccl_problem(), HasSubstr("/no/libnccl.so.2"));
  EXPECT_EQ(seen.nccl_version(), 0u);
  seen = Look({{"MUSTER_FAULT",
                "missing-symbol@a:nvmlDeviceGetUUID;"
                "missing-symbol@a:ncclAllReduce"}});
  EXPECT_THAT(seen.notes(), Contains(HasSubstr("nvmlDeviceGetUUID")));
  EXPECT_THAT(seen.nccl_problem(), HasSubstr("ncclAllReduce"));
}

TEST(Inventory, TellsAnotherVersion) {
  EXPECT_EQ(Look({{"MUSTER_FAULT", "version@a:21903"}}).nccl_version(), 21903u);
}

}  // namespace
}  // namespace muster::test
