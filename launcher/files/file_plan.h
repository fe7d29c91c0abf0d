// Which file is to be sent next, and whether it is worth it.
#ifndef MUSTER_LAUNCHER_FILES_FILE_PLAN_H_
#define MUSTER_LAUNCHER_FILES_FILE_PLAN_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "launcher/files/source.h"

namespace muster::files {

using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// A file that was just closed may be renamed or written again at once.
inline constexpr std::chrono::milliseconds kSettle{100};
// A file of which nobody knows whether it is being written is looked at twice,
// so far apart.
inline constexpr std::chrono::milliseconds kQuiet{1000};
// The clock of a file system stands still for so long: of what was changed a
// shorter time ago, the next change might not show.
inline constexpr std::chrono::milliseconds kClockTick{20};
// After a file was found to be changing; doubles with each time.
inline constexpr std::chrono::milliseconds kFirstAgain{20};
inline constexpr std::chrono::milliseconds kLastAgain{5000};
static_assert(kClockTick <= kFirstAgain);
static_assert(kClockTick < kSettle);

// A name that says that what is beside it is complete: a checkpoint's metadata
// or index, or a pointer to the newest one. Sent after all that was there
// before it.
bool MarksCompleteness(const std::string& path);

// Job: hold the files that wait to be looked at, and the versions that were
// sent, so that no version is sent twice and none is forgotten. Pure: time is
// an argument.
//
//      Add --Next--> under way --Stored--> known
//     ^  ^              |   |
//     |  \--- Again ----/   \--Drop--> forgotten until noticed again
//     \------ Changed -------/  (false: too often, listed by the caller)
//
// Order: what is due first goes first; what marks completeness waits until all
// that was noticed before it is known or forgotten.
// Threads: one at a time.
// Memory: at most kMaxWaiting names, and 24 bytes for each file ever sent.
class FilePlan {
 public:
  static constexpr size_t kMaxWaiting = 32768;
  static constexpr int kMaxChanges = 9;

  // There may be a new version. `expected`: it is looked at when due, and
  // handed out only where it still is that one; else it is waited for again.
  // False when too many wait: to be found by a later walk.
  struct Notice {
    std::string path;
    Instant due;
    std::optional<uint64_t> expected = std::nullopt;
    uint64_t size = 0;  // for waiting_bytes(), where it is known
  };
  bool Add(Notice notice);

  // Whether this version was sent.
  bool IsKnown(const std::string& path, const Version& version) const;

  // The next file to look at, under way from then on.
  struct Candidate {
    std::string path;
    std::optional<uint64_t> expected;
  };
  std::optional<Candidate> Next(Instant now);
  // When the next one may be due; nullopt when none waits for time alone.
  std::optional<Instant> NextDue() const;

  // What to do with a candidate that was opened.
  enum class Look {
    kSend,
    kKnown,     // this version is there
    kWait,      // it may still be written: noticed again
    kUnstable,  // it was written for the kMaxChanges-th time in a row
  };
  // `wall_ns` is the time of the clock that files are stamped with. Unless
  // kSend, it is not under way any more.
  Look Decide(const Candidate& candidate, const Version& version, Instant now,
              int64_t wall_ns);

  // Of what is under way:
  void Stored(const std::string& path, const Version& version);
  void Again(const std::string& path, Instant now);
  void Drop(const std::string& path);
  // It changed while it was read. False: for the kMaxChanges-th time in a row;
  // it is dropped then.
  bool Changed(const std::string& path, Instant now);

  // From now on nobody writes any more: what waits is due at once.
  void Hurry(Instant now);

  bool IsIdle() const { return waiting_.empty() && under_way_.empty(); }
  size_t waiting() const { return waiting_.size(); }
  uint64_t waiting_bytes() const { return waiting_bytes_; }

 private:
  struct Waiting {
    Instant due;
    uint64_t order = 0;
    std::optional<uint64_t> expected;
    uint64_t size = 0;
  };
  using Key = std::pair<uint64_t, uint64_t>;

  static Key KeyOf(const std::string& path);
  void Wait(const std::string& path, const Waiting& entry);
  void Ended(const std::string& path);
  // Everything that was noticed before that is done with.
  bool AllBefore(uint64_t order) const;

  std::map<std::string, Waiting> waiting_;
  // By due time, then order. Those that mark completeness are apart, by order.
  std::set<std::tuple<Instant, uint64_t, std::string>> due_;
  std::set<std::tuple<uint64_t, std::string>> markers_;
  std::map<std::string, uint64_t> under_way_;  // with their order
  std::set<uint64_t> orders_;  // of all but markers, waiting or under way
  std::map<std::string, int> changes_;
  absl::flat_hash_map<Key, uint64_t> known_;  // version, by hash of the path
  uint64_t next_order_ = 0;
  uint64_t waiting_bytes_ = 0;
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_FILE_PLAN_H_
