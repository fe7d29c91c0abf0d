#include "launcher/streams/segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "launcher/failpoints/failpoint.h"
#include "launcher/framing/frame.h"
#include "launcher/streams/record.h"

namespace muster::streams {
namespace {

using process::UniqueFd;

constexpr absl::string_view kSuffix = ".segment";

// Of BufferPool::kBytes each.
constexpr size_t kMostRemembered = 12;

std::optional<uint64_t> NumberOf(absl::string_view name) {
  uint64_t number = 0;
  if (!absl::EndsWith(name, kSuffix) ||
      !absl::SimpleAtoi(name.substr(0, name.size() - kSuffix.size()),
                        &number) ||
      number == 0 || SegmentName(number) != name) {
    return std::nullopt;
  }
  return number;
}

// A full disk is told from all else that can go wrong.
absl::Status WriteError(int error) {
  const absl::Status status = absl::ErrnoToStatus(error, "cannot write");
  if (error == ENOSPC || error == EDQUOT) {
    return absl::ResourceExhaustedError(status.message());
  }
  return absl::UnavailableError(status.message());
}

absl::Status WriteAll(int fd, uint64_t position,
                      std::array<absl::string_view, 2> parts) {
  size_t left = parts[0].size() + parts[1].size();
  while (left > 0) {
    std::array<iovec, 2> vectors;
    for (size_t i = 0; i < parts.size(); ++i) {
      vectors[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
    }
    const ssize_t wrote = pwritev(fd, vectors.data(), vectors.size(),
                                  static_cast<off_t>(position));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return WriteError(errno);
    if (wrote == 0) return WriteError(EIO);
    left -= static_cast<size_t>(wrote);
    position += static_cast<uint64_t>(wrote);
    size_t done = static_cast<size_t>(wrote);
    for (absl::string_view& part : parts) {
      const size_t from_this = std::min(done, part.size());
      part.remove_prefix(from_this);
      done -= from_this;
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string SegmentName(uint64_t number) {
  return absl::StrFormat("%010u%s", number, kSuffix);
}

absl::Status Segments::Scan() {
  const int copy = openat(directory_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return absl::ErrnoToStatus(errno, "cannot read the spool");
  const std::unique_ptr<DIR, int (*)(DIR*)> names(fdopendir(copy), &closedir);
  errno = 0;
  while (const dirent* const entry = readdir(names.get())) {
    const std::optional<uint64_t> number = NumberOf(entry->d_name);
    struct stat found;
    if (!number) continue;
    if (fstatat(directory_, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(found.st_mode)) {
      continue;
    }
    list_.push_back(
        {.number = *number, .end = static_cast<uint64_t>(found.st_size)});
    bytes_ += list_.back().end;
    errno = 0;
  }
  if (errno != 0) return absl::ErrnoToStatus(errno, "cannot read the spool");
  std::sort(list_.begin(), list_.end(), [](const Segment& a, const Segment& b) {
    return a.number < b.number;
  });
  if (!list_.empty()) last_number_ = list_.back().number;
  return absl::OkStatus();
}

const Segment* Segments::AtOrAfter(uint64_t number) const {
  const auto found = std::lower_bound(
      list_.begin(), list_.end(), number,
      [](const Segment& segment, uint64_t n) { return segment.number < n; });
  return found == list_.end() ? nullptr : &*found;
}

bool Segments::IsNewest(uint64_t number) const {
  return !list_.empty() && list_.back().number == number;
}

LogPosition Segments::end() const {
  if (list_.empty()) return {.segment = last_number_ + 1};
  return {.segment = list_.back().number, .offset = list_.back().end};
}

absl::StatusOr<UniqueFd> Segments::Open(uint64_t number) const {
  const std::string name = SegmentName(number);
  UniqueFd fd(openat(directory_, name.c_str(),
                     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", name));
  }
  return fd;
}

absl::Status Segments::Begin(absl::string_view payload) {
  const uint64_t number = last_number_ + 1;
  const std::string name = SegmentName(number);
  uint64_t identity = 0;
  if (getrandom(&identity, sizeof identity, 0) != sizeof identity) {
    return absl::ErrnoToStatus(errno, "the system has no random bytes to give");
  }
  UniqueFd fd(openat(directory_, name.c_str(),
                     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return WriteError(errno);
  const std::string header = framing::EncodeFileHeader(
      {.kind = kSegmentKind, .version = kRecordVersion, .identity = identity});
  const auto frame_header =
      framing::EncodeFrameHeader(identity, header.size(), {payload});
  const std::string start = absl::StrCat(
      header, absl::string_view(frame_header.data(), frame_header.size()));
  MUSTER_FAILPOINT("spool.before_write");
  const absl::Status written = WriteAll(fd.get(), 0, {start, payload});
  if (!written.ok()) {
    unlinkat(directory_, name.c_str(), 0);
    return written;
  }
  last_number_ = number;
  identity_ = identity;
  writing_ = std::move(fd);
  list_.push_back({.number = number, .end = start.size() + payload.size()});
  bytes_ += list_.back().end;
  return absl::OkStatus();
}

absl::Status Segments::WriteFrame(absl::string_view payload) {
  Segment& newest = list_.back();
  const auto header =
      framing::EncodeFrameHeader(identity_, newest.end, {payload});
  MUSTER_FAILPOINT("spool.before_write");
  const absl::Status written =
      WriteAll(writing_.get(), newest.end,
               {absl::string_view(header.data(), header.size()), payload});
  if (!written.ok()) {
    const int cut = ftruncate(writing_.get(), static_cast<off_t>(newest.end));
    return cut == 0 ? written
                    : absl::UnavailableError(absl::StrCat(
                          written.message(), ", and cannot cut it off"));
  }
  newest.end += header.size() + payload.size();
  bytes_ += header.size() + payload.size();
  return absl::OkStatus();
}

void Segments::Remember(absl::string_view payload,
                        std::shared_ptr<const char[]> memory) {
  LogPosition begin = end();
  begin.offset -= framing::kFrameHeaderBytes + payload.size();
  if (remembered_.size() == kMostRemembered) remembered_.pop_front();
  remembered_.push_back(
      {.begin = begin, .payload = payload, .memory = std::move(memory)});
}

const Segments::Remembered* Segments::Recall(LogPosition begin) const {
  const auto found = std::lower_bound(
      remembered_.begin(), remembered_.end(), begin,
      [](const Remembered& frame, LogPosition p) { return frame.begin < p; });
  return found == remembered_.end() || found->begin != begin ? nullptr
                                                             : &*found;
}

void Segments::RemoveOldest() {
  unlinkat(directory_, SegmentName(list_.front().number).c_str(), 0);
  bytes_ -= list_.front().end;
  list_.pop_front();
  if (list_.empty()) writing_.Reset();
}

}  // namespace muster::streams
