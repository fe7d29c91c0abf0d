#include "launcher/fabric/nccl_log.h"

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr char kInfiniband[] = R"(NCCL version 2.28.9+cuda13.0
node0:100:120 [0] NCCL INFO Bootstrap: Using eth0:10.0.0.1<0>
node0:100:120 [0] NCCL INFO NET/Plugin: Could not find: libnccl-net.so.
node0:100:120 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_3:1/RoCE [RO]; OOB eth0:10.0.0.1<0>
node0:100:120 [0] NCCL INFO Initialized NET plugin IB
node0:100:120 [0] NCCL INFO Using network IB
node0:100:120 [0] NCCL INFO NET/IB : GPU Direct RDMA Enabled for HCA 0 'mlx5_0'
node0:100:120 [0] NCCL INFO NET/IB : GPU Direct RDMA Enabled for HCA 1 'mlx5_3'
node0:100:120 [0] NCCL INFO NVLS multicast support is available on dev 0 (NVLS_NCHANNELS 16)
node0:100:121 [0] NCCL INFO Channel 00/0 : 1[0] -> 0[0] [receive] via NET/IB/0/GDRDMA
node0:100:121 [0] NCCL INFO Channel 01/0 : 1[0] -> 0[0] [receive] via NET/IB/0/GDRDMA
node0:100:121 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/IB/1(0)/GDRDMA/Shared
node0:100:121 [0] NCCL INFO Channel 02/0 : 0[0] -> 2[1] via P2P/CUMEM/read
node0:100:121 [0] NCCL INFO Channel 03 : 0[0] -> 3[2] via SHM/direct/direct
node0:100:121 [0] NCCL INFO Connected all rings, use ring PXN 0 GDR 1
node0:100:120 [0] NCCL INFO ncclCommInitRankConfig comm 0x5581 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1a000 commId 0x49bb - Init COMPLETE
node0:100:120 [0] NCCL INFO Init timings - ncclCommInitRankConfig: rank 0 nranks 2 total 1.08 (kernels 0.51, alloc 0.12, bootstrap 0.22, allgathers 0.01, topo 0.16, graphs 0.03, connections 0.02, rest 0.01)
)";

TEST(NcclLog, SaysWhichWayInfinibandTook) {
  const NcclLog log = ParseNcclLog(kInfiniband);
  EXPECT_EQ(log.version, "2.28.9+cuda13.0");
  EXPECT_EQ(log.network, "IB");
  EXPECT_THAT(log.nics,
              ElementsAre(NcclNic{"mlx5_0", "IB"}, NcclNic{"mlx5_3", "RoCE"}));
  EXPECT_THAT(log.transports,
              UnorderedElementsAre(Pair("NET/IB/0/GDRDMA", 2),
                                   Pair("NET/IB/1(0)/GDRDMA/Shared", 1),
                                   Pair("P2P/CUMEM/read", 1),
                                   Pair("SHM/direct/direct", 1)));
  EXPECT_EQ(log.nvls, true);
  EXPECT_EQ(log.gpu_direct, true);
  EXPECT_FALSE(log.no_infiniband);
  EXPECT_FALSE(UsesSockets(log));
  EXPECT_THAT(log.warnings, IsEmpty());
  ASSERT_THAT(log.inits, SizeIs(1));
  EXPECT_EQ(log.inits[0].rank, 0);
  EXPECT_EQ(log.inits[0].ranks, 2);
  EXPECT_DOUBLE_EQ(log.inits[0].total, 1.08);
  EXPECT_THAT(log.inits[0].parts, SizeIs(8));
  EXPECT_DOUBLE_EQ(log.inits[0].parts.at("bootstrap"), 0.22);
}

TEST(NcclLog, SaysThatThereIsNoInfiniband) {
  const NcclLog log = ParseNcclLog(
      "n:1:2 [0] NCCL INFO NET/IB : No device found.\n"
      "n:1:2 [0] NCCL INFO NET/Socket : Using [0]eth0:10.0.0.1<0> "
      "[1]eth1:fe80::2%eth1<0>\n"
      "n:1:2 [0] NCCL INFO Using network Socket\n"
      "n:1:2 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via "
      "NET/Socket/0\n");
  EXPECT_TRUE(log.no_infiniband);
  EXPECT_TRUE(UsesSockets(log));
  EXPECT_THAT(log.nics, ElementsAre(NcclNic{"eth0", "10.0.0.1"},
                                    NcclNic{"eth1", "fe80::2%eth1"}));
  EXPECT_EQ(log.nvls, std::nullopt);
  EXPECT_EQ(log.gpu_direct, std::nullopt);
}

