// Files of a node that grow under their names.
#ifndef MUSTER_LAUNCHER_COLLECTOR_FOLLOWED_FILES_H_
#define MUSTER_LAUNCHER_COLLECTOR_FOLLOWED_FILES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "launcher/collector/file_store.h"
#include "launcher/collector/file_work.h"
#include "proto/collector.pb.h"

namespace muster::collector {

// Job: append to the files that one node follows, and rename them. What is
// written is there for readers at once; what is durable is for FileWork to say.
// Life cycle: one for a stream of the node. What is open when it goes stays as
// it is, and can be opened again where it is durable.
// Threads: the files thread's only.
// Ownership: the store must outlive it. Open descriptors are the cache's.
//
// Errors of all: FailedPrecondition, InvalidArgument and NotFound are of the
// one file; others, as FileError (beneath.h), of the whole store.
class FollowedFiles {
 public:
  static constexpr size_t kMost = 4096;

  FollowedFiles(FileStore& store, uint32_t node);

  // Opens for appending at `open.offset()`; what is beyond is cut off. With 0
  // there is a new and empty file, in place of what was there.
  //   NotFound         fewer bytes are there
  //   InvalidArgument  over kMost files
  absl::Status Open(const FileOpen& open);

  bool Has(uint64_t transfer) const { return files_.count(transfer) != 0; }

  // `data.checksum()` was looked at.
  //   InvalidArgument  the bytes do not follow
  absl::Status Append(const FileData& data);

  // Grows no more.
  absl::Status Close(uint64_t transfer);

  // Forgets the file of that transfer, which stays as it is.
  void Forget(uint64_t transfer);

  // A file of the node has another name, with directories made as needed. One
  // that has that name already is replaced.
  //   FailedPrecondition  there is no such file
  absl::Status Move(const FileMove& move);

  // What is not durable yet. Unanswered bytes of a file go with it.
  void Collect(FileWork* work);
  // Bytes of the window, before they are collected.
  uint64_t unanswered() const { return unanswered_; }

 private:
  struct File {
    File(FileCache& cache, std::string at)
        : target(std::move(at)), place(cache) {}
    std::string target;
    FileCache::Place place;
    uint64_t offset = 0;
    uint64_t unanswered = 0;
    bool changed = false;
  };

  std::string Target(const std::string& path) const;
  absl::Status MakeEmpty(const FileOpen& open, File& file);
  absl::StatusOr<std::shared_ptr<Fd>> Use(File& file);
  using Files = std::map<uint64_t, std::unique_ptr<File>>;
  Files::iterator Erase(Files::iterator at);

  FileStore& store_;
  const uint32_t node_;
  Files files_;  // by transfer
  uint64_t unanswered_ = 0;
  std::set<std::string> changed_;  // directories
  std::vector<uint64_t> done_;     // transfers
  std::vector<FileWork::Grown> closed_;
};

// What a node may call a file: below "logs/" or "outputs/".
// InvalidArgument, as CheckRelativePath (beneath.h) has it.
absl::Status CheckNodePath(const std::string& path);
// The same file, relative to the run's directory.
std::string NodeTarget(uint32_t node, const std::string& path);
// The mode it gets.
mode_t NodeFileMode(uint32_t mode);

// Whether a file may take this name: nothing is there but a regular file, and
// directories above. FailedPrecondition, InvalidArgument as FileError; and
// how much would be replaced.
absl::StatusOr<uint64_t> CheckTarget(int root, const std::string& target);

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_FOLLOWED_FILES_H_
