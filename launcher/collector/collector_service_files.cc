// How a collector's runs take files.
#include <utility>

#include "launcher/collector/collector_service.h"

namespace muster::collector {

// The files of a run, while a node sends some: the run stays open as long, and
// is not over before.
class CollectorService::OpenFiles {
 public:
  OpenFiles(CollectorService& service, std::shared_ptr<Run> run,
            std::unique_ptr<FileStore> files)
      : service_(service), run_(std::move(run)), files_(std::move(files)) {
    service_.loop_.Post([&service = service_, run = run_] {
      ++service.sending_files_[run.get()];
      if (!run->has_report()) service.Announce(*run);
    });
  }
  ~OpenFiles() {
    files_.reset();
    service_.loop_.Post([&service = service_, run = std::move(run_)] {
      const auto sending = service.sending_files_.find(run.get());
      if (--sending->second == 0) service.sending_files_.erase(sending);
      service.LookIfOver(run);
    });
  }
  FileStore* files() { return files_.get(); }

 private:
  CollectorService& service_;
  std::shared_ptr<Run> run_;
  std::unique_ptr<FileStore> files_;
};

absl::StatusOr<std::shared_ptr<FileStore>> CollectorService::AdmitFiles(
    const Introduction& introduction) {
  if (introduction.orphaned()) {
    return absl::InvalidArgumentError("what dead agents left holds no files");
  }
  if (absl::Status failure = disk_failure(); !failure.ok()) return failure;
  absl::StatusOr<std::shared_ptr<Run>> run = store_->Admit(introduction);
  if (!run.ok()) return run.status();
  if (absl::Status problem = (*run)->problem(); !problem.ok()) return problem;
  std::weak_ptr<FileStore>& known = file_stores_[introduction.run_id()];
  if (std::shared_ptr<FileStore> open = known.lock()) return open;
  auto store = FileStore::Open({.root = (*run)->root(),
                                .shown = (*run)->path(),
                                .quota = &(*run)->quota()},
                               (*run)->private_directory(), followed_);
  if (!store.ok()) return store.status();
  auto holder = std::make_shared<OpenFiles>(*this, *run, *std::move(store));
  std::erase_if(file_stores_,
                [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<FileStore> shared(holder, holder->files());
  file_stores_[introduction.run_id()] = shared;
  return shared;
}

}  // namespace muster::collector
