#include "rendezvous/credentials.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rendezvous/authority.h"
#include "rendezvous/openssl_pointers.h"

namespace muster::rendezvous {
namespace {

absl::StatusOr<std::string> ReadPem(const char* flag, const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, " is missing: --tls-cert, --tls-key and --tls-ca go together"));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return absl::ErrnoToStatus(
        errno == 0 ? EINVAL : errno,
        absl::StrCat(flag, " ", path, ": cannot read it, or it is empty"));
  }
  return text.str();
}

X509Ptr FirstCertificate(const std::string& pem) {
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509Ptr first(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return first;
}

absl::Status NotPem(const char* flag, const std::string& path) {
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", path,
                   ": holds no certificate in PEM form (BEGIN CERTIFICATE)"));
}

// Instead of OpenSSL's own, which would ask on the terminal.
int RefusePassphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

absl::Status CheckKey(const Credentials::Files& files, const std::string& pem,
                      X509* certificate) {
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bool asked = false;
  KeyPtr key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, RefusePassphrase, &asked));
  ERR_clear_error();
  const std::string where = absl::StrCat("--tls-key ", files.key, ": ");
  if (asked) {
    return absl::InvalidArgumentError(
        absl::StrCat(where,
                     "the key is encrypted and nobody is there to type "
                     "its passphrase; give a key without one"));
  }
  if (key == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, "holds no private key in PEM form (BEGIN PRIVATE KEY)"));
  }
  if (X509_check_private_key(certificate, key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat(where, "is not the key of the certificate in --tls-cert ",
                     files.certificate));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Credentials> Credentials::FromToken(
    const Token& token, const std::string& host_name) {
  absl::StatusOr<Identity> identity = IssueIdentity(token, host_name);
  if (!identity.ok()) return identity.status();
  Credentials credentials(Kind::kToken);
  credentials.certificate_pem_ = std::move(identity->certificate);
  credentials.key_pem_ = std::move(identity->key);
  credentials.authority_pem_ = std::move(identity->authority);
  credentials.server_name_ = kTokenServerName;
  return credentials;
}

absl::StatusOr<Credentials> Credentials::FromFiles(const Files& files) {
  absl::StatusOr<std::string> certificate_pem =
      ReadPem("--tls-cert", files.certificate);
  if (!certificate_pem.ok()) return certificate_pem.status();
  absl::StatusOr<std::string> key_pem = ReadPem("--tls-key", files.key);
  if (!key_pem.ok()) return key_pem.status();
  absl::StatusOr<std::string> authority_pem =
      ReadPem("--tls-ca", files.authority);
  if (!authority_pem.ok()) return authority_pem.status();

  X509Ptr certificate = FirstCertificate(*certificate_pem);
  if (certificate == nullptr) return NotPem("--tls-cert", files.certificate);
  if (FirstCertificate(*authority_pem) == nullptr) {
    return NotPem("--tls-ca", files.authority);
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tls-cert ", files.certificate, ": the certificate has expired"));
  }
  absl::Status status = CheckKey(files, *key_pem, certificate.get());
  if (!status.ok()) return status;

  Credentials credentials(Kind::kFiles);
  credentials.certificate_pem_ = *std::move(certificate_pem);
  credentials.key_pem_ = *std::move(key_pem);
  credentials.authority_pem_ = *std::move(authority_pem);
  credentials.server_name_ = files.server_name;
  return credentials;
}

Credentials Credentials::Insecure() { return Credentials(Kind::kInsecure); }

std::shared_ptr<grpc::ServerCredentials> Credentials::ServerCredentials()
    const {
  if (!secure()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = authority_pem_;
  options.pem_key_cert_pairs.push_back({key_pem_, certificate_pem_});
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> Credentials::ChannelCredentials()
    const {
  if (!secure()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = authority_pem_;
  options.pem_private_key = key_pem_;
  options.pem_cert_chain = certificate_pem_;
  return grpc::SslCredentials(options);
}

}  // namespace muster::rendezvous
