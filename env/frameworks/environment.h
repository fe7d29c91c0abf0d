// The whole environment of one worker.
//
// From weak to strong:
//   1. the environment in which the agent was started, without what is not
//      for workers;
//   2. what the job's contracts say (their defaults yield to 1): ranks and
//      addresses; except for plain Azure's names; the framework's own; and
//      MUSTER_RUN_ID;
//   3. --shared-dir, --input and --output;
//   4. --env: the user's word is the last.
//
// Not for workers are: every MUSTER_* variable, since they configure muster
// and one of them is the job's secret; and the facts of an outer launcher that
// started the agent (RANK, TORCHELASTIC_RUN_ID, AZ_BATCH_HOST_LIST, ...), which
// would be wrong here even when the worker's own framework does not set them.
// All else that a platform gives its processes is passed on, among it what
// muster never makes up: AZUREML_RUN_ID, AZUREML_RUN_TOKEN and the like. With
// --framework mpi, Open MPI's own names are left alone: mpirun sets them.
#ifndef MUSTER_ENV_FRAMEWORKS_ENVIRONMENT_H_
#define MUSTER_ENV_FRAMEWORKS_ENVIRONMENT_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/frameworks/placement.h"
#include "env/frameworks/variables.h"
#include "proto/job.pb.h"

namespace muster::env {

// The variables of an environment block as main() and environ have it, ended
// by nullptr. Of a name that occurs twice the first counts, as for getenv; an
// entry without a name or without "=" is dropped.
Variables ParseEnvironment(const char* const* block);

// "NAME=VALUE" for each variable, sorted by name, as execve wants them.
std::vector<std::string> EnvironmentBlock(const Variables& variables);

// Whether --env may set these.
//
// Errors:
//   INVALID_ARGUMENT  a name is empty, holds "=" or NUL, or begins with
//                     MUSTER_; a value holds NUL.
absl::Status CheckUserVariables(const Variables& user);

// Where a worker's variables come from besides its framework.
struct EnvironmentSources {
  Variables inherited;  // the agent's own environment
  Variables user;       // --env
};

// A variable, and where it comes from, for people: "--env", "--input",
// "muster", "ranks", "azure", "torchrun", "jax", ..., "default" or "inherited".
struct Explained {
  std::string value;
  std::string source;
  // What muster itself would have set, if not for a stronger source. False
  // only for what is inherited and means nothing to muster.
  bool known = true;
};
using ExplainedVariables = std::map<std::string, Explained>;

// WorkerEnvironment(), with the source of each variable. Errors: the same.
absl::StatusOr<ExplainedVariables> ExplainEnvironment(
    Framework framework, const Placement& placement,
    const EnvironmentSources& sources);

// The environment of the worker at `placement`.
//
// Errors:
//   INVALID_ARGUMENT     those of CheckUserVariables(); no known framework.
//   FAILED_PRECONDITION  each worker shall have its own GPU and the node has
//                        fewer GPUs than workers.
absl::StatusOr<Variables> WorkerEnvironment(Framework framework,
                                            const Placement& placement,
                                            const EnvironmentSources& sources);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_ENVIRONMENT_H_
