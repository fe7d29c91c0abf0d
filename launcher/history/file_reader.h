// One file of a run, chunk by chunk.
#ifndef MUSTER_LAUNCHER_HISTORY_FILE_READER_H_
#define MUSTER_LAUNCHER_HISTORY_FILE_READER_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "launcher/history/producer.h"
#include "launcher/history/run_files.h"
#include "proto/history.pb.h"

namespace muster::history {

// Job: what History.Read says, for one call of it. The file is as long as it
// was when it was opened.
// Life cycle: Open, Next until kOver. Threads: one at a time.
// Ownership: owns the open file.
class FileReader final : public Producer<ReadChunk> {
 public:
  // Errors as at run_files.h, and Aborted where the file is not the one that
  // the request wants.
  static absl::StatusOr<std::unique_ptr<FileReader>> Open(
      int run, const ReadRequest& request);

  // Errors: Internal.
  absl::StatusOr<Step> Next(ReadChunk* chunk) override;

 private:
  FileReader(Fd file, FileEntry entry, uint64_t offset);

  const Fd file_;
  const FileEntry entry_;
  uint64_t offset_;
  bool begun_ = false;
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_FILE_READER_H_
