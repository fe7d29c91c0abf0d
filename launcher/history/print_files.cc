#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "launcher/history/commands.h"
#include "launcher/history/figures.h"
#include "launcher/history/file_selection.h"
#include "launcher/terminal/columns.h"
#include "launcher/terminal/harmless.h"

namespace muster::history {
namespace {

using Json = nlohmann::ordered_json;
using terminal::Harmless;
using terminal::Table;

std::string AsJson(const FileSelection& selection) {
  Json all = Json::array();
  for (const SelectedFile& one : selection.files) {
    const FileEntry& file = one.file;
    all.push_back(
        {{"path", file.path()},
         {"size", file.size()},
         {"modified_at", absl::FormatTime("%Y-%m-%dT%H:%M:%E9SZ",
                                          absl::FromUnixNanos(file.mtime_ns()),
                                          absl::UTCTimeZone())},
         {"mode", file.mode()}});
  }
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string AsText(const FileSelection& selection) {
  std::vector<std::vector<std::string>> rows;
  for (const SelectedFile& one : selection.files) {
    rows.push_back({absl::StrCat(one.file.size()),
                    ShownTime(absl::FromUnixNanos(one.file.mtime_ns()),
                              absl::LocalTimeZone()),
                    Harmless(one.file.path())});
  }
  return Table({{"SIZE", true}, {"MODIFIED"}, {"PATH"}}, rows);
}

}  // namespace

absl::StatusOr<int> PrintFiles(const Surface& surface,
                               const std::string& run_id,
                               const std::string& prefix, bool json) {
  ListFilesRequest request;
  request.set_run_id(run_id);
  request.set_prefix(ListedPrefix(prefix));
  absl::StatusOr<std::vector<FileEntry>> files =
      surface.source.ListFiles(request);
  if (!files.ok()) return files.status();
  const FileSelection selection = SelectFiles(*std::move(files), prefix);
  if (selection.files.empty() && !json) {
    surface.tell(absl::StrCat(
        "run ", run_id, " has no files",
        prefix.empty() ? ""
                       : absl::StrCat(" that begin with ", Harmless(prefix))));
    return 0;
  }
  const absl::Status written =
      surface.out.Write(json ? AsJson(selection) : AsText(selection));
  if (!written.ok()) return written;
  return 0;
}

}  // namespace muster::history
