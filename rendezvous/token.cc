#include "rendezvous/token.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace muster::rendezvous {
namespace {

constexpr size_t kLargestFile = 4096;
constexpr char kAdvice[] = "make one with `muster token`";

// RFC 4648 base32 in lower case, without padding.
std::string Base32(const unsigned char* data, size_t size) {
  constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text;
  unsigned buffer = 0;
  int bits = 0;
  for (size_t i = 0; i < size; ++i) {
    buffer = (buffer << 8 | data[i]) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) {
      text += kAlphabet[buffer >> (bits - 5) & 31];
    }
  }
  if (bits > 0) text += kAlphabet[buffer << (5 - bits) & 31];
  return text;
}

// `text` without its line ends, if that is a token. `source` names it.
absl::StatusOr<Token> Parse(absl::string_view text, const std::string& source) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  if (text.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, " is empty; ", kAdvice));
  }
  for (char c : text) {
    if (c == '\0' || absl::ascii_isspace(c)) {
      return absl::InvalidArgumentError(absl::StrCat(
          source, " has ", c == '\0' ? "a NUL byte" : "white space",
          " inside, so it is no token; ", kAdvice));
    }
  }
  if (text.size() < kShortestToken) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s has %d characters, and a token needs at least %d; %s", source,
        text.size(), kShortestToken, kAdvice));
  }
  return Token(text);
}

absl::Status FileError(int error, const std::string& path) {
  return absl::ErrnoToStatus(
      error, absl::StrCat("--token-file ", path, ": cannot read it"));
}

// Reads the token file. Sets `warning` when others can read it too.
absl::StatusOr<Token> ReadFile(const std::string& path, std::string* warning) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, path);
  absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info;
  if (fstat(fd, &info) != 0) return FileError(errno, path);
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--token-file ", path, ": is a directory; name the file in it"));
  }

  // One byte more than allowed, to notice a larger file.
  std::array<char, kLargestFile + 1> buffer;
  absl::Cleanup wipe = [&] { OPENSSL_cleanse(buffer.data(), buffer.size()); };
  size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t n = read(fd, buffer.data() + size, buffer.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(errno, path);
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  if (size > kLargestFile) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--token-file %s: larger than %d bytes, so it is no "
                        "token; %s",
                        path, kLargestFile, kAdvice));
  }
  if (S_ISREG(info.st_mode) && (info.st_mode & 077) != 0) {
    *warning = absl::StrFormat(
        "--token-file %s: users other than its owner may use it (mode %04o); "
        "run `chmod 600` on it",
        path, info.st_mode & 07777);
  }
  return Parse(absl::string_view(buffer.data(), size),
               absl::StrCat("--token-file ", path));
}

bool Same(const Token& a, const Token& b) {
  return a.secret().size() == b.secret().size() &&
         CRYPTO_memcmp(a.secret().data(), b.secret().data(),
                       a.secret().size()) == 0;
}

}  // namespace

Token::Token(absl::string_view secret)
    : secret_(secret.begin(), secret.end()) {}

Token& Token::operator=(Token&& other) noexcept {
  if (this != &other) {
    Wipe();
    secret_ = std::move(other.secret_);
  }
  return *this;
}

Token::~Token() { Wipe(); }

void Token::Wipe() { OPENSSL_cleanse(secret_.data(), secret_.size()); }

absl::string_view Token::secret() const {
  return absl::string_view(secret_.data(), secret_.size());
}

absl::StatusOr<Token> GenerateToken() {
  std::array<unsigned char, 32> random;
  if (RAND_bytes(random.data(), random.size()) != 1) {
    return absl::InternalError("the system's random source failed");
  }
  std::string text = absl::StrCat("muster-", Base32(random.data(), 32));
  Token token(text);
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(random.data(), random.size());
  return token;
}

absl::StatusOr<LoadedToken> LoadToken(
    const std::optional<std::string>& variable, const std::string& path) {
  LoadedToken loaded;
  if (variable.has_value() && !variable->empty()) {
    absl::StatusOr<Token> token = Parse(*variable, "MUSTER_TOKEN");
    if (!token.ok()) return token.status();
    loaded.token = *std::move(token);
  }
  if (path.empty()) return loaded;

  absl::StatusOr<Token> token = ReadFile(path, &loaded.warning);
  if (!token.ok()) return token.status();
  if (loaded.token.has_value() && !Same(*loaded.token, *token)) {
    return absl::InvalidArgumentError(
        absl::StrCat("MUSTER_TOKEN and --token-file ", path,
                     " hold different tokens; give one of them"));
  }
  loaded.token = *std::move(token);
  return loaded;
}

}  // namespace muster::rendezvous
