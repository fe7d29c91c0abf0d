// Which certificates a process of muster shows.
#ifndef MUSTER_LAUNCHER_CREDENTIAL_CHOICE_H_
#define MUSTER_LAUNCHER_CREDENTIAL_CHOICE_H_

#include <optional>

#include "absl/status/statusor.h"
#include "proto/job.pb.h"
#include "rendezvous/credentials.h"
#include "rendezvous/token.h"

namespace muster::launcher {

// What --tls-*, the token and --insecure of `spec` come to, for connections to
// `server`: files, else the token, else plaintext. Errors: as at Credentials.
absl::StatusOr<rendezvous::Credentials> MakeCredentials(
    const JobSpec& spec, const std::optional<rendezvous::Token>& token,
    const std::string& server);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_CREDENTIAL_CHOICE_H_
