#include "launcher/host.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "launcher/local_record.h"
#include "launcher/run_id.h"
#include "rendezvous/transport.h"

namespace muster::launcher {

absl::StatusOr<std::unique_ptr<Host>> Host::Start(
    asio::io_context& loop, const JobSpec& spec,
    const rendezvous::Credentials& credentials,
    const rendezvous::HostingAnswer& hosting, std::function<void()> on_idle) {
  std::unique_ptr<Host> host(new Host);
  const std::string& job = spec.agreement().job_id();
  const std::string run_id = !spec.run_id().empty() ? spec.run_id()
                             : job.empty()          ? MakeRunId("run")
                                                    : MakeRunId(job);
  host->MakeCoordinator(loop, spec, run_id, std::move(on_idle));

  if (spec.collect()) {
    auto created = collector::RunDirectory::Create(spec.run_dir(), run_id);
    if (!created.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--run-dir ", spec.run_dir(),
                       " can't be used: ", created.status().message()));
    }
    host->directory_ = *std::move(created);
    host->collector_ = std::make_unique<collector::DeliverService>(
        host->directory_,
        collector::DeliverOptions{.console = spec.console()});
  }
  if (absl::Status status = host->Serve(spec, credentials, hosting);
      !status.ok()) {
    // Who finds the port taken leaves no run behind.
    std::error_code ignored;
    if (host->directory_) {
      std::filesystem::remove_all(host->directory_->path(), ignored);
    }
    return status;
  }
  if (host->directory_) {
    host->sink_ = std::make_unique<LocalRecord>(
        [directory = host->directory_](const RecordUpdate& update) {
          return directory->Record(update);
        });
    host->record_ = std::make_unique<RunRecord>(*host->sink_, spec, run_id);
  }
  return host;
}

void Host::MakeCoordinator(asio::io_context& loop, const JobSpec& spec,
                           const std::string& run_id,
                           std::function<void()> on_idle) {
  using std::chrono::milliseconds;
  coordinator_ = std::make_unique<rendezvous::Coordinator>(
      loop,
      rendezvous::CoordinatorOptions{
          .roster = {.run_id = run_id,
                     .agreement = spec.agreement(),
                     .our_host = spec.host_name(),
                     .join_timeout = milliseconds(spec.join_timeout_ms())},
          .node_timeout = milliseconds(spec.node_timeout_ms())},
      rendezvous::CoordinatorCallbacks{
          .on_sealed =
              [this](const std::vector<rendezvous::Member>& members) {
                if (record_) record_->Sealed(members);
              },
          .on_event =
              [this](const std::string& name, const std::string& text) {
                if (record_) record_->Event(name, text);
              },
          .on_verdict =
              [this](Report* report) {
                if (record_) record_->Verdict(*report);
              },
          .on_idle = std::move(on_idle)});
}

absl::Status Host::Serve(const JobSpec& spec,
                         const rendezvous::Credentials& credentials,
                         const rendezvous::HostingAnswer& hosting) {
  std::vector<grpc::Service*> services = {coordinator_.get()};
  if (collector_) services.push_back(collector_.get());
  if (hosting.hosting == rendezvous::Hosting::kInProcess) {
    grpc::ServerBuilder builder;
    rendezvous::Configure(builder);
    for (grpc::Service* service : services) builder.RegisterService(service);
    server_ = builder.BuildAndStart();
    if (!server_) return absl::InternalError("gRPC did not start a server");
    return absl::OkStatus();
  }
  rejections_ = std::make_unique<rendezvous::RejectionWatch>(
      [this](const std::string& reason) { coordinator_->Rejected(reason); });
  auto listening = rendezvous::Listen(hosting.bind_address,
                                      static_cast<int>(spec.endpoint_port()),
                                      credentials, services);
  if (!listening.ok()) return listening.status();
  server_ = std::move(listening->server);
  return absl::OkStatus();
}

Host::~Host() { Shutdown(); }

void Host::Shutdown() {
  rejections_.reset();
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  if (collector_) collector_->Shutdown();
}

std::shared_ptr<grpc::Channel> Host::Channel() const {
  return server_->InProcessChannel(
      rendezvous::ChannelSettings(rendezvous::ChannelUse::kSession));
}

ReportPaths Host::Paths(const Report& report) const {
  ReportPaths paths;
  if (!record_) return paths;
  // A job that never started has neither logs nor outputs.
  const auto existing = [this](const char* name) {
    const std::string path = absl::StrCat(directory_->path(), "/", name);
    return std::filesystem::exists(path) ? path : std::string();
  };
  paths.logs = existing("logs");
  paths.outputs = existing("nodes");
  paths.report = existing("report.json");
  if (report.first_cause().has_rank()) {
    const size_t width =
        absl::StrCat(std::max(report.world_size(), 1u) - 1).size();
    paths.first_cause_stderr =
        absl::StrFormat("%s/%0*d.stderr", paths.logs, static_cast<int>(width),
                        report.first_cause().rank());
  }
  return paths;
}

}  // namespace muster::launcher
