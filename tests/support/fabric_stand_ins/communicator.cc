#include "tests/support/fabric_stand_ins/communicator.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "tests/support/fabric_stand_ins/machine.h"
#include "tests/support/fabric_stand_ins/nccl_log.h"

using muster::stand_in::Address;
using muster::stand_in::Fault;
using muster::stand_in::Faults;
using muster::stand_in::Hello;
using muster::stand_in::LogInfo;
using muster::stand_in::LogWarning;
using muster::stand_in::Member;
using muster::stand_in::UniqueId;
using muster::stand_in::Way;
using muster::stand_in::Wire;
using Clock = std::chrono::steady_clock;

namespace muster::stand_in {
namespace {

// Introduces the members of one id.
void ServeRoot(uint64_t magic, Wire listener) {
  const Abort never;
  std::vector<Hello> table;
  std::vector<Wire> members;
  size_t come = 0;
  do {
    Way way;
    Wire wire = listener.Accept(never, &way);
    Hello hello;
    if (wire.Receive(&hello, sizeof hello, never) != Way::kDone ||
        hello.magic != magic || hello.members < 1 || hello.rank < 0 ||
        hello.rank >= hello.members) {
      continue;
    }
    table.resize(static_cast<size_t>(hello.members));
    members.resize(table.size());
    const auto rank = static_cast<size_t>(hello.rank);
    if (!members[rank].valid()) ++come;
    table[rank] = hello;
    members[rank] = std::move(wire);
  } while (table.empty() || come < table.size());
  for (const Wire& member : members) {
    member.Send(table.data(), table.size() * sizeof(Hello), never);
  }
}

}  // namespace

int Version() {
  const Fault* other = Faults::Get().OfGpu("version");
  return other != nullptr ? static_cast<int>(other->Number(0))
                          : NCCL_VERSION_CODE;
}

ncclResult_t StartRoot(UniqueId* id) {
  std::string interface;
  if (!OwnAddress(&id->root, &interface)) {
    LogWarning("Bootstrap : no socket interface found");
    return ncclInvalidUsage;
  }
  LogInfo("Bootstrap: Using " + interface + ":" + id->root.Text());
  std::random_device random;
  id->magic = uint64_t{random()} << 32 | random();
  Wire listener = Wire::Listen(&id->root);
  if (!listener.valid()) return ncclSystemError;
  std::thread(ServeRoot, id->magic, std::move(listener)).detach();
  return ncclSuccess;
}

}  // namespace muster::stand_in

namespace {

uint64_t HostHash() {
  const char* own = getenv("NCCL_HOSTID");
  return muster::stand_in::Hash(own != nullptr ? own
                                               : Faults::Get().self().host);
}

// CODE[,MESSAGE] of a fault.
ncclResult_t Strike(const Fault& fault) {
  const size_t comma = fault.value.find(',');
  LogWarning(comma == std::string::npos ? "stand-in failure"
                                        : fault.value.substr(comma + 1));
  return static_cast<ncclResult_t>(static_cast<int>(fault.Number(3)));
}

std::string Seconds(Clock::duration duration) {
  char text[32];
  snprintf(text, sizeof text, "%.2f",
           std::chrono::duration<double>(duration).count());
  return text;
}

void Combine(float* into, const float* other, size_t count,
             ncclRedOp_t operation) {
  if (operation == ncclSum) {
    for (size_t i = 0; i < count; ++i) into[i] += other[i];
  } else {
    for (size_t i = 0; i < count; ++i) into[i] = std::max(into[i], other[i]);
  }
}

}  // namespace

ncclComm::ncclComm(int members, int rank, int gpu)
    : members_(members), rank_(rank), gpu_(gpu) {}

Member ncclComm::PeerAt(int rank) const {
  return Member::Parse(table_[static_cast<size_t>(rank)].name);
}

const Fault* ncclComm::Find(const char* kind) const {
  if (const Fault* fault = Faults::Get().OfGpu(kind)) return fault;
  if (table_.empty()) return nullptr;
  for (const int peer : {next(), previous()}) {
    if (peer == rank_) continue;
    if (const Fault* fault = Faults::Get().OfLink(kind, PeerAt(peer))) {
      return fault;
    }
  }
  return nullptr;
}

