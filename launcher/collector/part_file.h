// A file that gets its name only when it is whole.
#ifndef MUSTER_LAUNCHER_COLLECTOR_PART_FILE_H_
#define MUSTER_LAUNCHER_COLLECTOR_PART_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/beneath.h"

namespace muster::collector {

// Job: take the bytes of one file in a hidden file of the run directory, and
// rename it over `target` at the end; until then an old version stays.
// Life cycle: Create, Append any number of times, Commit once. Destroyed
// without Commit it removes what it wrote.
// Threads: one at a time.
// Ownership: borrows `root`, which must outlive it.
class PartFile {
 public:
  // `target` is a path below `root` that CheckRelativePath accepts; `serial`
  // is not in use by another part file. Errors as FileError; in particular
  // FailedPrecondition where `target` is a directory and InvalidArgument where
  // it is a link.
  static absl::StatusOr<std::unique_ptr<PartFile>> Create(int root,
                                                          std::string target,
                                                          uint64_t serial);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  uint64_t size() const { return size_; }

  // Errors as FileError.
  absl::Status Append(absl::string_view bytes);

  // Gives the file its mode and its name. Errors as FileError.
  absl::Status Commit(mode_t mode);

 private:
  PartFile(int root, std::string target, std::string part);

  const int root_;
  const std::string target_;
  const std::string part_;
  Fd file_;
  uint64_t size_ = 0;
  bool committed_ = false;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_PART_FILE_H_
