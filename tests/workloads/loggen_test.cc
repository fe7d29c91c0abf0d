// The two programs together, as jobs use them.
#include <signal.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/records/log_pattern.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

class Loggen : public ::testing::Test {
 protected:
  // Runs the generator with its output in <name>.
  ExitStatus Generate(const std::string& name, const std::string& flags) {
    Subprocess shell({.argv = {"/bin/sh", "-c",
                               std::string("exec " MUSTER_LOGGEN " ") + flags +
                                   " >" + dir_.File(name)},
                      .env = {{"RANK", "4"}}});
    return shell.Wait();
  }

  Command Verify(const std::vector<std::string>& flags,
                 const std::string& name) const {
    std::vector<std::string> argv = {MUSTER_LOGVERIFY};
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.push_back(dir_.File(name));
    return {.argv = argv};
  }

  TempDir dir_;
};

TEST_F(Loggen, WritesWhatTheVerifierTakesInEveryKind) {
  for (const std::string& kind : LogKindNames()) {
    ASSERT_EQ(Generate("4.stdout", "--bytes 1000033 --kind " + kind), Code(0));
    Subprocess verify(
        Verify({"--kind", kind, "--bytes", "1000033"}, "4.stdout"));
    EXPECT_EQ(verify.Wait(), Code(0)) << kind << verify.Text();
  }
}

TEST_F(Loggen, IsFoundOutWhenALineIsLost) {
  ASSERT_EQ(Generate("4.stdout", "--bytes 1M"), Code(0));
  std::string bytes = ReadFile(dir_.File("4.stdout"));
  bytes.erase(500'000, 100);
  WriteFile(dir_.File("4.stdout"), bytes);
  Subprocess verify(Verify({}, "4.stdout"));
  EXPECT_EQ(verify.Wait(), Code(1));
  EXPECT_THAT(verify.Out(), HasSubstr("byte 500033 of the file"));
}

TEST_F(Loggen, WritesNothingWhenThatIsWanted) {
  ASSERT_EQ(Generate("4.stdout", "--bytes 0"), Code(0));
  Subprocess verify(Verify({"--bytes", "0"}, "4.stdout"));
  EXPECT_EQ(verify.Wait(), Code(0)) << verify.Text();
}

TEST_F(Loggen, WritesBothDescriptorsInTurn) {
  ASSERT_EQ(
      Generate("4.stdout", "--bytes 300k --both 2>" + dir_.File("4.stderr")),
      Code(0));
  for (const char* name : {"4.stdout", "4.stderr"}) {
    Subprocess verify(Verify({"--bytes", "300k"}, name));
    EXPECT_EQ(verify.Wait(), Code(0)) << verify.Text();
  }
}

TEST_F(Loggen, TellsTheDigestBeforehand) {
  ASSERT_EQ(Generate("4.stdout", "--bytes 70001"), Code(0));
  ASSERT_EQ(Generate("digest", "--bytes 70001 --digest"), Code(0));
  Subprocess verify(Verify({"--digest"}, "4.stdout"));
  ASSERT_EQ(verify.Wait(), Code(0));
  EXPECT_EQ(verify.Out().substr(0, 32),
            ReadFile(dir_.File("digest")).substr(0, 32));
}

TEST_F(Loggen, ReportsWhatItHasWrittenWhenItIsStopped) {
  const std::string report = dir_.File("report.json");
  Subprocess generator({.argv = {MUSTER_LOGGEN, "--bytes", "1G", "--rate", "1",
                                 "--rank", "4", "--report", report}});
  ASSERT_TRUE(generator.WaitForOutput("R00004.1"));
  generator.Signal(SIGTERM);
  ASSERT_EQ(generator.Wait(), Killed(SIGTERM));
  const auto json = ReadJson(report);
  EXPECT_EQ(json["stdout"], generator.Out().size());
  EXPECT_GT(json["seconds"], 0);
}

TEST_F(Loggen, IsNoFasterThanItsRate) {
  const std::string report = dir_.File("report.json");
  ASSERT_EQ(Generate("4.stdout", "--bytes 200k --rate 2 --report " + report),
            Code(0));
  EXPECT_GE(ReadJson(report)["seconds"], 0.1);
}

TEST_F(Loggen, RefusesFlagsThatItDoesNotKnow) {
  EXPECT_EQ(Generate("4.stdout", "--bytes 1 --kind poem 2>&1"), Code(64));
}

}  // namespace
}  // namespace muster::test
