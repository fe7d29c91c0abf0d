// The agent of one node: from the first look at the hardware to the verdict.
#ifndef MUSTER_LAUNCHER_AGENT_H_
#define MUSTER_LAUNCHER_AGENT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "asio/io_context.hpp"
#include "asio/signal_set.hpp"
#include "asio/steady_timer.hpp"
#include "env/frameworks/placement.h"
#include "env/frameworks/variables.h"
#include "launcher/agent_credentials.h"
#include "launcher/fabric/node_test.h"
#include "launcher/host.h"
#include "launcher/job_temp.h"
#include "launcher/mpi/node_service.h"
#include "launcher/mpi/probe.h"
#include "launcher/node.h"
#include "launcher/node_output.h"
#include "launcher/process/keeper.h"
#include "launcher/run_id.h"
#include "launcher/task_ports.h"
#include "launcher/worker_group.h"
#include "rendezvous/hosting.h"
#include "rendezvous/joiner.h"
#include "rendezvous/liveness.h"
#include "rendezvous/name_wait.h"
#include "rendezvous/port_proof.h"
#include "rendezvous/session.h"

namespace muster::launcher {

// Job: `muster run` on one node. One loop owns all of it: gRPC's threads, the
// keeper, timers and signals only bring events.
//
//   LOCATING --> JOINING --> WAITING --> RUNNING --> DRAINING --> LEAVING
//   who hosts    reach the   welcomed    workers     output on    verdict
//                coordinator or parked   run         its way      is known
//
// Between WAITING and RUNNING come TESTING, the self-test of the fabric, after
// which a node may be parked, and PREPARING where the start has to be proved
// first: the ports of a TensorFlow job.
// Every phase can go to LEAVING when it fails; RUNNING only by way of stopping
// the workers.
// Life cycle: construct, Run() once.
// Threads: everything on the thread that calls Run().
class Agent {
 public:
  // `inherited` is this process's environment, for the workers. With
  // `as_json`, `muster check` prints JSON.
  Agent(JobSpec spec, AgentCredentials credentials,
        process::KeeperHandle keeper, env::Variables inherited,
        bool as_json = false);
  ~Agent();

  // Returns the exit code of the contract.
  int Run();

 private:
  enum class Phase {
    kLocating,
    kJoining,
    kWaiting,
    kTesting,
    kPreparing,
    kRunning,
    kDraining,
    kLeaving
  };

  // Files: agent_files.cc.
  void LookAtDirectories();
  void MakeFiles(const Assignment& assignment);
  void RemoveFiles();

  void LookedAround();

  // The collector: agent_output.cc.
  void LocateCollector(std::function<void()> next);
  // Null with --collector none.
  std::shared_ptr<grpc::Channel> CollectorChannel() const;
  // Errors: as NodeOutput::Open.
  absl::Status MakeOutput();
  void CloseOutput();
  void HurryOutput();
  void OutputDone(const NodeOutputResult& result);
  // What this agent waits for when all that it waits for is the collector, for
  // people; else "".
  std::string AwaitedCollector() const;
  void CloseRecord();

  // Locating and joining: agent_join.cc.
  void Locate();
  void LocateByDns(rendezvous::HostingQuestion question);
  // `nodes` as in NameWaitOptions.
  void AwaitName(const std::string& host, uint32_t port, uint32_t nodes,
                 std::function<void(std::vector<std::string>)> on_resolved);
  void Decide(const rendezvous::HostingAnswer& answer);
  void StartHost(const rendezvous::HostingAnswer& answer);
  void Join(bool port_taken);

  // The session.
  void Joined(std::unique_ptr<rendezvous::Session> session);
  rendezvous::Session::Callbacks SessionCallbacks();
  void Received(const CoordinatorMessage& message);
  void SessionClosed(const std::string& why);
  void Beat();
  void SendToCoordinator(AgentMessage message);

  // The self-test: agent_fabric.cc.
  // `start` is a FabricStart.
  void Test(const CoordinatorMessage& start);
  // Ends what this node has of it, and then calls `next`.
  void EndTest(std::function<void()> next);
  void TestEnded(const std::string& problem);
  // `muster check`: what was seen, on standard output. False without a test.
  bool PrintTest() const;

