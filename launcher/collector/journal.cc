#include "launcher/collector/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/collector/disk.h"
#include "launcher/framing/frame.h"

namespace muster::collector {
namespace {

constexpr char kName[] = "journal";
constexpr char kKind = 'j';
constexpr uint8_t kVersion = 1;
// Below this size compaction is not worth its syncs.
constexpr uint64_t kSmall = uint64_t{256} << 10;
constexpr uint64_t kMuchLarger = 4;

std::string Framed(uint64_t identity, uint64_t position,
                   const std::string& payload) {
  const auto header = framing::EncodeFrameHeader(identity, position, {payload});
  return absl::StrCat(absl::string_view(header.data(), header.size()), payload);
}

// A whole journal that says this.
std::string Whole(uint64_t identity, const JournalState& state) {
  std::string bytes = framing::EncodeFileHeader(
      {.kind = kKind, .version = kVersion, .identity = identity});
  for (const JournalRecord& record : state.Snapshot()) {
    bytes += Framed(identity, bytes.size(), record.SerializeAsString());
  }
  return bytes;
}

uint64_t RandomIdentity() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

// Whether a whole frame begins anywhere in bytes[position...].
bool AnyFrame(uint64_t identity, uint64_t position, absl::string_view bytes) {
  for (; position < bytes.size(); ++position) {
    const framing::Frame frame =
        framing::DecodeFrame(identity, position, bytes.substr(position));
    if (frame.state == framing::Frame::State::kWhole) return true;
  }
  return false;
}

}  // namespace

absl::Status Journal::Create(int directory, const std::string& shown) {
  return ReplaceFile({.directory = directory,
                      .name = kName,
                      .mode = 0600,
                      .scratch = directory,
                      .shown = absl::StrCat(shown, "/", kName)},
                     Whole(RandomIdentity(), {}));
}

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(int directory,
                                                       std::string shown) {
  std::unique_ptr<Journal> journal(new Journal(directory, std::move(shown)));
  absl::Status status = journal->Replay();
  // A process that was killed may have left records, or the file's name, that
  // are not on the disk yet. Now they are told of.
  if (status.ok()) status = SyncData(journal->file_.get(), journal->path());
  if (status.ok()) status = SyncDirectory(directory, journal->shown_);
  if (!status.ok()) return status;
  return journal;
}

Journal::Journal(int directory, std::string shown)
    : directory_(directory), shown_(std::move(shown)) {}

absl::Status Journal::Replay() {
  const auto damaged = [this](absl::string_view how) {
    return absl::DataLossError(absl::StrCat(
        path(), " is damaged: ", how,
        "; the run's logs are as they are, but it takes no more output"));
  };
  file_ = Fd(openat(directory_, kName, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!file_.is_open()) {
    if (errno == ENOENT) return damaged("it is missing");
    return FileError(errno, "open", path());
  }
  const absl::StatusOr<std::string> read = ReadAll(file_, path());
  if (!read.ok()) return read.status();
  const absl::string_view bytes = *read;

  const absl::StatusOr<framing::FileHeader> header =
      framing::DecodeFileHeader(bytes);
  if (!header.ok()) return damaged(header.status().message());
  if (header->kind != kKind || header->version != kVersion) {
    return damaged("it is of another kind or of another version of muster");
  }
  identity_ = header->identity;
  size_ = framing::kFileHeaderBytes;
  uint32_t records = 0;
  uint32_t snapshot_records = 1;
  for (;; ++records) {
    const framing::Frame frame =
        framing::DecodeFrame(identity_, size_, bytes.substr(size_));
    if (frame.state != framing::Frame::State::kWhole) break;
    JournalRecord record;
    if (!record.ParseFromArray(frame.payload.data(),
                               static_cast<int>(frame.payload.size()))) {
      return damaged("a record can't be read");
    }
    const absl::Status applied = state_.Apply(record);
    if (!applied.ok()) return damaged(applied.message());
    size_ += frame.size;
    if (records == 0) snapshot_records = record.snapshot_records();
    if (records + 1 == snapshot_records) snapshot_size_ = size_;
  }
  if (records == 0 || records < snapshot_records) {
    return damaged("its snapshot is not whole");
  }
  if (size_ == bytes.size()) return absl::OkStatus();
  if (AnyFrame(identity_, size_ + 1, bytes)) {
    return damaged(absl::StrCat("at byte ", size_));
  }
  if (ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
    return FileError(errno, "cut the torn end off", path());
  }
  return absl::OkStatus();
}

absl::Status Journal::Append(const JournalRecord& record) {
  for (const JournalRecord& piece : Split(record)) {
    const absl::Status appended = AppendOne(piece);
    if (!appended.ok()) return appended;
  }
  if (size_ > std::max(kSmall, kMuchLarger * snapshot_size_)) return Compact();
  return absl::OkStatus();
}

absl::Status Journal::AppendOne(const JournalRecord& record) {
  const absl::Status applied = state_.Apply(record);
  if (!applied.ok()) return applied;
  const std::string frame =
      Framed(identity_, size_, record.SerializeAsString());
  absl::Status status = AppendAt(file_, frame, size_, path());
  if (status.ok()) status = SyncData(file_.get(), path());
  if (status.ok()) size_ += frame.size();
  return status;
}

absl::Status Journal::Compact() {
  const uint64_t identity = RandomIdentity();
  const std::string bytes = Whole(identity, state_);
  snapshot_size_ = bytes.size();
  // What is not worth it is tried again when the journal has grown further.
  if (bytes.size() * kMuchLarger > size_) return absl::OkStatus();
  const absl::Status replaced = ReplaceFile({.directory = directory_,
                                             .name = kName,
                                             .mode = 0600,
                                             .scratch = directory_,
                                             .shown = path()},
                                            bytes);
  if (!replaced.ok()) return replaced;
  Fd file(openat(directory_, kName, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open()) return FileError(errno, "open", path());
  file_ = std::move(file);
  identity_ = identity;
  size_ = bytes.size();
  return absl::OkStatus();
}

}  // namespace muster::collector
