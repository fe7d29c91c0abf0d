// A collector, as far as crashes are concerned: what the crash tests record.
//
//   collector_crash_program journal DIR   a journal that is compacted, twice
//   collector_crash_program run DIR       a run with two nodes
//
// Lives twice, each time as a process of its own, so that a test can kill the
// first one and see what the second one makes of it. Prints what it has
// promised:
//   born                            both may be killed from here on
//   acknowledged N                  journal: the N-th record
//   made                            run: it is there
//   durable NODE KIND RANK OFFSET   run: all of the stream up to here
//   document NAME                   run: that document
#include "tests/launcher/collector/crashes/crash_program.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "launcher/collector/journal.h"
#include "launcher/collector/run.h"
#include "launcher/collector/run_store.h"
#include "tests/launcher/collector/crashes/two_lives.h"
#include "tests/support/records/log_pattern.h"

namespace muster::collector {
namespace {

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::exit(1);
}

// ---- a journal ----

JournalRecord RecordNumber(uint64_t number) {
  JournalRecord record;
  if (number == 0) {
    JournalNode& node = *record.add_nodes();
    node.set_workers(kJournalStreams);
    node.set_world_size(kJournalStreams);
    node.set_incarnation("one");
  }
  for (uint32_t rank = 0; rank < kJournalStreams; ++rank) {
    JournalStream& stream = *record.add_streams();
    stream.mutable_name()->set_kind(STREAM_STDOUT);
    stream.mutable_name()->set_rank(rank);
    stream.set_stored((number + 1) << 20);
  }
  return record;
}

void LiveAsJournal(const std::string& dir) {
  const int directory = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  absl::StatusOr<std::unique_ptr<Journal>> journal =
      Journal::Open(directory, dir);
  Must(journal.status());
  uint64_t next = 0;
  if (!(*journal)->state().nodes().empty()) {
    next = (*journal)->state().streams(0).begin()->second.stored >> 20;
  }
  Say(absl::StrCat("acknowledged ", next));
  for (int i = 0; i < kJournalRecords; ++i) {
    Must((*journal)->Append(RecordNumber(next)));
    Say(absl::StrCat("acknowledged ", ++next));
  }
}

// ---- a run ----

class Collector {
 public:
  explicit Collector(const std::string& dir) {
    absl::StatusOr<std::unique_ptr<RunStore>> store =
        RunStore::Open({.directory = dir});
    Must(store.status());
    store_ = *std::move(store);
    absl::StatusOr<std::shared_ptr<Run>> run =
        store_->OpenOrCreate(kCrashRun, kCrashKey);
    Must(run.status());
    run_ = *std::move(run);
    Say("made");
  }

  // As a stream does before its welcome.
  void Admit(uint32_t node) {
    absl::StatusOr<std::shared_ptr<Run>> run =
        store_->Admit(CrashIntroduction(node));
    Must(run.status());
    const absl::StatusOr<uint32_t> id = run_->Enter(CrashIntroduction(node));
    Must(id.status());
    ids_.push_back(*id);
    Commit([] {});
  }

  // Commits what was appended, and appends meanwhile.
  void Commit(const std::function<void()>& meanwhile) {
    const LogChanges changes = run_->logs().TakeChanges();
    const std::vector<std::string> promises = Promises();
    std::future<absl::Status> done = std::async(std::launch::async, [&] {
      return changes.empty() ? absl::OkStatus() : run_->Commit(changes);
    });
    meanwhile();
    Must(done.get());
    for (const std::string& promise : promises) Say(promise);
  }

  // Up to `size` bytes of each stream; at a gap, the gap.
  void AppendToAll(size_t size) {
    for (uint32_t node = 0; node < ids_.size(); ++node) {
      for (const CrashStream& stream : CrashStreams(node)) {
        Append(node, stream, size);
      }
    }
  }

  void EndAll() {
    for (uint32_t node = 0; node < ids_.size(); ++node) {
      for (const CrashStream& stream : CrashStreams(node)) {
        const StreamPosition at = Position(node, stream);
        if (at.ended()) continue;
        LogEnd end;
        *end.mutable_stream() = stream.name;
        end.set_offset(at.offset());
        end.set_how(stream.name.rank() == 1 ? STREAM_END_ABANDONED
                                            : STREAM_END_CLOSED);
        Must(run_->logs().End(ids_[node], end));
      }
    }
  }

  void WriteDocuments(int life) {
    Must(run_->WriteDocument(RECORD_EVENTS, "one\n", 0));
    Say("document events.jsonl 4");
    Must(run_->WriteDocument(RECORD_EVENTS, "two\n", 4));
    Say("document events.jsonl 8");
    Must(run_->WriteDocument(RECORD_RUN, CrashDocument(life), 0));
    Say(absl::StrCat("document run.json ", life));
  }

 private:
  StreamPosition Position(uint32_t node, const CrashStream& stream) const {
    for (StreamPosition& at : run_->logs().Positions(ids_[node])) {
      if (at.stream().kind() == stream.name.kind() &&
          at.stream().rank() == stream.name.rank()) {
        return at;
      }
    }
    return {};
  }

  void Append(uint32_t node, const CrashStream& stream, size_t size) {
    const StreamPosition at = Position(node, stream);
    if (at.ended()) return;
    for (const auto& [offset, length] : stream.gaps) {
      if (at.offset() == offset) {
        LogGap gap;
        *gap.mutable_stream() = stream.name;
        gap.set_offset(offset);
        gap.set_length(length);
        gap.set_reason(GAP_SPOOL_FULL);
        gap.set_at_unix_ms(1);
        Must(run_->logs().AddGap(ids_[node], gap));
        return;
      }
      if (at.offset() < offset) size = std::min(size, offset - at.offset());
    }
    LogData data;
    *data.mutable_stream() = stream.name;
    data.set_offset(at.offset());
    std::string bytes(size, '\0');
    stream.pattern.Fill(at.offset(), bytes.data(), size);
    data.set_data(std::move(bytes));
    Must(run_->logs().Append(ids_[node], data));
  }

  std::vector<std::string> Promises() const {
    std::vector<std::string> promises;
    for (uint32_t node = 0; node < ids_.size(); ++node) {
      for (const StreamPosition& at : run_->logs().Positions(ids_[node])) {
        promises.push_back(absl::StrCat("durable ", node, " ",
                                        at.stream().kind(), " ",
                                        at.stream().rank(), " ", at.offset()));
      }
    }
    return promises;
  }

  std::unique_ptr<RunStore> store_;
  std::shared_ptr<Run> run_;
  std::vector<uint32_t> ids_;  // by node
};

void LiveAsCollector(const std::string& dir, int life) {
  Collector collector(dir);
  collector.WriteDocuments(life);
  collector.Admit(0);
  collector.AppendToAll(1500);
  collector.Admit(1);
  for (const size_t size : {2000, 700, 6000}) {
    collector.AppendToAll(size);
    collector.Commit([&] { collector.AppendToAll(400); });
  }
  if (life == 2) collector.EndAll();
  collector.Commit([] {});
}

int Main(const std::string& what, const std::string& dir) {
  if (what == "journal") {
    const int directory = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Must(Journal::Create(directory, dir));
    close(directory);
  }
  return LiveTwice([&](int life) {
    if (what == "journal") {
      LiveAsJournal(dir);
    } else {
      LiveAsCollector(dir, life);
    }
  });
}

}  // namespace
}  // namespace muster::collector

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  return muster::collector::Main(argv[1], argv[2]);
}
