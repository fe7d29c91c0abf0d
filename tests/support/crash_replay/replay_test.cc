// The tool proves itself: what is written well passes under every model that it
// is written for, and what is not is caught.
#include "tests/support/crash_replay/replay.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/crash_replay/record.h"
#include "tests/support/files.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Trace TraceOf(const std::string& program, const std::string& how) {
  const TempDir dir;
  absl::StatusOr<Trace> trace = RecordCalls(
      {MUSTER_CRASH_PROGRAMS, program, dir.path(), how}, dir.path());
  EXPECT_TRUE(trace.ok()) << trace.status();
  if (!trace.ok()) return {};
  EXPECT_EQ(trace->wait_status, 0) << trace->errors;
  return *std::move(trace);
}

int Acknowledged(const CrashState& state) {
  int last = 0;
  for (const std::string& mark : state.marks) {
    last = std::stoi(mark.substr(mark.rfind(' ')));
  }
  return last;
}

// There is a whole version, and none older than the last acknowledged one.
std::string CheckValue(const CrashState& state) {
  const std::string bytes = ReadFile(state.directory + "/value");
  const int acknowledged = Acknowledged(state);
  if (bytes.empty()) return acknowledged == 0 ? "" : "the value is gone";
  const int version = bytes[0] - '0';
  std::string whole;
  for (int i = 0; i < 1500; ++i) absl::StrAppend(&whole, version, " value\n");
  if (bytes != whole) return "the value is torn";
  return version >= acknowledged ? "" : "the value is old";
}

// All acknowledged lines are there, and what follows is one that was written.
std::string CheckLog(const CrashState& state) {
  const std::string log = ReadFile(state.directory + "/log");
  std::string all;
  int whole = 0;
  for (int number = 1; all.size() < log.size(); ++number) {
    absl::StrAppend(&all, "line ", number, "\n");
    if (absl::StartsWith(log, all)) whole = number;
  }
  if (!absl::StartsWith(all, log)) return "the log is altered";
  return whole >= Acknowledged(state) ? "" : "acknowledged lines are lost";
}

CrashReport Replayed(const Trace& trace, DiskModel model,
                     const CrashCheck& check) {
  return ReplayCrashes(trace, {.model = model}, check);
}

TEST(ReplayCrashes, PassesAFileThatIsReplacedWell) {
  const Trace trace = TraceOf("replace", "good");
  for (const DiskModel model :
       {DiskModel::kJournaled, DiskModel::kLoose, DiskModel::kProcessDeath}) {
    const CrashReport report = Replayed(trace, model, CheckValue);
    EXPECT_THAT(report.problems, IsEmpty()) << report;
    EXPECT_EQ(report.calls, trace.events.size());
    EXPECT_GT(report.states, trace.events.size() / 2);
  }
}

TEST(ReplayCrashes, CatchesARenameWithoutSync) {
  const Trace trace = TraceOf("replace", "no-sync");
  for (const DiskModel model : {DiskModel::kJournaled, DiskModel::kLoose}) {
    const CrashReport report = Replayed(trace, model, CheckValue);
    EXPECT_GT(report.failed, 0);
    ASSERT_FALSE(report.problems.empty());
    EXPECT_THAT(report.problems[0], HasSubstr("rename value.new to value"));
  }
}

TEST(ReplayCrashes, CatchesASyncBehindTheRename) {
  EXPECT_GT(Replayed(TraceOf("replace", "late-sync"), DiskModel::kJournaled,
                     CheckValue)
                .failed,
            0);
}

TEST(ReplayCrashes, CatchesADirectoryThatIsNotSynced) {
  const Trace trace = TraceOf("replace", "no-directory-sync");
  for (const DiskModel model : {DiskModel::kJournaled, DiskModel::kLoose}) {
    EXPECT_GT(Replayed(trace, model, CheckValue).failed, 0);
  }
}

TEST(ReplayCrashes, CatchesAFileThatIsOverwritten) {
  const Trace trace = TraceOf("replace", "in-place");
  for (const DiskModel model :
       {DiskModel::kJournaled, DiskModel::kLoose, DiskModel::kProcessDeath}) {
    EXPECT_GT(Replayed(trace, model, CheckValue).failed, 0);
  }
}

