#include "launcher/mpi/node_directory.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"

namespace muster::mpi {
namespace {

// What a rank's shared segment and Open MPI's own files may take.
constexpr uint64_t kSharedBytesPerRank = 4 << 20;

bool HasRoom(const char* directory, uint64_t bytes) {
  struct statvfs room;
  return statvfs(directory, &room) == 0 &&
         uint64_t{room.f_bavail} * room.f_frsize >= bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeDirectory>> NodeDirectory::Make(
    uint32_t ranks, const std::string& program) {
  // Open MPI maps its files. A container may have as little as 64 MiB of shared
  // memory, and who maps more dies of SIGBUS.
  constexpr char kMemory[] = "/dev/shm";
  std::vector<std::string> parents = {"/tmp"};
  if (HasRoom(kMemory, ranks * kSharedBytesPerRank)) {
    parents.insert(parents.begin(), kMemory);
  }
  for (const std::string& parent : parents) {
    std::string path = absl::StrCat(parent, "/muster-XXXXXX");
    if (!mkdtemp(path.data())) continue;
    std::unique_ptr<NodeDirectory> made(new NodeDirectory(std::move(path)));
    if (symlink(program.c_str(), made->program().c_str()) == 0) return made;
    return absl::UnavailableError(
        absl::StrCat("no link to ", program, ": ", strerror(errno)));
  }
  return absl::UnavailableError(absl::StrCat(
      "neither /dev/shm nor /tmp takes a directory: ", strerror(errno)));
}

NodeDirectory::~NodeDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace muster::mpi
