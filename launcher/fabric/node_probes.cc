#include "launcher/fabric/node_probes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "asio/post.hpp"
#include "launcher/fabric/timing.h"

namespace muster::fabric {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kLastWords = 10;

void SetTail(const std::string& words, FabricFailure* failure) {
  std::vector<absl::string_view> lines =
      absl::StrSplit(absl::StripSuffix(words, "\n"), '\n', absl::SkipEmpty());
  const size_t skip = lines.size() > kLastWords ? lines.size() - kLastWords : 0;
  for (size_t i = skip; i < lines.size(); ++i) {
    failure->add_log_tail(std::string(lines[i]));
  }
}

}  // namespace

NodeProbes::NodeProbes(asio::io_context& loop, process::ServiceKeeper keeper,
                       NodeProbesOptions options, NodeProbesCallbacks callbacks)
    : loop_(loop),
      keeper_(std::move(keeper)),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      watch_(loop) {}

NodeProbes::~NodeProbes() { *alive_ = false; }

void NodeProbes::Run(const FabricRound& round) {
  for (const FabricGroup& group : round.groups()) {
    for (int rank = 0; rank < group.members_size(); ++rank) {
      if (group.members(rank).node() != options_.node) continue;
      Begin(round.kind(), round.hosts_apart(), group,
            static_cast<uint32_t>(rank));
    }
  }
  if (!watching_) Watch();
}

void NodeProbes::Begin(FabricKind kind, bool hosts_apart,
                       const FabricGroup& group, uint32_t rank) {
  const uint32_t gpu = group.members(static_cast<int>(rank)).gpu();
  Prober& prober = probers_[gpu];
  // One that has not spoken when the coordinator goes on is of no use.
  if (prober.task) {
    prober.task.reset();
    if (prober.process) Bury(std::move(prober.process));
  }
  prober.task =
      Task{.group = group.id(),
           .rank = rank,
           .deadline = steady_clock::now() + milliseconds(group.connect_ms()) +
                       milliseconds(group.run_ms()) + kProbesTurn};
  if (!prober.process) StartProbe(kind, hosts_apart, gpu);
  ProbeCommand command;
  *command.mutable_task()->mutable_group() = group;
  command.mutable_task()->set_rank(rank);
  prober.process->Send(command);
}

void NodeProbes::StartProbe(FabricKind kind, bool hosts_apart, uint32_t gpu) {
  Prober& prober = probers_[gpu];
  prober.broken.reset();
  const uint32_t id = next_id_++;
  prober.process = std::make_unique<ProbeProcess>(
      loop_, keeper_, id,
      ProbeProcess::Callbacks{
          .on_event =
              [this, gpu, id](const ProbeEvent& event) {
                const auto& process = probers_[gpu].process;
                if (process && process->id() == id) GotEvent(gpu, event);
              },
          .on_gone =
              [this, gpu, id](const ProbeEnd& end) {
                // From the loop: its callback must not destroy what calls it.
                asio::post(loop_, [this, alive = alive_, gpu, id, end] {
                  if (!*alive) return;
                  const auto& process = probers_[gpu].process;
                  if (process && process->id() == id) Gone(gpu, end);
                  Forget(id);
                });
              }});
  prober.process->Start(options_.request(kind, gpu, hosts_apart));
}

void NodeProbes::GotEvent(uint32_t gpu, const ProbeEvent& event) {
  Prober& prober = probers_[gpu];
  switch (event.body_case()) {
    case ProbeEvent::kBroken:
      prober.broken = event.broken();
      break;
    case ProbeEvent::kStore:
      if (prober.task && event.store().group() == prober.task->group) {
        callbacks_.on_store(event.store());
      }
      break;
    case ProbeEvent::kStage:
      if (prober.task && event.stage().group() == prober.task->group) {
        prober.task->stage = event.stage().stage();
      }
      break;
    case ProbeEvent::kResult:
      if (prober.task && event.result().group() == prober.task->group) {
        End(&prober, gpu, event.result());
      }
      break;
    default:
      break;
  }
}

void NodeProbes::Gone(uint32_t gpu, const ProbeEnd& end) {
  Prober& prober = probers_[gpu];
  prober.process.reset();
  if (!prober.task) return;
  SlotResult result;
  FabricFailure* failure = result.mutable_failed();
  if (prober.broken) {
    *failure = *prober.broken;
  } else {
    failure->set_kind(end.started ? FABRIC_FAILURE_CRASHED
                                  : FABRIC_FAILURE_NO_PROBE);
    failure->set_stage(prober.task->stage);
    failure->set_message(absl::StrCat("its probe ", end.how));
    SetTail(end.last_words, failure);
  }
  End(&prober, gpu, std::move(result));
}