  // Preparing: agent_prepare.cc.
  void Assigned(const Assignment& assignment);
  void Prepare();
  void Prove(const Cluster& cluster);

  // The workers: agent_workers.cc.
  void MakeWorkers(process::KeeperHandle keeper);
  void StartWorkers();
  // Tells the coordinator that this node can't go on.
  void FailNode(const std::string& why);
  void KeeperLost(const std::string& why);
  void WorkersGone(const std::vector<process::Killed>& killed);
  void StopWorkers(std::chrono::milliseconds grace);
  void WorkersEnded();
  int TakeMasterPort();
  // By which the others know this node.
  const std::string& OwnAddress() const;

  // A job that mpirun starts: agent_mpi.cc.
  bool is_mpi() const { return spec_.agreement().framework() == FRAMEWORK_MPI; }
  // Finds out which Open MPI this node has, and then calls `next`.
  void LookForMpi(std::function<void()> next);
  void StartMpi();
  void StartRank(const RankStart& start);
  void RankEnded(uint32_t rank, const muster::RankEnded& status);
  void Release(bool failed);
  void ServicesGone();
  env::Variables ServiceVariables() const;
  env::Variables ProbeVariables() const;
  mpi::ServiceKeeper ServiceKeeper();

  // The end.
  void AwaitSignal();
  void GotSignal(int signo);
  void KillWorkers();
  void SendCancel(int signo);
  // The verdict of this node alone.
  Report FailureReport(CauseKind kind, uint32_t exit_code,
                       const std::string& message) const;
  void Fail(CauseKind kind, uint32_t exit_code, const std::string& message);
  void GotReport(const Report& report);
  void Leave();

  JobSpec spec_;  // resolved names become addresses; else constant
  const AgentCredentials credentials_;
  const std::string incarnation_ = MakeRunId("agent");  // of this process
  const env::Variables inherited_;
  const bool as_json_;
  const rendezvous::Instant deadline_;  // for joining

  asio::io_context loop_;
  asio::signal_set signals_;
  asio::steady_timer timer_;  // beats
  Phase phase_ = Phase::kLocating;
  std::optional<Node> node_;
  std::unique_ptr<WorkerGroup> workers_;
  std::unique_ptr<fabric::NodeTest> node_test_;  // while it runs
  std::function<void()> after_test_;
  // What came for the job while this node's part in the test was ending.
  std::vector<CoordinatorMessage> later_;
  std::string interface_;  // over which this node reaches the others
  std::unique_ptr<mpi::Probe> mpi_probe_;  // while it runs
  mpi::Version mpi_version_;
  std::unique_ptr<mpi::NodeService> mpi_;  // from RUNNING on
  std::vector<env::Placement> places_;     // under mpirun, by local rank
  bool oversubscribed_ = false;            // more ranks here than processors
  asio::steady_timer services_end_;
  bool stopping_ = false;
  std::unique_ptr<Host> host_;
  std::unique_ptr<rendezvous::NameWait> resolver_;
  std::unique_ptr<rendezvous::Joiner> joiner_;
  std::unique_ptr<rendezvous::Session> session_;
  std::string reached_;  // the coordinator's address; "" in this process
  rendezvous::Liveness coordinator_alive_;
  rendezvous::Instant last_beat_{};
  Assignment assignment_;  // once there is one
  Cluster cluster_;        // of a TensorFlow job, once its ports are known
  std::unique_ptr<TaskPorts> task_ports_;
  std::unique_ptr<rendezvous::PortProof> proof_;
  std::unique_ptr<NodeOutput> output_;
  bool output_done_ = false;
  bool collector_failed_ = false;  // it did not take all of the output
  std::optional<JobTemp> job_temp_;
  std::string init_file_;  // this node's to remove; "" for none
  std::optional<Report> report_;
  bool concluded_ = false;  // the coordinator has given its verdict
  uint32_t urgency_ = 0;    // signals that ask for the end
  int cancelled_by_ = 0;    // the first of them
  bool host_idle_ = false;
  bool record_closing_ = false;
  bool record_closed_ = false;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_AGENT_H_
