// The command line: what is refused, how, and with which exit code.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Usage : public ::testing::Test {
 protected:
  // `muster` with these words, in an empty directory.
  Command Muster(std::vector<std::string> words) const {
    words.insert(words.begin(), MusterBinary());
    return {.argv = words, .cwd = directory_.path()};
  }
  const TempDir directory_;
};

TEST_F(Usage, EveryMistakeIsReportedAtOnce) {
  Subprocess muster(
      Muster({"run", "--nnodes", "0", "--nproc-per-node", "banana",
              "--no-such-flag", "--stop-grace", "soon"}));
  EXPECT_EQ(muster.Wait(), Code(64));
  EXPECT_THAT(muster.Err(),
              AllOf(HasSubstr("--nnodes"), HasSubstr("--nproc-per-node"),
                    HasSubstr("banana"), HasSubstr("--no-such-flag"),
                    HasSubstr("--stop-grace"), HasSubstr("--")));
  EXPECT_EQ(muster.Out(), "");
  EXPECT_TRUE(FilesBelow(directory_.path()).empty());
}

struct Mistake {
  std::string name;
  std::vector<std::string> words;
  std::string named;  // what the message has to name

  // What CTest shows of it.
  friend void PrintTo(const Mistake& mistake, std::ostream* out) {
    *out << mistake.name;
  }
};

class SingleMistake : public Usage,
                      public ::testing::WithParamInterface<Mistake> {};

