#include "launcher/fabric/fabric_json.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/nccl_version.h"
#include "launcher/fabric/view/figures.h"
#include "launcher/fabric/view/report_facts.h"
#include "launcher/fabric/view/words.h"

namespace muster::fabric {
namespace {

using Json = nlohmann::ordered_json;

// Digits beyond these are noise.
constexpr double kNano = 1e9;   // of seconds
constexpr double kMicro = 1e6;  // of GB/s

double Rounded(double value, double parts) {
  return std::round(value * parts) / parts;
}

// Sets fields that say something, and only those.
class Fields {
 public:
  void Text(const char* name, absl::string_view text) {
    if (!text.empty()) json_[name] = std::string(text);
  }
  void Number(const char* name, uint64_t number) {
    if (number != 0) json_[name] = number;
  }
  void Real(const char* name, double number, double parts) {
    // JSON has no word for what is not finite.
    if (number != 0 && std::isfinite(number)) {
      json_[name] = Rounded(number, parts);
    }
  }
  void True(const char* name, bool value) {
    if (value) json_[name] = true;
  }
  template <typename Texts>
  void List(const char* name, const Texts& texts) {
    for (const std::string& text : texts) json_[name].push_back(text);
  }
  template <typename Value>
  void Always(const char* name, Value&& value) {
    json_[name] = std::forward<Value>(value);
  }
  Json Take() { return std::move(json_); }

