// What a run left behind, as people look at it: from its directory, and from
// the service of a collector.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/history/server.h"
#include "tests/support/collect.h"
#include "tests/support/eventually.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class History : public ::testing::Test {
 protected:
  std::unique_ptr<Subprocess> StartJob(const std::string& script,
                                       Flags flags = {}) const {
    flags.insert(
        {{"--nnodes", "2"}, {"--nproc-per-node", "2"}, {"--console", "none"}});
    return std::make_unique<Subprocess>(
        Command{.argv = MusterArgv("sim", flags, Shell(script)),
                .env = env_,
                .cwd = directory_.path()});
  }
  // A job of two nodes with two workers each; the path of its run.
  std::string RunJob(const std::string& script, const Flags& flags = {}) const {
    const auto job = StartJob(script, flags);
    EXPECT_NE(job->Wait(absl::Seconds(60)), kRunning) << job->Text();
    return RunDirectory(directory_.path());
  }
  // The run of a job that was started just now.
  std::string StartedRun() const {
    std::string run;
    EXPECT_TRUE(Eventually([&] {
      run = RunDirectory(directory_.path());
      return !run.empty() && Exists(run + "/run.json");
    }));
    return run;
  }

  Command Muster(std::vector<std::string> words) const {
    words.insert(words.begin(), MusterBinary());
    return {.argv = words, .env = env_, .cwd = directory_.path()};
  }
  // Runs it to its end.
  std::string Out(const std::vector<std::string>& words) const {
    return MustRun(Muster(words));
  }
  void ExpectFailure(const std::vector<std::string>& words, int code,
                     const std::string& said) const {
    Subprocess muster(Muster(words));
    EXPECT_EQ(muster.Wait(), Code(code)) << muster.Text();
    EXPECT_THAT(muster.Err(), HasSubstr(said));
    EXPECT_EQ(muster.Out(), "");
  }

  const TempDir directory_;
  std::map<std::string, std::string> env_;
};

TEST_F(History, RunsAndShowSayWhatWas) {
  RunJob("exit $((RANK == 1 ? 3 : 0))");
  const std::string table = Out({"runs"});
  ASSERT_EQ(Lines(table).size(), 2u) << table;
  EXPECT_THAT(Lines(table)[1],
              AllOf(StartsWith("sim-"), HasSubstr("failed (3)")));
  const auto runs = nlohmann::json::parse(Out({"runs", "--json"}));
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0]["state"], "failed");
  EXPECT_EQ(runs[0]["world_size"], 4);

  const std::string shown = Out({"show", "latest"});
  EXPECT_THAT(shown,
              AllOf(HasSubstr("failed, exit code 3"),
                    HasSubstr("node 1    node1 ("), HasSubstr("ranks 2-3"),
                    HasSubstr("exit, code 3, rank 1, node 0, host node0"),
                    HasSubstr("./muster-runs/sim-"), HasSubstr("run ")));
  const auto show = nlohmann::json::parse(Out({"show", "latest", "--json"}));
  EXPECT_EQ(show["report"]["first_cause"]["rank"], 1);
  EXPECT_EQ(show["run"]["nodes"].size(), 2u);
  EXPECT_TRUE(show["gaps"].empty());
}

TEST_F(History, ShowSaysWhatTheSelfTestFound) {
  const std::string run =
      RunJob("true", {{"--nnodes", "1"}, {"--nproc-per-node", "1"}});
  EXPECT_THAT(Out({"show", "latest"}), Not(HasSubstr("self-test")));
  WriteFile(run + "/fabric.json",
            R"({"kind": "gloo", "verdict": "warn", "seconds": 1.25,
                "rounds": 2, "nodes": [{}], "tests": [{}],
                "findings": [{"message": "host1 is \u001b[31mslow"}]})");
  EXPECT_THAT(Out({"show", "latest"}),
              HasSubstr("\nself-test   warn: gloo, 2 rounds, 1.2s, in "
                        "fabric.json\n            host1 is \\x1b[31mslow\n"));
  const auto show = nlohmann::json::parse(Out({"show", "latest", "--json"}));
  EXPECT_EQ(show["fabric"]["verdict"], "warn");
  EXPECT_FALSE(show["fabric"].contains("tests"));
}

