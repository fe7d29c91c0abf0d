#include "launcher/flag_values.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "env/schedulers/discover.h"
#include "launcher/endpoint.h"

namespace muster::launcher {
namespace {

constexpr uint32_t kMaxNodes = 65536;
constexpr uint32_t kMaxWorkersPerNode = 1024;
constexpr uint32_t kMaxGpus = 1024;
constexpr uint32_t kMaxTasks = 65536;

constexpr Choice<Framework> kFrameworks[] = {
    {"pytorch", FRAMEWORK_PYTORCH},
    {"tensorflow", FRAMEWORK_TENSORFLOW},
    {"mpi", FRAMEWORK_MPI},
    {"plain", FRAMEWORK_PLAIN}};
constexpr Choice<WorkersPerNode> kWorkersPerNode[] = {
    {"auto", WORKERS_PER_NODE_AUTO},
    {"gpu", WORKERS_PER_NODE_GPU},
    {"cpu", WORKERS_PER_NODE_CPU}};
constexpr Choice<GpuBinding> kGpuBindings[] = {{"none", GPU_BINDING_NONE},
                                               {"one", GPU_BINDING_ONE}};
constexpr Choice<Console> kConsoles[] = {
    {"all", CONSOLE_ALL}, {"first", CONSOLE_FIRST}, {"none", CONSOLE_NONE}};

// The id of a job and of a run; the latter names a directory.
absl::Status CheckId(const std::string& id) {
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  };
  if (id.empty() || id.size() > 64 || id == "." || id == ".." ||
      !std::all_of(id.begin(), id.end(), allowed)) {
    return Must(
        "1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-', and not "
        "'.' or '..'");
  }
  return absl::OkStatus();
}

absl::Status CheckSharedDirectory(const std::string& path) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot use ", path, ": ", std::strerror(errno),
                     "; must be a directory that all nodes share"));
  }
  if (!S_ISDIR(found.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " is no directory; must be a directory that all nodes share"));
  }
  if (access(path.c_str(), W_OK | X_OK) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot write to ", path, ": ", std::strerror(errno),
                     "; must be a writable directory that all nodes share"));
  }
  return absl::OkStatus();
}

// ---- readers that are too long for the table below ----

absl::Status ReadNodes(const std::string& value, JobSpec* spec) {
  const size_t colon = value.find(':');
  const std::string low = value.substr(0, colon);
  const std::string high =
      colon == std::string::npos ? low : value.substr(colon + 1);
  uint32_t min = 0;
  uint32_t max = 0;
  if (!ParseCount(low, &min) || !ParseCount(high, &max) || min < 1 ||
      min > max || max > kMaxNodes) {
    return Must("N or MIN:MAX, with 1 <= MIN <= MAX <= 65536");
  }
  spec->mutable_agreement()->set_min_nodes(min);
  spec->mutable_agreement()->set_max_nodes(max);
  return absl::OkStatus();
}

absl::Status ReadWorkersPerNode(const std::string& value, JobSpec* spec) {
  WorkersPerNode workers = FromWord(kWorkersPerNode, value);
  uint32_t count = 0;
  if (workers == WORKERS_PER_NODE_UNSPECIFIED) {
    if (!ParseCount(value, &count) || count < 1 || count > kMaxWorkersPerNode) {
      return Must("a number from 1 to 1024, or gpu, cpu or auto");
    }
    workers = WORKERS_PER_NODE_COUNT;
  }
  spec->set_workers_per_node(workers);
  spec->set_worker_count(count);
  return absl::OkStatus();
}

absl::Status ReadInitMethod(const std::string& value, JobSpec* spec) {
  absl::string_view path = value;
  if (value != "tcp") {
    if (!absl::ConsumePrefix(&path, "file://") ||
        !absl::StartsWith(path, "/")) {
      return Must("tcp or file:///ABSOLUTE/DIR (three slashes)");
    }
    // The rest of the URL would be lost on the way, and with it the file's
    // own name.
    if (path.find_first_of("?#") != absl::string_view::npos) {
      return Must("without '?' and '#', where PyTorch ends a path");
    }
    const absl::Status usable = CheckSharedDirectory(std::string(path));
    if (!usable.ok()) return usable;
  }
  spec->mutable_agreement()->set_init_method(value);
  return absl::OkStatus();
}

