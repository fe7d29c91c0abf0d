// What followed files are called at the collector, while their names change
// here.
#ifndef MUSTER_LAUNCHER_FILES_FOLLOW_NAMES_H_
#define MUSTER_LAUNCHER_FILES_FOLLOW_NAMES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace muster::files {

// Device and inode: what a file is, whatever it is called.
using FileKey = std::pair<uint64_t, uint64_t>;

// Job: tell from one look at a directory tree and the next what happened to its
// files: which are new, renamed or gone; and keep the collector's names as they
// are here, losing none of what was sent. Pure.
//
// A file that is gone keeps its name at the collector until another takes it;
// it is called "<name>.replaced-<n>" from then on. What was in a file before it
// was truncated is "<name>.truncated-<n>".
// Life cycle: Look any number of times. The caller holds every file open that
// is not forgotten, so that no key is used twice.
// Threads: one at a time.
class FollowNames {
 public:
  // Copies of one name that are kept; what comes then takes its place.
  static constexpr size_t kMaxKept = 100;

  struct Action {
    enum class Kind {
      kStart,   // a new file: `to`
      kMove,    // a file at the collector, from `from` to `to`
      kGone,    // no name leads to this one any more
      kForget,  // this one was gone, and its copy is replaced
    };
    Kind kind = Kind::kStart;
    FileKey file;  // of all but kMove
    std::string from;
    std::string to;
    bool operator==(const Action&) const = default;
  };

  // All files of the tree. Actions are to be carried out in this order. Of two
  // names of one file the one that it had is kept, or the first.
  std::vector<Action> Look(
      const std::vector<std::pair<std::string, FileKey>>& seen);

  // The file was truncated; what was sent of it moves away: one kMove. Nothing
  // when kMaxKept are there.
  std::vector<Action> Truncated(FileKey file);

  // The file is not followed any more; its name is as that of a gone one.
  void Forget(FileKey file);

  // Its name at the collector when all actions are carried out; "" when it is
  // not known.
  std::string NameOf(FileKey file) const;
  bool IsGone(FileKey file) const;
  // The file that is followed under a name, or null.
  const FileKey* At(const std::string& name) const;

 private:
  struct Tracked {
    std::string name;
    bool gone = false;
  };

  std::string FreeName(const std::string& name, const char* what, size_t most);
  void Release(const std::string& name, std::vector<Action>* actions);
  void MoveAll(std::map<FileKey, std::string> wanted,
               std::vector<Action>* actions);
  void Rename(FileKey file, const std::string& to,
              std::vector<Action>* actions);

  std::map<FileKey, Tracked> files_;
  std::map<std::string, FileKey> names_;  // of those that are followed
  std::set<std::string> left_;  // names at the collector that are nobody's
  std::map<std::string, size_t> kept_;  // last number, by name and kind
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_FOLLOW_NAMES_H_