TEST_F(History, LogsShowEachRankItsLines) {
  RunJob("echo out $RANK; echo err $RANK >&2; printf end");
  EXPECT_THAT(Lines(Out({"logs", "latest"})),
              ElementsAre("[0] out 0", "[0] end", "[0] err 0", "[1] out 1",
                          "[1] end", "[1] err 1", "[2] out 2", "[2] end",
                          "[2] err 2", "[3] out 3", "[3] end", "[3] err 3"));
  EXPECT_EQ(Out({"logs", "sim-", "--rank", "2"}), "out 2\nend\nerr 2\n");
  EXPECT_THAT(Lines(Out({"logs", "latest", "--node", "1", "--stderr"})),
              ElementsAre("[2] err 2", "[3] err 3"));
  EXPECT_EQ(Out({"logs", "latest", "--rank", "0", "--stdout", "--tail", "1"}),
            "end\n");
  EXPECT_THAT(Out({"logs", "latest", "--agent", "--node", "1"}),
              HasSubstr("node 1 of 2: ranks 2-3 of 4"));
  const std::string followed = Out({"logs", "latest", "-f"});
  EXPECT_EQ(followed, Out({"logs", "latest"})) << "the run is over";
}

TEST_F(History, RawIsTheStoredFileAndTheRestIsHarmless) {
  WriteFile(directory_.File("noise.py"),
            "import os, sys\n"
            "noise = bytes(range(256)) * 2000 + b'\\n\\x1b[2J\\r50%\\rend'\n"
            "sys.stdout.buffer.write(noise)\n");
  const std::string run =
      RunJob("exec /usr/bin/python3 " + directory_.File("noise.py"),
             {{"--nproc-per-node", "1"}});
  const std::string stored = ReadFile(run + "/logs/1.stdout");
  ASSERT_GT(stored.size(), 500'000u);
  EXPECT_TRUE(Out({"logs", "latest", "--rank", "1", "--stdout", "--raw"}) ==
              stored);
  EXPECT_TRUE(Out({"logs", "latest", "--rank", "1", "--stdout", "--raw",
                   "-f"}) == stored);
  const std::string shown = Out({"logs", "latest"});
  ASSERT_GT(shown.size(), 100u);
  EXPECT_THAT(shown.substr(shown.size() - 100),
              EndsWith("[1] \\x1b[2J\n[1] 50%\n[1] end\n"));
  for (const char byte : shown) {
    ASSERT_TRUE(static_cast<unsigned char>(byte) >= 0x20 || byte == '\n' ||
                byte == '\t');
  }
}

TEST_F(History, GapsAreShownInTheirPlaces) {
  const std::string run = RunJob("printf abcdef");
  WriteFile(run + "/logs/3.stdout.gaps",
            "{\"offset\":3,\"length\":4096,\"reason\":\"spool-full\","
            "\"at\":\"2026-01-01T00:00:00.000Z\"}\n");
  const std::string gap = "4096 bytes missing: the spool was full";
  EXPECT_THAT(Out({"logs", "latest"}),
              HasSubstr(absl::StrCat("[3] abc\n[3] -- ", gap, " --\n[3] def")));
  EXPECT_THAT(Out({"show", "latest"}),
              HasSubstr("4.1 kB in 1 gap of logs/3.stdout"));
  Subprocess raw(
      Muster({"logs", "latest", "--rank", "3", "--stdout", "--raw"}));
  EXPECT_EQ(raw.Wait(), Code(0));
  EXPECT_EQ(raw.Out(), "abcdef");
  EXPECT_THAT(raw.Err(), HasSubstr("3.stdout, offset 3: " + gap));
}

// Workers that go on when a file is there.
class LiveHistory : public History {
 protected:
  std::string Until(const std::string& name) const {
    return absl::StrCat("while [ ! -e ", directory_.File(name),
                        " ]; do sleep 0.02; done;");
  }
  void Allow(const std::string& name) const {
    WriteFile(directory_.File(name), "");
  }
};

TEST_F(LiveHistory, FollowingShowsALineAsItComesAndEndsWithTheRun) {
  const auto job =
      StartJob(absl::StrCat("echo one; ", Until("go"), "printf '10%%\\r20%%'; ",
                            Until("end"), "echo; echo last"));
  StartedRun();
  Subprocess all(Muster({"logs", "latest", "-f"}));
  Subprocess third(Muster({"logs", "latest", "-f", "--rank", "3"}));
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_TRUE(all.WaitForOutput(absl::StrCat("[", rank, "] one\n")))
        << all.Text();
  }
  EXPECT_TRUE(third.WaitForOutput("one\n"));
  Allow("go");
  // A progress bar's frame, and one that has no end yet.
  EXPECT_TRUE(all.WaitForOutput("[2] 10%\n")) << all.Text();
  EXPECT_TRUE(all.WaitForOutput("[2] 20%")) << all.Text();
  EXPECT_TRUE(third.WaitForOutput("one\n10%\n20%")) << third.Text();
  EXPECT_EQ(all.Wait(absl::ZeroDuration()), kRunning);
  Allow("end");
  EXPECT_EQ(third.Wait(), Code(0)) << third.Text();
  EXPECT_EQ(third.Out(), "one\n10%\n20%\nlast\n");
  EXPECT_EQ(all.Wait(), Code(0)) << all.Text();
  EXPECT_EQ(job->Wait(), Code(0)) << job->Text();
}