TEST(NcclLog, SaysWhyThereIsNoInfiniband) {
  const NcclLog log = ParseNcclLog(
      "n:1:2 [0] NCCL INFO Failed to open libibverbs.so[.1]\n"
      "n:1:2 [0] NCCL INFO NCCL_IB_DISABLE set by environment to 1.\n"
      "n:1:2 [0] NCCL INFO NCCL_NET set by environment to Socket\n"
      "n:1:2 [0] NCCL INFO NCCL_IB_HCA set to mlx5_9\n"
      "n:1:2 [0] net_ib.cc:1 NCCL WARN NET/IB : Unable to open device mlx5_0\n"
      "n:1:2 [0] NCCL INFO NET/IB : No device found.\n"
      "n:1:2 [1] NCCL INFO NET/IB : No device found.\n");
  EXPECT_THAT(log.no_rdma,
              ElementsAre("Failed to open libibverbs.so[.1]",
                          "NCCL_IB_DISABLE set by environment to 1",
                          "NCCL_NET set by environment to Socket",
                          "NCCL_IB_HCA set to mlx5_9",
                          "NET/IB : Unable to open device mlx5_0",
                          "NET/IB : No device found"));
  EXPECT_THAT(
      ParseNcclLog("n [0] NCCL INFO NCCL_IB_DISABLE set by environment to 0.\n"
                   "n [0] NCCL INFO NCCL_NET set by environment to IB\n"
                   "n [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]\n")
          .no_rdma,
      IsEmpty());
}

TEST(NcclLog, SaysWhyThereIsNoInSwitchReduction) {
  NcclLog log = ParseNcclLog(
      "n [0] NCCL INFO NVLS multicast support is not available on dev 0 "
      "(NVLS_NCHANNELS 0)\n");
  EXPECT_EQ(log.nvls, false);
  EXPECT_EQ(log.no_nvls, "NVLS multicast support is not available");
  EXPECT_FALSE(log.nvls_off);
  // As information or as a warning, by the version.
  for (const char* level : {"INFO", "WARN"}) {
    log = ParseNcclLog(absl::StrCat(
        "n [0] NCCL INFO NVLS multicast support is available on dev 0\n"
        "n [0] NCCL ",
        level,
        " Failed to bind NVLink SHARP (NVLS) Multicast memory of size 2 : CUDA "
        "error 401 'x'. Proceeding without NVLS support.\n"));
    EXPECT_EQ(log.nvls, false);
    EXPECT_THAT(log.no_nvls, HasSubstr("CUDA error 401"));
  }
  log = ParseNcclLog(
      "n [0] NCCL INFO NCCL_NVLS_ENABLE set by environment to "
      "0.\n");
  EXPECT_EQ(log.nvls, false);
  EXPECT_TRUE(log.nvls_off);
  EXPECT_EQ(log.no_nvls, "NCCL_NVLS_ENABLE set by environment to 0");
}

TEST(NcclLog, ReadsWhatOlderVersionsAndPluginsSay) {
  const NcclLog log = ParseNcclLog(
      "NCCL version 2.21.5+cuda12.4\n"
      "n:1:2 [0] NCCL INFO NET/IB : Using [0]mlx5_2:1/IB/SHARP [RO]; OOB "
      "bond0:10.0.0.1<0>\n"
      "n:1:2 [0] NCCL INFO Using network IBext_v8\n"
      "n:1:2 [0] NCCL INFO NVLS multicast support is not available on dev 4\n"
      "n:1:2 [0] NCCL INFO NET/IB : GPU Direct RDMA Enabled for HCA 0 'a'\n"
      "n:1:2 [0] NCCL INFO NET/IB : GPU Direct RDMA Disabled for HCA 1 'b'\n"
      "n:1:2 [0] NCCL INFO Channel 01 : 2[c7000] -> 0[87000] [receive] via "
      "NET/IBext_v8/2\n"
      "n:1:2 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/direct pointer\n"
      "n:1:2 [2] NCCL INFO Init timings: rank 2 nranks 16 total 1.08 "
      "(kernels 0.51, bootstrap 0.22, rest 0.01)\n");
  EXPECT_EQ(log.version, "2.21.5+cuda12.4");
  EXPECT_EQ(log.network, "IBext_v8");
  EXPECT_THAT(log.nics, ElementsAre(NcclNic{"mlx5_2", "IB"}));
  EXPECT_EQ(log.nvls, false);
  EXPECT_EQ(log.gpu_direct, false);
  EXPECT_THAT(log.transports,
              UnorderedElementsAre(Pair("NET/IBext_v8/2", 1),
                                   Pair("P2P/direct pointer", 1)));
  ASSERT_THAT(log.inits, SizeIs(1));
  EXPECT_EQ(log.inits[0].rank, 2);
  EXPECT_EQ(log.inits[0].ranks, 16);
}

