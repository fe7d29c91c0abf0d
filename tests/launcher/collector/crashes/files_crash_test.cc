// What a collector has of a node's files after a crash, at each of its calls.
#include <functional>
#include <map>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/crashes/files_program.h"
#include "tests/support/crash_replay/record.h"
#include "tests/support/crash_replay/replay.h"
#include "tests/support/files.h"

namespace muster::collector {
namespace {

using test::CrashReport;
using test::CrashState;
using test::DiskModel;
using ::testing::IsEmpty;

constexpr char kLog[] = "logs/deep/log";

struct Promises {
  std::map<std::string, int> versions;  // by path
  uint64_t followed = 0;
};

Promises PromisesOf(const CrashState& state) {
  Promises promises;
  for (const std::string& mark : state.marks) {
    std::istringstream words(mark);
    std::string verb;
    std::string path;
    std::string rest;
    words >> verb >> path >> rest;
    if (verb == "stored") promises.versions[path] = std::stoi(rest);
    if (verb == "followed") promises.followed = std::stoull(rest);
    if (verb == "moved") {
      promises.versions[rest] = promises.versions[path];
      promises.versions.erase(path);
    }
  }
  return promises;
}

// Which version of which file this is, by its path; 0 when it is none of them,
// so not a whole one.
int VersionOf(const std::string& path, const std::string& content) {
  for (const int version : {1, 2}) {
    std::string whole;
    if (absl::EndsWith(path, "medium")) {
      whole = FileContent(1, version, kMediumBytes);
    } else if (absl::StrContains(path, "small")) {
      whole = FileContent(2, version, kSmallBytes);
    } else {
      whole = FileContent(4, version, kLargeBytes);
    }
    if (content == whole) return version;
  }
  return 0;
}

// Nothing under its name is torn, nothing acknowledged is gone or older.
std::string CheckPublished(const std::string& files, const Promises& promises) {
  std::map<std::string, int> found;
  for (const std::string& below : test::FilesBelow(files + "/outputs")) {
    const std::string path = "outputs/" + below;
    found[path] = VersionOf(path, test::ReadFile(files + "/" + path));
    if (found[path] == 0) return path + " is there, but not whole";
  }
  for (const auto& [path, version] : promises.versions) {
    // The move may have happened already.
    const std::string moved = "outputs/moved/medium";
    const bool is_moved = path == "outputs/medium" && found.count(moved) != 0;
    if (found[is_moved ? moved : path] < version) {
      return absl::StrCat(path, " was stored in version ", version,
                          ", but there is ", found[path]);
    }
  }
  return "";
}

std::string CheckFollowed(const std::string& files, const Promises& promises) {
  const std::string log = test::ReadFile(files + "/" + kLog);
  if (log.size() < promises.followed) {
    return absl::StrCat(kLog, " holds ", log.size(), " bytes, but ",
                        promises.followed, " were acknowledged");
  }
  const std::string kept = log.substr(0, promises.followed);
  return kept == FileContent(3, 0, kept.size()) ? ""
                                                : "the log's bytes are altered";
}

// The node comes back: what was cut goes on or begins anew, and ends whole.
std::string CheckGoingOn(const std::string& directory,
                         const Promises& promises) {
  FileNode node(directory);
  const std::string files = directory + "/nodes/node0";
  for (const std::string& name :
       test::FilesBelow(directory + "/.muster/parts")) {
    const std::string record = directory + "/.muster/parts/" + name + ".record";
    if (!absl::EndsWith(name, ".record") && !test::Exists(record)) {
      return "a part without a record was left behind";
    }
  }
  const std::string large = FileContent(4, 1, kLargeBytes);
  if (!node.Send("outputs/large", 1, large)) return "large was not stored";
  if (test::ReadFile(files + "/outputs/large") != large) {
    return absl::StrCat("large is altered; it went on at ", node.resumed_at());
  }
  node.Follow(1, kLog, promises.followed);
  const std::string log = FileContent(3, 0, promises.followed + 50);
  if (node.Grow(1, promises.followed, log.substr(promises.followed)) !=
      log.size()) {
    return "the log does not grow";
  }
  return test::ReadFile(files + "/" + kLog) == log ? "" : "the log is altered";
}

std::string CheckFiles(const CrashState& state) {
  const Promises promises = PromisesOf(state);
  const std::string files = state.directory + "/nodes/node0";
  std::string problem = CheckPublished(files, promises);
  if (problem.empty()) problem = CheckFollowed(files, promises);
  if (problem.empty()) problem = CheckGoingOn(state.directory, promises);
  return problem;
}

class FilesCrash : public ::testing::Test {
 protected:
  static test::Trace Record(size_t kill_at) {
    const test::TempDir dir;
    const std::string watched = dir.Dir("run");
    absl::StatusOr<test::Trace> trace = test::RecordCalls(
        {MUSTER_FILES_CRASH_PROGRAM, watched}, watched, {.kill_at = kill_at});
    EXPECT_TRUE(trace.ok()) << trace.status();
    if (!trace.ok()) return {};
    EXPECT_EQ(trace->wait_status, 0) << trace->errors;
    return *std::move(trace);
  }
};

TEST_F(FilesCrash, TearsNothingAndLosesNothingThatWasStored) {
  const test::Trace trace = Record(0);
  for (const DiskModel model :
       {DiskModel::kProcessDeath, DiskModel::kJournaled, DiskModel::kLoose}) {
    const CrashReport report = test::ReplayCrashes(
        trace, {.model = model, .random_states = 1}, CheckFiles);
    EXPECT_THAT(report.problems, IsEmpty())
        << "model " << static_cast<int>(model) << ": " << report;
  }
}

TEST_F(FilesCrash, LosesNothingWhenThePowerFailsAfterARestart) {
  const test::Trace whole = Record(0);
  const size_t end = whole.events.size() / 2;
  for (size_t kill_at = 2; kill_at < end; ++kill_at) {
    if (whole.events[kill_at - 1].kind != test::TraceEvent::Kind::kRename) {
      continue;
    }
    const test::Trace trace = Record(kill_at);
    for (const DiskModel model : {DiskModel::kJournaled, DiskModel::kLoose}) {
      const CrashReport report =
          test::ReplayCrashes(trace,
                              {.model = model,
                               .random_states = 0,
                               .first_call = kill_at,
                               .last_call = kill_at + 25},
                              CheckFiles);
      ASSERT_THAT(report.problems, IsEmpty())
          << "killed at call " << kill_at << " ("
          << trace.events[kill_at - 1].what << "), model "
          << static_cast<int>(model) << ": " << report;
    }
  }
}

}  // namespace
}  // namespace muster::collector