 private:
  Json json_ = Json::object();
};

void AddSlot(const FabricReport& report, const Slot& slot, Fields* fields) {
  fields->Always("node", slot.node());
  fields->Text("host", HostOf(report, slot.node()));
  if (report.kind() == FABRIC_NCCL) fields->Always("gpu", slot.gpu());
}

Json SlotJson(const FabricReport& report, const Slot& slot) {
  Fields fields;
  AddSlot(report, slot, &fields);
  return fields.Take();
}

Json GpuJson(const GpuFacts& gpu) {
  Fields fields;
  fields.Always("gpu", gpu.gpu());
  fields.Text("uuid", gpu.uuid());
  fields.Text("pci", gpu.pci());
  fields.Text("name", gpu.name());
  fields.Number("memory_bytes", gpu.memory_bytes());
  if (gpu.capability() > 0) {
    fields.Text("compute_capability", absl::StrCat(gpu.capability() / 10, ".",
                                                   gpu.capability() % 10));
  }
  fields.Number("nvlinks", gpu.nvlinks());
  fields.Number("nvlinks_off", gpu.nvlinks_off());
  fields.Number("pcie_generation", gpu.pcie_generation());
  fields.Number("pcie_width", gpu.pcie_width());
  fields.True("mig", gpu.mig());
  fields.Number("processes", gpu.processes());
  fields.Text("problem", gpu.problem());
  fields.Text("fabric_state", gpu.fabric_state());
  return fields.Take();
}

Json NicJson(const NicFacts& nic) {
  Fields fields;
  fields.Text("name", nic.name());
  fields.Text("layer", nic.layer());
  fields.Always("active", nic.active());
  fields.Real("rate_gbit", nic.gbps(), kMicro);
  fields.Text("state", nic.state());
  return fields.Take();
}

Json InventoryJson(const FabricInventory& inventory) {
  Fields fields;
  Json gpus = Json::array();
  for (const GpuFacts& gpu : inventory.gpus()) gpus.push_back(GpuJson(gpu));
  if (!gpus.empty()) fields.Always("gpus", std::move(gpus));
  Json nics = Json::array();
  for (const NicFacts& nic : inventory.nics()) nics.push_back(NicJson(nic));
  if (!nics.empty()) fields.Always("nics", std::move(nics));
  fields.Text("driver", inventory.driver());
  Fields nccl;
  nccl.Text("version", NcclVersionText(inventory.nccl_version()));
  nccl.Text("library", inventory.nccl_library());
  nccl.Text("origin", inventory.nccl_origin());
  nccl.Text("problem", inventory.nccl_problem());
  Json of_nccl = nccl.Take();
  if (!of_nccl.empty()) fields.Always("nccl", std::move(of_nccl));
  if (!inventory.gloo_problem().empty()) {
    fields.Always("gloo", Json{{"problem", inventory.gloo_problem()}});
  }
  if (inventory.memlock_bytes() == std::numeric_limits<uint64_t>::max()) {
    fields.Text("memlock_bytes", "unlimited");
  } else {
    fields.Number("memlock_bytes", inventory.memlock_bytes());
  }
  fields.Number("shm_bytes", inventory.shm_bytes());
  fields.Text("boot_id", inventory.boot_id());
  fields.Text("interface", inventory.interface());
  fields.Real("interface_gbit", inventory.interface_gbps(), kMicro);
  fields.List("notes", inventory.notes());
  fields.True("pretended", inventory.pretended());
  return fields.Take();
}

Json NodeJson(const FabricNode& node, int index) {
  Fields fields;
  fields.Always("node", index);
  fields.Text("host", node.host());
  fields.Text("address", node.address());
  fields.Text("verdict", VerdictWord(node.verdict()));
  fields.True("left_out", node.left_out());
  fields.Text("lost", node.lost());
  if (node.has_inventory()) {
    fields.Always("inventory", InventoryJson(node.inventory()));
  }
  return fields.Take();
}

Json FailureJson(const FabricReport& report, const FabricTest& test) {
  const FabricFailure& failure = test.failure();
  Fields fields;
  fields.Text("kind", FailureWord(failure.kind()));
  fields.Text("stage", StageWord(failure.stage()));
  if (failure.code() != 0) fields.Always("code", failure.code());
  fields.Text("message", failure.message());
  if (const Slot* slot = FailedSlot(test)) AddSlot(report, *slot, &fields);
  if (failure.has_peer() &&
      failure.peer() < static_cast<uint32_t>(test.members_size())) {
    fields.Always(
        "peer",
        SlotJson(report, test.members(static_cast<int>(failure.peer()))));
  }
  fields.Number("wrong", failure.wrong());
  fields.Text("network", failure.network());
  fields.Text("network_reason", failure.network_reason());
  fields.List("log_tail", failure.log_tail());
  fields.Text("log", test.log());
  return fields.Take();
}

Json TestJson(const FabricReport& report, const FabricTest& test) {
  Fields fields;
  fields.Text("phase", PhaseWord(test.phase()));
  fields.Always("round", test.round());
  fields.Text("what", test.what());
  Json members = Json::array();
  for (const Slot& slot : test.members()) {
    members.push_back(SlotJson(report, slot));
  }
  fields.Always("members", std::move(members));
  fields.Text("verdict", VerdictWord(test.verdict()));
  fields.Number("bytes", test.bytes());
  fields.Real("seconds", test.seconds(), kNano);
  fields.Real("algbw_gbps", test.algbw(), kMicro);
  fields.Real("busbw_gbps", test.busbw(), kMicro);
  fields.Real("connect_seconds", test.connect_seconds(), kNano);
  fields.Real("limit", test.limit(), kMicro);
  fields.Text("limit_from", test.limit_from());
  fields.Text("network", test.network());
  fields.List("transports", test.transports());
  fields.Text("nvls", NvlsWord(test.nvls()));
  if (test.has_failure()) {
    fields.Always("failure", FailureJson(report, test));
  }
  return fields.Take();
}

Json FindingJson(const FabricReport& report, const FabricFinding& finding) {
  Fields fields;
  fields.Text("verdict", VerdictWord(finding.verdict()));
  fields.Text("phase", PhaseWord(finding.phase()));
  fields.Text("culprit", CulpritWord(finding.culprit()));
  fields.Text("confidence", ConfidenceWord(finding.confidence()));
  Json nodes = Json::array();
  Json hosts = Json::array();
  for (const uint32_t node : finding.nodes()) {
    nodes.push_back(node);
    hosts.push_back(HostOf(report, node));
  }
  if (!nodes.empty()) {
    fields.Always("nodes", std::move(nodes));
    fields.Always("hosts", std::move(hosts));
  }
  Json gpus = Json::array();
  for (const Slot& slot : finding.gpus()) {
    gpus.push_back(SlotJson(report, slot));
  }
  if (!gpus.empty()) fields.Always("gpus", std::move(gpus));
  fields.Text("device", finding.device());
  fields.Text("message", finding.message());
  fields.List("evidence", finding.evidence());
  fields.Text("next", finding.next());
  return fields.Take();
}

}  // namespace

std::string FabricToJson(const FabricReport& report) {
  Fields fields;
  fields.Text("run_id", report.run_id());
  fields.Text("kind", KindWord(report.kind()));
  fields.Text("kind_from", report.kind_from());
  fields.Text("verdict", VerdictWord(report));
  fields.Always("seconds", Rounded(report.seconds(), 1e3));
  fields.Always("rounds", report.rounds());
  Json nodes = Json::array();
  for (int i = 0; i < report.nodes_size(); ++i) {
    nodes.push_back(NodeJson(report.nodes(i), i));
  }
  fields.Always("nodes", std::move(nodes));
  Json tests = Json::array();
  for (const FabricTest& test : report.tests()) {
    tests.push_back(TestJson(report, test));
  }
  fields.Always("tests", std::move(tests));
  Json findings = Json::array();
  for (const FabricFinding& finding : report.findings()) {
    findings.push_back(FindingJson(report, finding));
  }
  fields.Always("findings", std::move(findings));
  Json notes = Json::array();
  for (const std::string& note : report.notes()) notes.push_back(note);
  fields.Always("notes", std::move(notes));
  return fields.Take().dump(2, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace muster::fabric