TEST(NcclLog, KeepsTheFirstWarningsAndTheLast) {
  std::string text =
      "[2026-01-02 03:04:05] n:1:2 [0] misc/socket.cc:71 (NCCL Service) NCCL "
      "WARN socketProgress: Connection closed by remote peer n1<42830>\n"
      "\n"
      "n:1:2 [0] proxy.cc:1519 NCCL WARN [Proxy Service 0] Failed to execute "
      "operation Connect from rank 0, retcode 2\r\n";
  EXPECT_THAT(ParseNcclLog(text).warnings,
              ElementsAre("socketProgress: Connection closed by remote peer "
                          "n1<42830>",
                          "[Proxy Service 0] Failed to execute operation "
                          "Connect from rank 0, retcode 2"));
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&text, "n:1:2 [0] a.cc:1 NCCL WARN number ", i, "\n");
  }
  const NcclLog log = ParseNcclLog(text);
  EXPECT_THAT(log.warnings, SizeIs(32));
  EXPECT_THAT(log.warnings.front(), HasSubstr("Connection closed"));
  EXPECT_EQ(log.warnings.back(), "number 999");
}

TEST(NcclLog, ALineThatIsCutOffIsLeftOut) {
  EXPECT_EQ(ParseNcclLog("n:1:2 [0] NCCL INFO Using network IB").network, "");
  EXPECT_EQ(ParseNcclLog("n:1:2 [0] NCCL INFO Using network IB\n").network,
            "IB");
  EXPECT_THAT(ParseNcclLog("n [0] NCCL INFO Init timings - x: rank 0 nranks 2 "
                           "total 1.08 (kernels 0.5\n")
                  .inits,
              IsEmpty());
}

TEST(NcclLog, GarbageIsNoTrouble) {
  const std::string text(kInfiniband);
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    std::string garbled = text.substr(0, random() % text.size());
    for (int i = 0; i < 20 && !garbled.empty(); ++i) {
      const size_t at = random() % garbled.size();
      if (i % 2 == 0) {
        garbled[at] = static_cast<char>(random());
      } else {
        garbled.erase(at, random() % 30);
      }
    }
    const NcclLog log = ParseNcclLog(garbled);
    EXPECT_LE(log.inits.size(), 1);
    EXPECT_LE(log.nics.size(), 2);
  }
}

TEST(NcclLog, ALogThatNeverEndsFillsNoMemory) {
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    absl::StrAppend(
        &text, "n [0] NCCL INFO NET/IB : Using [0]m", i,
        ":1/IB ; OOB x\nn [0] NCCL INFO Channel 0 : 0 -> 1 via NET/", i,
        "\nn [0] NCCL INFO Init timings: rank 0 nranks 2 total ", i,
        " (rest 1)\n");
  }
  const NcclLog log = ParseNcclLog(text);
  EXPECT_THAT(log.nics, SizeIs(64));
  EXPECT_THAT(log.transports, SizeIs(256));
  EXPECT_THAT(log.inits, SizeIs(256));
}

TEST(NcclLog, SaysWhyTheStartWasSlow) {
  EXPECT_THAT(
      SlowInitText({.total = 55.1, .parts = {{"kernels", 52}, {"topo", 1.1}}}),
      HasSubstr("52.0 s of 55.1 s in kernels: "));
  EXPECT_THAT(SlowInitText({.total = 4, .parts = {{"bootstrap", 3}}}),
              HasSubstr("NCCL_SOCKET_IFNAME"));
  EXPECT_EQ(
      SlowInitText({.total = 3, .parts = {{"kernels", 1}, {"bootstrap", 1}}}),
      "");
  EXPECT_EQ(SlowInitText({}), "");
}

}  // namespace
}  // namespace muster::fabric
