// The names that a directory tree may have after a crash.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_NAME_HISTORY_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_NAME_HISTORY_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "tests/support/crash_replay/disk_model.h"
#include "tests/support/crash_replay/trace.h"

namespace muster::test {

// What each directory holds, by its object.
using Names = std::map<ObjectId, std::map<std::string, ObjectId>>;

class NameHistory {
 public:
  explicit NameHistory(const std::vector<TraceObject>& objects);

  // Takes in the `index`-th event of the trace, which is of names and outlives
  // the history.
  void Add(size_t index, const TraceEvent& event);
  // A sync of `object` that covered the events before `index` is over.
  void Sync(size_t index, ObjectId object);
  void SyncAll(size_t index);

  const Names& current() const { return current_; }

  // One of the trees after a loss of power. `model` is not kProcessDeath.
  Names AfterPowerLoss(DiskModel model, Fate* fate) const;

 private:
  struct Change {
    size_t index;
    const TraceEvent* event;
    bool is_synced_by_directory = false;
    bool is_synced_by_file = false;  // which says something when journaled
    // The changes before it in the directories that it is of; or none.
    std::vector<size_t> follows;
  };

  static void Apply(const TraceEvent& event, Names* names);
  std::vector<bool> Journaled(Fate* fate) const;
  std::vector<bool> Loose(Fate* fate) const;

  Names initial_;
  Names current_;
  std::vector<Change> changes_;
  std::map<ObjectId, size_t> last_change_;  // in each directory
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_NAME_HISTORY_H_