TEST_F(LiveHistory, NoLineHoldsTwoRanks) {
  // Each rank writes its lines in three pieces, all ranks at once.
  const auto job = StartJob(absl::StrCat(
      Until("go"),
      "i=0; while [ $i -lt 200 ]; do printf \"<$RANK \"; printf $i; "
      "echo \" $RANK>\"; i=$((i + 1)); done"));
  StartedRun();
  Subprocess logs(Muster({"logs", "latest", "-f", "--merged"}));
  Allow("go");
  EXPECT_EQ(logs.Wait(absl::Seconds(60)), Code(0)) << logs.Text();
  std::map<char, std::string> text;  // of each rank, its lines put together
  for (const std::string& line : Lines(logs.Out())) {
    ASSERT_GE(line.size(), 4u) << line;
    const char rank = line[1];
    ASSERT_EQ(line.substr(0, 4), absl::StrCat("[", std::string(1, rank), "] "));
    for (const char other : {'0', '1', '2', '3'}) {
      if (other == rank) continue;
      EXPECT_THAT(line,
                  Not(HasSubstr(absl::StrCat("<", std::string(1, other)))));
    }
    text[rank] += line.substr(4);
  }
  for (char rank = '0'; rank < '4'; ++rank) {
    std::string expected;
    for (int i = 0; i < 200; ++i) {
      absl::StrAppend(&expected, "<", std::string(1, rank), " ", i, " ",
                      std::string(1, rank), ">");
    }
    EXPECT_EQ(text[rank], expected);
  }
}

TEST_F(LiveHistory, FollowingWaitsForWorkersThatAreNotStartedYet) {
  const std::string port = absl::StrCat(FreePort());
  const auto agent = [&](int node) {
    return std::make_unique<Subprocess>(Command{
        .argv = MusterArgv("run",
                           {{"--nnodes", "2"},
                            {"--node-rank", absl::StrCat(node)},
                            {"--rdzv-endpoint", "127.0.0.1:" + port},
                            {"--nproc-per-node", "1"},
                            {"--insecure", ""},
                            {"--output-dir", absl::StrCat("outputs", node)},
                            {"--log-dir", absl::StrCat("logs", node)}},
                           Shell("echo hello from $RANK")),
        .cwd = directory_.path()});
  };
  const auto first = agent(0);
  StartedRun();
  Subprocess logs(Muster({"logs", "latest", "-f", "--node", "1"}));
  EXPECT_THAT(Out({"runs"}), HasSubstr("running"));
  const auto second = agent(1);
  EXPECT_EQ(logs.Wait(absl::Seconds(60)), Code(0)) << logs.Text();
  EXPECT_EQ(logs.Out(), "[1] hello from 1\n");
  EXPECT_EQ(first->Wait(), Code(0)) << first->Text();
  EXPECT_EQ(second->Wait(), Code(0)) << second->Text();
}

