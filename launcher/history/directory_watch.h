// Learns of changes below directories from the kernel.
#ifndef MUSTER_LAUNCHER_HISTORY_DIRECTORY_WATCH_H_
#define MUSTER_LAUNCHER_HISTORY_DIRECTORY_WATCH_H_

#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "launcher/collector/beneath.h"

namespace muster::history {

// Job: one inotify instance for any number of directories and listeners.
// Life cycle: Listeners come and go; each must be gone before the watch is.
// When fd() is readable, Dispatch.
// Threads: one.
// Ownership: owns the instance; listeners are their makers'.
class DirectoryWatch {
 public:
  // What one reader wants to know. Add directories, destroy when done.
  class Listener {
   public:
    // `on_change`: something happened to the file or the directory `name` in
    // `directory`, which is what Add was given as `tag`. An empty name: much
    // happened, look at everything. Must not make or destroy listeners.
    using Change =
        absl::AnyInvocable<void(uint32_t tag, const std::string& name)>;

    // `watch` must outlive it.
    Listener(DirectoryWatch* watch, Change on_change);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // False where changes can't be learnt of: too many watches, or a file
    // system that other hosts write to. Then look from time to time.
    bool Add(int directory, uint32_t tag);

   private:
    friend class DirectoryWatch;
    DirectoryWatch* const watch_;
    Change on_change_;
    std::map<int, uint32_t> tags_;  // by watch descriptor
  };

  DirectoryWatch();

  // -1 where there is no inotify; Add is then false.
  int fd() const { return inotify_.get(); }

  // Tells the listeners what happened. Never blocks.
  void Dispatch();

 private:
  void Tell(int descriptor, const std::string& name);

  collector::Fd inotify_;
  std::map<int, std::set<Listener*>> listeners_;  // by watch descriptor
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_DIRECTORY_WATCH_H_
