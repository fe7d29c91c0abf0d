#include "launcher/history/log_reader.h"

#include <poll.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/history/log_notes.h"
#include "tests/launcher/history/run.h"

namespace muster::history {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kGap[] = R"({"offset":3,"length":10,"reason":"spool-full"})";

LogsRequest AllLogs() {
  LogsRequest request;
  request.set_run_id("run");
  request.add_kinds(STREAM_STDOUT);
  request.add_kinds(STREAM_STDERR);
  return request;
}

LogsRequest Following() {
  LogsRequest request = AllLogs();
  request.set_follow(true);
  return request;
}

class Reader {
 public:
  Reader(const TestRun& run, const LogsRequest& request)
      : reader_(*OpenRun(OpenDirectory(run.run_dir())->get(), "run"), request,
                &watch_, [] {}) {}

  // What it says until it has no more, or is over ("over"): "3.stdout@5 text",
  // "3.stdout@5" for an announcement.
  std::vector<std::string> Say() {
    std::vector<std::string> said;
    while (true) {
      LogPiece piece;
      const absl::StatusOr<Step> step = reader_.Next(&piece);
      EXPECT_TRUE(step.ok()) << step.status();
      if (!step.ok() || *step == Step::kNothing) return said;
      if (*step == Step::kOver) {
        said.push_back("over");
        return said;
      }
      said.push_back(absl::StrCat(
          ShortName(ToKey(piece.log())), "@", piece.offset(),
          piece.data().empty() ? "" : " ", piece.data(),
          piece.has_note() ? " -- " + NoteText(piece.note()) : ""));
    }
  }