absl::Status ReadScheduler(const std::string& value, JobSpec* spec) {
  const std::vector<std::string> names = env::SchedulerNames();
  if (value != "auto" && value != "none" &&
      std::find(names.begin(), names.end(), value) == names.end()) {
    return Must(
        absl::StrCat("auto, none or one of ", absl::StrJoin(names, ", ")));
  }
  spec->set_scheduler(value);
  return absl::OkStatus();
}

absl::Status ReadSwitch(const std::string& value, bool* on) {
  *on = value == "true" || value == "1" || value == "yes";
  return *on || value == "false" || value == "0" || value == "no"
             ? absl::OkStatus()
             : Must("true or false");
}

absl::Status ReadInsecure(const std::string& value, JobSpec* spec) {
  bool on = false;
  const absl::Status status = ReadSwitch(value, &on);
  if (status.ok()) spec->set_insecure(on);
  return status;
}

// A number of TaskSettings; 0 is written as if it was not given.
template <void (TaskSettings::*set_field)(uint32_t),
          uint32_t (TaskSettings::*field)() const, uint32_t min, uint32_t max>
constexpr Codec TaskNumberCodec() {
  return {[](const std::string& value, JobSpec* spec) {
            uint32_t count = 0;
            if (!ParseCount(value, &count) || count < min || count > max) {
              return Must(absl::StrCat("a number from ", min, " to ", max));
            }
            (spec->mutable_agreement()->mutable_tasks()->*set_field)(count);
            return absl::OkStatus();
          },
          [](const JobSpec& spec) -> Values {
            const uint32_t count = (spec.agreement().tasks().*field)();
            return count == 0 ? Values{} : Values{absl::StrCat(count)};
          }};
}

// A switch of TaskSettings.
template <void (TaskSettings::*set_field)(bool),
          bool (TaskSettings::*field)() const>
constexpr Codec TaskSwitchCodec() {
  return {[](const std::string& value, JobSpec* spec) {
            bool on = false;
            const absl::Status status = ReadSwitch(value, &on);
            if (status.ok()) {
              (spec->mutable_agreement()->mutable_tasks()->*set_field)(on);
            }
            return status;
          },
          [](const JobSpec& spec) -> Values {
            return (spec.agreement().tasks().*field)() ? Values{"true"}
                                                       : Values{};
          }};
}

}  // namespace

const Codec kFrameworkCodec = {
    [](const std::string& value, JobSpec* spec) {
      const Framework framework = FromWord(kFrameworks, value);
      if (framework == FRAMEWORK_UNSPECIFIED) {
        return Must("pytorch, tensorflow, mpi or plain");
      }
      spec->mutable_agreement()->set_framework(framework);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) {
      return ToWord(kFrameworks, spec.agreement().framework());
    }};

const Codec kMpiArgumentsCodec = {
    [](const std::string& value, JobSpec* spec) {
      for (const absl::string_view word :
           absl::StrSplit(value, ' ', absl::SkipWhitespace())) {
        spec->mutable_agreement()->add_mpi_arguments(std::string(word));
      }
      return absl::OkStatus();
    },
    [](const JobSpec& spec) {
      return Values(spec.agreement().mpi_arguments().begin(),
                    spec.agreement().mpi_arguments().end());
    }};

const Codec kNodesCodec = {
    ReadNodes, [](const JobSpec& spec) {
      return Values{absl::StrCat(spec.agreement().min_nodes(), ":",
                                 spec.agreement().max_nodes())};
    }};

const Codec kJobIdCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::Status status = CheckId(value);
      if (status.ok()) spec->mutable_agreement()->set_job_id(value);
      return status;
    },
    [](const JobSpec& spec) { return Given(spec.agreement().job_id()); }};

const Codec kBackendCodec = {
    [](const std::string& value, JobSpec* spec) {
      if (value != "nccl" && value != "gloo") return Must("nccl or gloo");
      spec->mutable_agreement()->set_backend(value);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return Given(spec.agreement().backend()); }};

const Codec kInitMethodCodec = {ReadInitMethod, [](const JobSpec& spec) {
                                  return Given(spec.agreement().init_method());
                                }};

