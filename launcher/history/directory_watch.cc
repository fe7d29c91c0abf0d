#include "launcher/history/directory_watch.h"

#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace muster::history {
namespace {

// File systems on which nobody but this kernel writes.
bool IsLocal(int directory) {
  constexpr unsigned long kLocal[] = {EXT4_SUPER_MAGIC,  XFS_SUPER_MAGIC,
                                      BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
                                      TMPFS_MAGIC,       OVERLAYFS_SUPER_MAGIC,
                                      RAMFS_MAGIC,       0x2fc12fc1 /*ZFS*/};
  struct statfs found;
  if (fstatfs(directory, &found) != 0) return false;
  const auto type = static_cast<unsigned long>(found.f_type) & 0xffffffff;
  return std::find(std::begin(kLocal), std::end(kLocal), type) !=
         std::end(kLocal);
}

}  // namespace

DirectoryWatch::Listener::Listener(DirectoryWatch* watch, Change on_change)
    : watch_(watch), on_change_(std::move(on_change)) {}

DirectoryWatch::Listener::~Listener() {
  for (const auto& [descriptor, tag] : tags_) {
    std::set<Listener*>& others = watch_->listeners_[descriptor];
    others.erase(this);
    if (!others.empty()) continue;
    watch_->listeners_.erase(descriptor);
    // Fails where the directory is gone, and the watch with it.
    inotify_rm_watch(watch_->fd(), descriptor);
  }
}

bool DirectoryWatch::Listener::Add(int directory, uint32_t tag) {
  if (watch_->fd() < 0) return false;
  const int descriptor = inotify_add_watch(
      watch_->fd(), absl::StrCat("/proc/self/fd/", directory).c_str(),
      IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
  if (descriptor < 0) return false;
  tags_[descriptor] = tag;
  watch_->listeners_[descriptor].insert(this);
  return IsLocal(directory);
}

DirectoryWatch::DirectoryWatch()
    : inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}

void DirectoryWatch::Dispatch() {
  alignas(inotify_event) char buffer[64 * 1024];
  while (fd() >= 0) {
    const ssize_t size = read(fd(), buffer, sizeof buffer);
    if (size <= 0) return;
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      memcpy(&event, buffer + at, sizeof event);
      const char* const name = buffer + at + sizeof event;
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        for (const auto& [descriptor, listeners] : listeners_) {
          Tell(descriptor, "");
        }
      } else if (event.len > 0) {
        Tell(event.wd, name);
      }
    }
  }
}

void DirectoryWatch::Tell(int descriptor, const std::string& name) {
  const auto found = listeners_.find(descriptor);
  if (found == listeners_.end()) return;
  for (Listener* const listener : found->second) {
    listener->on_change_(listener->tags_[descriptor], name);
  }
}

}  // namespace muster::history
