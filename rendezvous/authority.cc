#include "rendezvous/authority.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rendezvous/openssl_pointers.h"

namespace muster::rendezvous {
namespace {

constexpr char kAuthorityName[] = "muster job authority";

// Changing either label makes new agents strangers to old ones.
constexpr char kSalt[] = "muster";
constexpr char kLabel[] = "muster job authority P-256 v1";

constexpr char kNotBefore[] = "19700101000000Z";
constexpr char kNotAfter[] = "99991231235959Z";

absl::Status OpensslError(const std::string& what) {
  std::string reason = "no reason given";
  const unsigned long code = ERR_peek_error();  // NOLINT(google-runtime-int)
  if (const char* text = ERR_reason_error_string(code)) reason = text;
  ERR_clear_error();
  return absl::InternalError(absl::StrCat("OpenSSL: ", what, ": ", reason));
}

// ---- the authority's key ----

// 48 bytes: so much more than the 32 of the group's order that the remainder
// is as good as uniform.
using Seed = std::array<unsigned char, 48>;

bool DeriveSeed(const Token& token, Seed* seed) {
  KdfPtr kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  if (kdf == nullptr) return false;
  KdfCtxPtr context(EVP_KDF_CTX_new(kdf.get()));
  if (context == nullptr) return false;
  const absl::string_view secret = token.secret();
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(
          OSSL_KDF_PARAM_KEY, const_cast<char*>(secret.data()), secret.size()),
      OSSL_PARAM_construct_octet_string(
          OSSL_KDF_PARAM_SALT, const_cast<char*>(kSalt), sizeof(kSalt) - 1),
      OSSL_PARAM_construct_octet_string(
          OSSL_KDF_PARAM_INFO, const_cast<char*>(kLabel), sizeof(kLabel) - 1),
      OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), seed->data(), seed->size(), params) == 1;
}

// The seed as a scalar in 1..n-1, n being the order of `group`.
BignumPtr ReduceSeed(const Seed& seed, const EC_GROUP* group, BN_CTX* context) {
  BignumPtr number(BN_bin2bn(seed.data(), seed.size(), nullptr));
  BignumPtr scalar(BN_secure_new());
  BignumPtr limit(BN_dup(EC_GROUP_get0_order(group)));
  if (number == nullptr || scalar == nullptr || limit == nullptr ||
      BN_sub_word(limit.get(), 1) != 1 ||
      BN_nnmod(scalar.get(), number.get(), limit.get(), context) != 1 ||
      BN_add_word(scalar.get(), 1) != 1) {
    return nullptr;
  }
  return scalar;
}

KeyPtr KeyFromScalar(const BIGNUM* scalar, const EC_GROUP* group,
                     BN_CTX* context) {
  EcPointPtr point(EC_POINT_new(group));
  std::array<unsigned char, 65> bytes;
  if (point == nullptr ||
      EC_POINT_mul(group, point.get(), scalar, nullptr, nullptr, context) !=
          1 ||
      EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED,
                         bytes.data(), bytes.size(), context) != bytes.size()) {
    return nullptr;
  }
  ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                      "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                       bytes.data(), bytes.size()) != 1) {
    return nullptr;
  }
  ParamsPtr params(OSSL_PARAM_BLD_to_param(builder.get()));
  KeyCtxPtr maker(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || maker == nullptr ||
      EVP_PKEY_fromdata_init(maker.get()) != 1 ||
      EVP_PKEY_fromdata(maker.get(), &key, EVP_PKEY_KEYPAIR, params.get()) !=
          1) {
    return nullptr;
  }
  return KeyPtr(key);
}

KeyPtr AuthorityKey(const Token& token) {
  Seed seed;
  absl::Cleanup wipe = [&] { OPENSSL_cleanse(seed.data(), seed.size()); };
  EcGroupPtr group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  BnCtxPtr context(BN_CTX_secure_new());
  if (group == nullptr || context == nullptr || !DeriveSeed(token, &seed)) {
    return nullptr;
  }
  BignumPtr scalar = ReduceSeed(seed, group.get(), context.get());
  if (scalar == nullptr) return nullptr;
  return KeyFromScalar(scalar.get(), group.get(), context.get());
}

