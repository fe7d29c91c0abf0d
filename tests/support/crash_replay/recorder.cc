#include "tests/support/crash_replay/recorder.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace muster::test {
namespace {

using Kind = TraceEvent::Kind;

// A field of /proc/PID/fdinfo/FD.
uint64_t FdInfo(pid_t thread, int fd, const std::string& field, int base) {
  std::ifstream in(absl::StrCat("/proc/", thread, "/fdinfo/", fd));
  std::string name;
  std::string value;
  while (in >> name >> value) {
    if (name == field) return std::strtoull(value.c_str(), nullptr, base);
  }
  return 0;
}

std::string ReadBack(const std::string& path, uint64_t offset, uint64_t size) {
  std::string bytes(size, '\0');
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t got =
      pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  close(fd);
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

}  // namespace

std::vector<uint64_t> WatchedNumbers() {
  std::vector<uint64_t> numbers = {
      SYS_write,           SYS_writev,    SYS_pwrite64, SYS_pwritev,
      SYS_pwritev2,        SYS_ftruncate, SYS_truncate, SYS_fallocate,
      SYS_copy_file_range, SYS_sendfile,  SYS_splice,   SYS_fsync,
      SYS_fdatasync,       SYS_syncfs,    SYS_sync,     SYS_mmap,
      SYS_io_uring_setup};
  numbers.insert(numbers.end(), NameCallNumbers().begin(),
                 NameCallNumbers().end());
  return numbers;
}

CallObserver::Wish Recorder::JudgeNames(const NameCall& names) {
  const std::optional<ObjectId> object = table_.FindPath(names.place.path);
  if (names.kind == NameCall::Kind::kOpen) {
    const bool is_ours =
        names.place.directory.has_value() || object.has_value();
    if (!is_ours) return Wish::kIgnore;
    if ((names.flags & O_TMPFILE) == O_TMPFILE) Refuse("O_TMPFILE");
    if ((names.flags & (O_SYNC | O_DSYNC)) != 0 &&
        (names.flags & O_ACCMODE) != O_RDONLY) {
      Refuse("O_SYNC");
    }
    return (names.flags & (O_CREAT | O_TRUNC)) != 0 ? Wish::kWatchAlone
                                                    : Wish::kIgnore;
  }
  const bool is_ours = names.place.directory.has_value();
  const bool target_is_ours = names.target.directory.has_value();
  if (names.kind == NameCall::Kind::kLink) {
    return target_is_ours ? Wish::kWatchAlone : Wish::kIgnore;
  }
  if (names.kind == NameCall::Kind::kRename && is_ours != target_is_ours) {
    Refuse("renames into the directory or out of it");
  }
  if (names.kind == NameCall::Kind::kNode && is_ours) {
    Refuse("symbolic links and device nodes");
  }
  return is_ours ? Wish::kWatchAlone : Wish::kIgnore;
}

CallObserver::Wish Recorder::JudgeContent(const SystemCall& call, int fd) {
  const std::optional<ObjectId> object = table_.FindFd(call.thread, fd);
  if (!object.has_value()) return Wish::kIgnore;
  if (call.number == SYS_pwritev2 && call.arguments[5] != 0) {
    Refuse("pwritev2 with flags");
  }
  return Wish::kWatchAlone;
}

CallObserver::Wish Recorder::Judge(const SystemCall& call) {
  switch (call.number) {
    case SYS_write:
    case SYS_writev: {
      struct stat status = {};
      if (stat(PathOfFd(call.thread, call.FdArgument(0)).c_str(), &status) ==
              0 &&
          status.st_ino == marks_.st_ino && status.st_dev == marks_.st_dev) {
        const size_t events = trace_.events.size();
        Mark(call);
        KillIfDue(call, events);
        return Wish::kIgnore;
      }
      return JudgeContent(call, call.FdArgument(0));
    }
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_sendfile:
      return JudgeContent(call, call.FdArgument(0));
    case SYS_copy_file_range:
    case SYS_splice:
      return JudgeContent(call, call.FdArgument(2));
    case SYS_truncate:
      if (table_
              .FindPath(table_
                            .Locate(call.thread, AT_FDCWD,
                                    ReadText(call.thread, call.arguments[0]))
                            .path)
              .has_value()) {
        Refuse("truncate of a path");
      }
      return Wish::kIgnore;
    case SYS_fsync:
    case SYS_fdatasync:
      return table_.FindFd(call.thread, call.FdArgument(0)).has_value()
                 ? Wish::kWatch
                 : Wish::kIgnore;
    case SYS_syncfs:
      return table_.IsOnSameDevice(call.thread, call.FdArgument(0))
                 ? Wish::kWatch
                 : Wish::kIgnore;
    case SYS_sync:
      return Wish::kWatch;
    case SYS_mmap:
      if ((call.arguments[3] & MAP_SHARED) != 0 &&
          (call.arguments[2] & PROT_WRITE) != 0 &&
          (call.arguments[3] & MAP_ANONYMOUS) == 0 &&
          table_.FindFd(call.thread, call.FdArgument(4)).has_value()) {
        Refuse("writable shared mappings");
      }
      return Wish::kIgnore;
    case SYS_io_uring_setup:
      Refuse("io_uring");
      return Wish::kIgnore;
    default: {
      const std::optional<NameCall> names = NameCallOf(call, table_);
      return names.has_value() ? JudgeNames(*names) : Wish::kIgnore;
    }
  }
}

void Recorder::OnStart(const SystemCall& call) {
  Before before;
  before.events = trace_.events.size();
  before.names = NameCallOf(call, table_);
  if (before.names.has_value()) {
    before.place = StatusOf(before.names->place.path);
    before.target = StatusOf(before.names->target.path);
  }
  before_[call.thread] = std::move(before);
}

void Recorder::OnReturn(const SystemCall& call, int64_t result) {
  const auto found = before_.find(call.thread);
  const size_t events = trace_.events.size();
  if (result >= 0) {
    const int fd = call.FdArgument(0);
    switch (call.number) {
      case SYS_write:
      case SYS_writev:
      case SYS_pwrite64:
      case SYS_pwritev:
      case SYS_pwritev2:
      case SYS_sendfile:
        OnWritten(call, fd, static_cast<uint64_t>(result));
        break;
      case SYS_copy_file_range:
      case SYS_splice:
        OnWritten(call, call.FdArgument(2), static_cast<uint64_t>(result));
        break;
      case SYS_ftruncate:
      case SYS_fallocate:
        OnWritten(call, fd, 0);
        break;
      case SYS_fsync:
      case SYS_fdatasync:
      case SYS_syncfs:
      case SYS_sync:
        OnSync(call);
        break;
      default:
        OnNames(found->second);
        break;
    }
  }
  before_.erase(found);
  KillIfDue(call, events);
}

void Recorder::KillIfDue(const SystemCall& call, size_t events_before) const {
  const bool is_due =
      events_before < kill_at_ && trace_.events.size() >= kill_at_;
  if (is_due) kill(call.thread, SIGKILL);
}

void Recorder::Mark(const SystemCall& call) {
  if (call.number == SYS_write) {
    mark_ += ReadMemory(call.thread, call.arguments[1], call.arguments[2]);
  } else {
    const std::string vectors = ReadMemory(call.thread, call.arguments[1],
                                           call.arguments[2] * sizeof(iovec));
    for (size_t at = 0; at + sizeof(iovec) <= vectors.size();
         at += sizeof(iovec)) {
      iovec one = {};
      std::memcpy(&one, vectors.data() + at, sizeof(one));
      mark_ += ReadMemory(call.thread, reinterpret_cast<uint64_t>(one.iov_base),
                          one.iov_len);
    }
  }
  for (size_t end = 0; (end = mark_.find('\n')) != mark_.npos;) {
    TraceEvent event;
    event.kind = Kind::kMark;
    event.data = mark_.substr(0, end);
    event.what = absl::StrCat("mark ", event.data);
    Push(std::move(event));
    mark_.erase(0, end + 1);
  }
}

void Recorder::OnWritten(const SystemCall& call, int fd, uint64_t size) {
  const std::string path = PathOfFd(call.thread, fd);
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return;
  const std::optional<ObjectId> object = table_.Find(status);
  if (!object.has_value()) return;
  const bool appends = (FdInfo(call.thread, fd, "flags:", 8) & O_APPEND) != 0;
  TraceEvent event;
  event.object = *object;
  event.kind = Kind::kWrite;
  switch (call.number) {
    case SYS_fallocate:
      if (call.arguments[1] == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) {
        event.offset = call.arguments[2];
        size = call.arguments[3];
        if (event.offset >= static_cast<uint64_t>(status.st_size)) return;
        size = std::min<uint64_t>(
            size, static_cast<uint64_t>(status.st_size) - event.offset);
      } else if (call.arguments[1] == FALLOC_FL_KEEP_SIZE) {
        return;
      } else if (call.arguments[1] != 0) {
        Refuse("this kind of fallocate");
        return;
      }
      break;
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
      event.offset = appends ? static_cast<uint64_t>(status.st_size) - size
                             : call.arguments[3];
      break;
    case SYS_copy_file_range:
    case SYS_splice:
      if (call.arguments[3] != 0) {
        Refuse("copy_file_range or splice to a place of its own");
        return;
      }
      [[fallthrough]];
    default:
      event.offset = FdInfo(call.thread, fd, "pos:", 10) - size;
      break;
  }
  if (size == 0) {
    event.kind = Kind::kResize;
    event.offset = 0;
    event.size = static_cast<uint64_t>(status.st_size);
    event.what =
        absl::StrCat("resize ", table_.NameOf(*object), " to ", event.size);
    if (call.number == SYS_write || call.number == SYS_writev) return;
  } else {
    event.data = ReadBack(path, event.offset, size);
    event.what = absl::StrCat("write ", table_.NameOf(*object), " +", size,
                              " at ", event.offset);
    if (event.data.size() != size) Refuse("files that can't be read back");
  }
  Push(std::move(event));
}

void Recorder::OnSync(const SystemCall& call) {
  TraceEvent event;
  event.covers = before_[call.thread].events;
  if (call.number == SYS_sync || call.number == SYS_syncfs) {
    event.kind = Kind::kSyncAll;
    event.what = "sync all";
  } else {
    const auto object = table_.FindFd(call.thread, call.FdArgument(0));
    if (!object.has_value()) return;  // its last name is gone by now
    event.kind = Kind::kSync;
    event.object = *object;
    event.what = absl::StrCat("sync ", table_.NameOf(*object));
  }
  Push(std::move(event));
}

}  // namespace muster::test
