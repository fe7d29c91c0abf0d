#include "tests/support/crash_replay/name_call.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

namespace muster::test {

std::optional<NameCall> NameCallOf(const SystemCall& call,
                                   const ObjectTable& table) {
  const auto& at = call.arguments;
  const auto place = [&](int fd, uint64_t path) {
    return table.Locate(call.thread, fd, ReadText(call.thread, path));
  };
  const auto fd = [&](size_t index) { return call.FdArgument(index); };
  using K = NameCall::Kind;
  switch (call.number) {
    case SYS_openat:
      return NameCall{K::kOpen, place(fd(0), at[1]), {}, at[2]};
    case SYS_openat2: {
      open_how how = {};
      const std::string bytes = ReadMemory(call.thread, at[2], sizeof(how));
      std::memcpy(&how, bytes.data(), std::min(bytes.size(), sizeof(how)));
      return NameCall{K::kOpen, place(fd(0), at[1]), {}, how.flags};
    }
    case SYS_renameat:
    case SYS_renameat2:
      return NameCall{K::kRename, place(fd(0), at[1]), place(fd(2), at[3]),
                      call.number == SYS_renameat ? 0 : at[4]};
    case SYS_unlinkat:
      return NameCall{K::kUnlink, place(fd(0), at[1])};
    case SYS_mkdirat:
      return NameCall{K::kMakeDir, place(fd(0), at[1])};
    case SYS_linkat:
      return NameCall{K::kLink, place(fd(0), at[1]), place(fd(2), at[3])};
    case SYS_symlinkat:
      return NameCall{K::kNode, place(fd(1), at[2])};
    case SYS_mknodat:
      return NameCall{K::kNode, place(fd(0), at[1])};
#ifdef SYS_open
    case SYS_open:
      return NameCall{K::kOpen, place(AT_FDCWD, at[0]), {}, at[1]};
    case SYS_creat:
      return NameCall{
          K::kOpen, place(AT_FDCWD, at[0]), {}, O_CREAT | O_TRUNC | O_WRONLY};
    case SYS_rename:
      return NameCall{K::kRename, place(AT_FDCWD, at[0]),
                      place(AT_FDCWD, at[1])};
    case SYS_unlink:
    case SYS_rmdir:
      return NameCall{K::kUnlink, place(AT_FDCWD, at[0])};
    case SYS_mkdir:
      return NameCall{K::kMakeDir, place(AT_FDCWD, at[0])};
    case SYS_link:
      return NameCall{K::kLink, place(AT_FDCWD, at[0]), place(AT_FDCWD, at[1])};
    case SYS_symlink:
      return NameCall{K::kNode, place(AT_FDCWD, at[1])};
    case SYS_mknod:
      return NameCall{K::kNode, place(AT_FDCWD, at[0])};
#endif
    default:
      return std::nullopt;
  }
}

const std::vector<uint64_t>& NameCallNumbers() {
  static const std::vector<uint64_t> numbers = {
      SYS_openat,  SYS_openat2, SYS_renameat,  SYS_renameat2, SYS_unlinkat,
      SYS_mkdirat, SYS_linkat,  SYS_symlinkat, SYS_mknodat,
#ifdef SYS_open  // architectures with the calls of old
      SYS_open,    SYS_creat,   SYS_rename,    SYS_unlink,    SYS_rmdir,
      SYS_mkdir,   SYS_link,    SYS_symlink,   SYS_mknod,
#endif
  };
  return numbers;
}

}  // namespace muster::test