TEST_F(LiveHistory, AnInterruptEndsFollowingWith130) {
  const auto job = StartJob("echo one; " + Until("end"));
  StartedRun();
  Subprocess logs(Muster({"logs", "latest", "-f", "--rank", "0"}));
  ASSERT_TRUE(logs.WaitForOutput("one\n")) << logs.Text();
  logs.Signal(SIGINT);
  EXPECT_EQ(logs.Wait(), Code(130));
  EXPECT_EQ(logs.Err(), "");
  Allow("end");
  EXPECT_EQ(job->Wait(), Code(0)) << "the job minds";
}

TEST_F(LiveHistory, WhenNobodyReadsFollowingEndsQuietly) {
  const auto job = StartJob("echo one; " + Until("end"));
  StartedRun();
  // The reader leaves after a line, and no second one comes.
  Subprocess piped({.argv = {"/bin/sh", "-c",
                             absl::StrCat("{ ", MusterBinary(),
                                          " logs latest -f --rank 0; echo "
                                          "code $? >&2; } | head -n 1")},
                    .cwd = directory_.path()});
  EXPECT_EQ(piped.Wait(), Code(0)) << piped.Text();
  EXPECT_EQ(piped.Out(), "one\n");
  EXPECT_EQ(piped.Err(), "code 0\n");
  Allow("end");
  EXPECT_EQ(job->Wait(), Code(0));
}

TEST_F(History, FilesAreListedAndGot) {
  RunJob(
      "mkdir -p outputs/model; echo $RANK >outputs/model/rank$RANK;"
      "chmod 750 outputs/model/rank$RANK");
  EXPECT_THAT(Out({"files", "latest", "outputs/"}),
              AllOf(HasSubstr("nodes/node0/outputs/model/rank1\n"),
                    HasSubstr("nodes/node1/outputs/model/rank2\n"),
                    Not(HasSubstr("stdout"))));
  const auto files =
      nlohmann::json::parse(Out({"files", "latest", "--json", "logs/"}));
  EXPECT_EQ(files[0]["path"], "logs/0.stderr");

  EXPECT_EQ(Out({"get", "latest", "outputs/", "./model"}),
            "4 files, 8 B, copied to ./model\n");
  EXPECT_THAT(
      FilesBelow(directory_.File("model")),
      ElementsAre("model/rank0", "model/rank1", "model/rank2", "model/rank3"));
  const std::string third = directory_.File("model/model/rank3");
  EXPECT_EQ(ReadFile(third), "3\n");
  EXPECT_EQ(std::filesystem::status(third).permissions(),
            std::filesystem::perms(0750));
  EXPECT_EQ(Out({"get", "latest", "outputs/", "./model"}),
            "0 files, 0 B, copied to ./model; 4 were there already\n");
}

TEST_F(History, WhatTwoNodesHaveGoesBelowEachNodesName) {
  RunJob("mkdir outputs; echo $NODE_RANK >outputs/m; true",
         {{"--nproc-per-node", "1"}});
  EXPECT_THAT(Out({"get", "latest", "outputs/", "both"}),
              HasSubstr("two nodes have m\n"));
  EXPECT_EQ(ReadFile(directory_.File("both/node0/m")), "0\n");
  EXPECT_EQ(ReadFile(directory_.File("both/node1/m")), "1\n");
  Out({"get", "latest", "nodes/node1/outputs/", "one"});
  EXPECT_EQ(ReadFile(directory_.File("one/m")), "1\n");
}

