#include "rendezvous/hosting.h"

#include <arpa/inet.h>

#include <algorithm>

namespace muster::rendezvous {

bool IsNumeric(const std::string& host) {
  in6_addr buffer;
  return inet_pton(AF_INET, host.c_str(), &buffer) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &buffer) == 1;
}

HostingAnswer DecideHosting(const HostingQuestion& question) {
  if (question.max_nodes == 1) return {Hosting::kInProcess, "", false};
  const bool numeric = IsNumeric(question.endpoint_host);
  const std::vector<std::string> addresses =
      numeric ? std::vector<std::string>{question.endpoint_host}
              : question.addresses;
  const bool local =
      std::any_of(addresses.begin(), addresses.end(), question.is_local);
  const std::string bind =
      numeric && local ? question.endpoint_host : std::string("::");
  if (question.node_rank) {
    if (*question.node_rank == 0) return {Hosting::kListen, bind, false};
    return {Hosting::kConnect, "", false};
  }
  if (addresses.empty()) return {Hosting::kUnknown, "", false};
  if (local) return {Hosting::kListen, bind, true};
  return {Hosting::kConnect, "", false};
}

}  // namespace muster::rendezvous
