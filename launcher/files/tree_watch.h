// What changes below some directories, as it happens.
#ifndef MUSTER_LAUNCHER_FILES_TREE_WATCH_H_
#define MUSTER_LAUNCHER_FILES_TREE_WATCH_H_

#include <sys/types.h>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

struct inotify_event;

namespace muster::files {

// Job: tell what changes below directories, with inotify. A directory that is
// not there yet, or is replaced by another, is looked for every so often.
//
// Where inotify can't tell, for want of watches or of the system call, on_blind
// comes for that tree, once, and nothing more is told of it but that the
// directory itself is there. When events are lost, kAppeared comes for all.
// Life cycle: Start; tells until it is destroyed.
// Threads: the loop's only. Callbacks are posted by it, none inside Start.
// Ownership: `loop` must outlive it.
class TreeWatch {
 public:
  struct Event {
    enum class Kind {
      kModified,  // a file: bytes, or its length
      kClosed,    // a file: its writer closed it, or it was renamed to this
      kNames,     // a directory: names in it came, went or changed
      kAppeared,  // a directory, with all that is below; "" for the tree
    };
    Kind kind = Kind::kModified;
    size_t tree = 0;   // its index
    std::string path;  // relative to the tree
    bool operator==(const Event&) const = default;
  };
  struct Callbacks {
    std::function<void(const Event&)> on_event;
    std::function<void(size_t tree, const std::string& why)> on_blind;
  };
  struct Tree {
    std::string directory;       // a link to one is followed
    bool tells_modified = true;  // else no kModified
  };
  struct Options {
    std::vector<Tree> trees;
    size_t most_watches = 65536;  // a watch takes about 1 KiB
  };

  TreeWatch(asio::io_context& loop, Options options, Callbacks callbacks);
  ~TreeWatch();
  TreeWatch(const TreeWatch&) = delete;
  TreeWatch& operator=(const TreeWatch&) = delete;

  void Start();

 private:
  // A directory may be in two trees.
  using Place = std::pair<size_t, std::string>;
  using Identity = std::pair<dev_t, ino_t>;

  void LookForRoots();
  void Read();
  void Handle(const inotify_event& event, const std::string& name);
  void HandleIn(const inotify_event& event, const Place& place,
                const std::string& name);
  void Overflowed();
  void Add(size_t tree, const std::string& directory);
  bool Watch(size_t tree, const std::string& directory);
  void Forget(size_t tree, const std::string& directory);
  void Blind(size_t tree, const std::string& why);
  void Tell(Event::Kind kind, size_t tree, const std::string& path);

  const Options options_;
  const Callbacks callbacks_;
  asio::posix::stream_descriptor inotify_;
  asio::steady_timer timer_;
  std::vector<char> buffer_;
  std::map<int, std::vector<Place>> watches_;            // by watch descriptor
  std::vector<std::map<std::string, int>> directories_;  // by tree
  std::vector<std::optional<Identity>> roots_;           // by tree
  std::vector<bool> blind_;                              // by tree
  const std::shared_ptr<const bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_TREE_WATCH_H_
