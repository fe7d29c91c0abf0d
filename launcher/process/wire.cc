#include "launcher/process/wire.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::process {
namespace {

constexpr uint32_t kMagic = 0x6d73746b;
constexpr size_t kControlSize = CMSG_SPACE(kMaxFrameFds * sizeof(int));

// Sends some of `bytes`, with `fds` if there are any; as sendmsg.
ssize_t Send(int socket, absl::string_view bytes,
             const std::vector<UniqueFd>& fds) {
  iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[kControlSize];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    std::memset(control, 0, message.msg_controllen);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    for (size_t i = 0; i < fds.size(); ++i) {
      const int fd = fds[i].get();
      std::memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(int));
    }
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

// Receives some bytes, and what descriptors came with them; as recvmsg.
ssize_t Receive(int socket, char* buffer, size_t size, Frame* frame) {
  iovec part = {buffer, size};
  alignas(cmsghdr) char control[kControlSize];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do {
    got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return got;
  if (message.msg_flags & MSG_CTRUNC) frame->fds_lost = true;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      frame->fds.emplace_back(fd);
    }
  }
  return got;
}

}  // namespace

void FrameWriter::Push(Frame frame) {
  FrameReader::Header header = {};
  header.magic = kMagic;
  header.size = static_cast<uint32_t>(frame.payload.size());
  header.type = frame.type;
  header.fds = static_cast<uint16_t>(frame.fds.size());
  Outgoing out;
  out.bytes.reserve(sizeof(header) + frame.payload.size());
  out.bytes.append(reinterpret_cast<const char*>(&header), sizeof(header));
  out.bytes.append(frame.payload);
  out.fds = std::move(frame.fds);
  queue_.push_back(std::move(out));
}

FrameWriter::Result FrameWriter::Flush(int socket) {
  while (!queue_.empty()) {
    Outgoing& out = queue_.front();
    const ssize_t sent =
        Send(socket, absl::string_view(out.bytes).substr(out.sent), out.fds);
    if (sent < 0) {
      if (errno == EAGAIN) return Result::kBlocked;
      const int error = errno;
      queue_.clear();
      errno = error;
      return Result::kBroken;
    }
    out.fds.clear();
    out.sent += static_cast<size_t>(sent);
    if (out.sent == out.bytes.size()) queue_.pop_front();
  }
  return Result::kDone;
}

FrameReader::Result FrameReader::Next(int socket, Frame* frame) {
  if (header_filled_ < sizeof(header_)) {
    const Result result = Fill(socket, reinterpret_cast<char*>(&header_),
                               sizeof(header_), &header_filled_);
    if (result != Result::kFrame) return result;
    if (!TakeHeader()) return Result::kBroken;
  }
  const Result result = Fill(socket, frame_.payload.data(),
                             frame_.payload.size(), &payload_filled_);
  if (result != Result::kFrame) return result;
  if (frame_.fds.size() != header_.fds && !frame_.fds_lost) {
    return Broken(absl::StrCat("a message announced ", header_.fds,
                               " descriptors and brought ", frame_.fds.size()));
  }
  *frame = std::exchange(frame_, Frame());
  header_filled_ = payload_filled_ = 0;
  return Result::kFrame;
}

bool FrameReader::TakeHeader() {
  if (header_.magic != kMagic) {
    Broken("what arrived is not a message of this program");
    return false;
  }
  if (header_.size > kMaxPayload || header_.fds > kMaxFrameFds) {
    Broken(absl::StrCat("a message announced ", header_.size, " bytes and ",
                        header_.fds, " descriptors, which is too much"));
    return false;
  }
  frame_.type = header_.type;
  frame_.payload.resize(header_.size);
  return true;
}

// kFrame here says: `buffer` is full.
FrameReader::Result FrameReader::Fill(int socket, char* buffer, size_t size,
                                      size_t* filled) {
  while (*filled < size) {
    const ssize_t got =
        Receive(socket, buffer + *filled, size - *filled, &frame_);
    if (got < 0 && errno == EAGAIN) return Result::kWouldBlock;
    // A reset is how a Unix socket tells that the other side closed without
    // having read everything.
    if (got < 0 && errno != ECONNRESET) {
      return Broken(absl::StrCat("cannot read: ", strerror(errno)));
    }
    if (got <= 0) {
      if (header_filled_ == 0) return Result::kEnd;
      return Broken("the other side closed inside a message");
    }
    *filled += static_cast<size_t>(got);
  }
  return Result::kFrame;
}

FrameReader::Result FrameReader::Broken(std::string error) {
  error_ = std::move(error);
  return Result::kBroken;
}

void PayloadWriter::U32(uint32_t value) {
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void PayloadWriter::I64(int64_t value) {
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void PayloadWriter::String(absl::string_view value) {
  U32(static_cast<uint32_t>(value.size()));
  bytes_.append(value.data(), value.size());
}

absl::string_view PayloadReader::Take(size_t size) {
  if (size > left_.size()) {
    ok_ = false;
    left_ = absl::string_view();
    return absl::string_view();
  }
  const absl::string_view taken = left_.substr(0, size);
  left_.remove_prefix(size);
  return taken;
}

uint32_t PayloadReader::U32() {
  uint32_t value = 0;
  const absl::string_view bytes = Take(sizeof(value));
  if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

int64_t PayloadReader::I64() {
  int64_t value = 0;
  const absl::string_view bytes = Take(sizeof(value));
  if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

std::string PayloadReader::String() { return std::string(Take(U32())); }

uint32_t PayloadReader::Count() {
  const uint32_t count = U32();
  if (count <= left_.size() / sizeof(uint32_t)) return count;
  ok_ = false;
  return 0;
}

}  // namespace muster::process
