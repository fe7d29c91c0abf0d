// The contents that a file may have after a crash.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_FILE_HISTORY_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_FILE_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "tests/support/crash_replay/disk_model.h"
#include "tests/support/crash_replay/trace.h"

namespace muster::test {

class FileHistory {
 public:
  explicit FileHistory(std::string content)
      : durable_(content), current_(std::move(content)) {}

  // Takes in the `index`-th event of the trace, which is of this file's content
  // and outlives the history.
  void Add(size_t index, const TraceEvent& event);
  // A sync that covered the events before `index` is over.
  void Sync(size_t index);

  const std::string& current() const { return current_; }
  bool has_unsynced() const { return !unsynced_.empty(); }

  // One of the contents after a loss of power. `model` is not kProcessDeath.
  std::string AfterPowerLoss(DiskModel model, Fate* fate) const;

 private:
  struct Change {
    size_t index;
    const TraceEvent* event;
  };
  // A unit of the file, as it was after a change; 0: when last synced.
  struct Version {
    size_t change;
    std::string bytes;
  };
  struct Timeline {
    std::vector<uint64_t> sizes;  // after each change; the first one is 0
    std::vector<size_t> cuts;     // the changes that made the file shorter
    std::vector<std::vector<Version>> units;
  };

  static void Apply(const TraceEvent& event, std::string* content);
  Timeline MakeTimeline(size_t unit) const;

  std::string durable_;
  std::deque<Change> unsynced_;
  std::string current_;
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_FILE_HISTORY_H_
