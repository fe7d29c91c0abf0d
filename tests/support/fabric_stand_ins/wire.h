// TCP between the stand-in's members, as NCCL's bootstrap and its socket
// transport have it: every wait ends with an abort.
#ifndef MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_WIRE_H_
#define MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_WIRE_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <string>

namespace muster::stand_in {

// Address and port of a listener, as it travels between members.
struct Address {
  sockaddr_in6 storage = {};  // or a sockaddr_in
  sa_family_t family() const { return storage.sin6_family; }
  socklen_t size() const;
  std::string Text() const;  // "10.0.0.1<4711>"
};

// This host's address for others, port 0: of the first interface that
// NCCL_SOCKET_IFNAME names (prefixes; "=" exactly, "^" none of them), else of
// the first that is up and not loopback, else loopback. False where none is
// named so. `interface` gets its name.
bool OwnAddress(Address* address, std::string* interface);

// Ends all waits of one communicator.
// Threads: any.
class Abort {
 public:
  Abort();
  ~Abort();
  Abort(const Abort&) = delete;
  Abort& operator=(const Abort&) = delete;
  void Set();
  bool is_set() const { return is_set_; }
  int fd() const { return fd_; }
  // For ever, but for Set().
  void Wait() const;

 private:
  int fd_;
  std::atomic<bool> is_set_{false};
};

// How a transfer ended. kClosed: the peer is gone.
enum class Way { kDone, kClosed, kAborted };

// Job: one socket. Closed with the object. Threads: one at a time.
class Wire {
 public:
  Wire() = default;
  explicit Wire(int fd);
  ~Wire();
  Wire(Wire&& other) noexcept;
  Wire& operator=(Wire&& other) noexcept;

  // Listens at `address`, which gets the port.
  static Wire Listen(Address* address);
  static Wire Connect(const Address& address, const Abort& abort, Way* way);
  Wire Accept(const Abort& abort, Way* way) const;

  bool valid() const { return fd_ >= 0; }
  Way Send(const void* data, size_t size, const Abort& abort) const;
  Way Receive(void* data, size_t size, const Abort& abort) const;
  // Both at once, on two wires.
  static Way Exchange(const Wire& out, const void* sent, size_t out_size,
                      const Wire& in, void* received, size_t in_size,
                      const Abort& abort);

 private:
  int fd_ = -1;
};

}  // namespace muster::stand_in

#endif  // MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_WIRE_H_
