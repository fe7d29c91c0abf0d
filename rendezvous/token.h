// The job token: the one secret that the agents of a job share.
#ifndef MUSTER_RENDEZVOUS_TOKEN_H_
#define MUSTER_RENDEZVOUS_TOKEN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace muster::rendezvous {

// Job: holds one secret and wipes it from memory when it goes.
// Life cycle: made whole, moved, never copied or changed.
// Threads: const after construction.
// Ownership: owns its bytes. There is no way to print one by accident: no
// stream operator, no conversion; secret() is the only way in.
class Token {
 public:
  explicit Token(absl::string_view secret);
  Token(Token&& other) noexcept = default;
  Token& operator=(Token&& other) noexcept;
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;
  ~Token();

  // Valid as long as the token. Empty once moved from.
  absl::string_view secret() const;

 private:
  void Wipe();

  // A vector, since a moved std::string can leave its bytes behind.
  std::vector<char> secret_;
};

// A fresh token: "muster-" and 256 random bits in base32.
// Errors: Internal when the system's random source fails.
absl::StatusOr<Token> GenerateToken();

// Tokens shorter than this could be guessed from a certificate.
inline constexpr size_t kShortestToken = 16;

struct LoadedToken {
  std::optional<Token> token;  // absent when neither source gives one
  std::string warning;         // one line for people, or empty
};

// The token from `variable` (the value of MUSTER_TOKEN; absent and empty are
// the same) or from the file at `path` (--token-file; empty for none). Line
// ends after the token do not count.
//
// Errors, which name the source and never hold the secret:
//   NotFound, PermissionDenied, Unavailable   the file cannot be read.
//   InvalidArgument   a directory, empty, over 4 KiB, NUL or white space
//                     inside, shorter than kShortestToken, or the two sources
//                     differ.
absl::StatusOr<LoadedToken> LoadToken(
    const std::optional<std::string>& variable, const std::string& path);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_TOKEN_H_
