#include "tests/launcher/fabric/pretend_nodes.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/bandwidth.h"

namespace muster::fabric::test {
namespace {

using rendezvous::Outbox;
using rendezvous::SessionId;
using std::chrono::microseconds;
using std::chrono::milliseconds;

// GB/s of busbw where all is well, give or take a few percent.
double SpeedOf(FabricPhase phase) {
  switch (phase) {
    case FABRIC_PHASE_SOLO:
      return 1500;
    case FABRIC_PHASE_LOCAL:
      return 360;
    default:
      return 40;
  }
}

bool AnyHas(const std::vector<Place>& places, const Slot& slot) {
  return std::any_of(places.begin(), places.end(),
                     [&](const Place& place) { return place.Has(slot); });
}

bool Reaches(const std::vector<Place>& places, const FabricGroup& group) {
  return std::any_of(group.members().begin(), group.members().end(),
                     [&](const Slot& slot) { return AnyHas(places, slot); });
}

rendezvous::Member MemberOf(uint32_t node, SessionId session,
                            const std::string& host) {
  rendezvous::Member member;
  member.session = session;
  member.facts.set_host_name(host);
  member.facts.set_address(
      absl::StrCat("10.0.", node / 250, ".", node % 250 + 1));
  return member;
}

}  // namespace

FabricPhase PhaseOf(const FabricGroup& group) {
  if (group.members_size() == 1) return FABRIC_PHASE_SOLO;
  if (group.ring()) return FABRIC_PHASE_NETWORK;
  const uint32_t first = group.members(0).node();
  const bool local =
      std::all_of(group.members().begin(), group.members().end(),
                  [first](const Slot& slot) { return slot.node() == first; });
  return local ? FABRIC_PHASE_LOCAL : FABRIC_PHASE_WORLD;
}

PretendNodes::PretendNodes(const Options& options)
    : options_(options), random_(options.seed) {
  std::vector<rendezvous::Member> members;
  for (uint32_t node = 0; node < options.nodes; ++node) {
    members.push_back(MemberOf(node, SessionOf(node), HostOf(node)));
    FabricInventory& inventory = inventories_.emplace_back();
    inventory.set_boot_id(absl::StrCat("boot-", node));
    inventory.set_memlock_bytes(std::numeric_limits<uint64_t>::max());
    inventory.set_shm_bytes(uint64_t{1} << 34);
    inventory.set_interface("eth0");
    if (options.gpus == 0) continue;
    inventory.set_driver("550.54.15");
    inventory.set_nccl_version(22809);
    for (uint32_t gpu = 0; gpu < options.gpus; ++gpu) {
      GpuFacts& facts = *inventory.add_gpus();
      facts.set_gpu(gpu);
      facts.set_uuid(absl::StrCat("GPU-", node, "-", gpu));
      facts.set_pci(absl::StrCat("0000:", 10 + gpu, ":00.0"));
      facts.set_name("Pretended GPU");
    }
  }
  FabricSettings settings = options.settings;
  if (settings.kind() == FABRIC_UNSPECIFIED) settings.set_kind(FABRIC_AUTO);
  check_ = std::make_unique<FabricCheck>(
      FabricCheck::Options{.run_id = "run",
                           .settings = std::move(settings),
                           .min_nodes = options.min_nodes == 0
                                            ? options.nodes
                                            : options.min_nodes},
      members);
}

std::string PretendNodes::HostOf(uint32_t node) const {
  return absl::StrCat("host", node);
}

uint32_t PretendNodes::Up(uint32_t most) {
  return std::uniform_int_distribution<uint32_t>(0, most)(random_);
}

microseconds PretendNodes::Soon() { return microseconds(1 + Up(20'000)); }

milliseconds PretendNodes::elapsed() const {
  return std::chrono::duration_cast<milliseconds>(now_ - start_);
}

std::map<uint32_t, std::string> PretendNodes::left_out() const {
  std::map<uint32_t, std::string> nodes;
  for (const auto& [session, why] : check_->left_out()) {
    nodes[static_cast<uint32_t>(session - SessionOf(0))] = why;
  }
  return nodes;
}

void PretendNodes::CancelAt(uint32_t node, uint32_t signal, milliseconds at) {
  Event event{.node = node};
  event.message.mutable_cancel()->set_signal(signal);
  Post(at, std::move(event));
}

void PretendNodes::Post(microseconds in, Event event) {
  events_.emplace(now_ + in, std::move(event));
}

bool PretendNodes::Run() {
  Take(check_->Start(Now()));
  while (check_->state() == FabricCheck::State::kRunning) {
    if (now_ - start_ > std::chrono::hours(1)) return false;
    const Instant tick = now_ + milliseconds(500);
    if (events_.empty() || events_.begin()->first >= tick) {
      now_ = tick;
      Take(check_->Tick(Now()));
      continue;
    }
    const Event event = std::move(events_.begin()->second);
    now_ = std::max(now_, events_.begin()->first);
    events_.erase(events_.begin());
    Deliver(event);
  }
  return true;
}

void PretendNodes::Deliver(const Event& event) {
  if (event.loss) {
    if (!lost_.insert(event.node).second) return;
    Take(check_->Lost(SessionOf(event.node), "its machine is gone", Now()));
    return;
  }
  // What a lost node had sent may come all the same, but it sends no more.
  const bool late = lost_.contains(event.node);
  if (late && !options_.chaos) return;
  Take(check_->Handle(SessionOf(event.node), event.message, Now()));
  if (options_.chaos && !event.garbage) Disturb(event);
}

void PretendNodes::Disturb(const Event& event) {
  if (event.message.has_cancel()) return;
  if (Up(4) == 0) {
    Event again = event;
    again.garbage = true;
    Post(Soon() * (Up(9) == 0 ? 500 : 1), std::move(again));
  }
  if (Up(4) != 0) return;
  constexpr uint32_t kNoGroup = 1'000'000;
  const uint32_t no_ranks[] = {5000, 1u << 31, UINT32_MAX};
  Event wrong = event;
  wrong.garbage = true;
  AgentMessage& message = wrong.message;
  const uint32_t how = Up(3);
  if (message.has_slot_result()) {
    SlotResult& result = *message.mutable_slot_result();
    if (how == 0) result.clear_outcome();
    if (how == 1) result.set_group(result.group() + kNoGroup);
    if (how == 2) result.set_rank(no_ranks[Up(2)]);
    if (how == 3) {  // another node speaks for it
      wrong.node = (wrong.node + 1) % options_.nodes;
      if (wrong.node == event.node) return;
      result.mutable_failed()->set_kind(FABRIC_FAILURE_CRASHED);
    }
  } else if (message.has_store()) {
    StoreRequest& request = *message.mutable_store();
    if (how == 0) request.clear_action();
    if (how == 1) request.set_group(request.group() + kNoGroup);
    if (how == 2) request.set_rank(no_ranks[Up(2)]);
    if (how == 3) request.set_key("nobody's");
  } else {
    message.clear_body();
  }
  Post(Soon(), std::move(wrong));
}

void PretendNodes::Take(const Outbox& out) {
  for (const rendezvous::Send& send : out) {
    const auto node = static_cast<uint32_t>(send.to - SessionOf(0));
    const CoordinatorMessage& message = send.message;
    if (lost_.contains(node)) continue;
    if (message.has_fabric_start()) {
      const auto doomed = lose_in_.find(node);
      if (doomed != lose_in_.end() &&
          doomed->second == FABRIC_PHASE_INVENTORY) {
        Post(Soon(), {.node = node, .loss = true});
      } else if (!hidden_.contains(node)) {
        Event event{.node = node};
        *event.message.mutable_fabric_inventory() = inventories_[node];
        Post(Soon(), std::move(event));
      }
    }
    if (message.has_fabric_round()) Begin(node, message.fabric_round());
    if (message.has_store_value()) Value(message.store_value());
    if (message.has_fabric_stop()) Stop(node, message.fabric_stop().group());
  }
}

void PretendNodes::Value(const StoreValue& value) {
  const auto task = tasks_.find({value.group(), value.rank()});
  if (task == tasks_.end() || value.key() != "id") return;
  if (!task->second.Is(Fault::What::kHangRun)) Measured(task->second, Soon());
}

void PretendNodes::Stop(uint32_t node, uint32_t group) {
  ++stops_;
  for (auto task = tasks_.lower_bound({group, 0});
       task != tasks_.end() && task->first.first == group; ++task) {
    if (task->second.slot().node() != node) continue;
    if (task->second.Is(Fault::What::kSilent) && IsCulprit(task->second)) {
      continue;
    }
    Failed(task->second, FABRIC_FAILURE_ABORTED, FABRIC_STAGE_RUN, Soon());
  }
}

void PretendNodes::Begin(uint32_t node, const FabricRound& round) {
  for (const FabricGroup& group : round.groups()) {
    const auto doomed = lose_in_.find(node);
    if (doomed != lose_in_.end() && doomed->second == PhaseOf(group)) {
      Post(Soon(), {.node = node, .loss = true});
      return;
    }
    for (int rank = 0; rank < group.members_size(); ++rank) {
      if (group.members(rank).node() != node) continue;
      BeginTask(group, static_cast<uint32_t>(rank));
    }
  }
}

const Fault* PretendNodes::FaultOf(const FabricGroup& group) {
  const auto known = fault_of_.find(group.id());
  if (known != fault_of_.end()) return known->second;
  const Fault* found = nullptr;
  for (Fault& fault : faults_) {
    if (!fault.phases.empty() && !fault.phases.contains(PhaseOf(group))) {
      continue;
    }
    if (fault.times == 0 || !Reaches(fault.one, group)) continue;
    if (!fault.other.empty() && !Reaches(fault.other, group)) continue;
    if (fault.times != UINT32_MAX) --fault.times;
    found = &fault;
    // What is hard hides what is slow.
    if (fault.what != Fault::What::kSlow) break;
  }
  fault_of_[group.id()] = found;
  return found;
}

bool PretendNodes::IsCulprit(const Task& task) const {
  return task.fault && (AnyHas(task.fault->one, task.slot()) ||
                        AnyHas(task.fault->other, task.slot()));
}

bool PretendNodes::FailAtOnce(const Task& task) {
  using What = Fault::What;
  if (!IsCulprit(task)) return false;
  const milliseconds connect(task.group.connect_ms());
  switch (task.fault->what) {
    case What::kSilent:
      return true;
    case What::kHangConnect:
    case What::kMissing:
      Failed(task, FABRIC_FAILURE_TIMEOUT, FABRIC_STAGE_CONNECT,
             connect + Soon());
      return true;
    case What::kError:
      Failed(task, FABRIC_FAILURE_ERROR, FABRIC_STAGE_CONNECT, Soon());
      return true;
    case What::kCrash:
      Failed(task, FABRIC_FAILURE_CRASHED, FABRIC_STAGE_RUN, Soon());
      return true;
    case What::kNoProbe:
      Failed(task, FABRIC_FAILURE_NO_PROBE, FABRIC_STAGE_START, Soon());
      return true;
    default:
      return false;
  }
}

void PretendNodes::BeginTask(const FabricGroup& group, uint32_t rank) {
  using What = Fault::What;
  Task& task = tasks_[{group.id(), rank}];
  task = {group, rank, FaultOf(group)};
  const milliseconds connect(group.connect_ms());
  if (FailAtOnce(task)) return;
  if (task.Is(What::kMissing)) {
    uint32_t peer = 0;
    while (!AnyHas(task.fault->one, group.members(static_cast<int>(peer)))) {
      ++peer;
    }
    Failed(task, FABRIC_FAILURE_MISSING, FABRIC_STAGE_CONNECT,
           connect - milliseconds(50), peer);
    return;
  }
  if (task.Is(What::kCrash) && Up(1) == 0) {  // it sees the connection close
    Failed(task, FABRIC_FAILURE_ERROR, FABRIC_STAGE_RUN, Soon());
    return;
  }
  const bool waits = task.Is(What::kSilent) || task.Is(What::kHangConnect) ||
                     task.Is(What::kError) || task.Is(What::kCrash) ||
                     task.Is(What::kNoProbe);
  // Its own deadline, where it comes to nothing before.
  Failed(task, FABRIC_FAILURE_TIMEOUT,
         waits ? FABRIC_STAGE_CONNECT : FABRIC_STAGE_RUN,
         connect + milliseconds(waits ? 0 : group.run_ms()) + Soon());
  if (waits) return;
  if (group.members_size() == 1) {
    if (!task.Is(What::kHangRun)) Measured(task, Soon());
    return;
  }
  if (rank == 0) Ask(task, true);
  Ask(task, false);
}

void PretendNodes::Ask(const Task& task, bool put) {
  Event event{.node = task.slot().node()};
  StoreRequest& request = *event.message.mutable_store();
  request.set_group(task.group.id());
  request.set_rank(task.rank);
  request.set_key("id");
  if (put) {
    request.set_put("the id");
  } else {
    request.set_get(true);
  }
  Post(Soon(), std::move(event));
}

void PretendNodes::Measured(const Task& task, microseconds in) {
  if (task.Is(Fault::What::kWrong)) {
    return Failed(task, FABRIC_FAILURE_WRONG, FABRIC_STAGE_CHECK, in);
  }
  const FabricPhase phase = PhaseOf(task.group);
  const auto members = static_cast<uint32_t>(task.group.members_size());
  const double noise = 0.95 + 0.1 * (Up(1000) / 1000.0);
  double seconds = static_cast<double>(task.group.bytes()) *
                   BusFactor(members) / (SpeedOf(phase) * noise * 1e9);
  if (task.fault) seconds *= task.fault->factor;
  Event event{.node = task.slot().node()};
  SlotResult& result = *event.message.mutable_slot_result();
  result.set_group(task.group.id());
  result.set_rank(task.rank);
  FabricMeasurement& measured = *result.mutable_measured();
  measured.set_bytes(task.group.bytes());
  measured.set_best(seconds);
  measured.set_median(seconds * 1.1);
  measured.set_samples(5);
  measured.set_connect_seconds(0.01);
  if (options_.gpus > 0 &&
      (phase == FABRIC_PHASE_NETWORK || phase == FABRIC_PHASE_WORLD)) {
    measured.set_network(task.Is(Fault::What::kFallback) ? "Socket" : "IB");
  }
  Post(in, std::move(event));
}

void PretendNodes::Failed(const Task& task, FabricFailureKind kind,
                          FabricStage stage, microseconds in,
                          std::optional<uint32_t> peer) {
  Event event{.node = task.slot().node()};
  SlotResult& result = *event.message.mutable_slot_result();
  result.set_group(task.group.id());
  result.set_rank(task.rank);
  result.set_log(absl::StrCat("/tmp/probe", task.slot().gpu(), ".log"));
  FabricFailure& failure = *result.mutable_failed();
  failure.set_kind(kind);
  failure.set_stage(stage);
  failure.set_message("as it was told to");
  if (kind == FABRIC_FAILURE_WRONG) failure.set_wrong(3);
  if (peer) failure.set_peer(*peer);
  Post(in, std::move(event));
}

}  // namespace muster::fabric::test
