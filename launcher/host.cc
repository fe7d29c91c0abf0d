#include "launcher/host.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "asio/post.hpp"
#include "launcher/collector/node_key.h"
#include "launcher/endpoint.h"
#include "launcher/fabric/fabric_table.h"
#include "launcher/history/remote_source.h"
#include "launcher/log.h"
#include "launcher/run_id.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

using std::chrono::milliseconds;

// The collector has them; they are on their way back.
constexpr milliseconds kLastLines{5'000};
// How long the job's end waits for those who read its logs from elsewhere.
constexpr absl::Duration kFarewellToReaders = absl::Seconds(2);

std::string RunIdOf(const JobSpec& spec) {
  if (!spec.run_id().empty()) return spec.run_id();
  const std::string& job = spec.agreement().job_id();
  return MakeRunId(job.empty() ? "run" : job);
}

std::string KeyOf(const std::string& run_key, const Assignment& assignment,
                  uint32_t workers) {
  return collector::NodeKey(run_key, {.node_rank = assignment.node_rank(),
                                      .attempt = assignment.attempt(),
                                      .first_rank = assignment.first_rank(),
                                      .workers = workers,
                                      .world_size = assignment.world_size()});
}

}  // namespace

Host::Host(asio::io_context& loop, const JobSpec& spec)
    : loop_(loop),
      spec_(spec),
      run_id_(RunIdOf(spec)),
      run_key_(collector::MakeRunKey()),
      directory_(absl::StrCat(spec.run_dir(), "/", run_id_)),
      record_timer_(loop) {}

absl::StatusOr<std::unique_ptr<Host>> Host::Start(
    asio::io_context& loop, const JobSpec& spec,
    const AgentCredentials& credentials,
    const rendezvous::HostingAnswer& hosting, std::function<void()> on_idle) {
  std::unique_ptr<Host> host(new Host(loop, spec));
  host->MakeCoordinator(std::move(on_idle));
  if (host->collects_here()) {
    if (absl::Status made = host->MakeCollector(); !made.ok()) return made;
  }
  if (absl::Status status = host->Serve(credentials.session, hosting);
      !status.ok()) {
    if (host->collector_) {
      // Who finds the port taken leaves no run behind.
      host->collector_.reset();
      std::error_code ignored;
      std::filesystem::remove_all(host->directory_, ignored);
    }
    return status;
  }
  if (spec.collect()) host->MakeRecord(credentials.collector);
  return host;
}