const Codec kWorkersPerNodeCodec = {
    ReadWorkersPerNode, [](const JobSpec& spec) {
      return spec.workers_per_node() == WORKERS_PER_NODE_COUNT
                 ? Values{absl::StrCat(spec.worker_count())}
                 : ToWord(kWorkersPerNode, spec.workers_per_node());
    }};

const Codec kGpuBindingCodec = {
    [](const std::string& value, JobSpec* spec) {
      const GpuBinding binding = FromWord(kGpuBindings, value);
      if (binding == GPU_BINDING_UNSPECIFIED) return Must("none or one");
      spec->set_gpu_binding(binding);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) {
      return ToWord(kGpuBindings, spec.gpu_binding());
    }};

const Codec kEndpointCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::StatusOr<Endpoint> endpoint =
          ParseEndpoint(value, kDefaultPort);
      if (endpoint.ok()) {
        spec->set_endpoint_host(endpoint->host);
        spec->set_endpoint_port(endpoint->port);
      }
      return endpoint.status();
    },
    [](const JobSpec& spec) -> Values {
      if (spec.endpoint_host().empty()) return {};
      return {FormatEndpoint({spec.endpoint_host(), spec.endpoint_port()})};
    }};

const Codec kHostFileCodec =
    TextCodec<&JobSpec::mutable_host_file, &JobSpec::host_file>();

const Codec kHostDnsCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::StatusOr<Endpoint> endpoint =
          ParseEndpoint(value, kDefaultPort);
      if (!endpoint.ok()) return endpoint.status();
      if (IsNumericAddress(endpoint->host)) {
        return Must("a name that resolves to the addresses of all nodes");
      }
      spec->set_host_dns(endpoint->host);
      spec->set_endpoint_port(endpoint->port);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) -> Values {
      if (spec.host_dns().empty()) return {};
      return {FormatEndpoint({spec.host_dns(), spec.endpoint_port()})};
    }};

const Codec kSchedulerCodec = {
    ReadScheduler, [](const JobSpec& spec) { return Given(spec.scheduler()); }};

const Codec kEnvLevelCodec = {
    [](const std::string& value, JobSpec* spec) {
      if (value != "node" && value != "process") {
        return Must("node or process");
      }
      spec->set_env_level(value);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return Given(spec.env_level()); }};

const Codec kNodeRankCodec = {
    [](const std::string& value, JobSpec* spec) {
      uint32_t rank = 0;
      if (!ParseCount(value, &rank) || rank >= kMaxNodes) {
        return Must("a number from 0, less than the job's nodes");
      }
      spec->set_node_rank(rank);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) -> Values {
      if (!spec.has_node_rank()) return {};
      return {absl::StrCat(spec.node_rank())};
    }};

const Codec kAdvertiseCodec = {
    [](const std::string& value, JobSpec* spec) {
      if (!IsNumericAddress(value) || value == "0.0.0.0" || value == "::") {
        return Must("a numeric address that the other nodes can reach");
      }
      spec->set_advertise(value);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return Given(spec.advertise()); }};

const Codec kHostNameCodec = {
    [](const std::string& value, JobSpec* spec) {
      if (value.size() > 253 ||
          !std::all_of(value.begin(), value.end(), absl::ascii_isgraph)) {
        return Must("1 to 253 printable ASCII characters without spaces");
      }
      spec->set_host_name(value);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return Given(spec.host_name()); }};

const Codec kJoinTimeoutCodec =
    DurationCodec<&JobSpec::set_join_timeout_ms, &JobSpec::join_timeout_ms,
                  Zero::kRefused>();
const Codec kHeartbeatCodec =
    DurationCodec<&JobSpec::set_heartbeat_ms, &JobSpec::heartbeat_ms,
                  Zero::kRefused>();
const Codec kNodeTimeoutCodec =
    DurationCodec<&JobSpec::set_node_timeout_ms, &JobSpec::node_timeout_ms,
                  Zero::kRefused>();
const Codec kStopGraceCodec =
    DurationCodec<&JobSpec::set_stop_grace_ms, &JobSpec::stop_grace_ms,
                  Zero::kAllowed>();

