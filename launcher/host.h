// What the node that hosts the coordinator runs beside its own agent.
#ifndef MUSTER_LAUNCHER_HOST_H_
#define MUSTER_LAUNCHER_HOST_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "grpcpp/channel.h"
#include "grpcpp/server.h"
#include "launcher/collector/deliver_service.h"
#include "launcher/report_text.h"
#include "launcher/run_record.h"
#include "rendezvous/coordinator.h"
#include "rendezvous/credentials.h"
#include "rendezvous/hosting.h"
#include "rendezvous/rejections.h"

namespace muster::launcher {

// Job: the coordinator, the collector and the run directory, behind one
// server. One node opens no port: its agent speaks to it inside the process,
// as the hosting node's agent does in every job.
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
      const rendezvous::Credentials& credentials,
      const rendezvous::HostingAnswer& hosting, std::function<void()> on_idle);
  ~Host();

  // Ends the server; all that was written is in its files then.
  void Shutdown();

  // A channel to this very process.
  std::shared_ptr<grpc::Channel> Channel() const;
  rendezvous::Coordinator& coordinator() { return *coordinator_; }
  // Where things of this run are, for the block at the end.
  ReportPaths Paths(const Report& report) const;

 private:
  Host() = default;
  void MakeCoordinator(asio::io_context& loop, const JobSpec& spec,
                       const std::string& run_id,
                       std::function<void()> on_idle);
  absl::Status Serve(const JobSpec& spec,
                     const rendezvous::Credentials& credentials,
                     const rendezvous::HostingAnswer& hosting);

  // Destroyed from the last to the first.
  // The first four are null with --collector none.
  std::shared_ptr<collector::RunDirectory> directory_;
  std::unique_ptr<RecordSink> sink_;
  std::unique_ptr<RunRecord> record_;
  std::unique_ptr<collector::DeliverService> collector_;
  std::unique_ptr<rendezvous::Coordinator> coordinator_;
  std::unique_ptr<rendezvous::RejectionWatch> rejections_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_HOST_H_
