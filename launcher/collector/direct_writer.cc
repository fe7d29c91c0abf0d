#include "launcher/collector/direct_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "launcher/collector/beneath.h"

namespace muster::collector {
namespace {

// What every file system with O_DIRECT is content with.
constexpr size_t kBlock = 4096;
static_assert(DirectWriter::kBufferBytes % kBlock == 0);

}  // namespace

void DirectWriter::Free::operator()(char* memory) const { free(memory); }

DirectWriter::DirectWriter(int file, uint64_t offset, std::string path)
    : file_(file), path_(std::move(path)), start_(offset) {}

DirectWriter::~DirectWriter() { SetDirect(false); }

bool DirectWriter::SetDirect(bool on) {
  if (direct_ == on) return true;
  const int flags = fcntl(file_, F_GETFL);
  if (flags < 0 ||
      fcntl(file_, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) != 0) {
    return false;
  }
  direct_ = on;
  return true;
}

absl::Status DirectWriter::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    if (!buffer_) {
      buffer_.reset(static_cast<char*>(aligned_alloc(kBlock, kBufferBytes)));
      if (!buffer_) return absl::ResourceExhaustedError("out of memory");
    }
    // The buffer ends where a block does, whatever it begins with.
    const size_t room = kBufferBytes - (start_ % kBlock) - used_;
    const size_t piece = std::min(room, bytes.size());
    memcpy(buffer_.get() + used_, bytes.data(), piece);
    used_ += piece;
    bytes.remove_prefix(piece);
    if (piece < room) continue;
    const absl::Status written = WriteBuffer(written_, used_);
    if (!written.ok()) return written;
    start_ += used_;
    used_ = 0;
    written_ = 0;
  }
  return absl::OkStatus();
}

absl::Status DirectWriter::Skip(uint64_t offset) {
  const absl::Status flushed = Flush();
  if (!flushed.ok()) return flushed;
  start_ = offset;
  used_ = 0;
  written_ = 0;
  return absl::OkStatus();
}

absl::Status DirectWriter::Flush() {
  if (written_ < used_) {
    const absl::Status written = WriteBuffer(written_, used_);
    if (!written.ok()) return written;
  }
  // A partial block at the end stays, to be written once more as a whole one.
  const size_t whole = start_ % kBlock == 0 ? used_ - used_ % kBlock : 0;
  if (whole == used_) {
    start_ += used_;
    used_ = 0;
    buffer_.reset();
  } else if (whole > 0) {
    memmove(buffer_.get(), buffer_.get() + whole, used_ - whole);
    start_ += whole;
    used_ -= whole;
  }
  written_ = used_;
  return absl::OkStatus();
}

absl::Status DirectWriter::WriteBuffer(size_t begin, size_t end) {
  begin -= begin % kBlock;
  while (begin < end) {
    size_t count = end - begin;
    const bool direct = can_ && start_ % kBlock == 0 && count >= kBlock;
    if (!SetDirect(direct)) {
      can_ = false;
      if (!SetDirect(false)) return FileError(errno, "write", path_);
    }
    if (direct_) count -= count % kBlock;
    const ssize_t written = pwrite(file_, buffer_.get() + begin, count,
                                   static_cast<off_t>(start_ + begin));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EINVAL && direct_) {
      can_ = false;
      continue;
    }
    if (written < 0) return FileError(errno, "write", path_);
    begin += static_cast<size_t>(written);
    // A short one leaves a position within a block.
    if (direct_ && static_cast<size_t>(written) % kBlock != 0) can_ = false;
  }
  return absl::OkStatus();
}

}  // namespace muster::collector