void Host::MakeCoordinator(std::function<void()> on_idle) {
  coordinator_ = std::make_unique<rendezvous::Coordinator>(
      loop_,
      rendezvous::CoordinatorOptions{
          .roster = {.run_id = run_id_,
                     .agreement = spec_.agreement(),
                     .our_host = spec_.host_name(),
                     .join_timeout = milliseconds(spec_.join_timeout_ms()),
                     .collector_key =
                         [key = run_key_](const Assignment& assignment,
                                          uint32_t workers) {
                           return KeyOf(key, assignment, workers);
                         }},
          .node_timeout = milliseconds(spec_.node_timeout_ms()),
          .make_self_test = SelfTestMaker(),
          .only_test = spec_.agreement().fabric().only()},
      rendezvous::CoordinatorCallbacks{
          .on_sealed =
              [this](const std::vector<rendezvous::Member>& members) {
                if (record_) record_->Sealed(members);
              },
          .on_tested = [this] { Tested(); },
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

rendezvous::MakeSelfTest Host::SelfTestMaker() {
  if (spec_.agreement().fabric().kind() == FABRIC_OFF) return nullptr;
  return [this](const std::vector<rendezvous::Member>& members,
                double join_seconds) {
    auto check = std::make_unique<fabric::FabricCheck>(
        fabric::FabricCheck::Options{.run_id = run_id_,
                                     .settings = spec_.agreement().fabric(),
                                     .min_nodes = spec_.agreement().min_nodes(),
                                     .join_seconds = join_seconds},
        members);
    fabric_check_ = check.get();
    return check;
  };
}

void Host::Tested() {
  FabricReport report = std::exchange(fabric_check_, nullptr)->fabric();
  if (report.kind() == FABRIC_OFF && !report.only()) return;
  fabric_ = std::move(report);
  if (record_) record_->Fabric(*fabric_);
  if (fabric_->only()) return;
  const auto level = fabric_->verdict() == FABRIC_VERDICT_PASS
                         ? spdlog::level::info
                         : spdlog::level::warn;
  for (const std::string& line : fabric::FabricLines(*fabric_)) {
    spdlog::log(level, "{}", line);
  }
}

const FabricReport* Host::fabric() const {
  return fabric_ ? &*fabric_ : nullptr;
}

absl::Status Host::MakeCollector() {
  const auto unusable = [this](const absl::Status& why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--run-dir ", spec_.run_dir(), " can't be used: ", why.message()));
  };
  auto store = collector::RunStore::Open({.directory = spec_.run_dir()});
  if (!store.ok()) return unusable(store.status());
  if (auto run = (*store)->OpenOrCreate(run_id_, run_key_); !run.ok()) {
    return unusable(run.status());
  }
  // They come from the collector's thread.
  const auto warn = [this](const std::string& text) {
    asio::post(loop_, [text] { spdlog::warn("{}", text); });
  };
  collector_ = std::make_unique<collector::CollectorService>(
      *std::move(store),
      collector::CollectorOptions{
          .console_run = run_id_,
          .console = spec_.console(),
          .on_problem =
              [warn](const std::string&, const absl::Status& why) {
                warn(absl::StrCat("collector: ", why.message()));
              },
          .on_fatal =
              [warn](const absl::Status& why) {
                warn(absl::StrCat("collector: ", why.message(),
                                  "; nothing more of this run is kept"));
              },
          // It ends with the job, which has no other one.
          .is_restarted = false});
  history_ = std::make_unique<history::HistoryService>(
      history::HistoryOptions{.run_dir = spec_.run_dir(), .only_run = run_id_});
  return absl::OkStatus();
}

absl::Status Host::Serve(const rendezvous::Credentials& credentials,
                         const rendezvous::HostingAnswer& hosting) {
  std::vector<grpc::Service*> services = {coordinator_.get()};
  if (collector_) {
    services.push_back(collector_.get());
    services.push_back(history_.get());
  }
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
                                      static_cast<int>(spec_.endpoint_port()),
                                      credentials, services);
  if (!listening.ok()) return listening.status();
  server_ = std::move(listening->server);
  return absl::OkStatus();
}

void Host::MakeRecord(const rendezvous::Credentials& to_collector) {
  sender_ = std::make_unique<RecordSender>(
      collects_here() ? Channel() : DialCollector(to_collector), run_id_,
      run_key_);
  record_ = std::make_unique<RunRecord>(*sender_, spec_, run_id_);
  if (collects_here() || spec_.console() == CONSOLE_NONE) return;
  console_ = std::make_unique<RemoteConsole>(
      history::MakeRemoteRuns(
          DialCollector(to_collector),
          {.where = CollectorEndpoint(spec_),
           .on_notice =
               [](const std::string& line) { spdlog::info("{}", line); }}),
      run_id_, spec_.console());
}

std::shared_ptr<grpc::Channel> Host::DialCollector(
    const rendezvous::Credentials& to_collector) const {
  return rendezvous::Dial(spec_.collector_host(),
                          static_cast<int>(spec_.collector_port()),
                          to_collector, rendezvous::ChannelUse::kBulk);
}

Host::~Host() { Shutdown(); }

void Host::CloseRecord(std::function<void()> on_closed) {
  on_record_closed_ = std::move(on_closed);
  if (!sender_) {
    asio::post(loop_, [this] { RecordClosed(); });
    return;
  }
  record_timer_.expires_after(milliseconds(spec_.collect_timeout_ms()));
  record_timer_.async_wait([this](asio::error_code error) {
    if (!error) RecordClosed();
  });
  sender_->Finish([this] { asio::post(loop_, [this] { RecordClosed(); }); });
}

void Host::HurryRecord(milliseconds patience) {
  const auto soon = std::chrono::steady_clock::now() + patience;
  if (!on_record_closed_ || record_timer_.expiry() <= soon) return;
  record_timer_.expires_at(soon);
  record_timer_.async_wait([this](asio::error_code error) {
    if (!error) RecordClosed();
  });
}

void Host::RecordClosed() {
  record_timer_.cancel();
  if (on_record_closed_) std::exchange(on_record_closed_, nullptr)();
}

void Host::Shutdown() {
  if (std::exchange(shut_down_, true)) return;
  rejections_.reset();
  milliseconds last_lines =
      std::min(kLastLines, milliseconds(spec_.collect_timeout_ms()));
  if (sender_) {
    const std::string problem = sender_->Close(milliseconds(0));
    if (!problem.empty()) {
      spdlog::warn("the record of this run is incomplete: {}", problem);
      last_lines = milliseconds(0);
    }
  }
  if (console_) console_->Finish(last_lines);
  // Who follows the run from elsewhere hears of its end.
  if (history_) history_->Drain(kFarewellToReaders);
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  if (collector_) collector_->Shutdown();
  if (history_) history_->Shutdown();
}

std::shared_ptr<grpc::Channel> Host::Channel() const {
  return server_->InProcessChannel(
      rendezvous::ChannelSettings(rendezvous::ChannelUse::kSession));
}

ReportPaths Host::Paths(const Report& report) const {
  if (!spec_.collect()) return {};
  if (!collects_here()) return PathsElsewhere(report);
  ReportPaths paths;
  // A job that never started has neither logs nor outputs.
  const auto existing = [this](const char* name) {
    const std::string path = absl::StrCat(directory_, "/", name);
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

// Commands that show what a path would.
ReportPaths Host::PathsElsewhere(const Report& report) const {
  const std::string from = CollectorEndpoint(spec_);
  const auto command = [&](const std::string& words) {
    return absl::StrCat("muster ", words, " --from ", from);
  };
  ReportPaths paths;
  paths.report = command(absl::StrCat("show ", run_id_));
  if (report.world_size() == 0) return paths;
  paths.logs = command(absl::StrCat("logs ", run_id_));
  paths.outputs = command(absl::StrCat("files ", run_id_));
  if (report.first_cause().has_rank()) {
    paths.first_cause_stderr = command(absl::StrCat(
        "logs ", run_id_, " --stderr --rank ", report.first_cause().rank()));
  }
  return paths;
}

}  // namespace muster::launcher
