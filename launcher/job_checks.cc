#include "launcher/job_checks.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "launcher/endpoint.h"
#include "launcher/text.h"
#include "rendezvous/task_layout.h"

namespace muster::launcher {
namespace {

// Job: all checks of one job.
// Life cycle: made, Check() once, thrown away. Threads: one. Ownership: the
// spec and the facts must outlive it.
class Checker {
 public:
  Checker(const JobSpec& spec, const JobFacts& facts)
      : spec_(spec), facts_(facts) {}

  std::vector<std::string> Check() {
    if (facts_.command == Command::kRun || facts_.command == Command::kCheck) {
      CheckEndpoint();
      CheckNodeRank();
      CheckToken();
    }
    if (facts_.command == Command::kEnv) CheckNodeRank();
    if (facts_.command != Command::kEnv) CheckCollector();
    CheckTimes();
    CheckSecurity();
    if (Read({"framework", "nnodes", "nproc-per-node", "worker-count",
              "parameter-server-count", "chief", "evaluator", "base-port"})) {
      CheckTasks();
      CheckMpi();
    }
    return std::move(mistakes_);
  }

 private:
  bool Read(std::initializer_list<absl::string_view> flags) const {
    return std::none_of(flags.begin(), flags.end(),
                        [this](absl::string_view flag) {
                          return facts_.unread.count(flag) > 0;
                        });
  }

  int TlsFiles() const {
    return !spec_.tls_cert_file().empty() + !spec_.tls_key_file().empty() +
           !spec_.tls_ca_file().empty();
  }

  void CheckEndpoint() {
    const uint32_t nodes = spec_.agreement().max_nodes();
    if (!spec_.host_dns().empty()) {
      CheckHostDns();
    } else if (Read({"rdzv-endpoint", "host-file", "host-dns"}) && nodes > 1 &&
               spec_.endpoint_host().empty()) {
      mistakes_.push_back(absl::StrCat(
          "more than one node needs --rdzv-endpoint HOST[:PORT], the same on "
          "every node: the name or address of one of them",
          facts_.rendezvous_advice.empty()
              ? ""
              : absl::StrCat(" (", facts_.rendezvous_advice, ")")));
    }
  }

  void CheckHostDns() {
    if (!spec_.endpoint_host().empty() || !spec_.host_file().empty()) {
      mistakes_.push_back(
          "--host-dns excludes --rdzv-endpoint and --host-file: give one of "
          "them");
    }
    if (Read({"nnodes"}) &&
        spec_.agreement().min_nodes() != spec_.agreement().max_nodes()) {
      mistakes_.push_back(
          "--host-dns waits for all addresses, so it needs --nnodes N and not "
          "MIN:MAX");
    }
  }

  void CheckNodeRank() {
    const uint32_t nodes = spec_.agreement().max_nodes();
    if (Read({"nnodes"}) && spec_.has_node_rank() &&
        spec_.node_rank() >= nodes) {
      mistakes_.push_back(absl::StrCat("--node-rank ", spec_.node_rank(),
                                       ": must be less than the ",
                                       Count(nodes, "node"), " of --nnodes"));
    }
  }

  // Nothing that was read or may have been meant keeps strangers out.
  bool IsOpenToAll() const {
    return Read({"token-file", "tls-cert", "tls-key", "tls-ca", "insecure"}) &&
           !facts_.has_token && spec_.token_file().empty() && TlsFiles() == 0 &&
           !spec_.insecure();
  }

  // Not for a simulated job, which makes its own token.
  void CheckToken() {
    if (spec_.agreement().max_nodes() > 1 && IsOpenToAll()) {
      mistakes_.push_back(
          "more than one node needs a job token: set MUSTER_TOKEN to the "
          "output of `muster token` on every node, or --token-file; "
          "--insecure goes without");
    }
  }

  // Who collects for many jobs can't know the token that a job made itself.
  void CheckCollector() {
    const std::string& host = spec_.collector_host();
    if (!host.empty() && !IsLoopback(host) && IsOpenToAll()) {
      mistakes_.push_back(absl::StrCat(
          "--collector ", host,
          ": a collector on another host needs a token: set MUSTER_TOKEN to "
          "that of `muster collect`, or --token-file; --insecure goes "
          "without"));
    }
  }

