// The certificate authority that every holder of a token can derive.
#ifndef MUSTER_RENDEZVOUS_AUTHORITY_H_
#define MUSTER_RENDEZVOUS_AUTHORITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "rendezvous/token.h"

namespace muster::rendezvous {

// Every agent's certificate has this name: whoever holds the token may be the
// coordinator, wherever it runs.
inline constexpr char kTokenServerName[] = "muster.internal";

// PEM texts. The authority's private key is not among them: it is gone once
// the certificate is signed.
struct Identity {
  std::string certificate;
  std::string key;
  std::string authority;
};

// Derives the authority from the token (HKDF-SHA256 to a P-256 scalar, the
// same on every host) and has it sign a certificate for a fresh key. The
// authority's certificate differs from call to call in its signature only, so
// identities made apart from one token verify each other. `host_name` is the
// common name, for people.
// Errors: Internal when OpenSSL fails.
absl::StatusOr<Identity> IssueIdentity(const Token& token,
                                       const std::string& host_name);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_AUTHORITY_H_
