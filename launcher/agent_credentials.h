// What an agent shows to whom.
#ifndef MUSTER_LAUNCHER_AGENT_CREDENTIALS_H_
#define MUSTER_LAUNCHER_AGENT_CREDENTIALS_H_

#include "rendezvous/credentials.h"

namespace muster::launcher {

struct AgentCredentials {
  rendezvous::Credentials session;    // to the coordinator, and its server's
  rendezvous::Credentials collector;  // to the collector of --collector
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_AGENT_CREDENTIALS_H_
