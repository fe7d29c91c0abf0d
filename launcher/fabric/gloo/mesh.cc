#include "launcher/fabric/gloo/mesh.h"

#include <netdb.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include "gloo/transport/context.h"
#include "gloo/transport/device.h"
#include "gloo/transport/pair.h"
#include "gloo/transport/tcp/device.h"
#include "gloo/transport/unbound_buffer.h"

namespace muster::fabric {
namespace {

// Gloo multiplies it by five and must not overflow.
constexpr std::chrono::hours kNoLimit{10};

// Not those of any reduction.
constexpr uint64_t kWatchSlot = ~uint64_t{0};
constexpr uint64_t kProbeSlot = ~uint64_t{1};

// Gloo's look-up takes whatever getaddrinfo leaves behind when that fails.
int FamilyOf(const std::string& address) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.c_str(), nullptr, &hints, &found) != 0) {
    throw std::invalid_argument("'" + address + "' is no numeric address");
  }
  const int family = found->ai_family;
  freeaddrinfo(found);
  return family;
}

}  // namespace

std::shared_ptr<gloo::transport::Device> DeviceOf(const std::string& address) {
  gloo::transport::tcp::attr attributes;
  attributes.hostname = address;
  attributes.ai_family = FamilyOf(address);
  return gloo::transport::tcp::CreateDevice(attributes);
}

Mesh::Mesh(int my_rank, int members,
           std::shared_ptr<gloo::transport::Device> device)
    : gloo::Context(my_rank, members) {
  device_ = std::move(device);
  setTimeout(kNoLimit);
}

std::string Mesh::Listen() {
  gloos_ = device_->createContext(rank, size);
  gloos_->setTimeout(kNoLimit);
  interruptible_ = std::make_shared<InterruptibleContext>(gloos_);
  interruptible_->setTimeout(kNoLimit);
  transportContext_ = interruptible_;
  std::string addresses;
  for (int peer = 0; peer < size; ++peer) {
    if (peer == rank) continue;
    const std::vector<char> address =
        transportContext_->createPair(peer)->address().bytes();
    addresses.append(address.begin(), address.end());
  }
  return addresses;
}

void Mesh::Connect(int peer, const std::string& address) {
  // One address for each member but for `peer` itself.
  const size_t length = address.size() / static_cast<size_t>(size - 1);
  const auto at = static_cast<size_t>(rank < peer ? rank : rank - 1);
  const std::string mine = address.substr(at * length, length);
  transportContext_->getPair(peer)->connect({mine.begin(), mine.end()});
}

std::string Mesh::AwaitBreak() {
  // It receives from everybody what nobody sends.
  std::vector<char> nothing(static_cast<size_t>(size));
  const auto buffer =
      gloos_->createUnboundBuffer(nothing.data(), nothing.size());
  try {
    for (int peer = 0; peer < size; ++peer) {
      if (peer != rank) buffer->recv(peer, kWatchSlot, 0, 1);
    }
    buffer->waitRecv(kNoLimit);
  } catch (const std::exception& error) {
    return GlooMessage(error);
  }
  return "a peer sends what it should not";
}

std::vector<int> Mesh::Broken() {
  char nothing = 0;
  const auto buffer = gloos_->createUnboundBuffer(&nothing, sizeof(nothing));
  std::vector<int> broken;
  for (int peer = 0; peer < size; ++peer) {
    if (peer == rank) continue;
    try {
      buffer->recv(peer, kProbeSlot, 0, 0);
    } catch (const std::exception&) {
      broken.push_back(peer);
    }
  }
  return broken;
}

void Mesh::Wake() {
  interruptible_->Interrupt();
  // Gloo closes all connections when one operation takes too long. This one
  // waits for what nobody sends.
  char nothing = 0;
  const auto buffer = gloos_->createUnboundBuffer(&nothing, sizeof(nothing));
  try {
    buffer->waitRecv(std::chrono::milliseconds(1));
  } catch (const std::exception&) {
    return;
  }
}

std::string GlooMessage(const std::exception& error) {
  std::string text = error.what();
  const bool enforced = text.starts_with("[enforce fail at ");
  if (const size_t end = text.find("] ");
      text.starts_with('[') && end != std::string::npos) {
    text.erase(0, end + 2);
  }
  // The condition, which says nothing to people.
  if (const size_t end = text.find(". ");
      enforced && end != std::string::npos) {
    text.erase(0, end + 2);
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace muster::fabric