TEST_F(History, WhatCouldNotBeGotIsNamedAndTheRestIsGot) {
  RunJob("mkdir -p outputs; echo $RANK >outputs/$RANK");
  std::filesystem::create_directories(directory_.File("model/2"));
  Subprocess get(Muster({"get", "latest", "outputs/", "model"}));
  EXPECT_EQ(get.Wait(), Code(1)) << get.Text();
  EXPECT_THAT(get.Err(), HasSubstr("nodes/node1/outputs/2: "));
  EXPECT_THAT(get.Out(), HasSubstr("3 files, 6 B, copied to model; 1 file "
                                   "could not be got\n"));
  EXPECT_THAT(FilesBelow(directory_.File("model")), ElementsAre("0", "1", "3"));
}

TEST_F(History, MistakesAreSaidWithWhatIsRight) {
  ExpectFailure({"runs"}, 64, "--run-dir ./muster-runs: ");
  const std::string run = RunJob("true");
  const std::string id = std::filesystem::path(run).filename();
  ExpectFailure({"logs", "sim-x"}, 64, "no such run; the nearest are " + id);
  ExpectFailure({"logs"}, 64, "muster logs RUN");
  ExpectFailure({"show", "./muster-runs"}, 64, "is no run's directory");
  ExpectFailure({"logs", "latest", "--rank", "7"}, 1, "has no log of rank 7");
  ExpectFailure({"get", "latest", "nothing/", "x"}, 1,
                "no files that begin with nothing/");
  EXPECT_FALSE(Exists(directory_.File("x")));
  // One run's own directory is as good as all of them.
  EXPECT_THAT(Out({"show", run}), HasSubstr(id));
  EXPECT_THAT(Out({"show", "latest", "--run-dir", run}), HasSubstr(id));
  env_["MUSTER_RUN_DIR"] = run;
  EXPECT_THAT(Out({"show", id.substr(0, 8)}), HasSubstr(id));
}

class RemoteHistory : public LiveHistory {
 protected:
  void Serve() {
    const rendezvous::Token token(kToken);
    server_ = std::make_unique<history::TestServer>(
        history::HistoryOptions{.run_dir = directory_.File("muster-runs")},
        *rendezvous::Credentials::FromToken(token, "collector"));
    from_ = absl::StrCat("127.0.0.1:", server_->port());
    env_["MUSTER_TOKEN"] = kToken;
    env_["MUSTER_FROM"] = from_;
  }

  std::unique_ptr<history::TestServer> server_;
  std::string from_;
};

TEST_F(RemoteHistory, EverythingIsSaidAsFromTheDirectory) {
  RunJob("echo out $RANK; mkdir -p outputs; echo $RANK >outputs/$RANK");
  Serve();
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"runs", "--json"},
           {"show", "latest", "--json"},
           {"logs", "latest"},
           {"logs", "latest", "--rank", "2", "--stdout", "--raw"},
           {"files", "latest"}}) {
    const std::string remote = Out(words);
    std::vector<std::string> here = words;
    here.insert(here.end(), {"--run-dir", "./muster-runs"});
    EXPECT_EQ(remote, Out(here));
    EXPECT_NE(remote, "");
  }
  EXPECT_THAT(Out({"show", "latest"}), HasSubstr("logs at " + from_));
  EXPECT_EQ(Out({"get", "latest", "outputs/", "model"}),
            "4 files, 8 B, copied to model\n");
  EXPECT_EQ(ReadFile(directory_.File("model/3")), "3\n");
}

TEST_F(RemoteHistory, FollowingSurvivesARestartOfTheCollector) {
  const auto job = StartJob(absl::StrCat(
      "echo one; ", Until("go"), "echo two; ", Until("end"), "echo three"));
  StartedRun();
  Serve();
  Subprocess logs(Muster({"logs", "latest", "-f", "--rank", "0"}));
  ASSERT_TRUE(logs.WaitForOutput("one\n")) << logs.Text();
  server_->Stop();
  ASSERT_TRUE(logs.WaitForOutput("is away")) << logs.Text();
  Allow("go");
  server_->Start();
  ASSERT_TRUE(logs.WaitForOutput("two\n")) << logs.Text();
  Allow("end");
  EXPECT_EQ(logs.Wait(), Code(0)) << logs.Text();
  EXPECT_EQ(logs.Out(), "one\ntwo\nthree\n");
  EXPECT_THAT(logs.Err(), HasSubstr("is back"));
  EXPECT_EQ(job->Wait(), Code(0));
}

