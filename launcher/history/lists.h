// The runs of a directory, and the files of a run, as History lists them.
#ifndef MUSTER_LAUNCHER_HISTORY_LISTS_H_
#define MUSTER_LAUNCHER_HISTORY_LISTS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "launcher/history/producer.h"
#include "launcher/history/run_files.h"
#include "proto/history.pb.h"

namespace muster::history {

// Job: what History.ListRuns says. A run is looked at when its turn comes.
// Life cycle: Open, Next until kOver. Threads: one at a time.
class RunLister final : public Producer<RunSummary> {
 public:
  // `only_run`: "" for all; else no other is shown. Errors as at run_files.h.
  static absl::StatusOr<std::unique_ptr<RunLister>> Open(
      Fd run_dir, const ListRunsRequest& request,
      const std::string& only_run = "");

  absl::StatusOr<Step> Next(RunSummary* summary) override;

 private:
  RunLister(Fd run_dir, std::vector<std::string> ids, bool brief);

  const Fd run_dir_;
  const std::vector<std::string> ids_;
  const bool brief_;
  size_t next_ = 0;
};

// Job: what History.ListFiles says.
// Life cycle: Open, Next until kOver. Threads: one at a time.
class FileLister final : public Producer<FileList> {
 public:
  // Errors as at run_files.h.
  static absl::StatusOr<std::unique_ptr<FileLister>> Open(
      int run, const ListFilesRequest& request);

  absl::StatusOr<Step> Next(FileList* list) override;

 private:
  explicit FileLister(std::vector<FileEntry> files);

  std::vector<FileEntry> files_;
  size_t next_ = 0;
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_LISTS_H_
