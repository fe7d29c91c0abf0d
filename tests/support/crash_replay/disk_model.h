// What a crash leaves of what was done.
//
// Two things decide: which calls were over, and what of their effects had
// reached the disk. In all models a sync that has returned brought there what
// was over when it began.
//
// kProcessDeath: the program dies, the system lives on. All that was over is
//   there. Of a write that was going on a part is: up to any page of the file,
//   or any byte.
//
// kJournaled: the power fails under a file system that journals its metadata
//   in one order and writes data before the sizes that cover it, such as ext4
//   with data=ordered.
//   Names: the changes of all names survive up to one point in time, wherever
//   they are, and no later ones. A sync of a directory includes the changes in
//   it; a sync of a file includes its names; and so all earlier changes.
//   Content: each file has its size of one point in time since its last sync.
//   Below that size, a page (4096 bytes) that was new since the sync holds what
//   it held when the size first covered it, or later; each other page any of
//   its contents since the sync, whatever the other pages hold.
//
// kLoose: the power fails under a file system that does what POSIX asks for
//   and no more.
//   Names: the changes within one directory survive up to one point in time,
//   which is another one in each directory; a rename between two is done in
//   both or in none. A sync of a file is none of its names. The sync of a
//   directory is not one of its own name.
//   Content: as above in units of 512 bytes, but that new units too hold any of
//   their contents since the sync: they may be zeros though the size covers
//   them.
//
// Not in any model: what rots, disks that lie about having synced, and bytes of
// other files in new pages.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_DISK_MODEL_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_DISK_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>

namespace muster::test {

enum class DiskModel { kProcessDeath, kJournaled, kLoose };

// How much of what was not synced has survived.
enum class Survival {
  kNothing,
  kEverything,
  kSizes,   // of files: their sizes, and as little of the data as may be
  kRandom,  // each choice by dice
};

// Makes the choices that a model leaves open. Not thread-safe; the same seed
// gives the same choices.
class Fate {
 public:
  Fate(Survival survival, uint64_t seed) : survival_(survival), dice_(seed) {}

  Survival survival() const { return survival_; }

  // Of `count` points in time, 0 the oldest: which of them survived. At least
  // one.
  size_t PointInTime(size_t count) {
    switch (survival_) {
      case Survival::kNothing:
        return 0;
      case Survival::kEverything:
      case Survival::kSizes:
        return count - 1;
      case Survival::kRandom:
        break;
    }
    return Dice(count);
  }

  // The same for the versions of one piece of data.
  size_t Version(size_t count) {
    return survival_ == Survival::kSizes ? 0 : PointInTime(count);
  }

 private:
  // The oldest and the newest are likelier than what lies between.
  size_t Dice(size_t count) {
    const auto roll = [&](size_t sides) {
      return std::uniform_int_distribution<size_t>(0, sides - 1)(dice_);
    };
    switch (roll(3)) {
      case 0:
        return 0;
      case 1:
        return count - 1;
      default:
        return roll(count);
    }
  }

  Survival survival_;
  std::mt19937_64 dice_;
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_DISK_MODEL_H_
