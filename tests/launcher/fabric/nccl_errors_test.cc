#include "launcher/fabric/nccl_errors.h"

#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/nccl_error_table.h"

namespace muster::fabric {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Example {
  int code;
  std::string message;
  NcclBlame blame;
  std::string cause;  // a part of it
  std::string peer = "";
  std::string hca = "";
};

void PrintTo(const Example& example, std::ostream* out) {
  *out << example.message;
}

class NcclErrors : public testing::TestWithParam<Example> {};

TEST_P(NcclErrors, AreExplained) {
  const Example& example = GetParam();
  const NcclCause cause = ExplainNcclError(example.code, {example.message});
  EXPECT_EQ(cause.blame, example.blame);
  EXPECT_THAT(cause.cause, HasSubstr(example.cause));
  EXPECT_EQ(cause.peer, example.peer);
  EXPECT_EQ(cause.hca, example.hca);
  EXPECT_FALSE(cause.next.empty());
  EXPECT_THAT(cause.cause, Not(HasSubstr("{")));
  EXPECT_THAT(cause.next, Not(HasSubstr("{")));
  EXPECT_EQ(cause.message, example.message);
}

INSTANTIATE_TEST_SUITE_P(
    OfCuda, NcclErrors,
    testing::Values(
        Example{1, "Cuda failure 'no CUDA-capable device is detected'",
                NcclBlame::kGpu, "sees no GPU"},
        Example{1, "Cuda failure 2 'out of memory'", NcclBlame::kGpu,
                "memory is full"},
        Example{1, "Cuda failure 'uncorrectable ECC error encountered'",
                NcclBlame::kGpu, "uncorrectable"},
        Example{1,
                "Cuda failure 'CUDA driver version is insufficient for CUDA "
                "runtime version'",
                NcclBlame::kNode, "driver is missing or too old"},
        Example{1, "Cuda failure 800 'operation not permitted'",
                NcclBlame::kNode, "NVLink domain"},
        Example{1, "Cuda failure 'unspecified launch failure'", NcclBlame::kGpu,
                "kernel failed"},
        Example{1, "Cuda failure 999 'unknown error'", NcclBlame::kGpu,
                "a call of CUDA failed"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheNode, NcclErrors,
    testing::Values(
        Example{2,
                "Error: failed to extend /dev/shm/nccl-AbCdEf to 9637892 "
                "bytes, error: No space left on device (28)",
                NcclBlame::kNode, "/dev/shm is too small"},
        Example{2,
                "Error while creating shared memory segment "
                "/dev/shm/nccl-AbCdEf (size 9637888), error: File exists (17)",
                NcclBlame::kNode, "/dev/shm"},
        Example{2,
                "Call to ibv_reg_mr_iova2 failed with error Cannot allocate "
                "memory",
                NcclBlame::kNode, "locked"},
        Example{2, "Call to ibv_create_qp failed", NcclBlame::kNode, "locked"},
        Example{2,
                "Call to ibv_modify_qp failed with 22 Invalid argument, on dev "
                "mlx5_0:1, curr state INIT, next state RTR",
                NcclBlame::kNode, "GID"},
        Example{2, "Bootstrap : no socket interface found", NcclBlame::kNode,
                "interface"},
        Example{2, "no device found matching =eth7, verify NCCL_OOB_NET_IFNAME",
                NcclBlame::kNode, "interface"},
        Example{2,
                "MNNVL (cliqueSize 18) is available but not working on this "
                "system. Check the IMEX configuration (nvidia-imex-ctl -N). "
                "Set NCCL_MNNVL_ENABLE=0 to ignore this issue.",
                NcclBlame::kNode, "IMEX"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheJob, NcclErrors,
    testing::Values(
        Example{5,
                "Duplicate GPU detected : rank 1 and rank 0 both on CUDA "
                "device 1a000",
                NcclBlame::kJob, "one GPU"},
        Example{5,
                "Multiple Ranks are using the same GPU/Partition. Set "
                "NCCL_MULTI_RANK_GPU_ENABLE=1 to enable this",
                NcclBlame::kJob, "one GPU"},
        Example{5,
                "Mismatched NCCL version detected : rank 0 version 22809 rank "
                "1 version 22703",
                NcclBlame::kJob, "different versions"},
        Example{3,
                "NET/Socket : peer 10.0.0.2<4000> message truncated : "
                "receiving 1048576 bytes instead of 524288",
                NcclBlame::kJob, "NCCL_ALGO", "10.0.0.2"}));

INSTANTIATE_TEST_SUITE_P(
    OfTheNetwork, NcclErrors,
    testing::Values(
        Example{6,
                "NET/IB: Got completion from peer 192.168.3.5<53908> with "
                "status=12 opcode=129 len=1048576 vendor err 129 (Recv) "
                "localGid ::ffff:192.168.6.3 remoteGids::ffff:192.168.6.5 hca "
                "mlx5_10",
                NcclBlame::kLink, "192.168.3.5 did not answer mlx5_10",
                "192.168.3.5", "mlx5_10"},
        Example{6,
                "NET/IB: Got completion from peer 10.0.0.5<53908> with "
                "status=IBV_WC_RETRY_EXC_ERR(12) "
                "opcode=IBV_WC_SEND(0) vendor_err=129  hca mlx5_3",
                NcclBlame::kLink, "cable", "10.0.0.5", "mlx5_3"},
        Example{6,
                "NET/IB : Got completion from peer fe80::966d%ib0<33397> with "
                "error 4, opcode 32611, len 32611, vendor err 81 (Send)",
                NcclBlame::kNode, "ACS", "fe80::966d%ib0"},
        Example{6,
                "NET/IB : Got completion from peer 10.0.0.5<1> with error 12, "
                "opcode 1, len 0, vendor err 129",
                NcclBlame::kLink, "10.0.0.5 did not answer the NIC",
                "10.0.0.5"},
        Example{6,
                "NET/IB: Got completion from peer 10.0.0.5<1> with status=5 "
                "opcode=1 len=0 vendor err 249 hca mlx5_0",
                NcclBlame::kUnclear, "failed before", "10.0.0.5", "mlx5_0"},
        Example{6, "NET/IB : mlx5_1:1 async fatal event: port error",
                NcclBlame::kNic, "mlx5_1 reported", "", "mlx5_1"},
        Example{6,
                "socketProgress: Connection closed by remote peer "
                "node2<42830>",
                NcclBlame::kPeer, "the process on node2 ended", "node2"},
        Example{2,
                "socketPollConnect: connect to 10.0.0.4<56849> returned "
                "Connection refused, exceeded error retry count after 35 "
                "attempts",
                NcclBlame::kPeer, "nobody listens at 10.0.0.4", "10.0.0.4"},
        Example{2,
                "socketPollConnect: Connect to 10.0.0.4<56849> returned "
                "113(No route to host) errno 115(Operation now in progress)",
                NcclBlame::kLink, "no way to 10.0.0.4", "10.0.0.4"},
        Example{2,
                "socketStartConnect: Connect to 10.0.0.2<45763> failed : "
                "Software caused connection abort",
                NcclBlame::kLink, "10.0.0.2 can't be reached", "10.0.0.2"},
        Example{2,
                "Call to ibv_modify_qp failed with 110 Connection timed out, "
                "on dev mlx5_0:1",
                NcclBlame::kLink, "does not reach"}));

TEST(NcclErrorOrder, TheFirstMessageThatBlamesAnybodyCounts) {
  const NcclCause cause = ExplainNcclError(
      kNcclInternalError,
      {"something that nobody knows",
       "NET/IB: Got completion from peer 10.0.0.5<1> with status=5 opcode=1 "
       "len=0 vendor err 249 hca mlx5_0",
       "NET/IB: Got completion from peer 10.0.0.5<1> with status=12 opcode=1 "
       "len=0 vendor err 129 hca mlx5_0",
       "socketProgress: Connection closed by remote peer node2<42830>",
       "[Proxy Service 0] Failed to execute operation Connect from rank 0, "
       "retcode 3"});
  EXPECT_EQ(cause.blame, NcclBlame::kLink);
  EXPECT_EQ(cause.next,
            "ibstatus mlx5_0 here and there; ib_write_bw -d mlx5_0 10.0.0.5 "
            "between the two");
}

TEST(NcclErrorOrder, WithoutAKnownMessageTheCodeCounts) {
  const NcclCause cuda = ExplainNcclError(kNcclUnhandledCudaError, {"?"});
  EXPECT_EQ(cuda.blame, NcclBlame::kGpu);
  EXPECT_EQ(cuda.message, "");
  EXPECT_EQ(ExplainNcclError(kNcclRemoteError, {}).blame, NcclBlame::kPeer);
  EXPECT_EQ(ExplainNcclError(kNcclInProgress, {}).blame, NcclBlame::kUnclear);
  const NcclCause unknown = ExplainNcclError(77, {});
  EXPECT_EQ(unknown.blame, NcclBlame::kUnclear);
  EXPECT_EQ(unknown.cause, "NCCL error 77");
  EXPECT_EQ(ExplainNcclError(-1, {}).cause, "NCCL error -1");
}

TEST(NcclErrorOrder, MessagesThatAreCutOffAreNoTrouble) {
  const std::string whole =
      "NET/IB: Got completion from peer 192.168.3.5<53908> with "
      "status=IBV_WC_RETRY_EXC_ERR(12) opcode=129 hca mlx5_10";
  for (size_t length = 0; length <= whole.size(); ++length) {
    const NcclCause cause =
        ExplainNcclError(kNcclRemoteError, {whole.substr(0, length)});
    EXPECT_FALSE(cause.cause.empty());
    EXPECT_TRUE(cause.peer.empty() || cause.peer == "192.168.3.5");
  }
}

TEST(NcclErrorTable, EveryCodeHasANameAndARow) {
  EXPECT_EQ(NcclCodeName(6), "ncclRemoteError");
  EXPECT_EQ(NcclCodeName(8), "ncclTimeout");
  EXPECT_EQ(NcclCodeName(9), "NCCL error 9");
  for (int code = kNcclSuccess; code <= kNcclTimeout; ++code) {
    ASSERT_NE(NcclErrorRowOfCode(code), nullptr) << code;
  }
  EXPECT_EQ(NcclErrorRowOfCode(kNcclTimeout + 1), nullptr);
}

// No row is hidden behind one before it.
TEST(NcclErrorTable, EveryRowIsReached) {
  for (const NcclErrorRow& row : NcclErrorRows()) {
    std::string message(row.first);
    message +=
        row.second.substr(0, 7) == "status "
            ? " 10.0.0.1<1> with status=" + std::string(row.second.substr(7))
            : " " + std::string(row.second);
    const NcclCause cause = ExplainNcclError(kNcclSystemError, {message});
    EXPECT_EQ(cause.blame, row.blame) << message;
    EXPECT_EQ(cause.cause.substr(0, row.cause.find('{')),
              row.cause.substr(0, row.cause.find('{')))
        << message;
  }
}

}  // namespace
}  // namespace muster::fabric
