#include "launcher/mpi/remote_calls.h"

#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/mpi/hosts.h"

namespace muster::mpi {
namespace {

absl::Status NoSuchNode(const std::vector<Peer>& peers,
                        const std::string& host) {
  std::vector<std::string> known;
  for (size_t i = 0; i < peers.size() && i < 8; ++i) {
    known.push_back(absl::StrCat("node", i, " (", peers[i].host_name(), ")"));
  }
  return absl::NotFoundError(absl::StrCat(
      host, " is no node of this job; its ", peers.size(), " nodes are ",
      absl::StrJoin(known, ", "), peers.size() > known.size() ? ", ..." : ""));
}

}  // namespace

RemoteCalls::RemoteCalls(uint32_t node_rank, std::vector<Peer> peers,
                         const Environment& own, std::string working_directory)
    : node_rank_(node_rank),
      peers_(std::move(peers)),
      own_(own),
      working_directory_(std::move(working_directory)) {}

RemoteFrame RemoteCalls::FrameFor(uint64_t exchange, const Call& call) const {
  RemoteFrame frame;
  frame.set_opener(node_rank_);
  frame.set_executor(call.executor);
  frame.set_exchange(exchange);
  return frame;
}

absl::StatusOr<RemoteFrame> RemoteCalls::Open(LocalServer::Peer peer,
                                              const RemoteOpen& open) {
  const std::optional<uint32_t> node = FindNode(peers_, open.host());
  if (!node) return NoSuchNode(peers_, open.host());
  const uint64_t exchange = ++last_exchange_;
  const Call call{peer, *node};
  calls_[exchange] = call;
  RemoteFrame frame = FrameFor(exchange, call);
  RemoteStart* start = frame.mutable_request()->mutable_start();
  start->set_command(open.start().command());
  if (open.start().working_directory() != working_directory_) {
    start->set_working_directory(open.start().working_directory());
  }
  // Only what differs from this node's environment is the caller's own; the
  // rest would overwrite what the other node knows better.
  std::set<std::string> present;
  for (const Variable& variable : open.start().set()) {
    present.insert(variable.name());
    if (variable.name() == kLauncherVariable) start->set_serves_job(true);
    const auto same = own_.find(variable.name());
    if (absl::StartsWith(variable.name(), "MUSTER_") ||
        (same != own_.end() && same->second == variable.value())) {
      continue;
    }
    *start->add_set() = variable;
  }
  for (const auto& [name, value] : own_) {
    if (!present.contains(name)) start->add_unset(name);
  }
  return frame;
}

std::vector<RemoteFrame> RemoteCalls::Request(
    LocalServer::Peer peer, const RemoteRequest& request) const {
  std::vector<RemoteFrame> frames;
  for (const auto& [exchange, call] : calls_) {
    if (call.peer != peer) continue;
    frames.push_back(FrameFor(exchange, call));
    *frames.back().mutable_request() = request;
  }
  return frames;
}

std::vector<RemoteFrame> RemoteCalls::Closed(LocalServer::Peer peer) {
  RemoteRequest request;
  request.set_hang_up(true);
  std::vector<RemoteFrame> frames = Request(peer, request);
  std::erase_if(
      calls_, [peer](const auto& entry) { return entry.second.peer == peer; });
  return frames;
}

std::optional<LocalServer::Peer> RemoteCalls::Replied(
    const RemoteFrame& frame) {
  const auto found = calls_.find(frame.exchange());
  if (found == calls_.end() || found->second.executor != frame.executor()) {
    return std::nullopt;
  }
  const LocalServer::Peer peer = found->second.peer;
  if (frame.reply().has_end()) calls_.erase(found);
  return peer;
}

}  // namespace muster::mpi