TEST_P(SingleMistake, EndsWith64AndIsNamed) {
  Subprocess muster(Muster(GetParam().words));
  EXPECT_EQ(muster.Wait(), Code(64)) << muster.Text();
  EXPECT_THAT(muster.Err(), HasSubstr(GetParam().named));
  EXPECT_TRUE(FilesBelow(directory_.path()).empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, SingleMistake,
    ::testing::Values(
        Mistake{"NoSubcommand", {}, "run"},
        Mistake{"UnknownSubcommand", {"march"}, "march"},
        Mistake{
            "UnknownFlag", {"run", "--wheels", "4", "--", "true"}, "--wheels"},
        Mistake{"NoNodes", {"run", "--nnodes", "0", "--", "true"}, "--nnodes"},
        Mistake{"NegativeNodes",
                {"run", "--nnodes", "-2", "--", "true"},
                "--nnodes"},
        Mistake{"WorkersAreNoNumber",
                {"run", "--nproc-per-node", "banana", "--", "true"},
                "banana"},
        Mistake{"NoWorkers",
                {"run", "--nproc-per-node", "0", "--", "true"},
                "--nproc-per-node"},
        Mistake{"DurationWithoutUnit",
                {"run", "--stop-grace", "5", "--", "true"},
                "--stop-grace"},
        Mistake{"UnknownBackend",
                {"run", "--backend", "carrier-pigeon", "--", "true"},
                "carrier-pigeon"},
        Mistake{"RelativeFileInitMethod",
                {"run", "--init-method", "file://relative", "--", "true"},
                "--init-method"},
        Mistake{"VariableWithoutValue",
                {"run", "--env", "NOVALUE", "--", "true"},
                "NOVALUE"},
        Mistake{"NodeRankTooHigh",
                {"run", "--nnodes", "2", "--node-rank", "2", "--insecure",
                 "--rdzv-endpoint", "127.0.0.1", "--", "true"},
                "--node-rank"},
        Mistake{"SeveralNodesWithoutEndpoint",
                {"run", "--nnodes", "2", "--insecure", "--", "true"},
                "--rdzv-endpoint"},
        Mistake{"PortTooHigh",
                {"run", "--nnodes", "2", "--insecure", "--rdzv-endpoint",
                 "127.0.0.1:70000", "--", "true"},
                "--rdzv-endpoint"},
        Mistake{"UnreadableTokenFile",
                {"run", "--token-file", "/no/such/token", "--", "true"},
                "/no/such/token"},
        Mistake{"NoCommand", {"run"}, "--"},
        Mistake{"EmptyCommand", {"run", "--"}, "--"},
        Mistake{"CommandWithoutDashes", {"run", "true"}, "--"}),
    [](const auto& param_info) { return param_info.param.name; });

TEST_F(Usage, ABadVariableIsNamedAsAVariable) {
  Command command = Muster({"run", "--", "true"});
  command.env["MUSTER_NNODES"] = "many";
  Subprocess muster(command);
  EXPECT_EQ(muster.Wait(), Code(64));
  EXPECT_THAT(muster.Err(), HasSubstr("MUSTER_NNODES"));
}

TEST_F(Usage, AFlagBeatsAVariableAndUnderscoresAreDashes) {
  Command command = Muster(
      {"run", "--nproc_per_node", "3", "--", "echo", "I am $RANK of it"});
  command.env["MUSTER_NPROC_PER_NODE"] = "2";
  Subprocess muster(command);
  EXPECT_EQ(muster.Wait(), Code(0)) << muster.Text();
  EXPECT_THAT(muster.Out(), HasSubstr("[2] I am 2 of it\n"));
}

TEST_F(Usage, AVariableGivesAFlag) {
  Command command = Muster({"run", "--", "echo", "I am $RANK of it"});
  command.env["MUSTER_NPROC_PER_NODE"] = "2";
  Subprocess muster(command);
  EXPECT_EQ(muster.Wait(), Code(0)) << muster.Text();
  EXPECT_THAT(muster.Out(),
              AllOf(HasSubstr("[1] I am 1 of it\n"), Not(HasSubstr("[2]"))));
}

TEST_F(Usage, HelpNamesEveryFlagOfRun) {
  Subprocess muster(Muster({"run", "--help"}));
  EXPECT_EQ(muster.Wait(), Code(0));
  for (const char* flag :
       {"--framework",      "--nnodes",       "--nproc-per-node",
        "--backend",        "--init-method",  "--gpu-binding",
        "--rdzv-endpoint",  "--rdzv-id",      "--node-rank",
        "--advertise",      "--rdzv-timeout", "--heartbeat",
        "--node-timeout",   "--stop-grace",   "--env",
        "--log-dir",        "--output-dir",   "--collector",
        "--run-dir",        "--console",      "--token-file",
        "--insecure",       "--report",       "--scheduler",
        "--env-level",      "--host-file",    "--host-dns",
        "--spool-dir",      "--spool-size",   "--spool-full",
        "--collect-timeout"}) {
    EXPECT_THAT(muster.Out(), HasSubstr(flag));
  }
}

TEST_F(Usage, VersionIsOneLine) {
  Subprocess muster(Muster({"--version"}));
  EXPECT_EQ(muster.Wait(), Code(0));
  EXPECT_EQ(Lines(muster.Out()).size(), 1u) << muster.Text();
}

TEST_F(Usage, TwoTokensDiffer) {
  const std::string first = MustRun(Muster({"token"}));
  const std::string second = MustRun(Muster({"token"}));
  EXPECT_NE(first, second);
  ASSERT_EQ(Lines(first).size(), 1u);
  EXPECT_GE(Lines(first)[0].size(), 32u) << "a token of fewer than 128 bits";
}

TEST_F(Usage, SeveralNodesWithoutATokenAreRefused) {
  Subprocess muster(
      Muster({"run", "--nnodes", "2", "--rdzv-endpoint",
              absl::StrCat("127.0.0.1:", FreePort()), "--", "true"}));
  EXPECT_EQ(muster.Wait(), Code(64));
  EXPECT_THAT(muster.Err(),
              AllOf(HasSubstr("MUSTER_TOKEN"), HasSubstr("--insecure")));
}

TEST_F(Usage, SeveralNodesWithoutATokenRunWhenInsecureIsSaid) {
  Subprocess muster(
      Muster({"run", "--nnodes", "2", "--insecure", "--rdzv-endpoint",
              absl::StrCat("127.0.0.1:", FreePort()), "--rdzv-timeout", "300ms",
              "--", "true"}));
  EXPECT_EQ(muster.Wait(), Code(69)) << muster.Text();
}

TEST_F(Usage, ACommandThatIsNotThereEndsWith127) {
  Subprocess muster(Muster({"run", "--", "no-such-program"}));
  EXPECT_EQ(muster.Wait(), Code(127)) << muster.Text();
  EXPECT_THAT(muster.Err(), HasSubstr("no-such-program"));
  EXPECT_EQ(CauseText(Report(directory_.path()), "kind"), "spawn");
}

TEST_F(Usage, ACommandThatIsNotExecutableEndsWith126) {
  const std::string script = directory_.File("script");
  WriteFile(script, "#!/bin/sh\n");
  Subprocess muster(Muster({"run", "--", script}));
  EXPECT_EQ(muster.Wait(), Code(126)) << muster.Text();
  EXPECT_THAT(muster.Err(), HasSubstr(script));
  EXPECT_EQ(CauseText(Report(directory_.path()), "kind"), "spawn");
}

TEST_F(Usage, ARemovedWorkingDirectoryIsSaid) {
  const std::string gone = directory_.Dir("gone");
  Subprocess muster({.argv = {"/bin/sh", "-c",
                              absl::StrCat("rmdir ", gone, " && exec ",
                                           MusterBinary(), " run -- true")},
                     .cwd = gone});
  const ExitStatus status = muster.Wait();
  EXPECT_EQ(status.kind, ExitStatus::Kind::kCode) << muster.Text();
  EXPECT_NE(status, Code(0));
  EXPECT_THAT(muster.Err(), HasSubstr("directory"));
}

}  // namespace
}  // namespace muster::test
