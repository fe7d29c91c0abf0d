#include "launcher/simulate/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "launcher/process/unique_fd.h"

namespace muster::simulate {
namespace {

// 127.0.0/24 is left to others, and so is the broadcast address's end.
constexpr uint32_t kFirst = 0x7f000100;
constexpr uint32_t kLast = 0x7ffffe00;
constexpr int kAttempts = 100;

bool IsFree(uint32_t address, uint16_t port) {
  const process::UniqueFd probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in where = {};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(address);
  return bind(probe.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) ==
         0;
}

}  // namespace

std::string LoopbackAddress(uint32_t base, uint32_t k) {
  const uint32_t address = base + k;
  return absl::StrCat(address >> 24, ".", address >> 16 & 255, ".",
                      address >> 8 & 255, ".", address & 255);
}

absl::StatusOr<uint32_t> FindLoopbackBase(uint32_t nodes, uint16_t port) {
  std::random_device random;
  std::uniform_int_distribution<uint32_t> place(kFirst, kLast - nodes);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const uint32_t base = place(random);
    if (IsFree(base, port)) return base;
  }
  return absl::UnavailableError(absl::StrCat(
      "port ", port, " is taken on every loopback address that was tried"));
}

}  // namespace muster::simulate
