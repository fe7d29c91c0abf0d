#include "launcher/history/file_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::history {
namespace {

constexpr size_t kMaxChunk = 256 * 1024;

}  // namespace

FileReader::FileReader(Fd file, FileEntry entry, uint64_t offset)
    : file_(std::move(file)), entry_(std::move(entry)), offset_(offset) {}

absl::StatusOr<std::unique_ptr<FileReader>> FileReader::Open(
    int run, const ReadRequest& request) {
  absl::StatusOr<Fd> file = OpenFile(run, request.path());
  if (!file.ok()) return file.status();
  absl::StatusOr<FileEntry> entry = Describe(file->get(), request.path());
  if (!entry.ok()) return entry.status();
  const int64_t wanted = request.if_mtime_ns();
  if (wanted != 0 && wanted != entry->mtime_ns()) {
    return absl::AbortedError(absl::StrCat(collector::ShowPath(request.path()),
                                           " has changed meanwhile"));
  }
  return std::unique_ptr<FileReader>(
      new FileReader(*std::move(file), *std::move(entry), request.offset()));
}

absl::StatusOr<Step> FileReader::Next(ReadChunk* chunk) {
  if (!begun_) {
    begun_ = true;
    *chunk->mutable_file() = entry_;
    chunk->set_offset(offset_);
    return Step::kReply;
  }
  if (offset_ >= entry_.size()) return Step::kOver;
  // Holes are not read. Where the file system knows of none, all is data.
  const off_t data = lseek(file_.get(), static_cast<off_t>(offset_), SEEK_DATA);
  if (data < 0 && errno == ENXIO) return Step::kOver;
  if (data > 0) offset_ = static_cast<uint64_t>(data);
  if (offset_ >= entry_.size()) return Step::kOver;
  absl::StatusOr<std::string> bytes = ReadAt(
      file_.get(), offset_,
      std::min<uint64_t>(entry_.size() - offset_, kMaxChunk), entry_.path());
  if (!bytes.ok()) return bytes.status();
  if (bytes->empty()) return Step::kOver;  // truncated meanwhile
  chunk->set_offset(offset_);
  offset_ += bytes->size();
  chunk->set_data(*std::move(bytes));
  return Step::kReply;
}

}  // namespace muster::history