TEST_F(RemoteHistory, AJobsOwnCollectorIsFollowedFromElsewhereToItsEnd) {
  env_["MUSTER_TOKEN"] = kToken;
  const auto job = StartJob("echo one; " + Until("end") + "echo last of $RANK",
                            {{"--nproc-per-node", "1"}});
  const std::string at = "hosting the coordinator on ";
  ASSERT_TRUE(job->WaitForOutput(at)) << job->Text();
  StartedRun();
  const std::string text = job->Err();
  const size_t begin = text.find(at) + at.size();
  env_["MUSTER_FROM"] = text.substr(begin, text.find('\n', begin) - begin);
  Subprocess logs(Muster({"logs", "latest", "-f"}));
  ASSERT_TRUE(logs.WaitForOutput("[1] one\n")) << logs.Text();
  Allow("end");
  EXPECT_EQ(logs.Wait(), Code(0)) << logs.Text();
  EXPECT_THAT(logs.Out(), AllOf(HasSubstr("[0] last of 0\n"),
                                HasSubstr("[1] last of 1\n")));
  EXPECT_EQ(logs.Err(), "");
  EXPECT_EQ(job->Wait(), Code(0)) << job->Text();
}

TEST_F(RemoteHistory, FollowingSurvivesTheDeathOfACollectorProcess) {
  CollectorProcess collector(directory_.File("kept"));
  ASSERT_TRUE(collector.Start());
  env_["MUSTER_TOKEN"] = kToken;
  env_["MUSTER_FROM"] = collector.address();
  const auto job =
      StartJob(absl::StrCat("echo one; ", Until("go"), "echo two; ",
                            Until("end"), "echo three"),
               {{"--collector", collector.address()}});
  ASSERT_TRUE(
      Eventually([&] { return absl::StrContains(Out({"runs"}), "running"); }));
  Subprocess logs(Muster({"logs", "latest", "-f", "--rank", "3"}));
  ASSERT_TRUE(logs.WaitForOutput("one\n")) << logs.Text();
  collector.Kill();
  ASSERT_TRUE(logs.WaitForOutput("is away")) << logs.Text();
  Allow("go");
  ASSERT_TRUE(collector.Start());
  ASSERT_TRUE(logs.WaitForOutput("two\n")) << logs.Text();
  Allow("end");
  EXPECT_EQ(logs.Wait(), Code(0)) << logs.Text();
  EXPECT_EQ(logs.Out(), "one\ntwo\nthree\n");
  EXPECT_EQ(job->Wait(), Code(0)) << job->Text();
}

TEST_F(RemoteHistory, WhoHasNoTokenIsToldSo) {
  RunJob("true");
  Serve();
  env_["MUSTER_TOKEN"] = "another-token-that-is-long-enough";
  ExpectFailure({"runs"}, 77, "is not the collector's");
  env_["MUSTER_TOKEN"] = kToken;
  server_->Stop();
  ExpectFailure({"runs"}, 69, from_);
  env_.erase("MUSTER_TOKEN");
  env_["MUSTER_FROM"] = "192.0.2.1:1";
  ExpectFailure({"runs"}, 64, "set MUSTER_TOKEN");
}

TEST_F(RemoteHistory, OnThisMachineACollectorWithoutATokenNeedsNone) {
  RunJob("true");
  const history::TestServer plain({.run_dir = directory_.File("muster-runs")});
  EXPECT_THAT(Out({"runs", "--from", absl::StrCat("127.0.0.1:", plain.port())}),
              HasSubstr("succeeded"));
}

}  // namespace
}  // namespace muster::test
