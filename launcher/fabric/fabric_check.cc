#include "launcher/fabric/fabric_check.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "launcher/fabric/conclusion.h"
#include "launcher/fabric/finding.h"
#include "launcher/fabric/inventory_check.h"
#include "launcher/fabric/phase_order.h"
#include "launcher/fabric/phase_settings.h"
#include "launcher/fabric/timing.h"

namespace muster::fabric {
namespace {

using rendezvous::Moment;
using rendezvous::Outbox;
using rendezvous::Seconds;
using rendezvous::SessionId;

// A test that takes longer than that says what it does.
constexpr std::chrono::seconds kQuiet{2};

bool IsLoopback(const std::string& address) {
  return absl::StartsWith(address, "127.") || address == "::1";
}

}  // namespace

FabricCheck::FabricCheck(Options options,
                         const std::vector<rendezvous::Member>& members)
    : options_(std::move(options)) {
  fabric_.set_run_id(options_.run_id);
  fabric_.set_only(options_.settings.only());
  report_.set_run_id(options_.run_id);
  report_.set_nodes(members.size());
  report_.mutable_durations()->set_join(options_.join_seconds);
  scale_.settings = options_.settings;
  briefly_ = members.size() > 1;
  for (const rendezvous::Member& member : members) {
    node_of_[member.session] = nodes_.size();
    TestedNode node;
    node.session = member.session;
    node.host = member.facts.host_name();
    node.address = nodes_.empty() ? rendezvous::MasterAddress(members)
                                  : member.facts.address();
    briefly_ = briefly_ && IsLoopback(node.address);
    FabricNode* told = fabric_.add_nodes();
    told->set_host(node.host);
    told->set_address(node.address);
    nodes_.push_back(std::move(node));
  }
}

FabricCheck::~FabricCheck() = default;

Outbox FabricCheck::Start(Moment now) {
  start_ = now.at;
  last_notice_ = now.at;
  Outbox out;
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    rendezvous::Send send{nodes_[i].session, {}};
    FabricStart* start = send.message.mutable_fabric_start();
    start->set_kind(options_.settings.kind());
    start->set_run_id(options_.run_id);
    start->set_node(i);
    start->set_nodes(nodes_.size());
    start->set_address(nodes_[i].address);
    out.push_back(std::move(send));
  }
  return out;
}

Outbox FabricCheck::Handle(SessionId session, const AgentMessage& message,
                           Moment now) {
  Outbox out;
  const auto it = node_of_.find(session);
  if (it == node_of_.end() || state_ != State::kRunning) return out;
  const uint32_t node = it->second;
  // Who counts as lost may yet be there, and its user may want the end.
  if (!nodes_[node].lost.empty() && !message.has_cancel()) return out;
  switch (message.body_case()) {
    case AgentMessage::kFabricInventory:
      if (inventory_over_) return out;
      nodes_[node].inventory = message.fabric_inventory();
      *fabric_.mutable_nodes(static_cast<int>(node))->mutable_inventory() =
          message.fabric_inventory();
      break;
    case AgentMessage::kStore:
      if (round_) return round_->Store(node, message.store());
      return out;
    case AgentMessage::kSlotResult:
      if (round_) out = round_->Result(node, message.slot_result());
      break;
    case AgentMessage::kCancel:
      Cancelled(node, message.cancel().signal(), now);
      return out;
    case AgentMessage::kFailed:
      LoseNode(node, message.failed().message(), &out);
      break;
    default:
      return out;
  }
  Advance(now, &out);
  return out;
}

Outbox FabricCheck::Lost(SessionId session, const std::string& why,
                         Moment now) {
  Outbox out;
  const auto it = node_of_.find(session);
  if (it == node_of_.end() || state_ != State::kRunning) return out;
  LoseNode(it->second, why, &out);
  Advance(now, &out);
  return out;
}

void FabricCheck::LoseNode(uint32_t node, const std::string& why, Outbox* out) {
  TestedNode& lost = nodes_[node];
  if (!lost.lost.empty()) return;
  lost.lost = why;
  lost.good = false;
  fabric_.mutable_nodes(static_cast<int>(node))->set_lost(why);
  FabricFinding finding = NewFinding(phase_id_, FABRIC_CULPRIT_NODE,
                                     Severity::kHard, Confidence::kConfirmed);
  finding.add_nodes(node);
  finding.set_message(
      absl::StrCat(lost.host, " was lost during the self-test: ", why));
  finding.add_evidence(
      round_ ? absl::StrCat("in round ", fabric_.rounds(), ", ", round_text_)
             : "before the first round");
  finding.set_next("look at that host and its agent's log");
  AddFinding(std::move(finding));
  if (phase_) phase_->Lost(node);
  if (!round_) return;
  for (rendezvous::Send& send : round_->Lost(node, why)) {
    out->push_back(std::move(send));
  }
}

