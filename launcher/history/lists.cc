#include "launcher/history/lists.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace muster::history {
namespace {

constexpr int kFilesOfAList = 1000;
constexpr size_t kBytesOfAList = 256 * 1024;

}  // namespace

RunLister::RunLister(Fd run_dir, std::vector<std::string> ids, bool brief)
    : run_dir_(std::move(run_dir)), ids_(std::move(ids)), brief_(brief) {}

absl::StatusOr<std::unique_ptr<RunLister>> RunLister::Open(
    Fd run_dir, const ListRunsRequest& request, const std::string& only_run) {
  absl::StatusOr<std::vector<std::string>> ids = ListRunIds(run_dir.get());
  if (!ids.ok()) return ids.status();
  ids->erase(std::remove_if(ids->begin(), ids->end(),
                            [&](const std::string& id) {
                              return !absl::StartsWith(id, request.prefix()) ||
                                     (!only_run.empty() && id != only_run);
                            }),
             ids->end());
  return std::unique_ptr<RunLister>(
      new RunLister(std::move(run_dir), *std::move(ids), request.brief()));
}

absl::StatusOr<Step> RunLister::Next(RunSummary* summary) {
  while (next_ < ids_.size()) {
    const std::string& id = ids_[next_++];
    const absl::StatusOr<Fd> run = OpenRun(run_dir_.get(), id);
    if (absl::IsNotFound(run.status())) continue;  // removed meanwhile
    if (!run.ok()) return run.status();
    absl::StatusOr<RunSummary> found = Summarize(run->get(), id, !brief_);
    if (!found.ok()) return found.status();
    *summary = *std::move(found);
    return Step::kReply;
  }
  return Step::kOver;
}

FileLister::FileLister(std::vector<FileEntry> files)
    : files_(std::move(files)) {}

absl::StatusOr<std::unique_ptr<FileLister>> FileLister::Open(
    int run, const ListFilesRequest& request) {
  absl::StatusOr<std::vector<FileEntry>> files =
      ListFiles(run, request.prefix());
  if (!files.ok()) return files.status();
  return std::unique_ptr<FileLister>(new FileLister(*std::move(files)));
}

absl::StatusOr<Step> FileLister::Next(FileList* list) {
  if (next_ == files_.size()) return Step::kOver;
  size_t bytes = 0;
  while (next_ < files_.size() && list->files_size() < kFilesOfAList &&
         bytes < kBytesOfAList) {
    bytes += files_[next_].path().size();
    *list->add_files() = std::move(files_[next_++]);
  }
  return Step::kReply;
}

}  // namespace muster::history
