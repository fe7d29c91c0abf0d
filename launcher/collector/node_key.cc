#include "launcher/collector/node_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "absl/strings/str_cat.h"

namespace muster::collector {

std::string MakeRunKey() {
  std::string key(kKeyBytes, '\0');
  auto* const bytes = reinterpret_cast<unsigned char*>(key.data());
  return RAND_bytes(bytes, kKeyBytes) == 1 ? key : std::string();
}

std::string NodeKey(absl::string_view run_key, const NodePlace& place) {
  const std::string message = absl::StrCat(
      "muster node ", place.node_rank, " attempt ", place.attempt, " ranks ",
      place.first_rank, "+", place.workers, " of ", place.world_size);
  std::string key(kKeyBytes, '\0');
  unsigned int size = 0;
  const unsigned char* const made =
      HMAC(EVP_sha256(), run_key.data(), static_cast<int>(run_key.size()),
           reinterpret_cast<const unsigned char*>(message.data()),
           message.size(), reinterpret_cast<unsigned char*>(key.data()), &size);
  return made != nullptr && size == kKeyBytes ? key : std::string();
}

bool SameSecret(absl::string_view a, absl::string_view b) {
  return !a.empty() && a.size() == b.size() &&
         CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace muster::collector
