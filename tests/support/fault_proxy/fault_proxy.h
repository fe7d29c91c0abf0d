// A TCP proxy that does to connections what networks do.
#ifndef MUSTER_TESTS_SUPPORT_FAULT_PROXY_FAULT_PROXY_H_
#define MUSTER_TESTS_SUPPORT_FAULT_PROXY_FAULT_PROXY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "tests/support/eventually.h"

namespace muster::test {

// What happens to bytes on their way, of connections that are there and of
// those to come.
struct Faults {
  absl::Duration delay;      // each byte is on its way for so long
  size_t slice = 0;          // bytes of one send(); 0: as they come
  bool stalls_up = false;    // from the client to the server nothing is read or
  bool stalls_down = false;  // passed on; and the other way round
};

enum class Direction { kUp, kDown };  // up: from the client to the server

// How a connection is cut, towards both ends. What was passed on and has not
// arrived yet is lost with a reset.
enum class Cut { kReset, kClose };

struct ProxyCounts {
  uint64_t up = 0;  // bytes passed on
  uint64_t down = 0;
  uint64_t connections = 0;  // accepted so far
  uint64_t open = 0;         // of them, now
};

// Listens from construction to destruction, on a port that it holds all the
// time, and connects to the server for each client. One thread of its own; any
// thread may call. A change has taken effect when its method returns. An
// address that can't be bound ends the program with the reason.
class FaultProxy {
 public:
  struct Options {
    std::string host = "127.0.0.1";  // of the server, numeric
    uint16_t port = 0;
    std::string listen_host = "127.0.0.1";  // numeric
  };
  explicit FaultProxy(const Options& options);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  uint16_t port() const;

  void Set(const Faults& faults);
  // Cuts the connection over which the `bytes`-th byte from now on goes in that
  // direction, all connections together, right behind it. Once; a second call
  // takes the place of the first.
  void CutAfter(uint64_t bytes, Direction direction, Cut how);
  void CutAll(Cut how);
  // While it refuses, a connection is answered as if nobody listened. Those
  // that are there stay.
  void Refuse(bool refuses);

  ProxyCounts counts() const;
  // Whether `predicate` became true of the counts before the deadline.
  bool WaitFor(const std::function<bool(const ProxyCounts&)>& predicate,
               absl::Duration deadline = kSoon) const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_FAULT_PROXY_FAULT_PROXY_H_
