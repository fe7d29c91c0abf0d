#include "launcher/files/tree_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "launcher/files/walk.h"

namespace muster::files {
namespace {

// IN_MASK_ADD: the directory may be in the other tree as well.
constexpr uint32_t kMask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                           IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR |
                           IN_MASK_ADD;
constexpr size_t kBufferBytes = 64 * 1024;
// A worker's first line is not to wait for its directory to be found.
constexpr std::chrono::milliseconds kLookForMissing{200};
constexpr std::chrono::seconds kLookForOther{1};

bool IsBelow(const std::string& path, const std::string& directory) {
  return directory.empty() || path == directory ||
         absl::StartsWith(path, directory + "/");
}

}  // namespace

TreeWatch::TreeWatch(asio::io_context& loop, Options options,
                     Callbacks callbacks)
    : options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      inotify_(loop),
      timer_(loop),
      buffer_(kBufferBytes),
      directories_(options_.trees.size()),
      roots_(options_.trees.size()),
      blind_(options_.trees.size()) {}

TreeWatch::~TreeWatch() {
  if (!inotify_.is_open()) return;
  // The kernel takes some ten milliseconds to close one that watches, for which
  // the end of a job has better use.
  std::thread([fd = inotify_.release()] { close(fd); }).detach();
}

void TreeWatch::Start() {
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  const int error = errno;
  asio::post(inotify_.get_executor(),
             [this, fd, error, alive = std::weak_ptr<const bool>(alive_)] {
               if (alive.expired()) {
                 if (fd >= 0) close(fd);
                 return;
               }
               if (fd >= 0) {
                 inotify_.assign(fd);
                 Read();
               } else {
                 for (size_t tree = 0; tree < blind_.size(); ++tree) {
                   Blind(tree, strerror(error));
                 }
               }
               LookForRoots();
             });
}

void TreeWatch::LookForRoots() {
  bool missing = false;
  for (size_t tree = 0; tree < roots_.size(); ++tree) {
    struct stat found;
    std::optional<Identity> now;
    if (stat(options_.trees[tree].directory.c_str(), &found) == 0 &&
        S_ISDIR(found.st_mode)) {
      now = Identity{found.st_dev, found.st_ino};
    }
    missing = missing || !now;
    if (now == roots_[tree]) continue;
    Forget(tree, "");
    roots_[tree] = now;
    if (now) {
      Add(tree, "");
      Tell(Event::Kind::kAppeared, tree, "");
    } else {
      Tell(Event::Kind::kNames, tree, "");
    }
  }
  timer_.expires_after(missing ? kLookForMissing : kLookForOther);
  timer_.async_wait(
      [this, alive = std::weak_ptr<const bool>(alive_)](std::error_code error) {
        if (!error && !alive.expired()) LookForRoots();
      });
}

void TreeWatch::Read() {
  inotify_.async_read_some(
      asio::buffer(buffer_), [this, alive = std::weak_ptr<const bool>(alive_)](
                                 std::error_code error, size_t size) {
        if (error || alive.expired()) return;
        for (size_t at = 0; at + sizeof(inotify_event) <= size;) {
          inotify_event event;
          memcpy(&event, &buffer_[at], sizeof event);
          const char* const name = &buffer_[at + sizeof event];
          Handle(event, event.len == 0 ? "" : std::string(name));
          at += sizeof event + event.len;
        }
        Read();
      });
}

void TreeWatch::Handle(const inotify_event& event, const std::string& name) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) return Overflowed();
  const auto found = watches_.find(event.wd);
  if (found == watches_.end()) return;  // of a watch that was removed
  const std::vector<Place> places = found->second;
  if ((event.mask & IN_IGNORED) != 0) {
    for (const auto& [tree, path] : places) directories_[tree].erase(path);
    watches_.erase(found);
    return;
  }
  for (const Place& place : places) HandleIn(event, place, name);
}