void NodeProbes::End(Prober* prober, uint32_t gpu, SlotResult result) {
  result.set_group(prober->task->group);
  result.set_rank(prober->task->rank);
  if (options_.log_of) result.set_log(options_.log_of(gpu));
  prober->task.reset();
  callbacks_.on_result(result);
}

void NodeProbes::Abandon(Prober* prober, uint32_t gpu, FabricFailureKind kind,
                         const std::string& message) {
  SlotResult result;
  result.mutable_failed()->set_kind(kind);
  result.mutable_failed()->set_stage(prober->task->stage);
  result.mutable_failed()->set_message(message);
  if (prober->process) Bury(std::move(prober->process));
  End(prober, gpu, std::move(result));
}

NodeProbes::Prober* NodeProbes::Find(uint32_t group, uint32_t rank,
                                     uint32_t* gpu) {
  for (auto& [index, prober] : probers_) {
    if (!prober.task || prober.task->group != group ||
        prober.task->rank != rank) {
      continue;
    }
    *gpu = index;
    return &prober;
  }
  return nullptr;
}

void NodeProbes::Value(const StoreValue& value) {
  uint32_t gpu = 0;
  const Prober* prober = Find(value.group(), value.rank(), &gpu);
  if (!prober || !prober->process) return;
  ProbeCommand command;
  *command.mutable_value() = value;
  prober->process->Send(command);
}

void NodeProbes::Stop(const FabricStop& stop) {
  const auto soon = steady_clock::now() + kStopPatience;
  for (auto& [gpu, prober] : probers_) {
    if (!prober.task || prober.task->group != stop.group()) continue;
    ProbeCommand command;
    *command.mutable_stop() = stop;
    if (prober.process) prober.process->Send(command);
    prober.task->deadline = std::min(prober.task->deadline, soon);
    prober.task->stopped = true;
  }
}

void NodeProbes::Watch() {
  watching_ = true;
  watch_.expires_after(kWatch);
  watch_.async_wait([this, alive = alive_](asio::error_code error) {
    if (!*alive || error) return;
    const auto now = steady_clock::now();
    for (auto& [gpu, prober] : probers_) {
      if (!prober.task || !prober.process) continue;
      Task& task = *prober.task;
      const char state = prober.process->State();
      const bool still = state == 'T' || state == 't' || state == 'D';
      if (!still) {
        task.still.reset();
      } else if (!task.still) {
        task.still = now;
      }
      const bool late = now >= task.deadline;
      if (task.still && (late || now - *task.still >= kStill) &&
          (state != 'D' || late)) {
        Abandon(&prober, gpu, FABRIC_FAILURE_STOPPED,
                state == 'D' ? "its probe hangs in the kernel (state D): a "
                               "driver or a file system does not return"
                             : "its probe was stopped (state T): somebody "
                               "sent it SIGSTOP, or debugs it");
      } else if (late) {
        Abandon(&prober, gpu,
                task.stopped ? FABRIC_FAILURE_ABORTED : FABRIC_FAILURE_TIMEOUT,
                task.stopped ? "another member had failed"
                             : "its probe did not answer in time and was "
                               "killed");
      }
    }
    MaybeClosed();
    Watch();
  });
}

void NodeProbes::Bury(std::unique_ptr<ProbeProcess> process) {
  process->Kill();
  dying_.push_back(std::move(process));
}

void NodeProbes::Buried(uint32_t id) {
  // From the loop: its callback must not destroy what calls it.
  asio::post(loop_, [this, alive = alive_, id] {
    if (*alive) Forget(id);
  });
}

void NodeProbes::Forget(uint32_t id) {
  std::erase_if(dying_, [id](const auto& dying) { return dying->id() == id; });
  MaybeClosed();
}

void NodeProbes::Close() {
  if (closing_) return;
  closing_ = steady_clock::now();
  for (auto& [gpu, prober] : probers_) {
    if (!prober.process) continue;
    if (std::exchange(prober.task, std::nullopt)) prober.process->Kill();
    prober.process->CloseInput();
  }
  if (!watching_) Watch();
  asio::post(loop_, [this, alive = alive_] {
    if (*alive) MaybeClosed();
  });
}

void NodeProbes::MaybeClosed() {
  if (!closing_ || closed_) return;
  const auto age = steady_clock::now() - *closing_;
  std::string left;
  for (auto& [gpu, prober] : probers_) {
    if (!prober.process) continue;
    if (age >= kLeave) prober.process->Kill();
    left = absl::StrCat("pid ", prober.process->pid(), " (GPU ", gpu, ")");
  }
  if (!dying_.empty()) left = absl::StrCat("pid ", dying_.front()->pid());
  if (!left.empty() && age < kDie) return;
  closed_ = true;
  watch_.cancel();
  callbacks_.on_closed(
      left.empty()
          ? ""
          : absl::StrCat("a probe of the self-test does not die: ", left,
                         "; a driver hangs on this node"));
}

}  // namespace muster::fabric
