// Commands from node to node, on their way through the coordinator.
#ifndef MUSTER_RENDEZVOUS_RELAY_H_
#define MUSTER_RENDEZVOUS_RELAY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "proto/remote.pb.h"
#include "rendezvous/roster.h"

namespace muster::rendezvous {

// Job: passes frames between the nodes of a sealed job, and ends what can't go
// on when a node leaves. A frame is passed on only where its sender is the node
// that it claims to be.
// Pure: no socket, no thread, no clock; what is to be sent is returned.
// Memory: one small entry for each exchange between its start and its end.
class Relay {
 public:
  // `members` by node rank.
  explicit Relay(const std::vector<Member>& members);

  Outbox Frame(SessionId session, const RemoteFrame& frame);
  // The node of this session is gone: its openers' commands are hung up, and
  // who runs a command there is told.
  Outbox Left(SessionId session, const std::string& why);

 private:
  using Key = std::tuple<uint32_t, uint32_t, uint64_t>;
  static constexpr size_t kOpener = 0, kExecutor = 1, kExchange = 2;

  struct Node {
    SessionId session;
    std::string name;
    bool here = true;
  };

  Send ToExecutor(const Key& key, RemoteRequest request) const;
  Send ToOpener(const Key& key, RemoteReply reply) const;
  // The frame of `send`, addressed, without its body.
  static RemoteFrame* FrameOf(const Key& key, Send* send);
  Send Problem(const Key& key, const std::string& text) const;

  std::vector<Node> nodes_;  // by node rank
  std::map<SessionId, uint32_t> rank_of_;
  std::set<Key> open_;
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_RELAY_H_
