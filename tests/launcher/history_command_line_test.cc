#include "launcher/history_command_line.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::launcher {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CommandLine Parse(absl::string_view line, const Variables& variables = {}) {
  return ParseCommandLine(absl::StrSplit(line, ' ', absl::SkipEmpty()),
                          {variables, "here"});
}

HistoryCommand Read(absl::string_view line, const Variables& variables = {}) {
  const CommandLine parsed = Parse(line, variables);
  if (const auto* errors = std::get_if<UsageErrors>(&parsed.command)) {
    ADD_FAILURE() << line << ": " << errors->Text();
    return {};
  }
  return std::get<HistoryCommand>(parsed.command);
}

std::vector<std::string> Mistakes(absl::string_view line,
                                  const Variables& variables = {}) {
  const CommandLine parsed = Parse(line, variables);
  const auto* errors = std::get_if<UsageErrors>(&parsed.command);
  return errors ? errors->mistakes : std::vector<std::string>();
}

TEST(HistoryCommandLine, TakesTheOperandsOfEachCommand) {
  EXPECT_EQ(Read("runs").kind, HistoryKind::kRuns);
  EXPECT_EQ(Read("show x").run, "x");
  EXPECT_EQ(Read("files x").prefix, "");
  EXPECT_EQ(Read("files x outputs/").prefix, "outputs/");
  const HistoryCommand get = Read("get x outputs/ ./model");
  EXPECT_EQ(get.kind, HistoryKind::kGet);
  EXPECT_EQ(get.run, "x");
  EXPECT_EQ(get.prefix, "outputs/");
  EXPECT_EQ(get.directory, "./model");
  // Everything, below DIR.
  const CommandLine all =
      ParseCommandLine({"get", "x", "", "dir"}, {Variables(), "here"});
  EXPECT_EQ(std::get<HistoryCommand>(all.command).prefix, "");
}

TEST(HistoryCommandLine, GetCanSendASpoolInstead) {
  const HistoryCommand get = Read("get --spool /tmp/spool --collector head");
  EXPECT_EQ(get.spool, "/tmp/spool");
  EXPECT_EQ(get.place.collector_host(), "head");
  EXPECT_EQ(get.place.collector_port(), 29401u);
  EXPECT_EQ(Read("get --spool=.").place.collector_host(), "");
  EXPECT_THAT(Mistakes("get latest --spool ."),
              ElementsAre(HasSubstr("muster get --spool DIR --collector")));
  EXPECT_THAT(Mistakes("get --spool . --from head"),
              ElementsAre(HasSubstr("takes no RUN")));
  EXPECT_THAT(Mistakes("get latest logs/ . --collector head"),
              ElementsAre(HasSubstr("--from")));
  EXPECT_THAT(Mistakes("get --spool . --collector head:x"),
              ElementsAre(HasSubstr("--collector head:x")));
  EXPECT_THAT(Mistakes("logs latest --spool=."),
              ElementsAre(HasSubstr("no flag of muster logs")));
}

TEST(HistoryCommandLine, FlagsStandAnywhere) {
  const HistoryCommand logs = Read(
      "logs -f x --rank 3 --rank=0-2,7 --node 1 --stderr --tail 20 --raw "
      "--merged");
  EXPECT_EQ(logs.run, "x");
  EXPECT_TRUE(logs.logs.follow);
  EXPECT_THAT(logs.logs.ranks, ElementsAre(3, 0, 1, 2, 7));
  EXPECT_THAT(logs.logs.nodes, ElementsAre(1));
  EXPECT_TRUE(logs.logs.stderr_only);
  EXPECT_FALSE(logs.logs.stdout_only);
  EXPECT_EQ(logs.logs.tail_lines, 20u);
  EXPECT_TRUE(logs.logs.raw);
  EXPECT_TRUE(logs.merged);
  EXPECT_TRUE(Read("logs x --follow").logs.follow);
  EXPECT_TRUE(Read("runs --json").json);
  EXPECT_EQ(Read("logs -- -x").run, "-x");
}

TEST(HistoryCommandLine, WhereTheRunsAreIsAFlagOrAVariable) {
  EXPECT_EQ(Read("runs").place.run_dir(), "./muster-runs");
  EXPECT_EQ(Read("runs", {{"MUSTER_RUN_DIR", "/v"}}).place.run_dir(), "/v");
  EXPECT_EQ(
      Read("runs --run_dir /f", {{"MUSTER_RUN_DIR", "/v"}}).place.run_dir(),
      "/f");
  const HistoryCommand from = Read("runs --from [::1]:77 --token-file t");
  EXPECT_EQ(from.place.endpoint_host(), "::1");
  EXPECT_EQ(from.place.endpoint_port(), 77u);
  EXPECT_EQ(from.place.token_file(), "t");
  EXPECT_EQ(Read("runs --from head").place.endpoint_port(), 29400u);
  const HistoryCommand variables =
      Read("runs", {{"MUSTER_FROM", "head:1"}, {"MUSTER_INSECURE", "true"}});
  EXPECT_EQ(variables.place.endpoint_host(), "head");
  EXPECT_TRUE(variables.place.insecure());
  // A flag decides it as a whole.
  EXPECT_EQ(Read("runs --run-dir /f", {{"MUSTER_FROM", "head:1"}})
                .place.endpoint_host(),
            "");
}

