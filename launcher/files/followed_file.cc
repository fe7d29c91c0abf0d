#include "launcher/files/followed_file.h"

#include <algorithm>

namespace muster::files {

FileKey KeyOf(const Version& version) {
  return {version.device, version.inode};
}

FollowedFile::State FollowedFile::Look() {
  size_ = file_.Now().size;
  if (size_ < read_) return State::kTruncated;
  if (!tail_.empty()) {
    // It may have been truncated and written anew between two looks.
    std::string there(tail_.size(), '\0');
    const absl::StatusOr<size_t> got =
        file_.ReadAt(read_ - tail_.size(), there.data(), there.size());
    if (got.ok() && (*got < there.size() || there != tail_)) {
      return State::kTruncated;
    }
  }
  return AtEnd() ? State::kSame : State::kGrown;
}

void FollowedFile::Restart() {
  size_ = 0;
  position_ = 0;
  read_ = 0;
  digest_ = framing::Digest();
  tail_.clear();
}

std::string FollowedFile::Read(size_t most) {
  if (AtEnd()) return "";
  std::string bytes(
      std::min<uint64_t>(most, std::min(size_, limit_) - position_), '\0');
  const absl::StatusOr<size_t> got =
      file_.ReadAt(position_, bytes.data(), bytes.size());
  bytes.resize(got.ok() ? *got : 0);
  if (bytes.empty()) size_ = position_;  // until the next look
  position_ += bytes.size();
  if (position_ > read_) {
    const absl::string_view fresh =
        absl::string_view(bytes).substr(bytes.size() - (position_ - read_));
    digest_.Update(fresh);
    read_ = position_;
    const size_t kept = std::min(fresh.size(), kTailBytes);
    tail_.append(fresh.data() + (fresh.size() - kept), kept);
    tail_.erase(0, tail_.size() - std::min(tail_.size(), kTailBytes));
  }
  return bytes;
}

}  // namespace muster::files
