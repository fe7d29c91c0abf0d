#include "launcher/mpi/local_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace muster::mpi {
namespace {

constexpr uint16_t kMessage = 1;
constexpr char kPrefix[] = "muster-agent/";

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

std::string SocketName(const std::string& run_id, uint32_t node_rank,
                       const std::string& unique) {
  return absl::StrCat(kPrefix, run_id, "/", node_rank, "/", unique);
}

std::vector<std::string> AgentsIn(absl::string_view proc_net_unix) {
  // By run: the lowest node's rank and its socket.
  std::map<std::string, std::pair<uint32_t, std::string>> first;
  for (const absl::string_view line : absl::StrSplit(proc_net_unix, '\n')) {
    // "@" stands for the NUL of an abstract name.
    const size_t at = line.find(absl::StrCat(" @", kPrefix));
    if (at == absl::string_view::npos) continue;
    const std::string name(line.substr(at + 2));
    const std::vector<std::string> parts = absl::StrSplit(name, '/');
    uint32_t rank = 0;
    if (parts.size() != 4 || !absl::SimpleAtoi(parts[2], &rank)) continue;
    const auto [it, is_new] = first.try_emplace(parts[1], rank, name);
    if (!is_new && rank < it->second.first) it->second = {rank, name};
  }
  std::vector<std::string> names;
  for (const auto& [run, agent] : first) names.push_back(agent.second);
  return names;
}

absl::StatusOr<std::string> ChooseAgent(const std::string& variable) {
  if (!variable.empty()) return variable;
  std::ifstream file("/proc/net/unix");
  const std::vector<std::string> agents =
      AgentsIn(std::string(std::istreambuf_iterator<char>(file), {}));
  if (agents.size() == 1) return agents.front();
  if (agents.empty()) {
    return absl::FailedPreconditionError(
        "no job of --framework mpi runs on this host");
  }
  return absl::FailedPreconditionError(
      absl::StrCat("more than one job runs on this host; set ", kSocketVariable,
                   " to one of ", absl::StrJoin(agents, ", ")));
}

absl::StatusOr<process::UniqueFd> ConnectToAgent(const std::string& name) {
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
