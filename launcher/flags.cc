#include "launcher/flags.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "launcher/flag_values.h"

namespace muster::launcher {
namespace {

const Flag kFlags[] = {
    {.name = "framework",
     .value = "pytorch|tensorflow|mpi|plain",
     .fallback = "pytorch",
     .help = "What the workers are told: pytorch gives the variables of "
             "torchrun and of Azure ML; tensorflow gives TF_CONFIG; mpi has "
             "one mpirun start them, for MPI and Horovod; plain gives only "
             "ranks and addresses.",
     .codec = &kFrameworkCodec},
    {.name = "nnodes",
     .value = "N|MIN:MAX",
     .fallback = "1",
     .help = "Nodes of the job; with MIN:MAX, any number between will do. If "
             "not given, what the scheduler says comes before the default.",
     .for_check = true,
     .codec = &kNodesCodec},
    {.name = "nproc-per-node",
     .value = "N|gpu|cpu|auto",
     .fallback = "auto",
     .help = "Workers on each node, 1 to 1024; gpu: one per GPU; cpu: one per "
             "processor; auto: one per GPU, 1 on a node without GPUs.",
     .codec = &kWorkersPerNodeCodec},
    {.name = "worker-count",
     .value = "N",
     .default_text = "as many as --nproc-per-node makes of the nodes",
     .help = "tensorflow: workers of the job, in blocks over the nodes.",
     .codec = &kWorkerCountCodec},
    {.name = "parameter-server-count",
     .value = "N",
     .default_text = "0",
     .help = "tensorflow: parameter servers of the job, one beside the workers "
             "on each of the first nodes. They see no GPU and are stopped when "
             "the workers have ended.",
     .codec = &kParameterServerCountCodec},
    {.name = "chief",
     .default_text = "off",
     .help = "tensorflow: worker 0 becomes the chief. With parameter servers, "
             "the job is over when the chief has ended.",
     .codec = &kChiefCodec},
    {.name = "evaluator",
     .default_text = "off",
     .help = "tensorflow: one more task, the evaluator, on the last node. The "
             "job waits for its end.",
     .codec = &kEvaluatorCodec},
    {.name = "base-port",
     .value = "P",
     .default_text = "any free ports",
     .help = "tensorflow: the port of the first task on each node; the others "
             "count up from it.",
     .codec = &kBasePortCodec},
    {.name = "gpus-per-node",
     .value = "N",
     .default_text = "0",
     .help = "GPUs that each simulated node pretends to have, or that muster "
             "env takes each node to have.",
     .scope = Scope::kSimOnly,
     .codec = &kPretendGpusCodec},
    {.name = "backend",
     .value = "nccl|gloo",
     .default_text = "nccl with GPUs, else gloo",
     .help = "PyTorch's communication backend.",
     .codec = &kBackendCodec},
    {.name = "init-method",
     .value = "tcp|file:///DIR",
     .fallback = "tcp",
     .help = "How the workers of PyTorch find each other: over TCP, or by a "
             "file in a directory that all nodes share.",
     .codec = &kInitMethodCodec},
    {.name = "mpi-arg",
     .value = "ARG",
     .default_text = "none",
     .help = "With --framework mpi: words for mpirun's own command line, as in "
             "--mpi-arg '--mca pml ob1'; can be given many times. In "
             "MUSTER_MPI_ARG, one per line.",
     .repeatable = true,
     .takes_flags = true,
     .codec = &kMpiArgumentsCodec},
    {.name = "max-restarts",
     .value = "N",
     .fallback = "0",
     .help = "New attempts after a failure. This version takes only 0.",
     .codec = &kMaxRestartsCodec},

    {.name = "rdzv-endpoint",
     .value = "HOST[:PORT]",
     .default_text = "port 29400; none with one node",
     .help = "Where the nodes meet, the same on every node: the name or "
             "address of one of them. IPv6 is ADDR or [ADDR]:PORT.",
     .group = Group::kMeeting,
     .scope = Scope::kRunOnly,
     .codec = &kEndpointCodec},
    {.name = "host-file",
     .value = "FILE",
     .default_text = "none",
     .help = "All hosts of the job, one in each line, the same file on every "
             "node: gives the number of nodes, this node's index by its name "
             "or address, and the first host to meet at.",
     .group = Group::kMeeting,
     .scope = Scope::kRunOnly,
     .codec = &kHostFileCodec},
    {.name = "host-dns",
     .value = "NAME[:PORT]",
     .default_text = "none",
     .help = "A name that stands for all nodes, such as a headless Service: "
             "they meet at the smallest of its addresses, once it has as many "
             "as --nnodes.",
     .group = Group::kMeeting,
     .scope = Scope::kRunOnly,
     .codec = &kHostDnsCodec},
    {.name = "scheduler",
     .value = "auto|none|NAME",
     .fallback = "auto",
     .help = "Whose variables give what no flag gives: auto finds out, none "
             "leaves them all alone, and a name, such as slurm or kubernetes, "
             "asks that one only.",
     .group = Group::kMeeting,
     .scope = Scope::kRunOnly,
     .codec = &kSchedulerCodec},
    {.name = "env-level",
     .value = "node|process",
     .default_text = "neither; they are then not guessed",
     .help = "What RANK and WORLD_SIZE in this environment count: nodes, to "
             "use them (PyTorchJob), or processes, to leave them alone.",
     .group = Group::kMeeting,
     .scope = Scope::kRunOnly,
     .codec = &kEnvLevelCodec},
    {.name = "rdzv-id",
     .value = "ID",
     .default_text = "none",
     .help = "Name of the job, at most 64 of A-Z a-z 0-9 . _ -; agents with "
             "another one are refused.",
     .group = Group::kMeeting,
     .codec = &kJobIdCodec},
    {.name = "node-rank",
     .value = "K",
     .default_text = "by host name",
     .help = "This node's index, from 0.",
     .group = Group::kMeeting,
     .scope = Scope::kRunOnly,
     .codec = &kNodeRankCodec},
    {.name = "advertise",
     .value = "ADDR",
     .default_text = "the one that reaches the endpoint",
     .help = "Numeric address at which the other nodes reach this one.",
     .group = Group::kMeeting,
     .scope = Scope::kRunOnly,
     .codec = &kAdvertiseCodec},
    {.name = "host-name",
     .value = "NAME",
     .default_text = "the system's",
     .help = "Name shown for this node.",
     .group = Group::kMeeting,
     .scope = Scope::kRunOnly,
     .codec = &kHostNameCodec},
    {.name = "rdzv-timeout",
     .value = "D",
     .fallback = "10m",
     .help = "All nodes must have joined within this time.",
     .group = Group::kMeeting,
     .codec = &kJoinTimeoutCodec},
    {.name = "heartbeat",
     .value = "D",
     .fallback = "1s",
     .help = "Each node says this often that it is alive.",
     .group = Group::kMeeting,
     .codec = &kHeartbeatCodec},
    {.name = "node-timeout",
     .value = "D",
     .fallback = "5s",
     .help = "A node that is silent for this long is lost, and the job fails.",
     .group = Group::kMeeting,
     .codec = &kNodeTimeoutCodec},
    {.name = "fabric-check",
     .value = "auto|nccl|gloo|off",
     .fallback = "auto",
     .help = "Prove that the nodes reduce together, with right data and in "
             "good time, before the workers start: auto takes NCCL with GPUs "
             "and Gloo on several nodes without.",
     .group = Group::kSelfTest,
     .codec = &kFabricCheckCodec},
    {.name = "nccl-library",
     .value = "FILE",
     .default_text = "what the command's Python loads, else the system's",
     .help =
         "The libnccl.so.2 to test with on this node. Without it the files "
         "tell: what the PyTorch of the command's Python is linked with, or "
         "the nvidia-nccl wheel beside it; the Python of PATH stands for a "
         "command that is a shell's, and with muster check. The self-test "
         "says which was loaded, and whose it is.",
     .group = Group::kSelfTest,
     .codec = &kNcclLibraryCodec},
    {.name = "strict",
     .default_text = "off",
     .help = "What is only slow or odd fails the test, too.",
     .group = Group::kSelfTest,
     .codec = &kStrictCodec},
    {.name = "limit-local",
     .value = "GBPS",
     .default_text = "computed from the GPUs' links",
     .help = "Below so many GB/s of busbw the GPUs of a node are slow.",
     .group = Group::kSelfTest,
     .codec = &kLimitLocalCodec},
    {.name = "limit-network",
     .value = "GBPS",
     .default_text = "computed from the NICs, and the other pairs' median",
     .help = "Below so many GB/s of busbw a pair of nodes is slow; with GPUs, "
             "each rail of it.",
     .group = Group::kSelfTest,
     .codec = &kLimitNetworkCodec},
    {.name = "size",
     .value = "SIZE",
     .default_text = "256MiB and more with NCCL, 4MiB with Gloo",
     .help = "The message that is reduced.",
     .group = Group::kSelfTest,
     .codec = &kFabricSizeCodec},
    {.name = "rounds",
     .value = "N",
     .default_text = "2",
     .help = "Rounds of pairs when nothing fails, each with other partners.",
     .group = Group::kSelfTest,
     .codec = &kFabricRoundsCodec},
    {.name = "exhaustive",
     .default_text = "off",
     .help = "Every pair of nodes is tried.",
     .group = Group::kSelfTest,
     .codec = &kExhaustiveCodec},
    {.name = "fabric-timeout",
     .value = "D",
     .default_text = "10s to 60s with NCCL, 2s to 5s with Gloo",
     .help = "How long finding each other, and then each measurement, may "
             "take.",
     .group = Group::kSelfTest,
     .codec = &kFabricTimeoutCodec},

    {.name = "env",
     .value = "NAME=VALUE",
     .default_text = "none",
     .help = "A variable for the workers; can be given many times. In "
             "MUSTER_ENV, one per line.",
     .group = Group::kWorkers,
     .repeatable = true,
     .codec = &kWorkerEnvCodec},
    {.name = "input",
     .value = "NAME=DIR",
     .default_text = "none",
     .help = "A directory to read from, given to the workers as "
             "AZ_BATCHAI_INPUT_NAME; must be there on every node. Can be given "
             "many times; in MUSTER_INPUT, one per line.",
     .group = Group::kWorkers,
     .repeatable = true,
     .codec = &kInputCodec},
    {.name = "output",
     .value = "NAME=DIR",
     .default_text = "none",
     .help = "A directory to write to, given to the workers as "
             "AZ_BATCHAI_OUTPUT_NAME; made where it is missing. Can be given "
             "many times; in MUSTER_OUTPUT, one per line.",
     .group = Group::kWorkers,
     .repeatable = true,
     .codec = &kOutputCodec},
    {.name = "shared-dir",
     .value = "DIR",
     .default_text = "none",
     .help = "A directory that all nodes share, given to the workers as "
             "AZ_BATCHAI_SHARED_JOB_TEMP.",
     .group = Group::kWorkers,
     .codec = &kSharedDirCodec},
    {.name = "gpu-binding",
     .value = "none|one",
     .default_text = "none; tensorflow: one",
     .help = "GPUs that a worker sees: none binds nothing, so all of the "
             "node's; one: its own only. Workers of tensorflow share the "
             "node's GPUs out evenly.",
     .group = Group::kWorkers,
     .codec = &kGpuBindingCodec},
    {.name = "stop-grace",
     .value = "D",
     .fallback = "30s",
     .help = "Time from SIGTERM to SIGKILL when workers are stopped; 0s kills "
             "at once.",
     .group = Group::kWorkers,
     .codec = &kStopGraceCodec},

    {.name = "log-dir",
     .value = "DIR",
     .fallback = "./logs",
     .help = "The workers' log files; they are followed as they grow.",
     .group = Group::kOutput,
     .codec = &kLogDirCodec},
    {.name = "output-dir",
     .value = "DIR",
     .fallback = "./outputs",
     .help = "The workers' results; each file is collected when it is closed, "
             "and all once more at the end.",
     .group = Group::kOutput,
     .codec = &kOutputDirCodec},
    {.name = "collector",
     .value = "HOST[:PORT]|none",
     .default_text = "the coordinator's node",
     .help = "Where output goes: a `muster collect` that outlives the job "
             "(port 29401 if not said); none leaves it on each node.",
     .group = Group::kOutput,
     .for_check = true,
     .codec = &kCollectorCodec},
    {.name = "collect-timeout",
     .value = "D",
     .fallback = "5m",
     .help = "When the workers have ended and the collector has taken nothing "
             "for so long, what was not sent is listed and left on the node, "
             "and the job ends with 75.",
     .group = Group::kOutput,
     .for_check = true,
     .codec = &kCollectTimeoutCodec},
    {.name = "spool-dir",
     .value = "DIR",
     .default_text = "/var/tmp/muster-spool-<user id>",
     .help = "Where each node keeps output until the collector has it. What a "
             "dead agent left there is sent by the next one.",
     .group = Group::kOutput,
     .codec = &kSpoolDirCodec},
    {.name = "spool-size",
     .value = "SIZE",
     .fallback = "1GiB",
     .help = "Output of one job that a node keeps at most.",
     .group = Group::kOutput,
     .codec = &kSpoolSizeCodec},
    {.name = "spool-full",
     .value = "drop|block",
     .fallback = "drop",
     .help = "When so much is kept: drop what is oldest and record the gap, or "
             "block the workers that write.",
     .group = Group::kOutput,
     .codec = &kSpoolFullCodec},
    {.name = "run-dir",
     .value = "DIR",
     .fallback = "./muster-runs",
     .help = "Where the collector keeps its runs, each in DIR/<run id>.",
     .group = Group::kOutput,
     .for_check = true,
     .codec = &kRunDirCodec},
    {.name = "console",
     .value = "all|first|none",
     .fallback = "all",
     .help = "Ranks whose output is shown on the first node: all, rank 0 "
             "only, or none.",
     .group = Group::kOutput,
     .codec = &kConsoleCodec},
    {.name = "report",
     .value = "FILE",
     .default_text = "in the run directory only",
     .help = "The verdict as JSON, on this node.",
     .group = Group::kOutput,
     .for_check = true,
     .codec = &kReportFileCodec},

    {.name = "token-file",
     .value = "FILE",
     .default_text = "MUSTER_TOKEN",
     .help = "File with the job token, the same on every node. Who has no "
             "token cannot join.",
     .group = Group::kSecurity,
     .codec = &kTokenFileCodec},
    {.name = "tls-cert",
     .value = "FILE",
     .default_text = "made from the token",
     .help = "Certificate of this node, as PEM; with --tls-key and --tls-ca.",
     .group = Group::kSecurity,
     .codec = &kTlsCertCodec},
    {.name = "tls-key",
     .value = "FILE",
     .default_text = "made from the token",
     .help = "Private key of this node, as PEM.",
     .group = Group::kSecurity,
     .codec = &kTlsKeyCodec},
    {.name = "tls-ca",
     .value = "FILE",
     .default_text = "made from the token",
     .help = "Authority that signed every node's certificate, as PEM.",
     .group = Group::kSecurity,
     .codec = &kTlsCaCodec},
    {.name = "insecure",
     .default_text = "off",
     .help = "No token and no encryption: whoever reaches the endpoint can "
             "join.",
     .group = Group::kSecurity,
     .codec = &kInsecureCodec},

    {.name = "run-id",
     .value = "ID",
     .group = Group::kHidden,
     .for_check = true,
     .codec = &kRunIdCodec},
    {.name = "collector-insecure",
     .group = Group::kHidden,
     .scope = Scope::kRunOnly,
     .for_check = true,
     .codec = &kCollectorInsecureCodec},
    {.name = "pretend-gpus",
     .value = "N",
     .group = Group::kHidden,
     .scope = Scope::kRunOnly,
     .for_check = true,
     .codec = &kPretendGpusCodec},
};

// What every agent needs, whatever it does then.
bool IsOfMeeting(Group group) {
  return group == Group::kMeeting || group == Group::kSelfTest ||
         group == Group::kSecurity;
}

// Levenshtein's distance: letters to add, drop or replace.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replace, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

absl::string_view CommandName(Command command) {
  switch (command) {
    case Command::kRun:
      return "run";
    case Command::kSim:
      return "sim";
    case Command::kEnv:
      return "env";
    case Command::kCheck:
      return "check";
  }
  return "";
}

bool Flag::BelongsTo(Command command) const {
  switch (command) {
    case Command::kEnv:
      return true;
    case Command::kCheck:
      return scope != Scope::kSimOnly && (IsOfMeeting(group) || for_check);
    case Command::kRun:
      return scope != Scope::kSimOnly;
    case Command::kSim:
      return scope != Scope::kRunOnly;
  }
  return false;
}

absl::Span<const Flag> Flags() { return kFlags; }

const Flag* FindFlag(absl::string_view name) {
  const Flag* found =
      std::find_if(std::begin(kFlags), std::end(kFlags),
                   [name](const Flag& flag) { return flag.name == name; });
  return found == std::end(kFlags) ? nullptr : found;
}

std::string VariableName(const Flag& flag) {
  if (flag.group == Group::kHidden) return "";
  return absl::StrCat("MUSTER_", absl::AsciiStrToUpper(absl::StrReplaceAll(
                                     flag.name, {{"-", "_"}})));
}

std::string Nearest(absl::string_view name,
                    const std::vector<std::string>& candidates) {
  std::string nearest;
  // Farther than a third of the letters is another word, not a misspelling.
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = Distance(name, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace muster::launcher
