// A node's part in the self-test.
#ifndef MUSTER_LAUNCHER_FABRIC_NODE_TEST_H_
#define MUSTER_LAUNCHER_FABRIC_NODE_TEST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "launcher/fabric/choice/nccl_choice.h"
#include "launcher/fabric/node_probes.h"
#include "launcher/fabric/probe_process.h"
#include "launcher/process/service_keeper.h"
#include "proto/rendezvous.pb.h"

namespace muster::fabric {

// How a probe learns whose it is: "<host name>/<gpu>", "<host name>/" of the
// one that only looks. Nothing in muster reads it: it is for people, and for
// libraries that take the place of NCCL's.
inline constexpr char kProbeVariable[] = "MUSTER_PROBE";

struct NodeTestOptions {
  std::string host_name;
  std::vector<std::string> gpus;  // entries for CUDA_VISIBLE_DEVICES
  bool pretended = false;         // these
  std::string program;            // this very executable
  std::map<std::string, std::string> environment;  // as the job's workers have
  std::string nccl_library;          // --nccl-library; "" for the job's own
  std::vector<std::string> command;  // the job's, which tells whose that is
};

// All are called on the loop, never inside a call.
struct NodeTestCallbacks {
  std::function<void(AgentMessage)> send;  // to the coordinator
  // After Close(): as NodeProbesCallbacks::on_closed.
  std::function<void(const std::string& problem)> on_closed;
};

// Job: tells the coordinator what the node has, and runs its probes.
// Life cycle: construct, Handle what the coordinator says, Close once.
// Threads: the loop's only. Ownership: the loop must outlive this.
// Files: a directory for the probes' logs, which is removed unless a probe of
// this node has failed.
class NodeTest {
 public:
  NodeTest(asio::io_context& loop, process::ServiceKeeper keeper,
           NodeTestOptions options, NodeTestCallbacks callbacks);
  ~NodeTest();

  // True where the message was one of the self-test.
  bool Handle(const CoordinatorMessage& message);
  void Close();

 private:
  void Start(const FabricStart& start);
  void LookAtGpus(FabricKind kind);
  void ChooseLibrary();
  void GotInventory(const FabricInventory& seen);
  void LookerEnded(const ProbeEnd& end);
  void SendInventory();
  process::SpawnRequest Request(FabricKind kind, uint32_t gpu,
                                bool hosts_apart) const;
  std::map<std::string, std::string> EnvironmentOf(
      const std::string& gpu_name) const;
  // The words of a probe's command line that say what to load.
  std::vector<std::string> LibraryFlag() const;
  std::string LogOf(uint32_t gpu) const;
  void MakeLogDirectory();

  asio::io_context& loop_;
  const process::ServiceKeeper keeper_;
  const NodeTestOptions options_;
  const NodeTestCallbacks callbacks_;
  std::string address_;  // by which the others reach this node
  NcclChoice nccl_;
  FabricInventory inventory_;
  bool inventory_sent_ = false;
  std::string log_directory_;  // "" where there is none
  bool keep_logs_ = false;
  std::unique_ptr<ProbeProcess> looker_;
  bool looker_ended_ = false;
  std::unique_ptr<NodeProbes> probes_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NODE_TEST_H_
