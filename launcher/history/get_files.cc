#include <fcntl.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "launcher/collector/beneath.h"
#include "launcher/history/commands.h"
#include "launcher/history/download.h"
#include "launcher/history/figures.h"
#include "launcher/history/file_selection.h"
#include "launcher/history/run_files.h"
#include "launcher/terminal/harmless.h"
#include "launcher/terminal/status_line.h"

namespace muster::history {
namespace {

using terminal::Harmless;

constexpr absl::Duration kProgressEvery = absl::Milliseconds(200);

// Job: the line that says how far it is. Life cycle: Show again and again,
// Clear at the end. Threads: one.
class ProgressLine {
 public:
  ProgressLine(bool on, size_t files, uint64_t bytes)
      : on_(on), files_(files), bytes_(bytes), begun_(absl::Now()) {}

  void Show(size_t files, uint64_t bytes) {
    const absl::Time now = absl::Now();
    if (!on_ || now < next_) return;
    next_ = now + kProgressEvery;
    const double seconds = absl::ToDoubleSeconds(now - begun_);
    const auto rate =
        static_cast<uint64_t>(static_cast<double>(bytes) / (seconds + 0.001));
    line_.Show(absl::StrCat(files, " of ", files_, " files, ",
                            ShownBytes(bytes), " of ", ShownBytes(bytes_), ", ",
                            ShownBytes(rate), "/s"));
  }
  void Clear() { line_.Clear(); }

 private:
  const bool on_;
  const size_t files_;
  const uint64_t bytes_;
  const absl::Time begun_;
  absl::Time next_;
  terminal::StatusLine line_;
};

std::string Files(size_t count) {
  return absl::StrCat(count, count == 1 ? " file" : " files");
}

struct Tally {
  size_t copied = 0;
  size_t were_there = 0;
  size_t failed = 0;
  uint64_t bytes = 0;
};

std::string Summary(const Tally& tally, const FileSelection& selection,
                    const std::string& directory) {
  std::string text = absl::StrCat(
      Files(tally.copied), ", ", ShownBytes(tally.bytes), ", copied to ",
      Harmless(directory),
      tally.were_there > 0
          ? absl::StrCat("; ", tally.were_there, " were there already")
          : "",
      tally.failed > 0
          ? absl::StrCat("; ", Files(tally.failed), " could not be got")
          : "",
      "\n");
  if (selection.by_node) {
    absl::StrAppend(&text, "each node's are in its node<k>/ there, since two ",
                    "nodes have ", Harmless(selection.shared), "\n");
  }
  return text;
}

absl::StatusOr<Fd> MakeDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  absl::StatusOr<Fd> directory = OpenDirectory(path);
  if (!directory.ok() && error) {
    return absl::InvalidArgumentError(absl::StrCat(
        collector::ShowPath(path), " can't be made: ", error.message()));
  }
  return directory;
}

}  // namespace

absl::StatusOr<int> GetFiles(const Surface& surface, const std::string& run_id,
                             const std::string& prefix,
                             const std::string& directory, bool progress) {
  ListFilesRequest request;
  request.set_run_id(run_id);
  request.set_prefix(ListedPrefix(prefix));
  absl::StatusOr<std::vector<FileEntry>> files =
      surface.source.ListFiles(request);
  if (!files.ok()) return files.status();
  const FileSelection selection = SelectFiles(*std::move(files), prefix);
  if (selection.files.empty()) {
    surface.tell(absl::StrCat("run ", run_id, " has no files that begin with ",
                              Harmless(prefix), "; `muster files ", run_id,
                              "` lists all"));
    return 1;
  }
  const absl::StatusOr<Fd> root = MakeDirectory(directory);
  if (!root.ok()) return root.status();

  uint64_t total = 0;
  for (const SelectedFile& one : selection.files) total += one.file.size();
  Tally tally;
  ProgressLine line(progress, selection.files.size(), total);
  for (size_t i = 0; i < selection.files.size(); ++i) {
    const absl::StatusOr<Got> got =
        Download(surface.source, run_id, selection.files[i], root->get(),
                 [&](uint64_t bytes) {
                   tally.bytes += bytes;
                   line.Show(i, tally.bytes);
                 });
    if (got.ok()) {
      ++(*got == Got::kCopied ? tally.copied : tally.were_there);
      continue;
    }
    ++tally.failed;
    line.Clear();
    surface.tell(absl::StrCat(Harmless(selection.files[i].file.path()), ": ",
                              Harmless(got.status().message())));
  }
  line.Clear();
  const absl::Status written =
      surface.out.Write(Summary(tally, selection, directory));
  if (!written.ok()) return written;
  return tally.failed > 0 ? 1 : 0;
}

}  // namespace muster::history
