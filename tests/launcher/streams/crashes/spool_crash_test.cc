// What an agent's spool holds after a crash, at each of the agent's calls.
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/streams/segments.h"
#include "launcher/streams/spool_directory.h"
#include "launcher/streams/spool_reader.h"
#include "tests/support/crash_replay/record.h"
#include "tests/support/crash_replay/replay.h"
#include "tests/support/files.h"
#include "tests/support/records/log_pattern.h"

namespace muster::streams {
namespace {

using test::CrashReport;
using test::CrashState;
using test::DiskModel;
using ::testing::IsEmpty;

// What the program had said of a stream.
struct Promise {
  uint64_t taken = 0;
  uint64_t released = 0;
  bool has_ended = false;
};

struct Promises {
  std::map<StreamId, Promise> streams;
  bool may_have_dropped = false;
};

Promises PromisesOf(const CrashState& state) {
  Promises promises;
  for (const std::string& mark : state.marks) {
    std::istringstream words(mark);
    std::string verb;
    int kind = 0;
    uint32_t rank = 0;
    uint64_t offset = 0;
    words >> verb >> kind >> rank >> offset;
    if (verb == "dropping") {
      promises.may_have_dropped = true;
      continue;
    }
    Promise& promise = promises.streams[{static_cast<StreamKind>(kind), rank}];
    if (verb == "taken") promise.taken = offset;
    if (verb == "released") promise.released = offset;
    if (verb == "ended") promise.has_ended = true;
  }
  return promises;
}

// What is in the spool, compared with the pattern while it is read.
class Contents {
 public:
  struct Stream {
    bool has_begun = false;
    uint64_t first = 0;  // from here on
    uint64_t next = 0;
    uint64_t missing = 0;
    bool has_ended = false;
  };

  // "" or which bytes were never written.
  std::string Take(const Record& record) {
    if (record.type == Record::Type::kDamage) {
      ++damages_;
      return "";
    }
    Stream& stream = streams_[record.stream];
    if (!stream.has_begun) {
      stream.has_begun = true;
      stream.first = stream.next = record.offset;
    }
    if (record.offset < stream.next) {
      return absl::StrCat("a record goes back to ", record.offset, " from ",
                          stream.next);
    }
    stream.missing += record.offset - stream.next;
    stream.next = record.offset + record.length;
    if (record.type == Record::Type::kLost) stream.missing += record.length;
    if (record.how != STREAM_END_UNSPECIFIED) stream.has_ended = true;
    if (record.type != Record::Type::kData) return "";
    const test::LogPattern pattern(
        {.rank = record.stream.rank,
         .fd = record.stream.kind == STREAM_STDERR ? 2 : 1});
    std::string expected(record.bytes.size(), '\0');
    pattern.Fill(record.offset, expected.data(), expected.size());
    if (record.bytes != expected) {
      return absl::StrCat("bytes at ", record.offset, " are altered");
    }
    return "";
  }

  const std::map<StreamId, Stream>& streams() const { return streams_; }
  int damages() const { return damages_; }

 private:
  std::map<StreamId, Stream> streams_;
  int damages_ = 0;
};

// "" or why the spool at `path` can't be read as one.
std::string ReadSpool(const std::string& path, Contents* contents) {
  const auto directory = SpoolDirectory::OpenDead(path);
  if (!directory.ok()) return std::string(directory.status().message());
  Segments segments((*directory)->fd());
  const absl::Status scanned = segments.Scan();
  if (!scanned.ok()) return std::string(scanned.message());
  SpoolReader reader(segments);
  for (;;) {
    const LogPosition before = reader.position();
    const Batch batch = reader.Read();
    for (const Record& record : batch.records) {
      std::string problem = contents->Take(record);
      if (!problem.empty()) return problem;
    }
    if (batch.records.empty() && reader.position() == before) return "";
  }
}

// After a process's death all is there that was taken and not released.
std::string CheckNothingIsLost(const CrashState& state) {
  const Promises promises = PromisesOf(state);
  const auto spools = SpoolDirectory::List(state.directory);
  if (!spools.ok()) return std::string(spools.status().message());
  Contents contents;
  for (const std::string& path : *spools) {
    // One that is being made holds nothing yet, nor one that is being removed.
    const bool is_empty = SpoolDirectory::OpenDead(path).status().code() ==
                          absl::StatusCode::kNotFound;
    if (is_empty) continue;
    const std::string problem = ReadSpool(path, &contents);
    if (!problem.empty()) return problem;
  }
  if (contents.damages() > 0) return "the reader takes a torn end for damage";
  for (const auto& [id, promise] : promises.streams) {
    const std::string name = absl::StrCat("stream ", id.kind, " ", id.rank);
    const auto found = contents.streams().find(id);
    if (found == contents.streams().end()) {
      if (promise.released < promise.taken) {
        return absl::StrCat(name, " is gone");
      }
      continue;
    }
    const Contents::Stream& stream = found->second;
    if (stream.next < promise.taken) {
      return absl::StrCat(name, " ends at ", stream.next, ", but ",
                          promise.taken, " bytes were taken");
    }
    if (promise.has_ended && !stream.has_ended) {
      return absl::StrCat(name, " has lost its end");
    }
    if (stream.missing > 0) return absl::StrCat(name, " has a gap");
    if (!promises.may_have_dropped && stream.first > promise.released) {
      return absl::StrCat(name, " begins at ", stream.first, ", but only ",
                          promise.released, " bytes were released");
    }
  }
  return "";
}

// After the loss of power there is a spool that can be read to its end, or
// none; nothing in it is altered.
std::string CheckNothingIsAltered(const CrashState& state) {
  const auto spools = SpoolDirectory::List(state.directory);
  if (!spools.ok()) return std::string(spools.status().message());
  for (const std::string& path : *spools) {
    Contents contents;
    const std::string problem = ReadSpool(path, &contents);
    const bool is_unreadable = !SpoolDirectory::OpenDead(path).ok();
    if (!problem.empty() && !is_unreadable) return problem;
  }
  return "";
}

class SpoolCrash : public ::testing::TestWithParam<std::string> {
 protected:
  SpoolCrash() {
    absl::StatusOr<test::Trace> trace = test::RecordCalls(
        {MUSTER_SPOOL_CRASH_PROGRAM, dir_.path(), GetParam()}, dir_.path());
    EXPECT_TRUE(trace.ok()) << trace.status();
    if (trace.ok()) trace_ = *std::move(trace);
    EXPECT_EQ(trace_.wait_status, 0) << trace_.errors;
    EXPECT_GT(trace_.events.size(), 100);
  }

  const test::TempDir dir_;
  test::Trace trace_;
};

TEST_P(SpoolCrash, OfTheAgentLosesNothingThatWasTaken) {
  const CrashReport report = test::ReplayCrashes(
      trace_, {.model = DiskModel::kProcessDeath}, CheckNothingIsLost);
  EXPECT_THAT(report.problems, IsEmpty()) << report;
  EXPECT_GT(report.states, trace_.events.size());
}

TEST_P(SpoolCrash, OfTheNodeAltersNothing) {
  for (const DiskModel model : {DiskModel::kJournaled, DiskModel::kLoose}) {
    const CrashReport report = test::ReplayCrashes(
        trace_, {.model = model, .random_states = 3}, CheckNothingIsAltered);
    EXPECT_THAT(report.problems, IsEmpty()) << report;
  }
}

INSTANTIATE_TEST_SUITE_P(AnAgent, SpoolCrash,
                         ::testing::Values("drop", "block"),
                         [](const auto& mode) { return mode.param; });

}  // namespace
}  // namespace muster::streams
