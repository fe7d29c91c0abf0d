#include "tests/support/crash_replay/record.h"

#include <signal.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/crash_replay/file_history.h"
#include "tests/support/crash_replay/name_history.h"
#include "tests/support/files.h"

namespace muster::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<Trace> RecordProgram(std::vector<std::string> arguments,
                                    const std::string& directory) {
  arguments.insert(arguments.begin(), MUSTER_CRASH_PROGRAMS);
  arguments.insert(arguments.begin() + 2, directory);
  return RecordCalls(arguments, directory);
}

std::vector<std::string> What(const Trace& trace) {
  std::vector<std::string> what;
  for (const TraceEvent& event : trace.events) what.push_back(event.what);
  return what;
}

TEST(RecordCalls, TellsCallsSyncsAndMarksInTheirOrder) {
  const TempDir dir;
  const absl::StatusOr<Trace> trace =
      RecordProgram({"replace", "good"}, dir.path());
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(trace->wait_status, 0) << trace->errors;
  const std::vector<std::string> what = What(*trace);
  ASSERT_GE(what.size(), 6);
  EXPECT_THAT(std::vector<std::string>(what.begin(), what.begin() + 6),
              ElementsAre("make value.new", "write value.new +12000 at 0",
                          "sync value.new", "rename value.new to value",
                          "sync .", "mark acknowledged 1"));
}

// What the trace rebuilds is what is there.
TEST(RecordCalls, RebuildsWhatEachCallHasDone) {
  const TempDir dir;
  WriteFile(dir.File("before"), "it was there");
  const absl::StatusOr<Trace> trace = RecordProgram({"calls"}, dir.path());
  ASSERT_TRUE(trace.ok()) << trace.status();
  ASSERT_EQ(trace->wait_status, 0) << trace->errors;

  NameHistory names(trace->objects);
  std::map<ObjectId, FileHistory> files;
  for (ObjectId id = 0; id < trace->objects.size(); ++id) {
    files.emplace(id, trace->objects[id].content);
  }
  for (size_t i = 0; i < trace->events.size(); ++i) {
    const TraceEvent& event = trace->events[i];
    if (event.IsOfNames()) names.Add(i, event);
    if (event.IsOfContent()) files.at(event.object).Add(i, event);
  }
  std::map<std::string, std::string> rebuilt;
  const std::map<std::string, ObjectId> root = names.current().at(0);
  for (const auto& [name, id] : root) {
    if (!trace->objects[id].is_directory)
      rebuilt[name] = files.at(id).current();
  }
  std::map<std::string, std::string> there;
  for (const std::string& name : FilesBelow(dir.path())) {
    there[name] = ReadFile(dir.File(name));
  }
  EXPECT_EQ(rebuilt, there);
  EXPECT_EQ(there.size(), 4);  // before, link, other, empty
  EXPECT_THAT(root, ::testing::Contains(::testing::Key("sub")));
  EXPECT_THAT(there["link"], HasSubstr("dup"));
  EXPECT_THAT(there["link"], HasSubstr("child"));
}

TEST(RecordCalls, KeepsAllThatWasOverWhenTheProgramDies) {
  const TempDir dir;
  const absl::StatusOr<Trace> trace = RecordProgram({"die"}, dir.path());
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_TRUE(WIFSIGNALED(trace->wait_status));
  EXPECT_THAT(What(*trace), ElementsAre("make log", "write log +3 at 0",
                                        "write log +3 at 3"));
}

TEST(RecordCalls, KillsAProcessAtAnEventAndGoesOnWithTheOthers) {
  const TempDir dir;
  const absl::StatusOr<Trace> trace = RecordCalls(
      {"/bin/sh", "-c",
       "cd " + dir.path() +
           "; sh -c 'echo 1 >one; echo 2 >two; echo 3 >three'; echo $?; "
           "echo 4 >four"},
      dir.path(), {.kill_at = 3});
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(trace->wait_status, 0);
  EXPECT_THAT(What(*trace),
              ElementsAre("make one", "write one +2 at 0", "make two",
                          "mark 137", "make four", "write four +2 at 0"));
}

TEST(RecordCalls, SaysThatACallHasNoModel) {
  for (const char* call : {"mmap", "sync", "symlink", "from-outside"}) {
    const TempDir dir;
    const std::string watched = dir.Dir("watched");
    const absl::StatusOr<Trace> trace =
        RecordProgram({"refused", call}, watched);
    EXPECT_EQ(trace.status().code(), absl::StatusCode::kUnimplemented) << call;
  }
}

TEST(RecordCalls, TakesNoDirectoryThatIsNotThere) {
  const TempDir dir;
  EXPECT_EQ(RecordProgram({"calls"}, dir.File("none")).status().code(),
            absl::StatusCode::kInternal);
}

TEST(RecordCalls, KeepsTheErrorsOfAProgramThatFails) {
  const TempDir dir;
  const absl::StatusOr<Trace> trace =
      RecordCalls({"/bin/sh", "-c", "echo why >&2; exit 3"}, dir.path());
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(WEXITSTATUS(trace->wait_status), 3);
  EXPECT_EQ(trace->errors, "why\n");
}

TEST(RecordCalls, FollowsWhatTheProgramStarts) {
  const TempDir dir;
  const absl::StatusOr<Trace> trace = RecordCalls(
      {"/bin/sh", "-c",
       "cd " + dir.path() +
           "; (sh -c 'echo deep >file'; :) & wait; mkdir d; mv file d; rm d/*"},
      dir.path());
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_THAT(What(*trace),
              ElementsAre("make file", "write file +5 at 0", "make d",
                          "rename file to file", "remove file"));
}

}  // namespace
}  // namespace muster::test
