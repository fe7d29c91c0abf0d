// The values of the flags that say what the workers are.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "launcher/flag_codec.h"
#include "launcher/flag_values.h"

namespace muster::launcher {
namespace {

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

const Codec kMaxRestartsCodec = {
    [](const std::string& value, JobSpec*) {
      uint32_t restarts = 0;
      if (!ParseCount(value, &restarts)) return Must("a number from 0");
      return restarts == 0 ? absl::OkStatus()
                           : NotInThisVersion("a failed job ends; use 0");
    },
    [](const JobSpec&) { return Values{}; }};

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

}  // namespace muster::launcher
