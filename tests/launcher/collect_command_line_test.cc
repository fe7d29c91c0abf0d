#include "launcher/collect_command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"

namespace muster::launcher {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Variables = std::map<std::string, std::string>;

ParsedCollect Parse(const std::string& words, const Variables& variables = {}) {
  return ParseCollect(absl::StrSplit(words, ' ', absl::SkipEmpty()), variables);
}

std::vector<std::string> Mistakes(const std::string& words,
                                  const Variables& variables = {}) {
  const ParsedCollect parsed = Parse(words, variables);
  const auto* const mistakes = std::get_if<std::vector<std::string>>(&parsed);
  return mistakes ? *mistakes : std::vector<std::string>();
}

CollectCommand Command(const std::string& words,
                       const Variables& variables = {}) {
  const ParsedCollect parsed = Parse(words, variables);
  EXPECT_THAT(Mistakes(words, variables), IsEmpty());
  return std::get<CollectCommand>(parsed);
}

TEST(CollectCommandLine, IsReadWhole) {
  const CollectCommand command = Command(
      "--dir /data/runs --listen=10.0.0.1:2222 --run_quota 5GiB --token-file "
      "t");
  EXPECT_EQ(command.directory, "/data/runs");
  EXPECT_EQ(command.host, "10.0.0.1");
  EXPECT_EQ(command.port, 2222u);
  EXPECT_EQ(command.run_quota, uint64_t{5} << 30);
  EXPECT_EQ(command.security.token_file(), "t");
}

TEST(CollectCommandLine, HasDefaults) {
  const CollectCommand command = Command("--dir d --listen localhost");
  EXPECT_EQ(command.port, 29401u);
  EXPECT_EQ(command.run_quota, 0u);
  EXPECT_FALSE(command.security.insecure());
}

TEST(CollectCommandLine, TakesAnyFreePort) {
  EXPECT_EQ(Command("--dir d --listen 127.0.0.1:0").port, 0u);
  EXPECT_EQ(Command("--dir d --listen [::1]:0").host, "::1");
  EXPECT_EQ(Command("--dir d --listen [::1]:0").port, 0u);
  EXPECT_EQ(Command("--dir d --listen ::1").port, 29401u);
}

TEST(CollectCommandLine, IsGivenByVariablesThatAFlagBeats) {
  const Variables variables = {{"MUSTER_DIR", "v"},
                               {"MUSTER_LISTEN", "127.0.0.1:1"},
                               {"MUSTER_RUN_QUOTA", "1KiB"}};
  EXPECT_EQ(Command("", variables).directory, "v");
  EXPECT_EQ(Command("--dir d", variables).directory, "d");
  EXPECT_EQ(Command("", variables).run_quota, 1024u);
}

TEST(CollectCommandLine, NeedsATokenWhereOthersReachIt) {
  for (const char* host :
       {"0.0.0.0", "10.0.0.1", "::", "node1", "128.0.0.1", "127.example.org"}) {
    const std::string words = std::string("--dir d --listen ") + host;
    EXPECT_THAT(Mistakes(words), ElementsAre(HasSubstr("MUSTER_TOKEN")))
        << host;
    Command(words, {{"MUSTER_TOKEN", "secret"}});
    Command(words + " --token-file t");
    Command(words + " --insecure");
    Command(words + " --tls-cert c --tls-key k --tls-ca a");
  }
  for (const char* host : {"127.0.0.1", "127.1.2.3", "::1", "localhost"}) {
    Command(std::string("--dir d --listen ") + host);
  }
}

TEST(CollectCommandLine, ReportsAllMistakesAtOnce) {
  EXPECT_THAT(
      Mistakes("--run-quota 0 --listen 10.0.0.1:99999 --wheels --tls-cert c"),
      ElementsAre(HasSubstr("--run-quota 0: must be"),
                  HasSubstr("--listen 10.0.0.1:99999: "),
                  HasSubstr("--wheels: no flag of muster collect"),
                  HasSubstr("no directory: give --dir DIR"),
                  HasSubstr("give all three or none")));
}

TEST(CollectCommandLine, RefusesWhatIsNone) {
  const std::string right = "--dir d --listen ::1 ";
  EXPECT_THAT(Mistakes(right + "--run-quota 5x"),
              ElementsAre(HasSubstr("--run-quota 5x: ")));
  EXPECT_THAT(Mistakes(right + "--dir e"),
              ElementsAre(HasSubstr("--dir: given more than once")));
  EXPECT_THAT(Mistakes("--listen ::1 --dir"),
              ElementsAre(HasSubstr("--dir: needs a value")));
  EXPECT_THAT(Mistakes(right + "--token x"),
              testing::Contains(HasSubstr("never in argv")));
  EXPECT_THAT(Mistakes(right + "--lisen x"),
              testing::Contains(HasSubstr("did you mean --listen?")));
  EXPECT_THAT(Mistakes(right, {{"MUSTER_INSECURE", "maybe"}}),
              ElementsAre(HasSubstr("MUSTER_INSECURE=maybe: ")));
}

TEST(CollectCommandLine, HelpNamesEveryFlag) {
  EXPECT_TRUE(std::holds_alternative<CollectHelpWanted>(Parse("--dir x -h")));
  for (const char* flag :
       {"--dir", "--listen", "--run-quota", "--token-file", "--tls-cert",
        "--tls-key", "--tls-ca", "--insecure", "MUSTER_TOKEN"}) {
    EXPECT_THAT(CollectHelp(), HasSubstr(flag));
  }
  for (const absl::string_view line : absl::StrSplit(CollectHelp(), '\n')) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

}  // namespace
}  // namespace muster::launcher
