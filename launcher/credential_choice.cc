#include "launcher/credential_choice.h"

namespace muster::launcher {

absl::StatusOr<rendezvous::Credentials> MakeCredentials(
    const JobSpec& spec, const std::optional<rendezvous::Token>& token,
    const std::string& server) {
  if (!spec.tls_cert_file().empty()) {
    return rendezvous::Credentials::FromFiles(
        {.certificate = spec.tls_cert_file(),
         .key = spec.tls_key_file(),
         .authority = spec.tls_ca_file(),
         .server_name = server});
  }
  if (token && !spec.insecure()) {
    return rendezvous::Credentials::FromToken(*token, spec.host_name());
  }
  return rendezvous::Credentials::Insecure();
}

}  // namespace muster::launcher
