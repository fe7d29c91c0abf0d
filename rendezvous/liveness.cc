#include "rendezvous/liveness.h"

namespace muster::rendezvous {

std::vector<SessionId> Liveness::Silent(Instant now) {
  std::vector<SessionId> silent;
  const bool slept = polled_ != Instant{} && now - polled_ > timeout_ / 2;
  polled_ = now;
  for (auto it = heard_.begin(); it != heard_.end();) {
    if (slept) it->second = now;
    if (now - it->second <= timeout_) {
      ++it;
      continue;
    }
    silent.push_back(it->first);
    it = heard_.erase(it);
  }
  return silent;
}

}  // namespace muster::rendezvous
