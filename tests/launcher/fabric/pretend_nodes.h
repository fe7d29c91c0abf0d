// Nodes that answer the self-test as agents and their probes would, with faults
// that are put into them: pure, with a clock of their own.
#ifndef MUSTER_TESTS_LAUNCHER_FABRIC_PRETEND_NODES_H_
#define MUSTER_TESTS_LAUNCHER_FABRIC_PRETEND_NODES_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "launcher/fabric/fabric_check.h"
#include "proto/fabric.pb.h"

namespace muster::fabric::test {

// A node, or one GPU of it.
struct Place {
  uint32_t node = 0;
  std::optional<uint32_t> gpu;

  bool Has(const Slot& slot) const {
    return slot.node() == node && (!gpu || *gpu == slot.gpu());
  }
};

// What is wrong, and with whom. A group is hit when one of `one` is among its
// members, and where `other` is not empty one of those as well.
struct Fault {
  enum class What {
    kWrong,        // wrong data, which every member sees
    kSlow,         // by `factor`
    kHangConnect,  // the members never find each other
    kMissing,      // `one` never comes, and the others say so
    kHangRun,      // they find each other, and no more is heard
    kError,        // of the library on `one`, on both ends of a link
    kCrash,        // of the probe
    kNoProbe,
    kSilent,    // the agent lives and answers no round
    kFallback,  // slow by `factor`, over "Socket" where others have "IB"
  };
  What what = What::kError;
  std::vector<Place> one;
  std::vector<Place> other;
  std::set<FabricPhase> phases;  // none: all
  double factor = 20;
  // So many groups are hit, and no more.
  uint32_t times = UINT32_MAX;
};

// Job: drives a FabricCheck from its start to its end. Messages arrive in a
// random order, which the seed decides; who is told to stop stops; values pass
// through the check's store, without which no group finds together.
// Life cycle: construct, put faults in, Run once.
class PretendNodes {
 public:
  struct Options {
    uint32_t nodes = 4;
    uint32_t gpus = 0;  // of each; 0: the test is with Gloo
    FabricSettings settings;
    uint32_t min_nodes = 0;  // 0: all of them
    uint32_t seed = 1;
    // Messages come twice, late, for groups, ranks and keys that do not exist,
    // for other nodes' slots, and from nodes that are lost.
    bool chaos = false;
  };

  explicit PretendNodes(const Options& options);

  void Break(Fault fault) { faults_.push_back(std::move(fault)); }
  // What that node will say of itself; to be changed before Run.
  FabricInventory* inventory(uint32_t node) { return &inventories_[node]; }
  // It never says what it has.
  void HideInventory(uint32_t node) { hidden_.insert(node); }
  // Its session ends in the first round of that phase in which it takes part.
  void LoseIn(uint32_t node, FabricPhase phase) { lose_in_[node] = phase; }
  // Somebody ends the job there so long after the start.
  void CancelAt(uint32_t node, uint32_t signal, std::chrono::milliseconds at);

  // To the end. False when there is none within an hour of the nodes' clock.
  [[nodiscard]] bool Run();

  const FabricCheck& check() const { return *check_; }
  const FabricReport& fabric() const { return check_->fabric(); }
  rendezvous::SessionId SessionOf(uint32_t node) const { return 1000 + node; }
  std::string HostOf(uint32_t node) const;
  // By node.
  std::map<uint32_t, std::string> left_out() const;
  uint32_t exit_code() const { return check_->report().exit_code(); }
  std::chrono::milliseconds elapsed() const;
  // That were sent to anybody.
  uint32_t stops() const { return stops_; }

 private:
  using Instant = rendezvous::Instant;

  struct Event {
    uint32_t node = 0;
    AgentMessage message;
    bool loss = false;
    bool garbage = false;
  };
  // One slot's part in a group.
  struct Task {
    FabricGroup group;
    uint32_t rank = 0;
    const Fault* fault = nullptr;

    const Slot& slot() const { return group.members(static_cast<int>(rank)); }
    bool Is(Fault::What what) const { return fault && fault->what == what; }
  };
  using TaskKey = std::pair<uint32_t, uint32_t>;  // group and rank

  uint32_t Up(uint32_t most);
  std::chrono::microseconds Soon();
  void Post(std::chrono::microseconds in, Event event);
  void Deliver(const Event& event);
  void Disturb(const Event& event);
  void Take(const rendezvous::Outbox& out);
  void Begin(uint32_t node, const FabricRound& round);
  void BeginTask(const FabricGroup& group, uint32_t rank);
  // What a member does at once where its own side is at fault; false: nothing.
  bool FailAtOnce(const Task& task);
  void Value(const StoreValue& value);
  void Stop(uint32_t node, uint32_t group);
  const Fault* FaultOf(const FabricGroup& group);
  bool IsCulprit(const Task& task) const;
  void Ask(const Task& task, bool put);
  void Measured(const Task& task, std::chrono::microseconds in);
  void Failed(const Task& task, FabricFailureKind kind, FabricStage stage,
              std::chrono::microseconds in,
              std::optional<uint32_t> peer = std::nullopt);
  rendezvous::Moment Now() const { return {now_, 0}; }

  const Options options_;
  std::mt19937 random_;
  std::unique_ptr<FabricCheck> check_;
  std::vector<FabricInventory> inventories_;
  std::set<uint32_t> hidden_;
  std::vector<Fault> faults_;
  std::map<uint32_t, const Fault*> fault_of_;  // by group
  std::map<uint32_t, FabricPhase> lose_in_;
  std::set<uint32_t> lost_;
  std::map<TaskKey, Task> tasks_;
  Instant now_{std::chrono::hours(1)};
  const Instant start_ = now_;
  std::multimap<Instant, Event> events_;
  uint32_t stops_ = 0;
};

// The phase that a group belongs to, by its members.
FabricPhase PhaseOf(const FabricGroup& group);

}  // namespace muster::fabric::test

#endif  // MUSTER_TESTS_LAUNCHER_FABRIC_PRETEND_NODES_H_