// ---- certificates ----

bool AddName(X509_NAME* name, const std::string& text) {
  return X509_NAME_add_entry_by_NID(
             name, NID_commonName, MBSTRING_ASC,
             reinterpret_cast<const unsigned char*>(text.data()),
             static_cast<int>(text.size()), -1, 0) == 1;
}

bool AddExtension(X509* certificate, X509* issuer, int nid,
                  const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  ExtensionPtr extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr &&
         X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool SetRandomSerial(X509* certificate) {
  BignumPtr number(BN_new());
  return number != nullptr &&
         BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) !=
             nullptr;
}

// Version 3, valid for ever, unsigned.
X509Ptr NewCertificate(const std::string& subject, EVP_PKEY* key) {
  X509Ptr certificate(X509_new());
  if (certificate == nullptr || X509_set_version(certificate.get(), 2) != 1 ||
      !SetRandomSerial(certificate.get()) ||
      !AddName(X509_get_subject_name(certificate.get()), subject) ||
      ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate.get()),
                                kNotBefore) != 1 ||
      ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate.get()),
                                kNotAfter) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1) {
    return nullptr;
  }
  return certificate;
}

X509Ptr MakeAuthority(EVP_PKEY* key) {
  X509Ptr authority = NewCertificate(kAuthorityName, key);
  X509* raw = authority.get();
  if (raw == nullptr ||
      X509_set_issuer_name(raw, X509_get_subject_name(raw)) != 1 ||
      !AddExtension(raw, raw, NID_basic_constraints,
                    "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(raw, raw, NID_key_usage, "critical,keyCertSign") ||
      !AddExtension(raw, raw, NID_subject_key_identifier, "hash") ||
      X509_sign(raw, key, EVP_sha256()) == 0) {
    return nullptr;
  }
  return authority;
}

X509Ptr IssueLeaf(const std::string& subject, EVP_PKEY* key, X509* authority,
                  EVP_PKEY* authority_key) {
  X509Ptr leaf = NewCertificate(subject, key);
  X509* raw = leaf.get();
  if (raw == nullptr ||
      X509_set_issuer_name(raw, X509_get_subject_name(authority)) != 1 ||
      !AddExtension(raw, authority, NID_basic_constraints,
                    "critical,CA:FALSE") ||
      !AddExtension(raw, authority, NID_key_usage,
                    "critical,digitalSignature") ||
      !AddExtension(raw, authority, NID_ext_key_usage,
                    "serverAuth,clientAuth") ||
      !AddExtension(raw, authority, NID_subject_alt_name,
                    absl::StrCat("DNS:", kTokenServerName)) ||
      !AddExtension(raw, authority, NID_authority_key_identifier, "keyid") ||
      X509_sign(raw, authority_key, EVP_sha256()) == 0) {
    return nullptr;
  }
  return leaf;
}

// A common name holds 1 to 64 characters.
std::string CommonName(const std::string& host_name) {
  std::string name = host_name.substr(0, 64);
  for (char& c : name) {
    if (!absl::ascii_isgraph(c)) c = '?';
  }
  return name.empty() ? "muster" : name;
}

// ---- PEM ----

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string ToPem(X509* certificate) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return Contents(bio.get());
}

std::string ToPem(EVP_PKEY* key) {
  BioPtr bio(BIO_new(BIO_s_secmem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr,
                           nullptr);
  return Contents(bio.get());
}

}  // namespace

absl::StatusOr<Identity> IssueIdentity(const Token& token,
                                       const std::string& host_name) {
  KeyPtr authority_key = AuthorityKey(token);
  if (authority_key == nullptr) return OpensslError("cannot derive the key");
  X509Ptr authority = MakeAuthority(authority_key.get());
  KeyPtr key(EVP_EC_gen("P-256"));
  if (authority == nullptr || key == nullptr) {
    return OpensslError("cannot make the authority");
  }
  X509Ptr leaf = IssueLeaf(CommonName(host_name), key.get(), authority.get(),
                           authority_key.get());
  if (leaf == nullptr) return OpensslError("cannot issue the certificate");
  return Identity{ToPem(leaf.get()), ToPem(key.get()), ToPem(authority.get())};
}

}  // namespace muster::rendezvous