TEST(ReplayCrashes, LosesNothingOfADeadProcessThatWritesByRename) {
  // Syncs are for the loss of power alone.
  const CrashReport report = Replayed(TraceOf("replace", "no-sync"),
                                      DiskModel::kProcessDeath, CheckValue);
  EXPECT_THAT(report.problems, IsEmpty()) << report;
}

TEST(ReplayCrashes, PassesAJournalThatIsSyncedBeforeItIsAcknowledged) {
  const Trace trace = TraceOf("journal", "good");
  for (const DiskModel model :
       {DiskModel::kJournaled, DiskModel::kProcessDeath}) {
    const CrashReport report = Replayed(trace, model, CheckLog);
    EXPECT_THAT(report.problems, IsEmpty()) << report;
  }
  // Nothing tells its own zeros from lines: that takes a checksum.
  EXPECT_GT(Replayed(trace, DiskModel::kLoose, CheckLog).failed, 0);
}

TEST(ReplayCrashes, CatchesAJournalThatIsNotSynced) {
  const CrashReport report =
      Replayed(TraceOf("journal", "no-sync"), DiskModel::kJournaled, CheckLog);
  EXPECT_GT(report.failed, 5);
  ASSERT_FALSE(report.problems.empty());
  EXPECT_THAT(report.problems[0], HasSubstr("acknowledged lines are lost"));
}

TEST(ReplayCrashes, CatchesWhatIsAcknowledgedBeforeItIsWritten) {
  EXPECT_GT(Replayed(TraceOf("journal", "acknowledge-first"),
                     DiskModel::kProcessDeath, CheckLog)
                .failed,
            0);
}

TEST(ReplayCrashes, PassesASyncBesideWrites) {
  const CrashReport report =
      Replayed(TraceOf("threads", "good"), DiskModel::kJournaled, CheckLog);
  EXPECT_THAT(report.problems, IsEmpty()) << report;
}

TEST(ReplayCrashes, CatchesASyncThatIsTakenForWhatWasWrittenDuringIt) {
  // Whether a write comes during a sync is the scheduler's choice.
  for (int round = 0; round < 50; ++round) {
    if (Replayed(TraceOf("threads", "racy"), DiskModel::kJournaled, CheckLog)
            .failed > 0) {
      return;
    }
  }
  FAIL() << "50 rounds without a write during a sync";
}

TEST(ReplayCrashes, IsNotContentWithNothing) {
  EXPECT_FALSE(Replayed({}, DiskModel::kJournaled, CheckLog).problems.empty());
}

TEST(ReplayCrashes, TriesOnlyTheCallsThatAreWanted) {
  const Trace trace = TraceOf("journal", "good");
  const CrashReport report = ReplayCrashes(
      trace, {.first_call = 10, .last_call = 12}, [](const CrashState& state) {
        const size_t lines = Lines(ReadFile(state.directory + "/log")).size();
        return state.is_the_end || (lines >= 2 && lines <= 4) ? "" : "unwanted";
      });
  EXPECT_THAT(report.problems, IsEmpty()) << report;
  EXPECT_GT(report.states, 1);
}

TEST(ReplayCrashes, TellsTheSameStatesForTheSameSeed) {
  const Trace trace = TraceOf("replace", "no-sync");
  CrashOptions options = {.seed = 7, .random_states = 20};
  const CrashReport first = ReplayCrashes(trace, options, CheckValue);
  const CrashReport again = ReplayCrashes(trace, options, CheckValue);
  EXPECT_EQ(first.problems, again.problems);
  EXPECT_EQ(first.states, again.states);
}

TEST(ReplayCrashes, FindsARecoveryThatDiesOrDoesNotEnd) {
  const Trace trace = TraceOf("replace", "good");
  const CrashReport report = ReplayCrashes(
      trace, {.deadline = absl::Milliseconds(50)},
      [](const CrashState& state) -> std::string {
        if (state.is_the_end) abort();
        if (state.marks.empty() && Exists(state.directory + "/value.new")) {
          while (true) pause();
        }
        return "";
      });
  ASSERT_GE(report.problems.size(), 2);
  EXPECT_THAT(report.problems.front(), HasSubstr("not over within 50ms"));
  EXPECT_THAT(report.problems.back(), HasSubstr("died of signal 6"));
}

}  // namespace
}  // namespace muster::test