const Codec kSharedDirCodec =
    TextCodec<&JobSpec::mutable_shared_dir, &JobSpec::shared_dir>();
const Codec kLogDirCodec =
    TextCodec<&JobSpec::mutable_log_dir, &JobSpec::log_dir>();
const Codec kOutputDirCodec =
    TextCodec<&JobSpec::mutable_output_dir, &JobSpec::output_dir>();
const Codec kRunDirCodec =
    TextCodec<&JobSpec::mutable_run_dir, &JobSpec::run_dir>();
const Codec kReportFileCodec =
    TextCodec<&JobSpec::mutable_report_file, &JobSpec::report_file>();
const Codec kTokenFileCodec =
    TextCodec<&JobSpec::mutable_token_file, &JobSpec::token_file>();
const Codec kTlsCertCodec =
    TextCodec<&JobSpec::mutable_tls_cert_file, &JobSpec::tls_cert_file>();
const Codec kTlsKeyCodec =
    TextCodec<&JobSpec::mutable_tls_key_file, &JobSpec::tls_key_file>();
const Codec kTlsCaCodec =
    TextCodec<&JobSpec::mutable_tls_ca_file, &JobSpec::tls_ca_file>();

const Codec kCollectorCodec = {
    [](const std::string& value, JobSpec* spec) {
      if (value != "none") {
        return NotInThisVersion(
            "use none, or leave it out for the coordinator's node");
      }
      spec->set_collect(false);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) {
      return spec.collect() ? Values{} : Values{"none"};
    }};

const Codec kConsoleCodec = {
    [](const std::string& value, JobSpec* spec) {
      const Console console = FromWord(kConsoles, value);
      if (console == CONSOLE_UNSPECIFIED) return Must("all, first or none");
      spec->set_console(console);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return ToWord(kConsoles, spec.console()); }};

const Codec kRunIdCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::Status status = CheckId(value);
      if (status.ok()) spec->set_run_id(value);
      return status;
    },
    [](const JobSpec& spec) { return Given(spec.run_id()); }};

const Codec kInsecureCodec = {
    ReadInsecure, [](const JobSpec& spec) {
      return Values{spec.insecure() ? "true" : "false"};
    }};

const Codec kPretendGpusCodec = {
    [](const std::string& value, JobSpec* spec) {
      uint32_t count = 0;
      if (!ParseCount(value, &count) || count > kMaxGpus) {
        return Must("a number from 0 to 1024");
      }
      spec->set_pretend_gpus(count);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) -> Values {
      if (spec.pretend_gpus() == 0) return {};
      return {absl::StrCat(spec.pretend_gpus())};
    }};

const Codec kMaxRestartsCodec = {
    [](const std::string& value, JobSpec*) {
      uint32_t restarts = 0;
      if (!ParseCount(value, &restarts)) return Must("a number from 0");
      return restarts == 0 ? absl::OkStatus()
                           : NotInThisVersion("a failed job ends; use 0");
    },
    [](const JobSpec&) { return Values{}; }};

const Codec kFabricCheckCodec = {[](const std::string& value, JobSpec*) {
                                   if (value == "nccl" || value == "gloo") {
                                     return NotInThisVersion("use auto or off");
                                   }
                                   return value == "auto" || value == "off"
                                              ? absl::OkStatus()
                                              : Must("auto or off");
                                 },
                                 [](const JobSpec&) { return Values{}; }};

const Codec kWorkerCountCodec =
    TaskNumberCodec<&TaskSettings::set_workers, &TaskSettings::workers, 1,
                    kMaxTasks>();
const Codec kParameterServerCountCodec =
    TaskNumberCodec<&TaskSettings::set_parameter_servers,
                    &TaskSettings::parameter_servers, 0, kMaxTasks>();
const Codec kChiefCodec =
    TaskSwitchCodec<&TaskSettings::set_chief, &TaskSettings::chief>();
const Codec kEvaluatorCodec =
    TaskSwitchCodec<&TaskSettings::set_evaluator, &TaskSettings::evaluator>();
const Codec kBasePortCodec =
    TaskNumberCodec<&TaskSettings::set_base_port, &TaskSettings::base_port, 1,
                    65535>();

}  // namespace muster::launcher
