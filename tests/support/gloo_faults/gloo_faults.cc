// Faults in a muster-gloo-probe, to be loaded with LD_PRELOAD. They take the
// place of functions that the probe calls in Gloo, and that Gloo calls in libc.
//
//   MUSTER_PROBE        "HOST/GPU": whose probe this is
//   MUSTER_FAULT        KIND@HOST[:VALUE] or KIND@HOST-HOST[:VALUE], as with
//   the
//                       pretended GPUs (tests/support/fabric_stand_ins)
//   MUSTER_FAULT_HOSTS  "HOST=ADDRESS,...": who has which address; not set: as
//                       /etc/hosts has it
//
//   KIND       VALUE         host                      link, in groups of two
//   wrong      -             what it adds is wrong     the same
//   slow       FACTOR        its reductions            theirs
//   hang-init  -             never connects            theirs
//   hang-run   -             its reductions never end  theirs
//   error      -             -                         connecting is refused
//   error-run  CODE,MESSAGE  its reductions fail       theirs
//   crash      start         at once
//              init          when it is to connect
//              run           in a reduction
//   stays      -             its probe ends by a kill  -
//                            only
//
// A link's faults come from the side that knows the other's address: where all
// hosts are one machine, the one that connects.
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gloo/allreduce.h"
#include "gloo/common/error.h"
#include "gloo/transport/tcp/device.h"
#include "tests/support/fabric_stand_ins/faults.h"

namespace {

using muster::stand_in::Fault;
using muster::stand_in::Faults;
using muster::stand_in::Member;

// What this library stands before.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// The host that has this address; "" where nobody knows.
std::string HostAt(const sockaddr* address, socklen_t length) {
  char text[NI_MAXHOST] = {};
  if (getnameinfo(address, length, text, sizeof text, nullptr, 0,
                  NI_NUMERICHOST) != 0) {
    return "";
  }
  const char* list = getenv("MUSTER_FAULT_HOSTS");
  if (list == nullptr) {
    char name[NI_MAXHOST] = {};
    const int error = getnameinfo(address, length, name, sizeof name, nullptr,
                                  0, NI_NAMEREQD);
    return error == 0 ? name : "";
  }
  std::string_view rest = list;
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    const size_t equals = entry.find('=');
    if (equals != entry.npos && entry.substr(equals + 1) == text) {
      return std::string(entry.substr(0, equals));
    }
  }
  return "";
}

const Fault* LinkFault(const char* kind, const sockaddr* address,
                       socklen_t length) {
  const std::string host = HostAt(address, length);
  return host.empty() ? nullptr : Faults::Get().OfLink(kind, {host, "0"});
}

// The hosts at the other ends of this process's connections.
std::vector<Member> Peers() {
  constexpr int kMostFds = 256;
  std::vector<Member> peers;
  for (int fd = 0; fd < kMostFds; ++fd) {
    sockaddr_storage address;
    socklen_t length = sizeof address;
    auto* peer = reinterpret_cast<sockaddr*>(&address);
    if (getpeername(fd, peer, &length) != 0) continue;
    const std::string host = HostAt(peer, length);
    if (!host.empty()) peers.push_back({host, "0"});
  }
  return peers;
}

// Of the group whose reduction this is. Looked up once for each group, since
// that takes longer than a small reduction.
class GroupFaults {
 public:
  const Fault* Find(const gloo::Context& context, const char* kind) {
    if (&context != of_) {
      of_ = &context;
      peers_ = context.size == 2 ? Peers() : std::vector<Member>();
    }
    if (const Fault* fault = Faults::Get().OfGpu(kind)) return fault;
    for (const Member& peer : peers_) {
      if (const Fault* fault = Faults::Get().OfLink(kind, peer)) return fault;
    }
    return nullptr;
  }

 private:
  const gloo::Context* of_ = nullptr;
  std::vector<Member> peers_;
};

[[noreturn]] void HangForEver() {
  while (true) pause();
}

// A connection that is never made: to a listener that has all it takes.
int ConnectToNobody(int fd) {
  static const sockaddr_in nobody = [] {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener, any, length) != 0 || listen(listener, 0) != 0 ||
        getsockname(listener, any, &length) != 0) {
      abort();
    }
    for (int i = 0; i < 4; ++i) {
      const int filler =
          socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      Next<decltype(connect)>("connect")(filler, any, length);
    }
    return address;
  }();
  return Next<decltype(connect)>("connect")(
      fd, reinterpret_cast<const sockaddr*>(&nobody), sizeof nobody);
}

}  // namespace

extern "C" int connect(int fd, const sockaddr* address, socklen_t length) {
  if (LinkFault("error", address, length) != nullptr) {
    errno = ECONNREFUSED;
    return -1;
  }
  if (LinkFault("hang-init", address, length) != nullptr) {
    return ConnectToNobody(fd);
  }
  return Next<decltype(connect)>("connect")(fd, address, length);
}

// The probe ends with it, and with nothing else.
extern "C" void _exit(int status) {
  if (Faults::Get().OfGpu("stays") != nullptr) HangForEver();
  Next<decltype(_exit)>("_exit")(status);
  std::abort();
}

namespace gloo {

namespace transport::tcp {

// The first is the probe's look at its address, then there is one for each
// group.
std::shared_ptr<::gloo::transport::Device> CreateDevice(
    const struct attr& attributes) {
  static bool first = true;
  Faults::Get().MayCrash(first ? "start" : "init");
  if (!first && Faults::Get().OfGpu("hang-init") != nullptr) HangForEver();
  first = false;
  static const auto next = Next<decltype(CreateDevice)>(
      "_ZN4gloo9transport3tcp12CreateDeviceERKNS1_4attrE");
  return next(attributes);
}

}  // namespace transport::tcp

void allreduce(const AllreduceOptions& options) {
  static const auto next =
      Next<decltype(allreduce)>("_ZN4gloo9allreduceERKNS_16AllreduceOptionsE");
  static GroupFaults faults;
  const auto& details = options.impl_;
  // What the members agree on by it is not data.
  if (details.elementSize != sizeof(float)) return next(options);
  Faults::Get().MayCrash("run");
  if (faults.Find(*details.context, "hang-run") != nullptr) {
    // Waits as for a peer that never sends.
    char nothing = 0;
    details.context->createUnboundBuffer(&nothing, 1)
        ->waitRecv(std::chrono::hours(1));
  }
  if (const Fault* fault = faults.Find(*details.context, "error-run")) {
    throw IoException("error " + fault->value);
  }
  float* wrong = nullptr;
  if (faults.Find(*details.context, "wrong") != nullptr) {
    wrong = static_cast<float*>(details.in[0]->ptr);
    wrong += details.elements / 2;
    *wrong += 1;
  }
  const auto start = std::chrono::steady_clock::now();
  next(options);
  if (wrong != nullptr) *wrong -= 1;
  if (const Fault* fault = faults.Find(*details.context, "slow")) {
    std::this_thread::sleep_for((std::chrono::steady_clock::now() - start) *
                                (fault->Number(1) - 1));
  }
}

}  // namespace gloo
