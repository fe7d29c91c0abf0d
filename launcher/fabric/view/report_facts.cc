#include "launcher/fabric/view/report_facts.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/view/figures.h"
#include "launcher/fabric/view/words.h"
#include "launcher/terminal/harmless.h"

namespace muster::fabric {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void MakeHarmless(Message* message) {
  const Reflection* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count =
        field->is_repeated() ? reflection->FieldSize(*message, field) : 0;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      for (int i = 0; i < count; ++i) {
        reflection->SetRepeatedString(
            message, field, i,
            terminal::Harmless(
                reflection->GetRepeatedString(*message, field, i)));
      }
      if (field->is_repeated()) continue;
      reflection->SetString(
          message, field,
          terminal::Harmless(reflection->GetString(*message, field)));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      for (int i = 0; i < count; ++i) {
        MakeHarmless(reflection->MutableRepeatedMessage(message, field, i));
      }
      if (field->is_repeated()) continue;
      MakeHarmless(reflection->MutableMessage(message, field));
    }
  }
}

// Keeps the worse one.
void Keep(const FabricTest& test, const FabricTest** kept) {
  if (!*kept || IsWorse(test, **kept)) *kept = &test;
}

// The first round in which all GPUs of a node were tested together.
uint32_t FirstLocalRound(const FabricReport& report) {
  for (const FabricTest& test : report.tests()) {
    if (test.phase() == FABRIC_PHASE_LOCAL) return test.round();
  }
  return 0;
}

void AddTest(const FabricTest& test, uint32_t local_round, SlotTests* to) {
  switch (test.phase()) {
    case FABRIC_PHASE_SOLO:
      return Keep(test, &to->solo);
    case FABRIC_PHASE_LOCAL:
      if (test.round() == local_round) Keep(test, &to->local);
      return;
    case FABRIC_PHASE_NETWORK:
      to->network.push_back(&test);
      return;
    default:
      return;
  }
}

}  // namespace

FabricReport Harmless(const FabricReport& report) {
  FabricReport harmless = report;
  MakeHarmless(&harmless);
  return harmless;
}

std::string HostOf(const FabricReport& report, uint32_t node) {
  // As it came: a number beyond an int is nobody's either.
  if (node >= static_cast<uint32_t>(report.nodes_size())) {
    return absl::StrCat("node ", node);
  }
  const std::string& host = report.nodes(static_cast<int>(node)).host();
  return host.empty() ? absl::StrCat("node ", node) : host;
}

std::string SlotText(const FabricReport& report, const Slot& slot) {
  const std::string host = HostOf(report, slot.node());
  return report.kind() == FABRIC_NCCL ? absl::StrCat(host, " GPU ", slot.gpu())
                                      : host;
}

std::string MembersText(const FabricReport& report, const FabricTest& test) {
  const auto& members = test.members();
  if (members.size() == 1) return SlotText(report, members[0]);
  if (test.phase() == FABRIC_PHASE_WORLD || members.size() != 2) {
    std::vector<uint32_t> nodes;
    for (const Slot& slot : members) nodes.push_back(slot.node());
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    const std::string gpus = CountText(members.size(), "GPU");
    if (nodes.size() == 1) {
      return absl::StrCat(HostOf(report, nodes[0]), ", ", gpus);
    }
    return absl::StrCat("all ", CountText(nodes.size(), "node"),
                        report.kind() == FABRIC_NCCL ? ", " + gpus : "");
  }
  const Slot& a = members[0];
  const Slot& b = members[1];
  if (a.node() == b.node()) {
    return absl::StrCat(HostOf(report, a.node()), ", GPU ", a.gpu(), " - ",
                        b.gpu());
  }
  const std::string pair =
      absl::StrCat(HostOf(report, a.node()), " - ", HostOf(report, b.node()));
  return report.kind() == FABRIC_NCCL ? absl::StrCat(pair, ", GPU ", a.gpu())
                                      : pair;
}

const Slot* FailedSlot(const FabricTest& test) {
  const uint32_t rank = test.failed_rank();
  const bool known =
      test.has_failure() && rank < static_cast<uint32_t>(test.members_size());
  return known ? &test.members(static_cast<int>(rank)) : nullptr;
}

std::string Summary(const FabricReport& report, absl::string_view before) {
  std::string text = CountText(report.nodes_size(), "node");
  const absl::string_view kind = KindName(report.kind());
  if (!kind.empty()) {
    absl::StrAppend(&text, before.empty() ? ", " : before, kind);
  }
  return absl::StrCat(text, ", ", CountText(report.rounds(), "round"), ", ",
                      SecondsText(report.seconds()));
}