void TreeWatch::HandleIn(const inotify_event& event, const Place& place,
                         const std::string& name) {
  const auto& [tree, directory] = place;
  if (name.empty()) return;
  const std::string path =
      directory.empty() ? name : absl::StrCat(directory, "/", name);
  const uint32_t mask = event.mask;
  if ((mask & IN_ISDIR) != 0) {
    if ((mask & (IN_MOVED_FROM | IN_DELETE)) != 0) Forget(tree, path);
    if ((mask & (IN_MOVED_TO | IN_CREATE)) != 0) {
      Add(tree, path);
      Tell(Event::Kind::kAppeared, tree, path);
    } else {
      Tell(Event::Kind::kNames, tree, directory);
    }
    return;
  }
  if ((mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)) != 0) {
    Tell(Event::Kind::kNames, tree, directory);
  }
  if ((mask & IN_MODIFY) != 0 && options_.trees[tree].tells_modified)
    Tell(Event::Kind::kModified, tree, path);
  if ((mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0) {
    Tell(Event::Kind::kClosed, tree, path);
  }
}

// Directories may have come and gone as well.
void TreeWatch::Overflowed() {
  for (size_t tree = 0; tree < roots_.size(); ++tree) {
    if (blind_[tree] || !roots_[tree]) continue;
    Add(tree, "");
    Tell(Event::Kind::kAppeared, tree, "");
  }
}

void TreeWatch::Add(size_t tree, const std::string& directory) {
  if (blind_[tree]) return;
  const int root = open(options_.trees[tree].directory.c_str(),
                        O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
  if (root < 0) return;
  {
    const process::UniqueFd closer(root);
    bool can = true;
    // Each directory is watched before it is read, so that nothing that comes
    // into it is missed.
    Walk walk(root, directory,
              {.on_skip = [](const std::string&, const std::string&) {},
               .on_directory =
                   [&](const std::string& found) {
                     can = can && Watch(tree, found);
                   }});
    while (can && walk.Next()) {
    }
  }
}

bool TreeWatch::Watch(size_t tree, const std::string& directory) {
  if (watches_.size() >= options_.most_watches) {
    Blind(tree, absl::StrCat("over ", options_.most_watches, " directories"));
    return false;
  }
  const std::string path =
      absl::StrCat(options_.trees[tree].directory, "/", directory);
  const int wd = inotify_add_watch(
      inotify_.native_handle(), path.c_str(),
      options_.trees[tree].tells_modified ? kMask | IN_MODIFY : kMask);
  if (wd < 0 && errno == ENOSPC) {
    Blind(tree,
          "no more watches; raise fs.inotify.max_user_watches with sysctl");
    return false;
  }
  if (wd < 0 && (errno == ENOMEM || errno == EBADF)) {
    Blind(tree, strerror(errno));
    return false;
  }
  if (wd < 0) return true;  // gone, or not to be read
  std::vector<Place>& places = watches_[wd];
  // The same directory under another name: what it was called is past.
  for (auto i = places.begin(); i != places.end();) {
    if (i->first == tree && i->second != directory) {
      directories_[tree].erase(i->second);
      i = places.erase(i);
    } else {
      ++i;
    }
  }
  const Place place = {tree, directory};
  if (std::find(places.begin(), places.end(), place) == places.end()) {
    places.push_back(place);
  }
  directories_[tree][directory] = wd;
  return true;
}

void TreeWatch::Forget(size_t tree, const std::string& directory) {
  std::map<std::string, int>& known = directories_[tree];
  for (auto i = known.lower_bound(directory); i != known.end();) {
    if (!IsBelow(i->first, directory)) {
      // "a.b" lies between "a" and "a/b".
      if (!absl::StartsWith(i->first, directory)) break;
      ++i;
      continue;
    }
    const int wd = i->second;
    std::vector<Place>& places = watches_[wd];
    places.erase(
        std::remove(places.begin(), places.end(), Place{tree, i->first}),
        places.end());
    if (places.empty()) {
      watches_.erase(wd);
      inotify_rm_watch(inotify_.native_handle(), wd);
    }
    i = known.erase(i);
  }
}

void TreeWatch::Blind(size_t tree, const std::string& why) {
  if (blind_[tree]) return;
  blind_[tree] = true;
  Forget(tree, "");
  callbacks_.on_blind(tree, why);
}

void TreeWatch::Tell(Event::Kind kind, size_t tree, const std::string& path) {
  callbacks_.on_event({kind, tree, path});
}

}  // namespace muster::files