  // The same, of what changed; waits for the kernel to tell.
  std::vector<std::string> SayNews() {
    pollfd news = {watch_.fd(), POLLIN, 0};
    EXPECT_EQ(poll(&news, 1, 20'000), 1) << "nothing was told";
    watch_.Dispatch();
    return Say();
  }

  LogReader& reader() { return reader_; }

 private:
  DirectoryWatch watch_;
  LogReader reader_;
};

TEST(LogReader, ReadsLogByLogInTheOrderOfRanks) {
  const TestRun run;
  for (const char* name : {"10.stdout", "2.stderr", "2.stdout", "other",
                           "2.stdout.x", "node0.agent"}) {
    run.Write(absl::StrCat("logs/", name), name);
  }
  EXPECT_THAT(Reader(run, AllLogs()).Say(),
              ElementsAre("2.stdout@0", "2.stderr@0", "10.stdout@0",
                          "2.stdout@0 2.stdout", "2.stderr@0 2.stderr",
                          "10.stdout@0 10.stdout", "over"));
}

TEST(LogReader, ReadsWhatIsChosen) {
  const TestRun run;
  run.Write("run.json", R"({"nodes": [{"node": 0, "ranks": [0]},
                                      {"node": 1, "ranks": [1, 2]}]})");
  for (int rank = 0; rank < 4; ++rank) {
    run.Write(absl::StrCat("logs/", rank, ".stdout"), "");
    run.Write(absl::StrCat("logs/", rank, ".stderr"), "");
    run.Write(absl::StrCat("logs/node", rank, ".agent"), "");
  }
  LogsRequest request;
  request.add_kinds(STREAM_STDERR);
  request.add_ranks(3);
  EXPECT_THAT(Reader(run, request).Say(), ElementsAre("3.stderr@0", "over"));
  request.add_nodes(1);
  EXPECT_THAT(Reader(run, request).Say(),
              ElementsAre("1.stderr@0", "2.stderr@0", "3.stderr@0", "over"));
  request.Clear();
  request.add_kinds(STREAM_AGENT);
  request.add_nodes(2);
  EXPECT_THAT(Reader(run, request).Say(), ElementsAre("node2.agent@0", "over"));
}

TEST(LogReader, ReadsAttemptsAndIncarnations) {
  const TestRun run;
  run.Write("logs/0.stdout", "a");
  run.Write("logs/attempt1/0.stdout", "b");
  run.Write("logs/attempt1/incarnation1/0.stdout", "c");
  EXPECT_THAT(Reader(run, AllLogs()).Say(),
              ElementsAre("0.stdout@0", "attempt1/0.stdout@0",
                          "attempt1/incarnation1/0.stdout@0", "0.stdout@0 a",
                          "attempt1/0.stdout@0 b",
                          "attempt1/incarnation1/0.stdout@0 c", "over"));
}

TEST(LogReader, ARunWithoutLogsIsOverAtOnceUnlessFollowed) {
  const TestRun run;
  EXPECT_THAT(Reader(run, AllLogs()).Say(), ElementsAre("over"));
  Reader follower(run, Following());
  EXPECT_THAT(follower.Say(), IsEmpty());
  run.Write("logs/0.stdout", "");
  run.Append("logs/0.stdout", "hello");
  std::vector<std::string> said;
  while (said.size() < 2) {
    for (std::string& one : follower.SayNews()) said.push_back(one);
  }
  EXPECT_THAT(said, ElementsAre("0.stdout@0", "0.stdout@0 hello"));
}

TEST(LogReader, FollowsInTheOrderOfTheWrites) {
  const TestRun run;
  run.Write("logs/0.stdout", "old0");
  run.Write("logs/1.stdout", "old1");
  Reader follower(run, Following());
  EXPECT_THAT(follower.Say(),
              ElementsAre("0.stdout@0", "1.stdout@0", "0.stdout@0 old0",
                          "1.stdout@0 old1"));
  run.Append("logs/1.stdout", "b");
  run.Append("logs/0.stdout", "a");
  EXPECT_THAT(follower.SayNews(), ElementsAre("1.stdout@4 b", "0.stdout@4 a"));
}

TEST(LogReader, IsOverWhenTheReportIsThereAndAllIsSaid) {
  const TestRun run;
  run.Write("logs/0.stdout", "x");
  Reader follower(run, Following());
  follower.Say();
  run.Append("logs/0.stdout", "last words");
  run.Write("logs/1.stdout", "late");
  run.Publish("report.json", "{}");
  EXPECT_THAT(follower.SayNews(),
              ElementsAre("1.stdout@0", "0.stdout@1 last words",
                          "1.stdout@0 late", "over"));
}

TEST(LogReader, AFinishedRunIsReadWholeAndOver) {
  const TestRun run;
  run.Write("report.json", "{}");
  run.Write("logs/0.stdout", "x");
  EXPECT_THAT(Reader(run, Following()).Say(),
              ElementsAre("0.stdout@0", "0.stdout@0 x", "over"));
}

TEST(LogReader, GapsStandInTheirPlaces) {
  const TestRun run;
  run.Write("logs/0.stdout", "abcdef");
  run.Write(
      "logs/0.stdout.gaps",
      absl::StrCat(kGap, "\n", R"({"offset":16,"end":"abandoned"})", "\n"));
  run.Write("logs/1.stdout", "x");
  EXPECT_THAT(
      Reader(run, AllLogs()).Say(),
      ElementsAre("0.stdout@0", "1.stdout@0", "0.stdout@0 abc",
                  "0.stdout@3 -- 10 bytes missing: the spool was full",
                  "0.stdout@3 def",
                  "0.stdout@6 -- a process outside of the job still holds the "
                  "stream: it may have written more",
                  "1.stdout@0 x", "over"));
}

TEST(LogReader, AGapThatComesWhileFollowedStandsBeforeTheBytesAfterIt) {
  const TestRun run;
  run.Write("logs/0.stdout", "abc");
  Reader follower(run, Following());
  follower.Say();
  run.Append("logs/0.stdout.gaps", absl::StrCat(kGap, "\n"));
  run.Append("logs/0.stdout", "def");
  EXPECT_THAT(follower.SayNews(),
              ElementsAre("0.stdout@3 -- 10 bytes missing: the spool was full",
                          "0.stdout@3 def"));
}

TEST(LogReader, GoesOnWhereAReaderWas) {
  const TestRun run;
  run.Write("logs/0.stdout", "abcdef");
  run.Write("logs/0.stdout.gaps", absl::StrCat(kGap, "\n"));
  run.Write("logs/1.stdout", "new");
  LogsRequest request = AllLogs();
  LogPosition& position = *request.add_from();
  position.mutable_log()->set_kind(STREAM_STDOUT);
  position.set_offset(3);
  position.set_notes(1);
  EXPECT_THAT(Reader(run, request).Say(),
              ElementsAre("0.stdout@3", "1.stdout@0", "0.stdout@3 def",
                          "1.stdout@0 new", "over"));
}

TEST(LogReader, ATailBeginsWithTheLastLinesAndLeavesOutEarlierGaps) {
  const TestRun run;
  run.Write("logs/0.stdout", "abc\nde\nf\n");
  run.Write("logs/0.stdout.gaps", absl::StrCat(kGap, "\n"));
  LogsRequest request = AllLogs();
  request.set_tail_lines(2);
  EXPECT_THAT(Reader(run, request).Say(),
              ElementsAre("0.stdout@4", "0.stdout@4 de\nf\n", "over"));
}

TEST(LogReader, ALogThatIsCutByARestartGoesOnAsItWas) {
  const TestRun run;
  run.Write("logs/0.stdout", "abcdef");
  Reader follower(run, Following());
  follower.Say();
  // What was not durable is taken back, and comes again.
  std::filesystem::resize_file(run.Path("logs/0.stdout"), 2);
  EXPECT_THAT(follower.SayNews(), IsEmpty());
  run.Append("logs/0.stdout", "cd");
  EXPECT_THAT(follower.SayNews(), IsEmpty());
  run.Append("logs/0.stdout", "efgh");
  EXPECT_THAT(follower.SayNews(), ElementsAre("0.stdout@6 gh"));
}

TEST(LogReader, ANodesRanksAreLearntWhenItIsThere) {
  const TestRun run;
  run.Write("logs/0.stdout", "a");
  run.Write("logs/1.stdout", "b");
  LogsRequest request = Following();
  request.add_nodes(1);
  Reader follower(run, request);
  EXPECT_THAT(follower.Say(), IsEmpty());
  run.Publish("run.json", R"({"nodes": [{"node": 1, "ranks": [1]}]})");
  EXPECT_THAT(follower.SayNews(), ElementsAre("1.stdout@0", "1.stdout@0 b"));
}

TEST(LogReader, WithoutBeingToldARecheckFindsTheNews) {
  const TestRun run;
  run.Write("logs/0.stdout", "a");
  Reader follower(run, Following());
  follower.Say();
  run.Append("logs/0.stdout", "b");
  EXPECT_THAT(follower.Say(), IsEmpty()) << "it was not told yet";
  follower.reader().Recheck();
  EXPECT_THAT(follower.Say(), ElementsAre("0.stdout@1 b"));
}

TEST(LogReader, ABigLogComesInPiecesAndKeepsNobodyWaitingOnceCaughtUp) {
  const TestRun run;
  run.Write("logs/0.stdout", "");
  run.Write("logs/1.stdout", "");
  Reader follower(run, Following());
  follower.Say();
  run.Append("logs/0.stdout", std::string(600 * 1024, 'x'));
  run.Append("logs/1.stdout", "short");
  const std::vector<std::string> said = follower.SayNews();
  ASSERT_EQ(said.size(), 4u);
  EXPECT_EQ(said[1], "1.stdout@0 short");
  EXPECT_EQ(said[2].substr(0, 16), "0.stdout@262144 ");
}

TEST(LogReader, LinksAndOtherThingsAreNoLogs) {
  const TestRun run;
  run.Write("logs/0.stdout", "x");
  std::filesystem::create_symlink("/etc/passwd", run.Path("logs/1.stdout"));
  std::filesystem::create_directories(run.Path("logs/2.stdout"));
  EXPECT_THAT(Reader(run, AllLogs()).Say(),
              ElementsAre("0.stdout@0", "0.stdout@0 x", "over"));
}

}  // namespace
}  // namespace muster::history
