// The agent's part in a job that mpirun starts.
#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "env/frameworks/open_mpi.h"
#include "env/hardware/interfaces.h"
#include "env/hardware/network.h"
#include "env/hardware/processors.h"
#include "launcher/agent.h"
#include "launcher/exit_codes.h"
#include "launcher/log.h"
#include "launcher/text.h"
#include "launcher/worker_plan.h"

namespace muster::launcher {
namespace {

using std::chrono::milliseconds;

// After the coordinator's release; what does not end by itself is ended then.
constexpr std::chrono::seconds kServicesEnd{5};

// `mpirun --version` needs milliseconds; a file system that hangs, for ever.
constexpr std::chrono::seconds kProbePatience{20};

// Where Open MPI's shared memory belongs to one node of the job, and how one
// rank copies from another: the kernel lets no unrelated process do it
// directly, as ranks are in a container without the right to trace.
constexpr char kVaderDirectory[] = "OMPI_MCA_btl_vader_backing_directory";
constexpr char kVaderCopy[] = "OMPI_MCA_btl_vader_single_copy_mechanism";

// A rank that waits spins, which starves the others where ranks are more than
// processors. mpirun looks only at its own node's slots.
constexpr char kYield[] = "OMPI_MCA_mpi_yield_when_idle";

// "10.0.0.0/24" when all nodes are in the network of this one; else "".
std::string CommonNetwork(const std::string& own_address,
                          const Assignment& assignment) {
  const absl::StatusOr<env::Network> network = env::NetworkOf(own_address);
  if (!network.ok()) return "";
  for (const Peer& peer : assignment.peers()) {
    if (!network->Contains(peer.address())) return "";
  }
  return network->ToString();
}

// The ranks of all nodes that are on this very host: more than one only in a
// simulated job, or where a host has several agents.
uint32_t RanksOnThisHost(const Assignment& assignment) {
  uint32_t ranks = 0;
  for (const Peer& peer : assignment.peers()) {
    if (env::IsLocalAddress(peer.address())) ranks += peer.workers();
  }
  return ranks;
}

}  // namespace

env::Variables Agent::ServiceVariables() const {
  env::Variables variables = inherited_;
  std::erase_if(variables, [](const auto& entry) {
    return absl::StartsWith(entry.first, "MUSTER_");
  });
  // What an outer mpirun has set describes another job.
  env::EraseMpiProcess(&variables);
  for (const auto& [name, value] : UserVariables(spec_)) {
    variables[name] = value;
  }
  return variables;
}

mpi::ServiceKeeper Agent::ServiceKeeper() {
  return {.spawn =
              [this](process::SpawnRequest request,
                     process::ProcessCallbacks callbacks) {
                workers_->StartService(std::move(request),
                                       std::move(callbacks));
              },
          .signal = [this](uint32_t id,
                           int signo) { workers_->SignalService(id, signo); }};
}

void Agent::LookForMpi(std::function<void()> next) {
  node_->mpi.emplace();
  mpi_probe_ = std::make_unique<mpi::Probe>(
      loop_, ServiceKeeper(), ServiceVariables(),
      [this,
       next = std::move(next)](const absl::StatusOr<mpi::Version>& found) {
        const auto done = std::move(mpi_probe_);
        if (found.ok()) {
          mpi_version_ = *found;
          node_->mpi->set_version(found->text);
        } else {
          node_->problem = std::string(found.status().message());
          node_->problem_exit_code =
              absl::IsNotFound(found.status()) ? kNotFound : kConfig;
        }
        next();
      });
  mpi_probe_->Start(std::min<milliseconds>(
      kProbePatience, milliseconds(spec_.join_timeout_ms())));
}

void Agent::StartMpi() {
  absl::StatusOr<std::vector<env::Placement>> places =
      PlaceWorkers(spec_, *node_, assignment_, interface_,
                   job_temp_ ? job_temp_->path() : "");
  if (!places.ok()) {
    FailNode(std::string(places.status().message()));
    WorkersGone({});
    return;
  }
  places_ = *std::move(places);
  oversubscribed_ = RanksOnThisHost(assignment_) >
                    static_cast<uint32_t>(env::UsableProcessors());
  mpi::NodeServiceOptions options;
  options.run_id = assignment_.run_id();
  options.node_rank = assignment_.node_rank();
  options.peers.assign(assignment_.peers().begin(), assignment_.peers().end());
  options.first_rank = assignment_.first_rank();
  options.workers = node_->workers;
  options.version = mpi_version_;
  options.network = CommonNetwork(OwnAddress(), assignment_);
  options.mpirun_arguments.assign(spec_.agreement().mpi_arguments().begin(),
                                  spec_.agreement().mpi_arguments().end());
  options.environment = ServiceVariables();
  options.program = std::filesystem::read_symlink("/proc/self/exe").string();
  options.working_directory = std::filesystem::current_path().string();
  absl::StatusOr<std::unique_ptr<mpi::NodeService>> service =
      mpi::NodeService::Start(
          loop_, ServiceKeeper(), std::move(options),
          {.send_frame =
               [this](RemoteFrame frame) {
                 AgentMessage message;
                 *message.mutable_remote() = std::move(frame);
                 SendToCoordinator(std::move(message));
               },
           .on_service_ended =
               [this](const ServiceEnded& event) {
                 AgentMessage message;
                 *message.mutable_service_ended() = event;
                 SendToCoordinator(std::move(message));
               },
           .on_rank_start = [this](const RankStart& s) { StartRank(s); },
           .on_line =
               [this](const std::string& line) {
                 // Of an end that muster has decided, mpirun knows nothing new.
                 spdlog::log(
                     stopping_ ? spdlog::level::debug : spdlog::level::info,
                     "mpirun: {}", Printable(line));
               },
           .on_idle = [this] { ServicesGone(); }});
  if (!service.ok()) {
    FailNode(std::string(service.status().message()));
    WorkersGone({});
    return;
  }
  mpi_ = *std::move(service);
  workers_->RemoveAtEnd(mpi_->directory());
  workers_->Expect(assignment_.first_rank(), node_->workers);
}

void Agent::StartRank(const RankStart& start) {
  env::Variables variables;
  for (const Variable& variable : start.environment()) {
    variables[variable.name()] = variable.value();
  }
  // That of the services is theirs alone.
  variables.erase("TMPDIR");
  const auto directory = inherited_.find("TMPDIR");
  if (directory != inherited_.end()) variables.insert(*directory);
  variables.emplace(kVaderDirectory, mpi_->directory());
  variables.emplace(kVaderCopy, "none");
  if (oversubscribed_) variables.emplace(kYield, "1");

  const uint32_t local_rank = start.rank() - assignment_.first_rank();
  absl::StatusOr<WorkerPlan> plan =
      PlanWorker(spec_, places_.at(local_rank), variables);
  if (!plan.ok()) {
    FailNode(std::string(plan.status().message()));
    return;
  }
  plan->processors = start.processors();
  std::vector<int> held_ports;
  if (local_rank == 0) {
    const int master_port = TakeMasterPort();
    if (master_port >= 0) held_ports.push_back(master_port);
  }
  workers_->StartWorker(*std::move(plan), std::move(held_ports));
}

void Agent::RankEnded(uint32_t rank, const muster::RankEnded& status) {
  if (mpi_) mpi_->RankEnded(rank, status);
}

void Agent::Release(bool failed) {
  if (!mpi_) return;
  services_end_.expires_after(kServicesEnd);
  services_end_.async_wait([this](asio::error_code error) {
    if (!error) workers_->Finish();
  });
  mpi_->Release(failed);
}

void Agent::ServicesGone() {
  services_end_.cancel();
  if (workers_->ended()) workers_->Finish();
}

}  // namespace muster::launcher
