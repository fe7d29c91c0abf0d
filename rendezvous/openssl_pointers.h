// Owners for OpenSSL's objects, so that no path forgets to free one.
#ifndef MUSTER_RENDEZVOUS_OPENSSL_POINTERS_H_
#define MUSTER_RENDEZVOUS_OPENSSL_POINTERS_H_

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>

namespace muster::rendezvous {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

template <typename T, auto kFree>
using Owner = std::unique_ptr<T, FreeWith<kFree>>;

using BioPtr = Owner<BIO, BIO_free>;
using BignumPtr = Owner<BIGNUM, BN_clear_free>;
using BnCtxPtr = Owner<BN_CTX, BN_CTX_free>;
using EcGroupPtr = Owner<EC_GROUP, EC_GROUP_free>;
using EcPointPtr = Owner<EC_POINT, EC_POINT_free>;
using ExtensionPtr = Owner<X509_EXTENSION, X509_EXTENSION_free>;
using KdfPtr = Owner<EVP_KDF, EVP_KDF_free>;
using KdfCtxPtr = Owner<EVP_KDF_CTX, EVP_KDF_CTX_free>;
using KeyPtr = Owner<EVP_PKEY, EVP_PKEY_free>;
using KeyCtxPtr = Owner<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using ParamBuilderPtr = Owner<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using ParamsPtr = Owner<OSSL_PARAM, OSSL_PARAM_free>;
using SslPtr = Owner<SSL, SSL_free>;
using SslCtxPtr = Owner<SSL_CTX, SSL_CTX_free>;
using X509Ptr = Owner<X509, X509_free>;

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_OPENSSL_POINTERS_H_
