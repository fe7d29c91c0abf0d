#include "launcher/files/file_sender.h"

#include <algorithm>
#include <utility>

#include "launcher/framing/digest.h"

namespace muster::files {
namespace {

constexpr size_t kChunk = size_t{1} << 20;
constexpr size_t kMaxPackBytes = size_t{1} << 20;
constexpr size_t kMaxPackFiles = 1000;
constexpr uint64_t kPackOverhead = 1024;  // see FileWelcome
// A large file that is written meanwhile is noticed on the way.
constexpr uint64_t kLookEvery = uint64_t{64} << 20;
// The hashing of a hole takes a tenth of a second then.
constexpr uint64_t kMaxHole = uint64_t{1} << 30;

}  // namespace

absl::StatusOr<framing::Digest> DigestOf(const UploadChannel& channel,
                                         const SourceFile& file,
                                         uint64_t size) {
  framing::Digest digest;
  std::string buffer(std::min<uint64_t>(kChunk, size), '\0');
  for (uint64_t at = 0; at < size;) {
    if (channel.is_given_up()) return absl::CancelledError("given up");
    const SourceFile::Piece data = file.NextData(at);
    const uint64_t begin = std::min({data.begin, size, at + kMaxHole});
    digest.UpdateZeros(begin - at);
    at = begin;
    if (begin < std::min(data.begin, size)) continue;
    const auto wanted = static_cast<size_t>(
        std::min<uint64_t>(std::min(data.end, size) - at, buffer.size()));
    if (wanted == 0) {
      if (at < size) return absl::OutOfRangeError("it ends before");
      break;
    }
    const absl::StatusOr<size_t> got = file.ReadAt(at, buffer.data(), wanted);
    if (!got.ok()) return got.status();
    if (*got < wanted) return absl::OutOfRangeError("it ends before");
    digest.Update({buffer.data(), wanted});
    at += wanted;
  }
  return digest;
}

absl::StatusOr<SendResult> SendWhole(UploadChannel& channel,
                                     const std::string& path,
                                     const SourceFile& file) {
  const Version& version = file.version();
  const uint64_t transfer = channel.Begin(path, version);
  if (transfer == 0) return SendResult::kClosed;
  FileUp up;
  FileOpen& open = *up.mutable_open();
  open.set_transfer(transfer);
  open.set_path(path);
  *open.mutable_version() = ToProto(version);
  open.set_mode(file.mode());
  if (!channel.Send(std::move(up), {{.transfer = transfer}})) {
    return SendResult::kLost;
  }

  uint64_t at = 0;
  framing::Digest digest;
  const auto changed = [&] {
    channel.Abandon(transfer);
    return SendResult::kChanged;
  };
  if (version.size >= kResumeFrom) {
    const std::optional<uint64_t> opened = channel.AwaitOpened(transfer);
    if (!opened) return SendResult::kLost;
    if (*opened > version.size) return changed();
    absl::StatusOr<framing::Digest> so_far = DigestOf(channel, file, *opened);
    if (absl::IsOutOfRange(so_far.status())) return changed();
    if (!so_far.ok()) {
      channel.Abandon(transfer);
      return so_far.status();
    }
    digest = *std::move(so_far);
    at = *opened;
  }
  for (uint64_t looked = at; at < version.size;) {
    const SourceFile::Piece data = file.NextData(at);
    const uint64_t begin = std::min(data.begin, at + kMaxHole);
    digest.UpdateZeros(begin - at);
    at = begin;
    if (channel.is_given_up()) return SendResult::kLost;
    if (at < data.begin) continue;
    if (at >= version.size) break;
    const auto wanted = static_cast<size_t>(
        std::min<uint64_t>(kChunk - at % kChunk, data.end - at));
    std::string bytes = channel.TakeBuffer(wanted);
    const absl::StatusOr<size_t> got = file.ReadAt(at, bytes.data(), wanted);
    if (!got.ok()) {
      channel.Abandon(transfer);
      return got.status();
    }
    if (*got < wanted) return changed();
    if (at - looked >= kLookEvery) {
      if (!file.IsUnchanged()) return changed();
      looked = at;
    }
    digest.Update(bytes);
    up.Clear();
    FileData& message = *up.mutable_data();
    message.set_transfer(transfer);
    message.set_offset(at);
    message.set_checksum(framing::Checksum(bytes));
    *message.mutable_data() = std::move(bytes);
    at += wanted;
    if (!channel.Send(std::move(up), {{transfer, wanted, at}})) {
      return SendResult::kLost;
    }
  }
  if (!file.IsUnchanged()) return changed();
  up.Clear();
  FileClose& close = *up.mutable_close();
  close.set_transfer(transfer);
  close.set_size(version.size);
  close.set_digest(digest.Value());
  return channel.Send(std::move(up), {{.transfer = transfer}})
             ? SendResult::kSent
             : SendResult::kLost;
}

bool Packer::Fits(uint64_t size) const {
  return files_.size() < kMaxPackFiles && bytes_ + size <= kMaxPackBytes;
}

absl::StatusOr<SendResult> Packer::Add(const std::string& path,
                                       const SourceFile& file) {
  const auto size = static_cast<size_t>(file.version().size);
  std::string bytes(size, '\0');
  const absl::StatusOr<size_t> got = file.ReadAt(0, bytes.data(), size);
  if (!got.ok()) return got.status();
  if (*got < size || !file.IsUnchanged()) return SendResult::kChanged;
  SmallFile& small = *message_.mutable_pack()->add_files();
  small.set_path(path);
  small.set_mode(file.mode());
  small.set_checksum(framing::Checksum(bytes));
  *small.mutable_data() = std::move(bytes);
  files_.push_back({path, file.version()});
  bytes_ += size + path.size();
  return SendResult::kSent;
}

bool Packer::Send(std::vector<Packed>* lost) {
  std::vector<UploadChannel::Cost> costs;
  for (size_t i = 0; i < files_.size(); ++i) {
    SmallFile& small =
        *message_.mutable_pack()->mutable_files(static_cast<int>(i));
    small.set_transfer(channel_.Begin(files_[i].path, files_[i].version));
    if (small.transfer() == 0) break;
    costs.push_back({.transfer = small.transfer(),
                     .window = small.data().size() + kPackOverhead,
                     .end = UINT64_MAX});
  }
  const bool sent = costs.size() == files_.size() &&
                    channel_.Send(std::exchange(message_, {}), costs);
  if (!sent) {
    for (const UploadChannel::Cost& cost : costs) {
      channel_.Abandon(cost.transfer);
    }
    *lost = std::move(files_);
  }
  message_.Clear();
  files_.clear();
  bytes_ = 0;
  return sent;
}

}  // namespace muster::files
