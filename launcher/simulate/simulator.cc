#include "launcher/simulate/simulator.h"

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "launcher/command_line.h"
#include "launcher/endpoint.h"
#include "launcher/exit_codes.h"
#include "launcher/process/reaping.h"
#include "launcher/run_id.h"
#include "launcher/simulate/loopback.h"
#include "launcher/simulate/node_directory.h"

namespace muster::simulate {
namespace {

bool IsForPeople(absl::string_view line) {
  return !absl::StartsWith(line, "muster ") ||
         absl::StrContains(line, ": warning: ") ||
         absl::StrContains(line, ": error: ");
}

std::string AbsolutePath(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

// The first component of a relative path: what a node has for itself.
std::string FirstComponent(const std::string& path) {
  const std::filesystem::path normal =
      std::filesystem::path(path).lexically_normal();
  return normal.is_absolute() ? "" : normal.begin()->string();
}

}  // namespace

Simulator::Simulator(JobSpec spec, std::string program, std::string token,
                     process::KeeperHandle keeper, env::Variables inherited)
    : spec_(std::move(spec)),
      program_(std::move(program)),
      token_(std::move(token)),
      inherited_(std::move(inherited)),
      current_directory_(std::filesystem::current_path().string()),
      signals_(loop_, SIGINT, SIGTERM, SIGHUP),
      out_(STDOUT_FILENO),
      err_(STDERR_FILENO),
      keeper_pid_(keeper.pid) {
  for (const int signo : {SIGQUIT, SIGUSR1, SIGUSR2}) signals_.add(signo);
  keeper_ = std::make_unique<process::KeeperClient>(
      loop_, std::move(keeper),
      process::KeeperCallbacks{
          .on_spawned = [this](uint32_t k, pid_t, int out,
                               int err) { Spawned(k, out, err); },
          .on_spawn_failed =
              [this](uint32_t k, const process::SpawnFailure& failure) {
                err_.Write(absl::StrCat("muster sim: error: node", k, ": ",
                                        failure.Message(), "\n"));
                Exited(k, launcher::kInternal);
              },
          .on_exited =
              [this](uint32_t k, pid_t, process::ExitStatus status) {
                if (nodes_[k].out) nodes_[k].out->DrainNow();
                if (nodes_[k].err) nodes_[k].err->DrainNow();
                Exited(k,
                       status.signaled() ? launcher::kNodeLost : status.code());
              },
          .on_finished =
              [this](const std::vector<process::Killed>&) { Gone(); },
          .on_lost =
              [this](const absl::Status& why) {
                Complain(why);
                exit_code_ = launcher::kInternal;
                Gone();
              }});
}

Simulator::~Simulator() = default;

int Simulator::Run() {
  CompleteSpec();
  if (const absl::Status status = MakePlaces(); !status.ok()) {
    Complain(status);
    return launcher::kInternal;
  }
  const uint32_t nodes = spec_.agreement().max_nodes();
  err_.Write(absl::StrCat(
      "muster sim: ", nodes, nodes == 1 ? " node" : " nodes", " from ",
      LoopbackAddress(base_address_, 0), " on, in ", nodes_directory_, "\n"));
  AwaitSignal();
  nodes_.resize(nodes);
  left_ = nodes;
  for (uint32_t k = 0; k < nodes; ++k) StartNode(k);
  loop_.run();
  keeper_.reset();
  process::AwaitKeeper(keeper_pid_, absl::Seconds(10));
  return exit_code_;
}

void Simulator::Complain(const absl::Status& status) {
  err_.Write(absl::StrCat("muster sim: error: ", status.message(), "\n"));
}

// What is relative to this directory must be so in the nodes' ones.
void Simulator::CompleteSpec() {
  if (spec_.run_id().empty()) {
    const std::string& job = spec_.agreement().job_id();
    spec_.set_run_id(launcher::MakeRunId(job.empty() ? "sim" : job));
  }
  for (std::string* path :
       {spec_.mutable_run_dir(), spec_.mutable_report_file(),
        spec_.mutable_tls_cert_file(), spec_.mutable_tls_key_file(),
        spec_.mutable_tls_ca_file(), spec_.mutable_shared_dir(),
        spec_.mutable_spool_dir()}) {
    if (!path->empty()) *path = AbsolutePath(*path);
  }
  spec_.clear_token_file();  // the token itself is passed on
}

// Finds addresses for the nodes and makes their directories.
absl::Status Simulator::MakePlaces() {
  const uint32_t nodes = spec_.agreement().max_nodes();
  const absl::StatusOr<uint32_t> base =
      FindLoopbackBase(nodes, launcher::kDefaultPort);
  if (!base.ok()) return base.status();
  base_address_ = *base;
  nodes_directory_ =
      absl::StrCat(spec_.run_dir(), "/", spec_.run_id(), ".nodes");
  const std::set<std::string> own = {
      FirstComponent(spec_.log_dir()), FirstComponent(spec_.output_dir()),
      FirstComponent(std::filesystem::path(spec_.run_dir())
                         .lexically_proximate(current_directory_))};
  for (uint32_t k = 0; k < nodes; ++k) {
    const absl::Status status = MakeNodeDirectory(
        absl::StrCat(nodes_directory_, "/node", k), current_directory_, own);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void Simulator::StartNode(uint32_t k) {
  JobSpec spec = spec_;
  const std::string address = LoopbackAddress(base_address_, k);
  spec.set_host_name(absl::StrCat("node", k));
  spec.set_node_rank(k);
  spec.set_scheduler("none");  // it started the simulator, not a node
  spec.set_advertise(address);
  spec.set_endpoint_host(LoopbackAddress(base_address_, 0));
  spec.set_endpoint_port(launcher::kDefaultPort);
  if (k > 0) spec.clear_report_file();

  process::SpawnRequest request;
  request.id = k;
  request.argv = {program_, "run"};
  for (std::string& argument : launcher::ToArguments(spec)) {
    request.argv.push_back(std::move(argument));
  }
  request.argv.push_back("--");
  for (const std::string& argument : spec.agreement().command()) {
    request.argv.push_back(argument);
  }
  for (const auto& [name, value] : inherited_) {
    // Faults of pretended GPUs are for the nodes.
    const bool of_muster = absl::StartsWith(name, "MUSTER_") &&
                           !absl::StartsWith(name, "MUSTER_FAULT");
    if (name == "PWD" || of_muster) continue;
    request.env.emplace_back(name, value);
  }
  if (!token_.empty()) request.env.emplace_back("MUSTER_TOKEN", token_);
  request.working_directory = absl::StrCat(nodes_directory_, "/node", k);
  request.env.emplace_back("PWD", request.working_directory);
  keeper_->Spawn(std::move(request));
}

void Simulator::Spawned(uint32_t k, int stdout_fd, int stderr_fd) {
  const auto read = [this, k](bool is_stderr, int fd) {
    return std::make_unique<streams::PipeReader>(
        loop_, buffer_, fd,
        streams::PipeReader::Callbacks{
            .on_bytes =
                [this, k, is_stderr](absl::string_view bytes) {
                  Relay(k, is_stderr, bytes);
                },
            .on_end = [] {}});
  };
  nodes_[k].out = read(false, stdout_fd);
  nodes_[k].err = read(true, stderr_fd);
}

// Whole lines only, so that nodes don't mix.
void Simulator::Relay(uint32_t k, bool is_stderr, absl::string_view bytes) {
  std::string& kept = is_stderr ? nodes_[k].err_line : nodes_[k].out_line;
  kept.append(bytes.data(), bytes.size());
  const size_t end = kept.rfind('\n');
  if (end == std::string::npos) return;
  const std::string lines = kept.substr(0, end + 1);
  kept.erase(0, end + 1);
  if (!is_stderr || k == 0) {
    (is_stderr ? err_ : out_).Write(lines);
    return;
  }
  size_t begin = 0;
  for (size_t at = lines.find('\n'); at != std::string::npos;
       begin = at + 1, at = lines.find('\n', begin)) {
    const std::string line = lines.substr(begin, at + 1 - begin);
    if (IsForPeople(line)) err_.Write(line);
  }
}

void Simulator::Exited(uint32_t k, int code) {
  if (k == 0) exit_code_ = code;
  if (--left_ == 0) keeper_->Finish();
}

void Simulator::Gone() {
  for (Node& node : nodes_) {
    if (node.out) node.out->Abandon();
    if (node.err) node.err->Abandon();
  }
  loop_.stop();
}

void Simulator::AwaitSignal() {
  signals_.async_wait([this](asio::error_code error, int signo) {
    if (error) return;
    keeper_->SignalAll(signo);
    AwaitSignal();
  });
}

}  // namespace muster::simulate
