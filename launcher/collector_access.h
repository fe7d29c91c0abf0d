// What people show who talk to a collector by hand.
#ifndef MUSTER_LAUNCHER_COLLECTOR_ACCESS_H_
#define MUSTER_LAUNCHER_COLLECTOR_ACCESS_H_

#include <grpcpp/channel.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/endpoint.h"
#include "proto/job.pb.h"
#include "rendezvous/credentials.h"

namespace muster::launcher {

// The credentials that --token-file, --tls-* and --insecure in `place`, and
// `token`, the value of MUSTER_TOKEN, come to for this collector. Without any,
// plaintext to a collector on this machine. Looks the host's name up.
//   `where`: the flag and the endpoint, for messages.
//   `warn` is told of a token file that others may read.
// Errors: InvalidArgument, for people.
absl::StatusOr<rendezvous::Credentials> AccessTo(
    const Endpoint& collector, const std::string& where, const JobSpec& place,
    const std::optional<std::string>& token,
    absl::FunctionRef<void(absl::string_view)> warn);

// Finds out how to reach the collector, and makes a channel, which connects
// when it is first used.
// Errors, which name host and port and say what to do:
//   NotFound            no such host.
//   Unavailable         nobody listens there, or no answer came.
//   PermissionDenied    the tokens or the certificates differ.
//   FailedPrecondition  it does not speak TLS.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ReachCollector(
    const Endpoint& collector, const rendezvous::Credentials& credentials);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_COLLECTOR_ACCESS_H_