std::string CulpritText(const FabricReport& report,
                        const FabricFinding& finding) {
  const auto& gpus = finding.gpus();
  if (!gpus.empty() && report.kind() == FABRIC_NCCL) {
    if (gpus.size() == 2 && gpus[0].node() == gpus[1].node()) {
      return absl::StrCat(HostOf(report, gpus[0].node()), " GPU ",
                          gpus[0].gpu(), " - GPU ", gpus[1].gpu());
    }
    return absl::StrJoin(gpus, " - ", [&](std::string* out, const Slot& slot) {
      absl::StrAppend(out, SlotText(report, slot));
    });
  }
  // Of a mixed bag of nodes the sentence says who has what.
  const bool pair = finding.nodes_size() == 2;
  return absl::StrJoin(finding.nodes(), pair ? " - " : ", ",
                       [&](std::string* out, uint32_t node) {
                         absl::StrAppend(out, HostOf(report, node));
                       });
}

bool IsWorse(const FabricTest& a, const FabricTest& b) {
  const auto rank = [](const FabricTest& test) {
    return std::make_tuple(!test.has_failure(),
                           -static_cast<int>(test.verdict()), test.busbw());
  };
  return rank(a) < rank(b);
}

std::vector<const FabricTest*> NodePairs(const FabricReport& report) {
  std::vector<const FabricTest*> pairs;
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, size_t> index_of;
  for (const FabricTest& test : report.tests()) {
    if (test.phase() != FABRIC_PHASE_NETWORK || test.members_size() != 2) {
      continue;
    }
    const auto [a, b] =
        std::minmax({test.members(0).node(), test.members(1).node()});
    const auto [it, fresh] =
        index_of.emplace(std::make_tuple(test.round(), a, b), pairs.size());
    if (fresh) pairs.push_back(&test);
    Keep(test, &pairs[it->second]);
  }
  return pairs;
}

std::vector<const FabricTest*> GpuPairs(const FabricReport& report) {
  const uint32_t first = FirstLocalRound(report);
  std::vector<const FabricTest*> pairs;
  for (const FabricTest& test : report.tests()) {
    if (test.phase() == FABRIC_PHASE_LOCAL && test.round() != first) {
      pairs.push_back(&test);
    }
  }
  return pairs;
}

std::vector<const FabricTest*> Worlds(const FabricReport& report) {
  std::vector<const FabricTest*> worlds;
  for (const FabricTest& test : report.tests()) {
    if (test.phase() == FABRIC_PHASE_WORLD) worlds.push_back(&test);
  }
  return worlds;
}

std::vector<double> SlotTests::NetworkSpeeds() const {
  std::vector<double> speeds;
  for (const FabricTest* test : network) {
    if (!test->has_failure()) speeds.push_back(test->busbw());
  }
  return speeds;
}

std::map<SlotKey, SlotTests> BySlot(const FabricReport& report) {
  std::map<SlotKey, SlotTests> slots;
  const uint32_t local_round = FirstLocalRound(report);
  for (int i = 0; i < report.nodes_size(); ++i) {
    for (const GpuFacts& gpu : report.nodes(i).inventory().gpus()) {
      slots[{static_cast<uint32_t>(i), gpu.gpu()}];
    }
  }
  for (const FabricTest& test : report.tests()) {
    for (const Slot& slot : test.members()) {
      AddTest(test, local_round, &slots[{slot.node(), slot.gpu()}]);
    }
  }
  const auto worsen = [](const FabricFinding& finding, SlotTests* tests) {
    tests->verdict = std::max(tests->verdict, finding.verdict());
  };
  for (const FabricFinding& finding : report.findings()) {
    for (const Slot& slot : finding.gpus()) {
      worsen(finding, &slots[{slot.node(), slot.gpu()}]);
    }
    // What is said of a node alone is true of its GPUs.
    if (!finding.gpus().empty() || finding.nodes_size() != 1) continue;
    for (auto it = slots.lower_bound({finding.nodes(0), 0});
         it != slots.end() && it->first.first == finding.nodes(0); ++it) {
      worsen(finding, &it->second);
    }
  }
  return slots;
}

std::map<uint32_t, SlotTests> ByNode(const FabricReport& report) {
  std::map<uint32_t, SlotTests> nodes;
  const uint32_t local_round = FirstLocalRound(report);
  for (int i = 0; i < report.nodes_size(); ++i) {
    nodes[static_cast<uint32_t>(i)].verdict = report.nodes(i).verdict();
  }
  for (const FabricTest& test : report.tests()) {
    // Once, however many of the node's slots take part.
    std::vector<uint32_t> seen;
    for (const Slot& slot : test.members()) {
      if (std::find(seen.begin(), seen.end(), slot.node()) != seen.end()) {
        continue;
      }
      seen.push_back(slot.node());
      AddTest(test, local_round, &nodes[slot.node()]);
    }
  }
  return nodes;
}

}  // namespace muster::fabric
