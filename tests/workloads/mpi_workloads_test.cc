// Real MPI, mpi4py and Horovod, on simulated nodes and on hosts without ssh.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/job.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"
#include "tests/workloads/scripts.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::Duration kTraining = absl::Seconds(150);

constexpr char kHorovodPython[] = MUSTER_VENV "/horovod/bin/python";

class SimulatedMpi : public ::testing::Test {
 protected:
  void Run(const std::vector<std::string>& command, ExitStatus status,
           Flags flags = {}) {
    flags.insert({{"--framework", "mpi"},
                  {"--nnodes", "2"},
                  {"--nproc-per-node", "2"},
                  {"--stop-grace", "5s"}});
    Subprocess sim(
        {.argv = MusterArgv("sim", flags, command), .cwd = directory_.path()});
    ASSERT_EQ(sim.Wait(kTraining), status) << sim.Text();
    EXPECT_TRUE(NothingIsLeftOf(sim));
  }
  std::string Log(const std::string& name) const {
    return ReadFile(RunDirectory(directory_.path()) + "/logs/" + name);
  }
  const TempDir directory_;
};

TEST_F(SimulatedMpi, AllReducesInCpp) {
  Run({MUSTER_ALLREDUCE}, Code(0));
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_THAT(Log(absl::StrCat(rank, ".stdout")),
                AllOf(HasSubstr(absl::StrCat("rank ", rank, " of 4")),
                      HasSubstr("all-reduce of 4 ranks is right")));
  }
}

struct Failure {
  std::string how;
  int code;
};

void PrintTo(const Failure& failure, std::ostream* out) { *out << failure.how; }

class FailingMpi : public SimulatedMpi,
                   public ::testing::WithParamInterface<Failure> {};

TEST_P(FailingMpi, NamesTheRank) {
  Run({MUSTER_ALLREDUCE, "--fail-rank", "2", "--how", GetParam().how},
      Code(GetParam().code));
  const nlohmann::json report = Report(directory_.path());
  EXPECT_EQ(CauseText(report, "rank"), "2");
  EXPECT_EQ(CauseText(report, "node"), "1");
}

INSTANTIATE_TEST_SUITE_P(Ways, FailingMpi,
                         ::testing::Values(Failure{"segv", 139},
                                           Failure{"abort", 134},
                                           Failure{"kill", 137},
                                           Failure{"exit:7", 7},
                                           Failure{"mpi-abort:9", 9}),
                         [](const auto& test) {
                           std::string name = test.param.how;
                           for (char& c : name) {
                             if (!isalnum(c)) c = '_';
                           }
                           return name;
                         });

TEST_F(SimulatedMpi, TrainsWithMpi4py) {
  const std::string reason = WhyNo(kDebianPython, "mpi4py, numpy, sklearn");
  if (!reason.empty()) GTEST_SKIP() << reason;
  Run(Python(kDebianPython, "allreduce_mpi4py.py"), Code(0));
  EXPECT_THAT(Log("3.stdout"), HasSubstr("rank 3 of 4"));
}

TEST_F(SimulatedMpi, TrainsWithHorovod) {
  const std::string reason = WhyNo(kHorovodPython, "horovod.torch");
  if (!reason.empty()) GTEST_SKIP() << reason;
  Run(Python(kHorovodPython, "digits_horovod.py"), Code(0));
  EXPECT_THAT(Log("3.stdout"), HasSubstr("rank 3 of 4"));
}

// What scripts for Azure ML copied from each other, in both forms.
class AzureAdapters : public SimulatedMpi,
                      public ::testing::WithParamInterface<const char*> {};

TEST_P(AzureAdapters, FindTheirMasterUnderMpi) {
  const std::string reason = WhyNo(kDebianPython, "torch.distributed");
  if (!reason.empty()) GTEST_SKIP() << reason;
  Run(Python(kDebianPython, "azure_adapters.py", {"--family", GetParam()}),
      Code(0));
}

TEST_P(AzureAdapters, FindTheirMasterUnderPytorch) {
  const std::string reason = WhyNo(kDebianPython, "torch.distributed");
  if (!reason.empty()) GTEST_SKIP() << reason;
  Run(Python(kDebianPython, "azure_adapters.py", {"--family", GetParam()}),
      Code(0), {{"--framework", "pytorch"}});
}

INSTANTIATE_TEST_SUITE_P(Families, AzureAdapters, ::testing::Values("a", "b"),
                         [](const auto& test) {
                           return std::string(test.param);
                         });

class MpiHosts : public JobTest {
 protected:
  Command MpiAgent(const std::vector<std::string>& command) const {
    // The hosts share this machine's processors, which Open MPI cannot know.
    return Agent({{"--framework", "mpi"},
                  {"--nproc-per-node", "2"},
                  {"--env", "OMPI_MCA_mpi_yield_when_idle=1"}},
                 command);
  }
};

TEST_F(MpiHosts, AllReduceWithoutSsh) {
  MakeHosts(4);
  StartAll(MpiAgent({MUSTER_ALLREDUCE}));
  ExpectAllEndWith(Code(0), kTraining);
  for (int rank = 0; rank < 8; ++rank) {
    EXPECT_THAT(FileOfRun(0, absl::StrCat("logs/", rank, ".stdout")),
                HasSubstr("all-reduce of 8 ranks is right"));
  }
  ExpectNothingIsLeft();
}

TEST_F(MpiHosts, TrainWithMpi4py) {
  const std::string reason = WhyNo(kDebianPython, "mpi4py, numpy, sklearn");
  if (!reason.empty()) GTEST_SKIP() << reason;
  MakeHosts(2);
  StartAll(MpiAgent(Python(kDebianPython, "allreduce_mpi4py.py")));
  ExpectAllEndWith(Code(0), kTraining);
  EXPECT_THAT(FileOfRun(0, "logs/3.stdout"), HasSubstr("rank 3 of 4"));
}

TEST_F(MpiHosts, TrainWithHorovod) {
  const std::string reason = WhyNo(kHorovodPython, "horovod.torch");
  if (!reason.empty()) GTEST_SKIP() << reason;
  MakeHosts(2);
  StartAll(MpiAgent(Python(kHorovodPython, "digits_horovod.py")));
  ExpectAllEndWith(Code(0), kTraining);
  EXPECT_THAT(FileOfRun(0, "logs/0.stdout"), HasSubstr("test accuracy 0.9"));
}

}  // namespace
}  // namespace muster::test
