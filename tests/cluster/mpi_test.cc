// mpirun on hosts without ssh: real networks, real daemons, and their faults.
#include <signal.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/job.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Mpi : public JobTest {
 protected:
  Command MpiAgent(const std::string& script, Flags flags = {}) const {
    flags.insert({{"--framework", "mpi"}, {"--stop-grace", "5s"}});
    return Agent(flags, Shell(script));
  }
  // The same on that host alone with a program of ours first in its PATH.
  Command With(Command command, int host, const std::string& name,
               const std::string& script) const {
    WriteProgram(absl::StrCat(hosts_->Directory(host), "/", name), script);
    command.env["PATH"] = hosts_->Directory(host) +
                          ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                          "/sbin:/bin";
    return command;
  }
};

TEST_F(Mpi, ReachesFourHostsWithoutSsh) {
  MakeHosts(4);
  StartAll(MpiAgent("echo $OMPI_COMM_WORLD_RANK on $(hostname)",
                    {{"--nproc-per-node", "2"}}));
  ExpectAllEndWith(Code(0));
  for (int rank = 0; rank < 8; ++rank) {
    EXPECT_EQ(FileOfRun(0, absl::StrCat("logs/", rank, ".stdout")),
              absl::StrCat(rank, " on host", rank / 2, "\n"));
  }
  ExpectNothingIsLeft();
}

TEST_F(Mpi, NamesTheHostWithoutTheDaemon) {
  MakeHosts(2);
  // mpirun alone, without what it starts on other hosts.
  const std::string directory = hosts_->Directory(1) + "/bin";
  ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
  WriteProgram(directory + "/mpirun", "exec /usr/bin/mpirun \"$@\"");
  Command lacking = MpiAgent("true");
  lacking.env["PATH"] = directory;
  Start(0, MpiAgent("true"));
  Start(1, lacking);
  ExpectAllEndWith(Code(127));
  EXPECT_THAT(agent(0).Err(),
              AllOf(HasSubstr("host1"), HasSubstr("orted was not found")));
  ExpectNothingIsLeft();
}

TEST_F(Mpi, NamesTheHostWithAnotherVersion) {
  MakeHosts(2);
  Start(0, MpiAgent("true"));
  Start(1,
        With(MpiAgent("true"), 1, "mpirun", "echo 'mpirun (Open MPI) 4.0.0'"));
  ExpectAllEndWith(Code(78));
  EXPECT_THAT(agent(0).Err(), AllOf(HasSubstr("host1"), HasSubstr("4.0.0"),
                                    HasSubstr("host0")));
  ExpectNothingIsLeft();
}

TEST_F(Mpi, NamesTheHostWhoseDaemonFails) {
  MakeHosts(3);
  Start(0, MpiAgent("true"));
  Start(1, MpiAgent("true"));
  Start(2, With(MpiAgent("true"), 2, "orted", "echo no library >&2; exit 113"));
  ExpectAllEndWith(Code(113));
  const nlohmann::json report = ReportOn(0);
  EXPECT_EQ(CauseText(report, "service"), "orted");
  EXPECT_EQ(CauseText(report, "host"), "host2");
  EXPECT_EQ(CauseText(report, "stderr_tail"), "[\"no library\"]");
  ExpectNothingIsLeft();
}

TEST_F(Mpi, NamesTheHostWhoseDaemonNeverReportsBack) {
  MakeHosts(2);
  Start(0, MpiAgent("true", {{"--rdzv-timeout", "3s"}}));
  Start(1, With(MpiAgent("true", {{"--rdzv-timeout", "3s"}}), 1, "orted",
                "exec sleep 1000"));
  ExpectAllEndWith(Code(69));
  EXPECT_THAT(CauseText(ReportOn(0), "message"),
              HasSubstr("node 1 (host1) lacks 1 of 1 rank"));
  ExpectNothingIsLeft();
}

TEST_F(Mpi, NamesTheHostThatIsLostWhileDaemonsStart) {
  MakeHosts(3);
  Start(0, MpiAgent("true"));
  Start(1, MpiAgent("true"));
  Start(2, With(MpiAgent("true"), 2, "orted", "exec sleep 1234"));
  ASSERT_NE(agent(2).FindInFamily("1234").pid, 0) << agent(0).Text();
  agent(2).Signal(SIGKILL);
  for (int host = 0; host < 2; ++host) {
    EXPECT_EQ(agent(host).Wait(), Code(75)) << agent(host).Text();
    EXPECT_EQ(CauseText(ReportOn(host), "host"), "host2");
  }
  ExpectNothingIsLeft();
}

TEST_F(Mpi, LeavesNoRankAnywhereWhenMpirunIsKilled) {
  MakeHosts(3);
  StartAll(MpiAgent("setsid sleep 1001 & echo up; exec sleep 1002"));
  for (int rank = 0; rank < 3; ++rank) {
    ASSERT_TRUE(agent(0).WaitForOutput(absl::StrCat("[", rank, "] up")))
        << agent(0).Text();
  }
  const Process mpirun = agent(0).FindInFamily("mpirun");
  ASSERT_NE(mpirun.pid, 0);
  kill(mpirun.pid, SIGKILL);
  ExpectAllEndWith(Code(137));
  EXPECT_EQ(CauseText(ReportOn(2), "service"), "mpirun");
  ExpectNothingIsLeft();
}

TEST_F(Mpi, StopsTheOtherHostsWhenOneIsLost) {
  MakeHosts(3);
  StartAll(MpiAgent("echo up; exec sleep 1000"));
  for (int rank = 0; rank < 3; ++rank) {
    ASSERT_TRUE(agent(0).WaitForOutput(absl::StrCat("[", rank, "] up")))
        << agent(0).Text();
  }
  agent(1).Signal(SIGKILL);
  EXPECT_EQ(agent(0).Wait(), Code(75)) << agent(0).Text();
  EXPECT_EQ(agent(2).Wait(), Code(75)) << agent(2).Text();
  EXPECT_EQ(CauseText(ReportOn(0), "host"), "host1");
  ExpectNothingIsLeft();
}

}  // namespace
}  // namespace muster::test