TEST(HistoryCommandLine, EveryMistakeIsToldAtOnce) {
  EXPECT_THAT(
      Mistakes("logs --rank x --tail -1 --follw --json a b"),
      ElementsAre(AllOf(HasSubstr("--rank x: must be numbers")),
                  HasSubstr("--tail -1: must be a number of lines"),
                  HasSubstr("--follw: no flag of muster logs; did you mean "
                            "--follow?"),
                  HasSubstr("--json: no flag of muster logs"),
                  HasSubstr("b: one too many; it is muster logs RUN")));
}

TEST(HistoryCommandLine, WhatIsMissingIsNamed) {
  EXPECT_THAT(Mistakes("show"), ElementsAre(HasSubstr("muster show RUN")));
  EXPECT_THAT(Mistakes("get x outputs/"),
              ElementsAre(HasSubstr("needs DIR: muster get RUN PREFIX DIR")));
  EXPECT_THAT(Mistakes("logs x --rank"),
              ElementsAre(HasSubstr("--rank: needs a value")));
  EXPECT_THAT(Mistakes("logs x --rank="),
              ElementsAre(HasSubstr("--rank: needs a value")));
  EXPECT_THAT(Mistakes("runs x"), ElementsAre(HasSubstr("x: one too many")));
}

TEST(HistoryCommandLine, NumbersAreCheckedBeforeTheyAreCounted) {
  for (const char* value : {"0-", "-3", "3-1", "1,,2", "0-4294967295", "1e3",
                            "4294967296", "1-2-3", ","}) {
    EXPECT_THAT(Mistakes(absl::StrCat("logs x --rank=", value)),
                ElementsAre(HasSubstr(": must be ")))
        << value;
  }
}

TEST(HistoryCommandLine, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_THAT(Mistakes("runs --run-dir a --from b"),
              ElementsAre(HasSubstr("give one of them")));
  EXPECT_THAT(Mistakes("show a/b --from c"),
              ElementsAre(HasSubstr("a path is of this machine")));
  EXPECT_THAT(Mistakes("logs x --stdout --stderr"),
              ElementsAre(HasSubstr("leave out both")));
  EXPECT_THAT(Mistakes("logs x --agent --rank 1"),
              ElementsAre(HasSubstr("choose with --node K")));
  EXPECT_THAT(Mistakes("runs --from a --tls-cert c"),
              ElementsAre(HasSubstr("give all three or none")));
  EXPECT_THAT(Mistakes("runs --json --json"),
              ElementsAre(HasSubstr("given more than once")));
  EXPECT_THAT(Mistakes("runs --from a:0"),
              ElementsAre(HasSubstr("--from a:0: ")));
}

TEST(HistoryCommandLine, ATokenIsNeverShown) {
  EXPECT_THAT(Mistakes("runs --token secret"),
              ElementsAre("--token: never in argv: use MUSTER_TOKEN or "
                          "--token-file",
                          HasSubstr("one too many")));
  EXPECT_THAT(Mistakes("runs --token=secret"),
              ElementsAre("--token: never in argv: use MUSTER_TOKEN or "
                          "--token-file"));
}

TEST(HistoryCommandLine, EachCommandHasAHelpWithItsFlags) {
  for (const char* command : {"runs", "show", "logs", "files", "get"}) {
    for (const char* help : {"--help", "-h"}) {
      const CommandLine line = Parse(absl::StrCat(command, " x ", help));
      const auto* print = std::get_if<PrintCommand>(&line.command);
      ASSERT_NE(print, nullptr) << command;
      EXPECT_EQ(print->exit_code, 0);
      EXPECT_THAT(print->text,
                  AllOf(HasSubstr(absl::StrCat("Usage: muster ", command)),
                        HasSubstr("--from HOST[:PORT]"), HasSubstr("\n  64 ")));
      for (const absl::string_view row : absl::StrSplit(print->text, '\n')) {
        EXPECT_LE(row.size(), 80u) << row;
      }
    }
  }
}

TEST(HistoryCommandLine, TheRunsOfOtherCommandsKnowTheVariables) {
  EXPECT_THAT(Parse("run -- x", {{"MUSTER_FROM", "head"}}).warnings, IsEmpty());
}

}  // namespace
}  // namespace muster::launcher
