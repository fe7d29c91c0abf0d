// Who may join: the certificates of this agent.
#ifndef MUSTER_RENDEZVOUS_CREDENTIALS_H_
#define MUSTER_RENDEZVOUS_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "rendezvous/token.h"

namespace muster::rendezvous {

// Job: what this agent shows to its peers and holds them to. With a token, all
// agents derive the same certificate authority and each issues itself a
// certificate, so mutual TLS needs nothing but the token. Clocks play no part:
// these certificates are valid for ever, and the job ends before the token.
// Life cycle: made whole by one of the three factories; a value.
// Threads: const after construction.
// Ownership: owns its PEM texts; the gRPC objects it makes are the caller's.
class Credentials {
 public:
  enum class Kind { kToken, kFiles, kInsecure };

  struct Files {
    std::string certificate;  // --tls-cert: own chain, the leaf first
    std::string key;          // --tls-key: its private key, not encrypted
    std::string authority;    // --tls-ca: who must have signed the peers'
    std::string server_name;  // the name in the coordinator's certificate; ""
                              // for the numeric address that is dialled
  };

  // `host_name` is shown to people who look at the certificate; nothing
  // depends on it.
  // Errors: Internal when OpenSSL fails.
  static absl::StatusOr<Credentials> FromToken(const Token& token,
                                               const std::string& host_name);

  // The user's own certificates.
  // Errors, which name the flag and the file:
  //   NotFound, PermissionDenied, Unavailable   the file cannot be read.
  //   InvalidArgument   a flag is missing, not PEM, the key is encrypted or
  //                     is not the certificate's, the certificate has expired.
  static absl::StatusOr<Credentials> FromFiles(const Files& files);

  // Plaintext, for one node or when the user asked for it.
  static Credentials Insecure();

  Kind kind() const { return kind_; }
  bool secure() const { return kind_ != Kind::kInsecure; }

  // Demands and verifies a client certificate.
  std::shared_ptr<grpc::ServerCredentials> ServerCredentials() const;
  std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials() const;

  // The name that the server's certificate must have; "" for the numeric
  // address that is dialled.
  const std::string& ServerName() const { return server_name_; }

  // Empty when insecure.
  const std::string& CertificatePem() const { return certificate_pem_; }
  const std::string& KeyPem() const { return key_pem_; }
  const std::string& AuthorityPem() const { return authority_pem_; }

 private:
  explicit Credentials(Kind kind) : kind_(kind) {}

  Kind kind_;
  std::string certificate_pem_;
  std::string key_pem_;
  std::string authority_pem_;
  std::string server_name_;
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_CREDENTIALS_H_
