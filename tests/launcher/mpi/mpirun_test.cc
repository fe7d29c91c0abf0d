#include "launcher/mpi/mpirun.h"

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::mpi {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(ParseVersion, ReadsWhatOpenMpiPrints) {
  const auto version = ParseVersion(
      "mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/\n");
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->text, "4.1.4");
  EXPECT_EQ(version->major, 4u);
  EXPECT_STREQ(version->daemon(), "orted");
}

TEST(ParseVersion, KnowsTheDaemonOfLaterReleases) {
  EXPECT_STREQ(ParseVersion("mpirun (Open MPI) 5.0.3rc1\n")->daemon(), "prted");
}

TEST(ParseVersion, RefusesOldOnes) {
  const auto version = ParseVersion("mpirun (Open MPI) 3.1.6\n");
  EXPECT_TRUE(absl::IsFailedPrecondition(version.status()));
  EXPECT_THAT(version.status().message(), HasSubstr("3.1.6"));
}

TEST(ParseVersion, RefusesTheMpirunsOfOthersAndGarbage) {
  for (const char* output :
       {"HYDRA build details:\n    Version: 4.0.2\n",
        "Intel(R) MPI Library for Linux* OS, Version 2021.9\n", "",
        "mpirun (Open MPI) \n", "mpirun (Open MPI) x.y\n",
        "mpirun (Open MPI) 99999999999999999999.1\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseVersion(output).status()))
        << output;
  }
}

MpirunOptions Options(uint32_t major) {
  return {.version = {.major = major, .text = ""},
          .hosts = {"10.0.0.4", "10.0.0.5"},
          .slots = {2, 3},
          .remote_agent = "/dev/shm/m/muster rsh",
          .network = "10.0.0.0/24",
          .user_arguments = {"--mca", "pml", "ob1"},
          .program = {"rank"}};
}

TEST(MpirunCommand, ForOpenMpi4) {
  EXPECT_EQ(
      absl::StrJoin(MpirunCommand(Options(4)), " "),
      "mpirun --allow-run-as-root -np 5 --host 10.0.0.4:2,10.0.0.5:3 --bind-to "
      "none --map-by slot --mca plm_rsh_agent /dev/shm/m/muster rsh:false "
      "--mca plm_rsh_no_tree_spawn 1 --leave-session-attached --mca "
      "oob_tcp_if_include 10.0.0.0/24 --mca btl_tcp_if_include 10.0.0.0/24 "
      "--wdir / --mca pml ob1 rank");
}

TEST(MpirunCommand, ForPrrteNamesItsOwnParameters) {
  EXPECT_THAT(
      absl::StrJoin(MpirunCommand(Options(5)), " "),
      AllOf(HasSubstr("--prtemca plm_ssh_agent /dev/shm/m/muster rsh:false --"),
            HasSubstr("--prtemca plm_ssh_no_tree_spawn 1"),
            HasSubstr("--prtemca prte_if_include 10.0.0.0/24"),
            HasSubstr("--mca btl_tcp_if_include 10.0.0.0/24"),
            Not(HasSubstr("plm_rsh")), Not(HasSubstr("oob_tcp"))));
}

TEST(MpirunCommand, LeavesTheNetworkToOpenMpiWhereThereIsNoCommonOne) {
  MpirunOptions options = Options(4);
  options.network = "";
  EXPECT_THAT(absl::StrJoin(MpirunCommand(options), " "),
              Not(HasSubstr("if_include")));
}

}  // namespace
}  // namespace muster::mpi