ncclResult_t ncclComm::Fail(Way way, int peer) const {
  if (way == Way::kAborted) return ncclSuccess;
  LogWarning("socketProgress: Connection closed by remote peer " +
             (table_.empty()
                  ? "the root"
                  : table_[static_cast<size_t>(peer)].listener.Text()));
  return ncclRemoteError;
}

ncclResult_t ncclComm::Init(const UniqueId& id) {
  const auto start = Clock::now();
  const std::string what = "ncclCommInitRankConfig";
  const std::string facts = "comm 0x1 rank " + std::to_string(rank_) +
                            " nranks " + std::to_string(members_) +
                            " cudaDev 0 nvmlDev " + std::to_string(gpu_);
  if (const char* algorithm = getenv("NCCL_ALGO")) {
    LogInfo(std::string("NCCL_ALGO set by environment to ") + algorithm);
  }
  LogInfo(what + " " + facts + " - Init START");
  Faults::Get().MayCrash("init");
  if (Faults::Get().OfGpu("hang-init") != nullptr) abort.Wait();
  if (const Fault* fault = Faults::Get().OfGpu("error")) return Strike(*fault);
  Hello own;
  std::string interface;
  if (!OwnAddress(&own.listener, &interface)) return ncclInvalidUsage;
  const Wire listener = Wire::Listen(&own.listener);
  if (!listener.valid()) return ncclSystemError;
  const ncclResult_t introduced = Introduce(id, listener, &own);
  if (introduced != ncclSuccess || abort.is_set()) return introduced;
  const auto met = Clock::now();
  if (const ncclResult_t result = Compare(); result != ncclSuccess) {
    return result;
  }
  if (Find("hang-init") != nullptr) abort.Wait();
  if (const Fault* fault = Find("error")) return Strike(*fault);
  const ncclResult_t linked = Link(listener);
  if (linked != ncclSuccess || abort.is_set()) return linked;
  LogInfo("NET/Socket : Using [0]" + interface + ":" + own.listener.Text());
  LogChannels();
  const auto end = Clock::now();
  LogInfo(what + " " + facts + " - Init COMPLETE");
  LogInfo("Init timings - " + what + ": rank " + std::to_string(rank_) +
          " nranks " + std::to_string(members_) + " total " +
          Seconds(end - start) + " (kernels 0.00, alloc 0.00, bootstrap " +
          Seconds(met - start) + ", allgathers 0.00, topo 0.00, graphs 0.00, " +
          "connections " + Seconds(end - met) + ", rest 0.00)");
  return ncclSuccess;
}

ncclResult_t ncclComm::Introduce(const UniqueId& id, const Wire& /*listener*/,
                                 Hello* own) {
  own->magic = id.magic;
  own->rank = rank_;
  own->members = members_;
  own->version = muster::stand_in::Version();
  own->host_hash = HostHash();
  own->pci_bus = muster::stand_in::PciBus(gpu_);
  snprintf(own->name, sizeof own->name, "%s",
           Faults::Get().self().Text().c_str());
  Way way;
  const Wire root = Wire::Connect(id.root, abort, &way);
  if (way == Way::kDone) way = root.Send(own, sizeof *own, abort);
  std::vector<Hello> table(static_cast<size_t>(members_));
  if (way == Way::kDone) {
    way = root.Receive(table.data(), table.size() * sizeof(Hello), abort);
  }
  if (way != Way::kDone) return Fail(way, 0);
  table_ = std::move(table);
  return ncclSuccess;
}

ncclResult_t ncclComm::Compare() const {
  const Hello& own = table_[static_cast<size_t>(rank_)];
  for (const Hello& other : table_) {
    const std::string ranks = "rank " + std::to_string(rank_) + " and rank " +
                              std::to_string(other.rank);
    if (other.version != own.version) {
      LogWarning("Mismatched NCCL version detected : rank " +
                 std::to_string(other.rank) + " version " +
                 std::to_string(other.version) + " rank " +
                 std::to_string(rank_) + " version " +
                 std::to_string(own.version));
      return ncclInvalidUsage;
    }
    if (other.rank != rank_ && other.host_hash == own.host_hash &&
        other.pci_bus == own.pci_bus) {
      char bus[16];
      snprintf(bus, sizeof bus, "%x", own.pci_bus << 12);
      LogWarning("Duplicate GPU detected : " + ranks + " both on CUDA device " +
                 bus);
      return ncclInvalidUsage;
    }
  }
  return ncclSuccess;
}

