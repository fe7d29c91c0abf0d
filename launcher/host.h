// What the node that hosts the coordinator runs beside its own agent.
#ifndef MUSTER_LAUNCHER_HOST_H_
#define MUSTER_LAUNCHER_HOST_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "grpcpp/channel.h"
#include "grpcpp/server.h"
#include "launcher/agent_credentials.h"
#include "launcher/collector/collector_service.h"
#include "launcher/fabric/fabric_check.h"
#include "launcher/history/history_service.h"
#include "launcher/record_sender.h"
#include "launcher/remote_console.h"
#include "launcher/report_text.h"
#include "launcher/run_record.h"
#include "rendezvous/coordinator.h"
#include "rendezvous/credentials.h"
#include "rendezvous/hosting.h"
#include "rendezvous/rejections.h"

namespace muster::launcher {

// Job: the coordinator, behind one server with the collector, unless that is
// elsewhere or none; and the record of the run. One node opens no port: its
// agent speaks to it inside the process, as the hosting node's agent does in
// every job.
// Life cycle: Start, serve until on_idle, destroy (which ends the server).
// Threads: the loop's only.
// Ownership: the loop must outlive this.
class Host {
 public:
  // Errors: AlreadyExists when the port is taken; FailedPrecondition,
  // PermissionDenied, Internal as Listen() in rendezvous/transport.h;
  // InvalidArgument, naming it, when --run-dir can't be written.
  static absl::StatusOr<std::unique_ptr<Host>> Start(
      asio::io_context& loop, const JobSpec& spec,
      const AgentCredentials& credentials,
      const rendezvous::HostingAnswer& hosting, std::function<void()> on_idle);
  ~Host();

  // `on_closed` comes on the loop once the record is with the collector, or
  // --collect-timeout is over, or it is of no use. Nothing is recorded after.
  void CloseRecord(std::function<void()> on_closed);
  // Waits no longer than that for it.
  void HurryRecord(std::chrono::milliseconds patience);

  // Ends the server; all that was written is in its files then. Waits for no
  // collector elsewhere.
  void Shutdown();

  // A channel to this very process.
  std::shared_ptr<grpc::Channel> Channel() const;
  rendezvous::Coordinator& coordinator() { return *coordinator_; }
  // What the self-test has seen, once it is over; null where there was none.
  const FabricReport* fabric() const;
  // Where things of this run are, for the block at the end.
  ReportPaths Paths(const Report& report) const;

 private:
  Host(asio::io_context& loop, const JobSpec& spec);
  bool collects_here() const {
    return spec_.collect() && spec_.collector_host().empty();
  }
  void MakeCoordinator(std::function<void()> on_idle);
  rendezvous::MakeSelfTest SelfTestMaker();
  void Tested();
  absl::Status MakeCollector();
  absl::Status Serve(const rendezvous::Credentials& credentials,
                     const rendezvous::HostingAnswer& hosting);
  void MakeRecord(const rendezvous::Credentials& to_collector);
  std::shared_ptr<grpc::Channel> DialCollector(
      const rendezvous::Credentials& to_collector) const;
  void RecordClosed();
  ReportPaths PathsElsewhere(const Report& report) const;

  asio::io_context& loop_;
  const JobSpec spec_;
  const std::string run_id_;
  const std::string run_key_;
  const std::string directory_;  // of the run, where it is collected here
  asio::steady_timer record_timer_;
  std::function<void()> on_record_closed_;
  bool shut_down_ = false;
  const fabric::FabricCheck* fabric_check_ = nullptr;  // while it runs
  std::optional<FabricReport> fabric_;                 // once it is over

  // Destroyed from the last to the first. The first two are null with
  // --collector none; then come those of a collector elsewhere, and here.
  std::unique_ptr<RunRecord> record_;
  std::unique_ptr<RecordSender> sender_;
  std::unique_ptr<RemoteConsole> console_;
  std::unique_ptr<collector::CollectorService> collector_;
  std::unique_ptr<history::HistoryService> history_;
  std::unique_ptr<rendezvous::Coordinator> coordinator_;
  std::unique_ptr<rendezvous::RejectionWatch> rejections_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_HOST_H_
