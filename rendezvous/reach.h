// Why an endpoint cannot be used, in words for people.
#ifndef MUSTER_RENDEZVOUS_REACH_H_
#define MUSTER_RENDEZVOUS_REACH_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rendezvous/credentials.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous {

// The numeric addresses of `host` (a name or a numeric address), IPv4 and
// IPv6, each once, in the order in which the system would try them. `port` is
// for the error text. Blocks as long as the system's resolver does.
//
// Errors, which name the host:
//   NotFound     no such name, or it has no address.
//   Unavailable  the name service does not answer; ask again.
//   Internal     any other failure of the resolver.
absl::StatusOr<std::vector<std::string>> Resolve(const std::string& host,
                                                 int port);

// How far a probe came.
enum class Stage {
  kNone,
  kResolved,       // there is a numeric address
  kConnected,      // TCP works
  kAuthenticated,  // TLS works, and the two sides accept each other
};

struct Reach {
  Stage stage = Stage::kNone;
  // The certificates do not satisfy each other: the tokens differ, or (with
  // files) the authority, the name or the validity is wrong. Trying again will
  // not help.
  bool wrong_token = false;
  // The peer answers, and not with TLS: some other program, or a coordinator
  // that was started with --insecure.
  bool not_tls = false;
  // "10.0.0.1:29400: TCP: ...", one line.
  std::string text;
};

// Tries what a session would: a TCP connect, then TLS with the certificates of
// `credentials`. Unlike gRPC's client it tells a refusing server why it leaves
// (a TLS alert), so that the coordinator can say so too. Insecure credentials
// end the probe after TCP (kConnected is then all there is). Blocks for up to
// `timeout`. Any thread; leaves nothing behind.
Reach ProbeEndpoint(const std::string& address, int port,
                    const Credentials& credentials, Duration timeout);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_REACH_H_