  void CheckTimes() {
    const auto written = [](int64_t milliseconds) {
      return absl::FormatDuration(absl::Milliseconds(milliseconds));
    };
    if (Read({"heartbeat", "node-timeout"}) &&
        spec_.heartbeat_ms() >= spec_.node_timeout_ms()) {
      mistakes_.push_back(absl::StrCat(
          "--heartbeat ", written(spec_.heartbeat_ms()),
          ": must be shorter than --node-timeout ",
          written(spec_.node_timeout_ms()), ", or every node would seem lost"));
    }
  }

  void CheckSecurity() {
    const int tls_files = TlsFiles();
    const bool token_file = !spec_.token_file().empty();
    if (Read({"tls-cert", "tls-key", "tls-ca"}) && tls_files > 0 &&
        tls_files < 3) {
      mistakes_.push_back(
          "--tls-cert, --tls-key and --tls-ca go together: give all three or "
          "none");
    }
    if (tls_files > 0 && token_file) {
      mistakes_.push_back(
          "--token-file and --tls-* exclude each other: give one or the other");
    }
    if (spec_.insecure() && (tls_files > 0 || token_file)) {
      mistakes_.push_back(
          "--insecure goes without --token-file and --tls-*: leave one out");
    }
  }

  void CheckMpi() {
    if (spec_.agreement().framework() != FRAMEWORK_MPI &&
        spec_.agreement().mpi_arguments_size() > 0) {
      mistakes_.push_back("--mpi-arg: only for --framework mpi");
    }
  }

  void CheckTasks() {
    const TaskSettings& tasks = spec_.agreement().tasks();
    if (spec_.agreement().framework() != FRAMEWORK_TENSORFLOW) {
      const auto only = [this](bool given, const char* flag) {
        if (!given) return;
        mistakes_.push_back(
            absl::StrCat(flag, ": only for --framework tensorflow"));
      };
      only(tasks.workers() > 0, "--worker-count");
      only(tasks.parameter_servers() > 0, "--parameter-server-count");
      only(tasks.chief(), "--chief");
      only(tasks.evaluator(), "--evaluator");
      only(tasks.base_port() > 0, "--base-port");
      return;
    }
    if (facts_.command == Command::kSim && tasks.base_port() > 0 &&
        spec_.agreement().max_nodes() > 1) {
      mistakes_.push_back(
          "--base-port: simulated nodes share the ports of this machine, and "
          "TensorFlow takes one on all addresses; leave it out");
    }
    if (spec_.agreement().min_nodes() != spec_.agreement().max_nodes()) {
      if (tasks.workers() > 0 || tasks.parameter_servers() > 0) {
        mistakes_.push_back(absl::StrCat(
            "--nnodes ", spec_.agreement().min_nodes(), ":",
            spec_.agreement().max_nodes(),
            ": --worker-count and --parameter-server-count need a fixed number "
            "of nodes"));
      }
    } else {
      CheckTaskLayout(tasks);
    }
  }

  // As far as it is known before the nodes have counted their GPUs.
  void CheckTaskLayout(const TaskSettings& tasks) {
    const uint32_t nodes = spec_.agreement().max_nodes();
    const bool counted = spec_.workers_per_node() == WORKERS_PER_NODE_COUNT;
    const uint32_t per_node = counted ? spec_.worker_count() : 1;
    if (counted && tasks.workers() > uint64_t{nodes} * per_node) {
      mistakes_.push_back(
          absl::StrCat("--worker-count ", tasks.workers(),
                       ": more than --nproc-per-node ", per_node, " allows on ",
                       Count(nodes, "node"), "; leave one of the two out"));
      return;
    }
    const absl::StatusOr<rendezvous::TaskLayout> layout =
        rendezvous::LayOutTasks(tasks, std::vector<uint32_t>(nodes, per_node));
    if (!layout.ok()) {
      mistakes_.push_back(absl::StrCat("--worker-count ", tasks.workers(), ": ",
                                       layout.status().message()));
      return;
    }
    size_t most = 0;
    for (const auto& node : *layout) most = std::max(most, node.size());
    if (tasks.base_port() > 0 && tasks.base_port() + most > 65536) {
      mistakes_.push_back(absl::StrCat("--base-port ", tasks.base_port(),
                                       ": leaves no port below 65536 for ",
                                       most, " tasks of a node"));
    }
  }

  const JobSpec& spec_;
  const JobFacts& facts_;
  std::vector<std::string> mistakes_;
};

}  // namespace

std::vector<std::string> CheckJob(const JobSpec& spec, const JobFacts& facts) {
  return Checker(spec, facts).Check();
}

}  // namespace muster::launcher
