// `muster env`: shows what `muster sim` gives, and does nothing else.
#include <map>
#include <nlohmann/json.hpp>
#include <string>

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
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Env : public ::testing::Test {
 protected:
  Command Muster(std::vector<std::string> words) const {
    words.insert(words.begin(), MusterBinary());
    return {.argv = words, .cwd = directory_.path()};
  }
  const TempDir directory_;
};

TEST_F(Env, ShowsAJobOfManyNodesWithoutTokenEndpointOrCommand) {
  Subprocess muster(Muster({"env", "--nnodes", "3", "--nproc-per-node", "2"}));
  EXPECT_EQ(muster.Wait(), Code(0)) << muster.Text();
  EXPECT_EQ(muster.Err(), "");
  EXPECT_THAT(muster.Out(), AllOf(HasSubstr("3 nodes, 6 ranks"),
                                  HasSubstr("nothing was started"),
                                  HasSubstr("rank 5 (node 2, local rank 1)")));
  EXPECT_THAT(FilesBelow(directory_.path()), IsEmpty());
}

TEST_F(Env, StartsNothingAndOpensNoSocket) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer makes calls of its own";
#endif
  const std::string log = directory_.File("calls");
  MustRun({.argv = {"strace", "-f", "-o", log, "-e",
                    "trace=execve,fork,vfork,clone,clone3,socket,bind,listen,"
                    "connect,mkdir,unlink",
                    MusterBinary(), "env", "--nnodes", "2", "--output",
                    "MODEL=made", "--", "touch", "started"},
           // Which cannot look for leaks in a program that is traced.
           .env = {{"LSAN_OPTIONS", "detect_leaks=0"}},
           .cwd = directory_.path()});
  int commands = 0;
  for (const std::string& line : Lines(ReadFile(log))) {
    if (absl::StrContains(line, "execve(")) {
      ++commands;
    } else if (absl::StrContains(line, "socket(")) {
      // How the interfaces are listed.
      EXPECT_THAT(line, AnyOf(HasSubstr("AF_NETLINK"), HasSubstr("AF_UNIX")));
    } else if (absl::StrContains(line, "bind(")) {
      EXPECT_THAT(line, HasSubstr("AF_NETLINK"));
    } else {
      EXPECT_THAT(line, HasSubstr("exited with 0"));
    }
  }
  EXPECT_EQ(commands, 1) << ReadFile(log);
  EXPECT_FALSE(Exists(directory_.File("made")));
}

TEST_F(Env, JsonAgreesWithWhatASimulatedJobGives) {
  const std::vector<std::string> flags = {"--nnodes",
                                          "2",
                                          "--nproc-per-node",
                                          "2",
                                          "--gpu-binding",
                                          "one",
                                          "--gpus-per-node",
                                          "2",
                                          "--run-id",
                                          "r1",
                                          "--env",
                                          "A=b",
                                          "--backend",
                                          "gloo"};
  std::vector<std::string> words = {"env", "--json"};
  words.insert(words.end(), flags.begin(), flags.end());
  const nlohmann::json json = nlohmann::json::parse(MustRun(Muster(words)));

  words = {"sim"};
  words.insert(words.end(), flags.begin(), flags.end());
  words.insert(words.end(), {"--", "env"});
  MustRun(Muster(words));
  for (int rank = 0; rank < 4; ++rank) {
    std::map<std::string, std::string> given;
    for (const std::string& line : Lines(ReadFile(absl::StrCat(
             RunDirectory(directory_.path()), "/logs/", rank, ".stdout")))) {
      const size_t equals = line.find('=');
      given[line.substr(0, equals)] = line.substr(equals + 1);
    }
    const nlohmann::json& shown = json["ranks"][rank]["variables"];
    for (const auto& [name, variable] : shown.items()) {
      ASSERT_EQ(given.count(name), 1u) << name;
      const std::string value = variable["value"];
      // What only the run brings can't be compared.
      if (absl::StrContains(value, "<")) continue;
      EXPECT_EQ(value, given[name]) << name;
    }
    for (const auto& [name, value] : given) {
      if (absl::StartsWith(name, "AZ") || absl::StrContains(name, "RANK") ||
          absl::StartsWith(name, "TORCH")) {
        EXPECT_TRUE(shown.contains(name)) << name;
      }
    }
  }
}

TEST_F(Env, ExpandsTheCommandOfEachRank) {
  EXPECT_THAT(
      MustRun(Muster(
          {"env", "--nproc-per-node", "2", "--", "train", "--rank", "$RANK"})),
      AllOf(HasSubstr("train --rank 0\n"), HasSubstr("train --rank 1\n")));
}

TEST_F(Env, OutputThatCannotBeWrittenIsSaid) {
  Subprocess muster({.argv = {"/bin/sh", "-c", "exec \"$0\" env >/dev/full",
                              MusterBinary()}});
  EXPECT_EQ(muster.Wait(), Code(70));
  EXPECT_THAT(muster.Err(), HasSubstr("No space left"));
}

TEST_F(Env, MistakesAreUsageErrors) {
  Subprocess flags(Muster({"env", "--nnodes", "none"}));
  EXPECT_EQ(flags.Wait(), Code(64));
  EXPECT_THAT(flags.Err(), AllOf(HasSubstr("--nnodes none"),
                                 HasSubstr("muster env --help")));
  Subprocess gpus(Muster({"env", "--nproc-per-node", "4", "--gpus-per-node",
                          "2", "--gpu-binding", "one"}));
  EXPECT_EQ(gpus.Wait(), Code(64));
  EXPECT_THAT(gpus.Err(), HasSubstr("--gpu-binding one"));
  EXPECT_EQ(gpus.Out(), "");
}

}  // namespace
}  // namespace muster::test
