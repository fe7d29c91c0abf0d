// The probes of one node.
#ifndef MUSTER_LAUNCHER_FABRIC_NODE_PROBES_H_
#define MUSTER_LAUNCHER_FABRIC_NODE_PROBES_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "launcher/fabric/probe_process.h"
#include "launcher/process/service_keeper.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// How the probe of a slot is started.
using ProbeRequest = std::function<process::SpawnRequest(
    FabricKind kind, uint32_t gpu, bool hosts_apart)>;

struct NodeProbesOptions {
  uint32_t node = 0;  // this node's index in the test
  ProbeRequest request;
  // Of a slot's log, for people; "" for none.
  std::function<std::string(uint32_t gpu)> log_of;
};

// All are called on the loop, never inside a call.
struct NodeProbesCallbacks {
  std::function<void(const StoreRequest&)> on_store;
  std::function<void(const SlotResult&)> on_result;
  // After Close(): no probe is left, or one that does not die is left alone;
  // then `problem` names it.
  std::function<void(const std::string& problem)> on_closed;
};

// Job: gives the tasks of each round to this node's probes, one for each slot,
// and sees to it that each task has one result in time, whatever its probe
// does: only SIGKILL is a real deadline.
// Life cycle: construct; rounds; Close once. A probe is started with its first
// task, lives until Close, and is replaced where it died. Destruction lets the
// keeper have what is left.
// Threads: the loop's only. Ownership: the loop must outlive this.
class NodeProbes {
 public:
  NodeProbes(asio::io_context& loop, process::ServiceKeeper keeper,
             NodeProbesOptions options, NodeProbesCallbacks callbacks);
  ~NodeProbes();

  void Run(const FabricRound& round);
  void Value(const StoreValue& value);
  void Stop(const FabricStop& stop);
  // Kills a process, also one of others. Close waits for its end, which its
  // on_gone tells with Buried.
  void Bury(std::unique_ptr<ProbeProcess> process);
  void Buried(uint32_t id);
  void Close();

 private:
  using Instant = std::chrono::steady_clock::time_point;

  struct Task {
    uint32_t group = 0;
    uint32_t rank = 0;
    FabricStage stage = FABRIC_STAGE_START;
    Instant deadline{};
    std::optional<Instant> still;  // since when it was seen not to run
    bool stopped = false;          // another member has failed
  };
  struct Prober {
    std::unique_ptr<ProbeProcess> process;
    std::optional<Task> task;
    std::optional<FabricFailure> broken;  // what it said before it ended
  };

  void Begin(FabricKind kind, bool hosts_apart, const FabricGroup& group,
             uint32_t rank);
  void StartProbe(FabricKind kind, bool hosts_apart, uint32_t gpu);
  void GotEvent(uint32_t gpu, const ProbeEvent& event);
  void Gone(uint32_t gpu, const ProbeEnd& end);
  void End(Prober* prober, uint32_t gpu, SlotResult result);
  // The probe is of no use any more.
  void Abandon(Prober* prober, uint32_t gpu, FabricFailureKind kind,
               const std::string& message);
  void Forget(uint32_t id);
  void Watch();
  void MaybeClosed();
  Prober* Find(uint32_t group, uint32_t rank, uint32_t* gpu);

  asio::io_context& loop_;
  const process::ServiceKeeper keeper_;
  const NodeProbesOptions options_;
  const NodeProbesCallbacks callbacks_;
  std::map<uint32_t, Prober> probers_;  // by GPU
  // Killed, and not yet gone.
  std::vector<std::unique_ptr<ProbeProcess>> dying_;
  uint32_t next_id_ = process::kFirstProbeId;
  asio::steady_timer watch_;
  bool watching_ = false;
  std::optional<Instant> closing_;  // since then
  bool closed_ = false;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NODE_PROBES_H_
