#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/history/directory_watch.h"
#include "launcher/history/file_reader.h"
#include "launcher/history/lists.h"
#include "launcher/history/log_reader.h"
#include "launcher/history/run_files.h"
#include "launcher/history/run_source.h"

namespace muster::history {
namespace {

// Where the kernel does not tell of changes.
constexpr absl::Duration kLookEvery = absl::Milliseconds(200);

class LocalFeed final : public LogFeed {
 public:
  LocalFeed(Fd run, const LogsRequest& request)
      : reader_(std::move(run), request, &watch_, [] {}) {}

  absl::StatusOr<Step> Next(LogPiece* piece) override {
    watch_.Dispatch();
    if (absl::Now() >= next_look_) reader_.Recheck();
    piece->Clear();
    absl::StatusOr<Step> step = reader_.Next(piece);
    const bool looks =
        step.ok() && *step == Step::kNothing && !reader_.is_told();
    next_look_ = looks ? absl::Now() + kLookEvery : absl::InfiniteFuture();
    return step;
  }
  int fd() const override { return watch_.fd(); }
  absl::Time next_look() const override { return next_look_; }

 private:
  DirectoryWatch watch_;
  LogReader reader_;
  absl::Time next_look_ = absl::InfiniteFuture();
};

template <typename Reply, typename Take>
absl::Status TakeAll(Producer<Reply>& producer, Take take) {
  while (true) {
    Reply reply;
    const absl::StatusOr<Step> step = producer.Next(&reply);
    if (!step.ok()) return step.status();
    if (*step != Step::kReply) return absl::OkStatus();
    if (absl::Status taken = take(reply); !taken.ok()) return taken;
  }
}

class LocalSource final : public RunSource {
 public:
  // `shown`: the path as the user wrote it.
  LocalSource(std::string shown, std::string path, std::string only_run)
      : shown_(std::move(shown)),
        path_(std::move(path)),
        only_run_(std::move(only_run)) {}

  std::string Where() const override { return shown_; }
  std::string PathOf(const std::string& run_id,
                     const std::string& path) const override {
    return absl::StrCat(shown_, only_run_.empty() ? "/" + run_id : "",
                        path.empty() ? "" : "/", path);
  }

  absl::StatusOr<std::vector<RunSummary>> ListRuns(
      const ListRunsRequest& request) override {
    absl::StatusOr<Fd> run_dir = OpenDirectory(path_);
    if (!run_dir.ok()) return run_dir.status();
    const auto lister =
        RunLister::Open(*std::move(run_dir), request, only_run_);
    if (!lister.ok()) return lister.status();
    std::vector<RunSummary> runs;
    absl::Status taken = TakeAll(**lister, [&](RunSummary& run) {
      runs.push_back(std::move(run));
      return absl::OkStatus();
    });
    if (!taken.ok()) return taken;
    return runs;
  }

  absl::StatusOr<std::vector<FileEntry>> ListFiles(
      const ListFilesRequest& request) override {
    const absl::StatusOr<Fd> run = Open(request.run_id());
    if (!run.ok()) return run.status();
    return history::ListFiles(run->get(), request.prefix());
  }

  absl::Status Read(const ReadRequest& request, TakeChunk take) override {
    const absl::StatusOr<Fd> run = Open(request.run_id());
    if (!run.ok()) return run.status();
    const auto reader = FileReader::Open(run->get(), request);
    if (!reader.ok()) return reader.status();
    return TakeAll(**reader, take);
  }

  absl::StatusOr<std::unique_ptr<LogFeed>> Logs(
      const LogsRequest& request) override {
    absl::StatusOr<Fd> run = Open(request.run_id());
    if (!run.ok()) return run.status();
    return std::make_unique<LocalFeed>(*std::move(run), request);
  }

 private:
  absl::StatusOr<Fd> Open(const std::string& run_id) const {
    const absl::StatusOr<Fd> run_dir = OpenDirectory(path_);
    if (!run_dir.ok()) return run_dir.status();
    return OpenRun(run_dir->get(), run_id);
  }

  const std::string shown_;
  const std::string path_;
  const std::string only_run_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunSource>> OpenLocalRuns(
    const std::string& path) {
  const absl::StatusOr<Fd> directory = OpenDirectory(path);
  if (!directory.ok()) return directory.status();
  if (!IsRun(directory->get())) {
    return std::make_unique<LocalSource>(path, path, "");
  }
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::canonical(path, error);
  const std::string id = whole.filename().string();
  if (error || !IsRunId(id)) {
    return absl::InvalidArgumentError(
        absl::StrCat(collector::ShowPath(path),
                     " holds a run, but its name is no run id: 1 to 64 of "
                     "A-Z a-z 0-9 . _ -"));
  }
  return std::make_unique<LocalSource>(path, whole.parent_path().string(), id);
}

}  // namespace muster::history
