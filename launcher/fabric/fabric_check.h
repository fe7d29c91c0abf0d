// The self-test of the fabric, as the coordinator sees it.
#ifndef MUSTER_LAUNCHER_FABRIC_FABRIC_CHECK_H_
#define MUSTER_LAUNCHER_FABRIC_FABRIC_CHECK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/fabric/judge.h"
#include "launcher/fabric/phase.h"
#include "launcher/fabric/test_round.h"
#include "launcher/fabric/tested_node.h"
#include "rendezvous/self_test.h"

namespace muster::fabric {

// Pure: the phases one after another, and the verdict.
//
//   INVENTORY --> SOLO --> LOCAL --> NETWORK --> WORLD --> over
//
// SOLO and LOCAL are for GPUs. A node that fails in one phase has no part in
// the next ones. What each phase asks for goes out in rounds, one at a time.
//
// The verdict: who fails hard is left out where enough nodes remain; of two
// nodes with a broken link between them one is, the one with more such links.
// Where too few remain the test fails and names them (exit code 75); where
// nobody can be blamed it fails for all (76).
class FabricCheck final : public rendezvous::SelfTest {
 public:
  struct Options {
    std::string run_id;
    FabricSettings settings;
    uint32_t min_nodes = 1;
    double join_seconds = 0;
  };

  FabricCheck(Options options, const std::vector<rendezvous::Member>& members);
  ~FabricCheck() override;

  rendezvous::Outbox Start(rendezvous::Moment now) override;
  rendezvous::Outbox Handle(rendezvous::SessionId session,
                            const AgentMessage& message,
                            rendezvous::Moment now) override;
  rendezvous::Outbox Lost(rendezvous::SessionId session, const std::string& why,
                          rendezvous::Moment now) override;
  rendezvous::Outbox Tick(rendezvous::Moment now) override;

  State state() const override { return state_; }
  std::map<rendezvous::SessionId, std::string> left_out() const override;
  const Report& report() const override { return report_; }

  // Everything that was seen and concluded; complete once it is over.
  const FabricReport& fabric() const { return fabric_; }

 private:
  void Cancelled(uint32_t node, uint32_t signal, rendezvous::Moment now);
  void LoseNode(uint32_t node, const std::string& why, rendezvous::Outbox* out);
  void Compare(rendezvous::Moment now, rendezvous::Outbox* out);
  // Takes what is over, and goes on to the next round, phase or the end.
  void Advance(rendezvous::Moment now, rendezvous::Outbox* out);
  bool NextPhase();
  void EndPhase();
  void BeginRound(Step step, rendezvous::Moment now, rendezvous::Outbox* out);
  void TakeRound();
  void AddFinding(FabricFinding finding);
  void Conclude(rendezvous::Moment now);
  void Notify(const std::string& text, rendezvous::Outbox* out) const;
  std::vector<rendezvous::SessionId> Sessions() const;

  const Options options_;
  TestedNodes nodes_;
  std::map<rendezvous::SessionId, uint32_t> node_of_;
  rendezvous::Instant start_{};
  rendezvous::Instant last_notice_{};
  State state_ = State::kRunning;
  Scale scale_;
  bool hosts_apart_ = false;
  bool briefly_ = false;  // figures mean little: measure only for a moment
  bool inventory_over_ = false;
  FabricPhase phase_id_ = FABRIC_PHASE_INVENTORY;
  std::unique_ptr<Phase> phase_;
  std::optional<TestRound> round_;
  std::string round_text_;
  uint32_t last_group_ = 0;
  std::map<uint32_t, std::string> left_out_;  // by node
  FabricReport fabric_;
  Report report_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_FABRIC_CHECK_H_
