// What lies below a directory.
#ifndef MUSTER_LAUNCHER_FILES_WALK_H_
#define MUSTER_LAUNCHER_FILES_WALK_H_

#include <dirent.h>
#include <sys/stat.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/files/source.h"

namespace muster::files {

// Job: list the regular files below a directory, one after the other. Nothing
// is followed or opened but directories; what is not listed is reported, with
// the reason: links, FIFOs, sockets, devices, what cannot be read, what the
// collector would refuse (over 64 directories deep, a path over 4095 bytes). A
// directory within itself, by a mount, is not entered. Names are bytes.
// Life cycle: Next until it gives nothing; may be destroyed before.
// Threads: one at a time. Callbacks come inside Next.
// Ownership: `root` must outlive it.
class Walk {
 public:
  struct Callbacks {
    // Path as in Entry, and why.
    std::function<void(const std::string& path, const std::string& reason)>
        on_skip;
    // A directory is entered, "" for the first. May be empty.
    std::function<void(const std::string& path)> on_directory;
  };
  struct Entry {
    std::string path;  // relative to the root
    struct stat stat;
  };

  // Walks `directory`, relative to `root`; "" for all. What is gone is empty.
  Walk(int root, const std::string& directory, Callbacks callbacks);

  std::optional<Entry> Next();

 private:
  struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
  };
  struct Level {
    std::unique_ptr<DIR, CloseDirectory> directory;
    std::string path;  // "" or ends with "/"
    dev_t device = 0;
    ino_t inode = 0;
  };

  void Enter(process::UniqueFd fd, std::string path);
  std::optional<Entry> Look(const std::string& name);

  const Callbacks callbacks_;
  std::vector<Level> levels_;  // from the top to where it is
};

// The number of components.
size_t Depth(const std::string& path);

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_WALK_H_
