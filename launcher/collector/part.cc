#include "launcher/collector/part.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "launcher/framing/frame.h"

namespace muster::collector {
namespace {

constexpr char kRecordKind = 'p';
constexpr uint8_t kRecordVersion = 1;
constexpr uint64_t kNoteEvery = uint64_t{4} << 20;
// The hashing of a hole takes a tenth of a second then.
constexpr uint64_t kSkipAtOnce = uint64_t{1} << 30;
constexpr size_t kReadBytes = size_t{1} << 20;

int OpenIn(int directory, const std::string& name, int flags) {
  return openat(directory, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

uint64_t RandomIdentity() {
  std::random_device random;
  return (uint64_t{random()} << 32) | random();
}

// What a frame after the first says.
struct Noted {
  uint64_t offset;
  std::string digest;
};

std::string Encode(const Noted& noted) {
  std::string bytes(sizeof noted.offset, '\0');
  memcpy(bytes.data(), &noted.offset, sizeof noted.offset);
  return bytes + noted.digest;
}

std::optional<Noted> Decode(absl::string_view bytes) {
  Noted noted;
  if (bytes.size() != sizeof noted.offset + framing::kDigestBytes) return {};
  memcpy(&noted.offset, bytes.data(), sizeof noted.offset);
  noted.digest = std::string(bytes.substr(sizeof noted.offset));
  return noted;
}

struct Record {
  uint64_t identity = 0;
  FileOpen open;
  uint32_t node = 0;
  std::vector<Noted> noted;
  uint64_t size = 0;  // of what is whole
};

// Names are "<node>-<serial>".
bool NodeOf(absl::string_view name, uint32_t* node) {
  return absl::SimpleAtoi(name.substr(0, name.find('-')), node);
}

std::optional<Record> ReadRecord(int directory, const std::string& name) {
  const Fd file(OpenIn(directory, name + ".record", O_RDONLY));
  struct stat found;
  if (!file.is_open() || fstat(file.get(), &found) != 0) return {};
  // 40 bytes for every 4 MiB of the largest file, and the names.
  constexpr off_t kMostBytes = off_t{1} << 28;
  if (!S_ISREG(found.st_mode) || found.st_size > kMostBytes) return {};
  std::string bytes(static_cast<size_t>(found.st_size), '\0');
  if (pread(file.get(), bytes.data(), bytes.size(), 0) != found.st_size) {
    return {};
  }
  const auto header = framing::DecodeFileHeader(bytes);
  if (!header.ok() || header->kind != kRecordKind ||
      header->version != kRecordVersion) {
    return {};
  }
  Record record{.identity = header->identity};
  record.size = framing::kFileHeaderBytes;
  const auto next = [&] {
    const framing::Frame frame =
        framing::DecodeFrame(record.identity, record.size,
                             absl::string_view(bytes).substr(record.size));
    if (frame.state != framing::Frame::State::kWhole) {
      return std::optional<absl::string_view>();
    }
    record.size += frame.size;
    return std::optional<absl::string_view>(frame.payload);
  };
  const auto first = next();
  if (!first || !NodeOf(name, &record.node) ||
      !record.open.ParseFromArray(first->data(),
                                  static_cast<int>(first->size()))) {
    return {};
  }
  while (const auto payload = next()) {
    std::optional<Noted> noted = Decode(*payload);
    if (!noted) break;
    record.noted.push_back(*std::move(noted));
  }
  return record;
}

}  // namespace

bool operator==(const FileVersion& a, const FileVersion& b) {
  return a.size() == b.size() && a.mtime_ns() == b.mtime_ns() &&
         a.ctime_ns() == b.ctime_ns() && a.inode() == b.inode() &&
         a.device() == b.device();
}

Part::Part(int directory, std::string name, PartIdentity identity)
    : directory_(directory),
      name_(std::move(name)),
      identity_(std::move(identity)) {}

absl::StatusOr<std::unique_ptr<Part>> Part::Create(int directory,
                                                   std::string name,
                                                   PartIdentity identity) {
  std::unique_ptr<Part> part(
      new Part(directory, std::move(name), std::move(identity)));
  part->file_ = Fd(OpenIn(directory, part->name_, O_RDWR | O_CREAT | O_EXCL));
  if (!part->file_.is_open()) {
    return FileError(errno, "make a part of", part->identity_.path);
  }
  absl::Status opened;
  if (part->identity_.version.size() >= kResumeFrom) {
    opened = part->StartRecord();
  }
  if (opened.ok()) opened = part->Open();
  if (opened.ok()) return part;
  part->Remove();
  return opened;
}

absl::Status Part::StartRecord() {
  record_identity_ = RandomIdentity();
  FileOpen open;
  open.set_path(identity_.path);
  *open.mutable_version() = identity_.version;
  const std::string payload = open.SerializeAsString();
  std::string bytes = framing::EncodeFileHeader({.kind = kRecordKind,
                                                 .version = kRecordVersion,
                                                 .identity = record_identity_});
  const auto header =
      framing::EncodeFrameHeader(record_identity_, bytes.size(), {payload});
  bytes.append(header.data(), header.size()).append(payload);
  record_ = Fd(OpenIn(directory_, record_name(), O_WRONLY | O_CREAT | O_EXCL));
  if (!record_.is_open()) {
    return FileError(errno, "make a record of", identity_.path);
  }
  record_size_ = bytes.size();
  return WriteAll(record_, bytes, 0, identity_.path);
}

std::unique_ptr<Part> Part::Restore(int directory, std::string name) {
  std::optional<Record> record = ReadRecord(directory, name);
  if (!record) return nullptr;
  std::unique_ptr<Part> part(new Part(directory, std::move(name),
                                      {.node = record->node,
                                       .path = record->open.path(),
                                       .version = record->open.version()}));
  part->verified_ = false;
  // Until it is looked at; for the run's quota.
  struct stat found;
  if (fstatat(directory, part->name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) !=
          0 ||
      !S_ISREG(found.st_mode)) {
    return nullptr;
  }
  part->bytes_ = std::min<uint64_t>(found.st_size, 512ull * found.st_blocks);
  return part;
}

void Part::Verify() {
  verified_ = true;
  offset_ = 0;
  bytes_ = 0;
  digest_ = framing::Digest();
  const std::optional<Record> record = ReadRecord(directory_, name_);
  if (!record) return;
  record_identity_ = record->identity;
  const Fd file(OpenIn(directory_, name_, O_RDONLY));
  std::vector<char> buffer(kReadBytes);
  framing::Digest digest;
  uint64_t at = 0;
  uint64_t bytes = 0;
  for (const Noted& noted : record->noted) {
    while (file.is_open() && at < noted.offset) {
      // What is a hole need not be read.
      const off_t data = lseek(file.get(), static_cast<off_t>(at), SEEK_DATA);
      const uint64_t begin =
          data < 0
              ? noted.offset
              : std::min<uint64_t>(static_cast<uint64_t>(data), noted.offset);
      digest.UpdateZeros(begin - at);
      at = begin;
      const size_t wanted = static_cast<size_t>(
          std::min<uint64_t>(noted.offset - at, buffer.size()));
      if (wanted == 0) break;
      const ssize_t got =
          pread(file.get(), buffer.data(), wanted, static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      digest.Update({buffer.data(), static_cast<size_t>(got)});
      at += static_cast<uint64_t>(got);
      bytes += static_cast<uint64_t>(got);
    }
    if (at != noted.offset || digest.Value() != noted.digest) break;
    offset_ = at;
    bytes_ = bytes;
    digest_ = digest;
  }
  noted_ = offset_;
}

absl::Status Part::Open() {
  if (!file_.is_open()) {
    file_ = Fd(OpenIn(directory_, name_, O_RDWR));
    if (!file_.is_open() ||
        ftruncate(file_.get(), static_cast<off_t>(offset_)) != 0) {
      return FileError(errno, "open the part of", identity_.path);
    }
    const std::optional<Record> record = ReadRecord(directory_, name_);
    record_ = Fd(OpenIn(directory_, record_name(), O_WRONLY));
    if (!record || !record_.is_open()) {
      return FileError(errno, "open the record of", identity_.path);
    }
    // What was noted beyond this is not true any more.
    record_size_ = record->size;
    for (size_t i = record->noted.size();
         i > 0 && record->noted[i - 1].offset > offset_; --i) {
      record_size_ -=
          framing::kFrameHeaderBytes + sizeof(uint64_t) + framing::kDigestBytes;
    }
    if (ftruncate(record_.get(), static_cast<off_t>(record_size_)) != 0) {
      return FileError(errno, "cut the record of", identity_.path);
    }
  }
  if (identity_.version.size() >= kResumeFrom) {
    writer_.emplace(file_.get(), offset_, identity_.path);
  }
  return absl::OkStatus();
}

absl::Status Part::Append(absl::string_view bytes) {
  const absl::Status written =
      writer_ ? writer_->Append(bytes)
              : WriteAll(file_, bytes, offset_, identity_.path);
  if (!written.ok()) return written;
  digest_.Update(bytes);
  offset_ += bytes.size();
  bytes_ += bytes.size();
  if (record_.is_open() && offset_ - noted_ >= kNoteEvery) return Note();
  return absl::OkStatus();
}

absl::Status Part::SkipTowards(uint64_t offset) {
  const uint64_t end = std::min(offset, offset_ + kSkipAtOnce);
  digest_.UpdateZeros(end - offset_);
  offset_ = end;
  return writer_ ? writer_->Skip(end) : absl::OkStatus();
}

absl::Status Part::Note() {
  const std::string payload = Encode({offset_, digest_.Value()});
  const auto header =
      framing::EncodeFrameHeader(record_identity_, record_size_, {payload});
  const std::string bytes =
      absl::StrCat(absl::string_view(header.data(), header.size()), payload);
  const absl::Status written =
      WriteAll(record_, bytes, record_size_, identity_.path);
  if (!written.ok()) return written;
  record_size_ += bytes.size();
  noted_ = offset_;
  return absl::OkStatus();
}

absl::Status Part::Close(mode_t mode) {
  if (writer_) {
    const absl::Status flushed = writer_->Flush();
    if (!flushed.ok()) return flushed;
    writer_.reset();
  }
  struct stat found;
  if (fstat(file_.get(), &found) != 0 ||
      (static_cast<uint64_t>(found.st_size) != offset_ &&
       ftruncate(file_.get(), static_cast<off_t>(offset_)) != 0) ||
      fchmod(file_.get(), mode) != 0) {
    return FileError(errno, "finish", identity_.path);
  }
  return absl::OkStatus();
}

absl::Status Part::Park() {
  absl::Status status;
  if (writer_) status = writer_->Flush();
  if (status.ok() && record_.is_open() && offset_ > noted_) status = Note();
  writer_.reset();
  file_.Close();
  record_.Close();
  return status;
}

void Part::RemoveRecord() {
  if (record_.is_open()) unlinkat(directory_, record_name().c_str(), 0);
  record_.Close();
}

void Part::Remove() {
  writer_.reset();
  file_.Close();
  record_.Close();
  unlinkat(directory_, name_.c_str(), 0);
  if (identity_.version.size() >= kResumeFrom) {
    unlinkat(directory_, record_name().c_str(), 0);
  }
}

}  // namespace muster::collector