Outbox FabricCheck::Tick(Moment now) {
  Outbox out;
  if (state_ != State::kRunning) return out;
  if (!inventory_over_ && now.at - start_ >= kInventory) {
    for (uint32_t node = 0; node < nodes_.size(); ++node) {
      if (!nodes_[node].good || nodes_[node].inventory) continue;
      LoseNode(node,
               absl::StrCat("it did not say within ", kInventory.count(),
                            " s what hardware it has; a driver may hang"),
               &out);
    }
  }
  if (round_) {
    for (rendezvous::Send& send : round_->Tick(now)) {
      out.push_back(std::move(send));
    }
  }
  if (now.at - last_notice_ >= rendezvous::kProgress) {
    last_notice_ = now.at;
    Notify(
        absl::StrCat("self-test: ", static_cast<int>(Seconds(now.at - start_)),
                     " s, ", round_ ? round_text_ : "looking at the hardware"),
        &out);
  }
  Advance(now, &out);
  return out;
}

void FabricCheck::Advance(Moment now, Outbox* out) {
  while (state_ == State::kRunning) {
    if (!inventory_over_) {
      for (const TestedNode& node : nodes_) {
        if (node.good && !node.inventory) return;
      }
      inventory_over_ = true;
      Compare(now, out);
      continue;
    }
    if (round_) {
      if (!round_->over()) return;
      TakeRound();
    }
    Step step;
    if (phase_) step = phase_->Next();
    if (!step.groups.empty()) {
      BeginRound(std::move(step), now, out);
      continue;
    }
    if (phase_) EndPhase();
    if (!NextPhase()) Conclude(now);
  }
}

void FabricCheck::Compare(Moment now, Outbox* out) {
  const KindChoice choice = ChooseKind(nodes_, options_.settings);
  scale_.kind = choice.kind;
  fabric_.set_kind(choice.kind);
  fabric_.set_kind_from(choice.why);
  if (!choice.problem.empty()) {
    FabricFinding finding =
        NewFinding(FABRIC_PHASE_INVENTORY, FABRIC_CULPRIT_FABRIC,
                   Severity::kHard, Confidence::kConfirmed);
    finding.set_message(choice.problem);
    finding.add_evidence("by the nodes' own account");
    finding.set_next("see muster check --help, or say --fabric-check off");
    AddFinding(std::move(finding));
    Conclude(now);
    return;
  }
  if (choice.kind == FABRIC_OFF) {
    fabric_.add_notes(choice.why);
    if (nodes_.size() > 1) {
      Notify(absl::StrCat("no self-test: ", choice.why), out);
    }
    Conclude(now);
    return;
  }
  for (TestedNode& node : nodes_) {
    if (!node.inventory) continue;
    node.slots = HasGpus(choice.kind) ? node.inventory->gpus_size() : 1;
    for (const std::string& note : node.inventory->notes()) {
      fabric_.add_notes(absl::StrCat(node.host, ": ", note));
    }
  }
  if (HasGpus(choice.kind) && ShareGpus(nodes_)) {
    hosts_apart_ = true;
    scale_.no_figures = "the nodes share their GPUs";
  }
  if (briefly_ && scale_.no_figures.empty()) {
    scale_.no_figures = "the nodes are all on this machine";
  }
  if (!scale_.no_figures.empty()) {
    fabric_.add_notes(
        absl::StrCat("speed was not judged: ", scale_.no_figures));
  }
  for (FabricFinding& finding : CompareInventories(nodes_, choice.kind)) {
    AddFinding(std::move(finding));
  }
}

bool FabricCheck::NextPhase() {
  constexpr FabricPhase kOrder[] = {FABRIC_PHASE_SOLO, FABRIC_PHASE_LOCAL,
                                    FABRIC_PHASE_NETWORK, FABRIC_PHASE_WORLD};
  for (const FabricPhase next : kOrder) {
    if (next <= phase_id_) continue;
    phase_id_ = next;
    phase_ = MakePhase(next, nodes_, scale_, fabric_);
    if (phase_) return true;
  }
  return false;
}

