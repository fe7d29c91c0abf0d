#include "launcher/mpi/local_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace muster::mpi {
namespace {

constexpr uint16_t kMessage = 1;

}  // namespace

process::Frame ToFrame(const google::protobuf::MessageLite& message) {
  process::Frame frame;
  frame.type = kMessage;
  frame.payload = message.SerializeAsString();
  return frame;
}

bool FromFrame(const process::Frame& frame,
               google::protobuf::MessageLite* message) {
  return frame.type == kMessage && message->ParseFromString(frame.payload);
}

absl::StatusOr<process::UniqueFd> ConnectToAgent(const std::string& name) {
  if (name.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(kSocketVariable,
                     " is not set: this works only inside a job of "
                     "--framework mpi, for mpirun and what it starts"));
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  process::UniqueFd socket(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid() || name.size() >= sizeof(address.sun_path)) {
    return absl::UnavailableError(absl::StrCat("no socket: ", strerror(errno)));
  }
  // Abstract: the path begins with NUL and is as long as the size says.
  memcpy(address.sun_path + 1, name.data(), name.size());
  const socklen_t size = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
    return absl::UnavailableError(
        absl::StrCat("this node's agent does not answer at ", name, ": ",
                     strerror(errno), "; it has ended or is on another host"));
  }
  return socket;
}

AgentLine::AgentLine(process::UniqueFd socket) : socket_(std::move(socket)) {}

bool AgentLine::Send(const google::protobuf::MessageLite& message) {
  writer_.Push(ToFrame(message));
  while (true) {
    switch (writer_.Flush(socket_.get())) {
      case process::FrameWriter::Result::kDone:
        return true;
      case process::FrameWriter::Result::kBroken:
        return false;
      case process::FrameWriter::Result::kBlocked:
        pollfd writable = {socket_.get(), POLLOUT, 0};
        poll(&writable, 1, -1);
    }
  }
}

bool AgentLine::Receive(google::protobuf::MessageLite* message) {
  process::Frame frame;
  while (true) {
    switch (reader_.Next(socket_.get(), &frame)) {
      case process::FrameReader::Result::kFrame:
        return FromFrame(frame, message);
      case process::FrameReader::Result::kEnd:
      case process::FrameReader::Result::kBroken:
        return false;
      case process::FrameReader::Result::kWouldBlock:
        pollfd readable = {socket_.get(), POLLIN, 0};
        poll(&readable, 1, -1);
    }
  }
}

}  // namespace muster::mpi
