// Who hosts the coordinator.
#ifndef MUSTER_RENDEZVOUS_HOSTING_H_
#define MUSTER_RENDEZVOUS_HOSTING_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace muster::rendezvous {

struct HostingQuestion {
  uint32_t max_nodes = 1;
  std::optional<uint32_t> node_rank;
  std::string endpoint_host;
  // What the endpoint's name resolves to; empty while it does not resolve.
  std::vector<std::string> addresses;
  // Whether an address belongs to this host.
  std::function<bool(const std::string&)> is_local;
};

enum class Hosting {
  kInProcess,  // one node: no port at all
  kListen,     // this agent binds
  kConnect,    // another one does
  kUnknown,    // the name has to resolve first
};

struct HostingAnswer {
  Hosting hosting = Hosting::kUnknown;
  std::string bind_address;  // for kListen
  // Decided by the address alone, so that another agent on this very host may
  // have been quicker: when the port is taken, connect to it instead.
  bool may_connect_instead = false;
};

// Decides by indexes and addresses, never by comparing host names. Node rank 0
// binds; without ranks, the agent whose host holds the endpoint's address. A
// numeric endpoint of this host is bound as it is; a name is bound on all
// addresses, since it may mean loopback here and something else elsewhere.
HostingAnswer DecideHosting(const HostingQuestion& question);

// Whether `host` is an IPv4 or IPv6 address rather than a name.
bool IsNumeric(const std::string& host);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_HOSTING_H_