void FabricCheck::EndPhase() {
  for (FabricFinding& finding : phase_->Findings()) {
    AddFinding(std::move(finding));
  }
  phase_.reset();
}

void FabricCheck::AddFinding(FabricFinding finding) {
  // What a phase finds knows of it; what is odd before them does not.
  if (options_.settings.strict() && finding.phase() == FABRIC_PHASE_INVENTORY) {
    finding.set_verdict(FABRIC_VERDICT_FAIL);
  }
  for (FabricFinding& earlier : *fabric_.mutable_findings()) {
    if (!IsOfOneGpu(earlier, finding)) continue;
    earlier.mutable_evidence()->MergeFrom(finding.evidence());
    return;
  }
  const bool of_nodes = finding.culprit() == FABRIC_CULPRIT_NODE ||
                        finding.culprit() == FABRIC_CULPRIT_GPU ||
                        finding.culprit() == FABRIC_CULPRIT_RAIL ||
                        finding.culprit() == FABRIC_CULPRIT_CONFIG ||
                        finding.nodes_size() == 1;
  for (const uint32_t node : finding.nodes()) {
    FabricNode* told = fabric_.mutable_nodes(static_cast<int>(node));
    if (of_nodes && finding.verdict() == FABRIC_VERDICT_FAIL) {
      nodes_[node].good = false;
    }
    told->set_verdict(std::max(
        told->verdict(), of_nodes ? finding.verdict() : FABRIC_VERDICT_WARN));
  }
  *fabric_.add_findings() = std::move(finding);
}

void FabricCheck::BeginRound(Step step, Moment now, Outbox* out) {
  FabricRound round;
  round.set_round(fabric_.rounds() + 1);
  fabric_.set_rounds(round.round());
  round.set_kind(scale_.kind);
  round.set_hosts_apart(hosts_apart_);
  for (FabricGroup& group : step.groups) {
    group.set_id(++last_group_);
    SetUpGroup(nodes_, scale_, phase_id_, briefly_, &group);
    *round.add_groups() = std::move(group);
  }
  round_text_ = step.what;
  if (now.at - start_ >= kQuiet) {
    last_notice_ = now.at;
    Notify(absl::StrCat("self-test, round ", round.round(), ": ", step.what),
           out);
  }
  round_.emplace(std::move(round), Sessions());
  for (rendezvous::Send& send : round_->Start(now)) {
    out->push_back(std::move(send));
  }
  // Who was lost since the step was made does not hear of it.
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    if (nodes_[node].lost.empty()) continue;
    for (rendezvous::Send& send : round_->Lost(node, nodes_[node].lost)) {
      out->push_back(std::move(send));
    }
  }
}

void FabricCheck::TakeRound() {
  const std::vector<JudgedTest> judged =
      Judge(nodes_, scale_, {phase_id_, fabric_.rounds(), round_text_},
            fabric_.tests(), round_->outcomes());
  for (const JudgedTest& test : judged) *fabric_.add_tests() = test.record;
  round_.reset();
  if (phase_) phase_->Take(fabric_.rounds(), judged);
}

void FabricCheck::Cancelled(uint32_t node, uint32_t signal, Moment now) {
  fabric_.set_seconds(Seconds(now.at - start_));
  SetCancelled(nodes_[node].host, node, signal, now, fabric_, &report_);
  state_ = State::kFailed;
}

void FabricCheck::Conclude(Moment now) {
  fabric_.set_seconds(Seconds(now.at - start_));
  left_out_ = SetConclusion(options_.min_nodes, now, &fabric_, &report_);
  state_ =
      report_.result() == RESULT_SUCCEEDED ? State::kPassed : State::kFailed;
}

std::map<SessionId, std::string> FabricCheck::left_out() const {
  std::map<SessionId, std::string> sessions;
  for (const auto& [node, why] : left_out_) {
    sessions[nodes_[node].session] = why;
  }
  return sessions;
}

void FabricCheck::Notify(const std::string& text, Outbox* out) const {
  for (const TestedNode& node : nodes_) {
    if (!node.lost.empty()) continue;
    rendezvous::Send send{node.session, {}};
    send.message.mutable_notice()->set_text(text);
    out->push_back(std::move(send));
  }
}

std::vector<SessionId> FabricCheck::Sessions() const {
  std::vector<SessionId> sessions;
  for (const TestedNode& node : nodes_) sessions.push_back(node.session);
  return sessions;
}

}  // namespace muster::fabric
