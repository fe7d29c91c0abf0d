// What a collector holds after a crash, at each of its calls, and at each call
// of the collector that comes after a crash.
#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/collector/journal.h"
#include "launcher/collector/run_store.h"
#include "tests/launcher/collector/crashes/crash_program.h"
#include "tests/support/crash_replay/record.h"
#include "tests/support/crash_replay/replay.h"
#include "tests/support/files.h"
#include "tests/support/records/log_check.h"

namespace muster::collector {
namespace {

using test::CrashCheck;
using test::CrashReport;
using test::CrashState;
using test::DiskModel;
using ::testing::IsEmpty;

// ---- a journal ----

// All of a record or nothing, and every one that was acknowledged.
std::string CheckJournal(const CrashState& state) {
  uint64_t acknowledged = 0;
  bool is_made = false;
  for (const std::string& mark : state.marks) {
    if (mark == "born") continue;
    acknowledged = std::stoull(mark.substr(mark.rfind(' ')));
    is_made = true;
  }
  const int directory =
      open(state.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const auto journal = Journal::Open(directory, state.directory);
  close(directory);
  if (!journal.ok()) {
    return is_made ? std::string(journal.status().message()) : "";
  }
  uint64_t records = 0;
  if (!(*journal)->state().nodes().empty()) {
    const auto& streams = (*journal)->state().streams(0);
    if (streams.size() != kJournalStreams) return "streams are lost";
    records = streams.begin()->second.stored >> 20;
    for (const auto& [id, stream] : streams) {
      if (stream.stored != records << 20) return "a record is there in part";
    }
  }
  if (records < acknowledged) {
    return absl::StrCat("record ", acknowledged, " was acknowledged, but ",
                        records, " are there");
  }
  return "";
}

// ---- a run ----

struct Promises {
  bool is_made = false;
  std::map<std::tuple<uint32_t, int, uint32_t>, uint64_t> positions;
  int run_json = 0;
  uint64_t events = 0;
};

Promises PromisesOf(const CrashState& state) {
  Promises promises;
  for (const std::string& mark : state.marks) {
    std::istringstream words(mark);
    std::string verb;
    words >> verb;
    if (verb == "made") promises.is_made = true;
    if (verb == "durable") {
      uint32_t node = 0;
      int kind = 0;
      uint32_t rank = 0;
      words >> node >> kind >> rank >> promises.positions[{node, kind, rank}];
    }
    if (verb == "document") {
      std::string name;
      uint64_t number = 0;
      words >> name >> number;
      if (name == "run.json") promises.run_json = static_cast<int>(number);
      if (name == "events.jsonl") promises.events = number;
    }
  }
  return promises;
}

std::string CheckDocuments(Run* run, const Promises& promises) {
  const std::string document = test::ReadFile(run->path() + "/run.json");
  if (!document.empty() || promises.run_json > 0) {
    const int life = document.empty() ? 0 : document[0] - '0';
    if (document != CrashDocument(life)) return "run.json is torn";
    if (life < promises.run_json) return "run.json is old";
  }
  // What was not acknowledged is sent again.
  const std::string all = "one\ntwo\n";
  const absl::Status written = run->WriteDocument(
      RECORD_EVENTS, all.substr(promises.events), promises.events);
  if (!written.ok()) return std::string(written.message());
  const std::string events = test::ReadFile(run->path() + "/events.jsonl");
  return events == all ? "" : absl::StrCat("events.jsonl is ", events);
}

// A node comes back: it is told where each stream goes on, the file is exact up
// to there, and nothing that was acknowledged is missing.
std::string CheckNode(RunStore* store, uint32_t node, const std::string& run,
                      const Promises& promises) {
  const auto admitted = store->Admit(CrashIntroduction(node));
  if (!admitted.ok()) return std::string(admitted.status().message());
  const auto id = (*admitted)->Enter(CrashIntroduction(node));
  if (!id.ok()) return std::string(id.status().message());
  std::map<std::pair<int, uint32_t>, uint64_t> positions;
  for (const StreamPosition& at : (*admitted)->logs().Positions(*id)) {
    positions[{at.stream().kind(), at.stream().rank()}] = at.offset();
  }
  for (const CrashStream& stream : CrashStreams(node)) {
    const uint64_t position =
        positions[{stream.name.kind(), stream.name.rank()}];
    const auto promised =
        promises.positions.find({node, stream.name.kind(), stream.name.rank()});
    if (promised != promises.positions.end() && position < promised->second) {
      return absl::StrCat(stream.path, " was acknowledged up to ",
                          promised->second, ", but is at ", position);
    }
    const test::LogCheck check =
        test::CheckLog(stream.pattern, run + "/" + stream.path, position);
    if (!check.problem.empty()) return check.problem;
  }
  const LogChanges changes = (*admitted)->logs().TakeChanges();
  if (changes.empty()) return "";
  return std::string((*admitted)->Commit(changes).message());
}

std::string CheckRun(const CrashState& state) {
  const Promises promises = PromisesOf(state);
  const std::string run = absl::StrCat(state.directory, "/", kCrashRun);
  auto store = RunStore::Open({.directory = state.directory});
  if (!store.ok()) return std::string(store.status().message());
  const auto opened = (*store)->OpenOrCreate(kCrashRun, kCrashKey);
  if (!opened.ok()) return std::string(opened.status().message());
  if (promises.is_made && (*opened)->is_new()) return "the run is gone";
  std::string problem = CheckDocuments(opened->get(), promises);
  for (uint32_t node = 0; problem.empty() && node < 2; ++node) {
    problem = CheckNode(store->get(), node, run, promises);
  }
  return problem;
}

// ---- crashes ----

struct Subject {
  std::string name;
  CrashCheck check;
  // Behind which calls the first process is killed.
  std::function<bool(const test::TraceEvent&)> is_worth_a_kill;
};

bool IsAny(const test::TraceEvent&) { return true; }

// What a log holds is told of by the journal alone, so calls on logs are not
// worth it.
bool IsOfJournalOrNames(const test::TraceEvent& event) {
  return event.IsOfNames() ||
         (event.IsOfContent() && (absl::StrContains(event.what, "journal") ||
                                  absl::StrContains(event.what, "events")));
}

// Until what the dead process left is synced, or something was promised on top
// of it.
constexpr size_t kCallsOfARestart = 30;

void PrintTo(const Subject& subject, std::ostream* out) {
  *out << subject.name;
}

class CollectorCrash : public ::testing::TestWithParam<Subject> {
 protected:
  static test::Trace Record(size_t kill_at) {
    const test::TempDir dir;
    absl::StatusOr<test::Trace> trace = test::RecordCalls(
        {MUSTER_COLLECTOR_CRASH_PROGRAM, GetParam().name, dir.path()},
        dir.path(), {.kill_at = kill_at});
    EXPECT_TRUE(trace.ok()) << trace.status();
    if (!trace.ok()) return {};
    EXPECT_EQ(trace->wait_status, 0) << trace->errors;
    return *std::move(trace);
  }
};

TEST_P(CollectorCrash, LosesNothingThatWasAcknowledged) {
  const test::Trace trace = Record(0);
  for (const DiskModel model :
       {DiskModel::kProcessDeath, DiskModel::kJournaled, DiskModel::kLoose}) {
    const CrashReport report = test::ReplayCrashes(
        trace, {.model = model, .random_states = 2}, GetParam().check);
    EXPECT_THAT(report.problems, IsEmpty())
        << "model " << static_cast<int>(model) << ": " << report;
  }
}

// The process is killed, and what it had not synced is not yet on the disk when
// the next one promises on top of it, and the power fails.
TEST_P(CollectorCrash, LosesNothingWhenThePowerFailsAfterARestart) {
  const test::Trace whole = Record(0);
  size_t kill_at = 0;
  while (whole.events[kill_at].data != "born") ++kill_at;
  const size_t end = whole.events.size() / 2;
  ASSERT_GT(end, kill_at + 10);
  for (kill_at += 2; kill_at < end; ++kill_at) {
    if (!GetParam().is_worth_a_kill(whole.events[kill_at - 1])) continue;
    const test::Trace trace = Record(kill_at);
    for (const DiskModel model : {DiskModel::kJournaled, DiskModel::kLoose}) {
      const CrashReport report =
          test::ReplayCrashes(trace,
                              {.model = model,
                               .random_states = 0,
                               .first_call = kill_at,
                               .last_call = kill_at + kCallsOfARestart},
                              GetParam().check);
      ASSERT_THAT(report.problems, IsEmpty())
          << "killed at call " << kill_at << " ("
          << trace.events[kill_at - 1].what << "), model "
          << static_cast<int>(model) << ": " << report;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    OfA, CollectorCrash,
    ::testing::Values(Subject{"journal", CheckJournal, IsAny},
                      Subject{"run", CheckRun, IsOfJournalOrNames}),
    [](const auto& subject) { return subject.param.name; });

}  // namespace
}  // namespace muster::collector