ncclResult_t ncclComm::Link(const Wire& listener) {
  if (members_ == 1) return ncclSuccess;
  Way way;
  to_next_ =
      Wire::Connect(table_[static_cast<size_t>(next())].listener, abort, &way);
  if (way != Way::kDone) return Fail(way, next());
  from_previous_ = listener.Accept(abort, &way);
  // Nobody is through before its neighbours are.
  char byte = 0;
  if (way == Way::kDone) {
    way = Wire::Exchange(to_next_, &byte, 1, from_previous_, &byte, 1, abort);
  }
  return way == Way::kDone ? ncclSuccess : Fail(way, previous());
}

void ncclComm::LogChannels() const {
  const bool sockets = Faults::Get().OfGpu("sockets") != nullptr;
  if (sockets) {
    LogInfo("NET/IB : No device found.");
  } else {
    LogInfo("NET/IB : Using [0]mlx5_0:1/IB [RO]");
  }
  LogInfo(std::string("Using network ") + (sockets ? "Socket" : "IB"));
  if (members_ == 1) return;
  const Hello& own = table_[static_cast<size_t>(rank_)];
  const Hello& peer = table_[static_cast<size_t>(next())];
  const std::string channel =
      "Channel 00/0 : " + std::to_string(rank_) + "[" + std::to_string(gpu_) +
      "] -> " + std::to_string(next()) + "[" +
      std::to_string(peer.pci_bus - muster::stand_in::PciBus(0)) + "]";
  if (own.host_hash == peer.host_hash) {
    LogInfo(channel + " via P2P/CUMEM");
  } else {
    LogInfo(channel + " [send] via NET/" +
            (sockets ? "Socket/0" : "IB/0/GDRDMA"));
  }
}

ncclResult_t ncclComm::Reduce(float* data, size_t count,
                              ncclRedOp_t operation) {
  const auto start = Clock::now();
  Faults::Get().MayCrash("run");
  if (Find("hang-run") != nullptr) abort.Wait();
  if (const Fault* fault = Find("error-run")) return Strike(*fault);
  if (Faults::Get().OfGpu("wrong") != nullptr) data[count / 2] += 1;
  const ncclResult_t result = Ring(data, count, operation);
  if (result != ncclSuccess || abort.is_set()) return result;
  const Fault* slow = Find("slow");
  std::this_thread::sleep_until(
      start + muster::stand_in::LeastTime(count * sizeof(float), slow));
  return ncclSuccess;
}

ncclResult_t ncclComm::Ring(float* data, size_t count, ncclRedOp_t operation) {
  if (members_ == 1) return ncclSuccess;
  const auto n = static_cast<size_t>(members_);
  const auto rank = static_cast<size_t>(rank_);
  const auto begin = [&](size_t part) { return count * (part % n) / n; };
  const auto size = [&](size_t part) {
    return count * (part % n + 1) / n - begin(part);
  };
  const bool corrupts =
      Faults::Get().OfLink("wrong", PeerAt(next())) != nullptr;
  std::vector<float> incoming(count / n + 1);
  // First each part is summed around the ring, then passed around.
  for (size_t step = 0; step < 2 * (n - 1); ++step) {
    const bool sums = step < n - 1;
    const size_t out = rank + 2 * n - step;
    const size_t in = out + n - 1;
    if (corrupts && size(out) > 0) data[begin(out)] += 1;
    float* const place = sums ? incoming.data() : data + begin(in);
    const Way way =
        Wire::Exchange(to_next_, data + begin(out), size(out) * sizeof(float),
                       from_previous_, place, size(in) * sizeof(float), abort);
    if (way != Way::kDone) return Fail(way, previous());
    if (sums) Combine(data + begin(in), place, size(in), operation);
  }
  return ncclSuccess;
}
