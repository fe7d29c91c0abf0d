#include "launcher/fabric/fabric_json.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "launcher/fabric/view/words.h"
#include "tests/launcher/fabric/view/pretend_report.h"

namespace muster::fabric {
namespace {

using Json = nlohmann::json;
using namespace test;  // NOLINT: the reports

Json Parsed(const FabricReport& report) {
  return Json::parse(FabricToJson(report));
}

TEST(FabricJson, OfNothingHasItsListsAllTheSame) {
  FabricReport report;
  EXPECT_EQ(FabricToJson(report), R"({
  "verdict": "none",
  "seconds": 0.0,
  "rounds": 0,
  "nodes": [],
  "tests": [],
  "findings": [],
  "notes": []
}
)");
}

TEST(FabricJson, HasEveryTestWithItsFigures) {
  Json json = Parsed(ThreeNodes());
  EXPECT_EQ(json["run_id"], "run-1");
  EXPECT_EQ(json["kind"], "gloo");
  EXPECT_EQ(json["kind_from"], "the nodes have no GPUs");
  EXPECT_EQ(json["verdict"], "pass");
  EXPECT_EQ(json["seconds"], 1.42);
  EXPECT_EQ(json["rounds"], 3);
  EXPECT_EQ(json["nodes"][2], Json::parse(R"({"node": 2, "host": "host3",
      "address": "10.0.0.3", "verdict": "pass"})"));
  ASSERT_EQ(json["tests"].size(), 3u);
  EXPECT_EQ(json["tests"][1], Json::parse(R"({"phase": "network", "round": 2,
      "what": "1 pair of neighbours", "verdict": "pass",
      "members": [{"node": 0, "host": "host1"}, {"node": 2, "host": "host3"}],
      "bytes": 4194304, "seconds": 0.003495253, "algbw_gbps": 1.2,
      "busbw_gbps": 1.2, "limit": 0.6})"));
  EXPECT_EQ(json["tests"][2]["phase"], "world");
  EXPECT_EQ(json["tests"][2]["algbw_gbps"], 0.675);
}

TEST(FabricJson, HasTheFailureAndTheFinding) {
  FabricReport report = BrokenLink();
  report.mutable_tests(1)->mutable_failure()->set_peer(0);
  report.mutable_tests(1)->mutable_failure()->set_code(3);
  report.mutable_tests(1)->mutable_failure()->add_log_tail("WARN no route");
  report.mutable_nodes(2)->set_left_out(true);
  Json json = Parsed(report);
  EXPECT_EQ(json["verdict"], "fail");
  EXPECT_EQ(json["nodes"][2]["left_out"], true);
  EXPECT_EQ(json["tests"][1], Json::parse(R"({"phase": "network", "round": 1,
      "what": "1 pair of neighbours", "verdict": "fail",
      "members": [{"node": 0, "host": "host1"}, {"node": 2, "host": "host3"}],
      "failure": {"kind": "timeout", "stage": "connect", "code": 3,
                  "message": "no answer from 10.0.0.1 within 2 s",
                  "node": 2, "host": "host3",
                  "peer": {"node": 0, "host": "host1"},
                  "log_tail": ["WARN no route"], "log": "/tmp/probe.log"}})"));
  ASSERT_EQ(json["findings"].size(), 1u);
  Json& finding = json["findings"][0];
  EXPECT_EQ(finding["verdict"], "fail");
  EXPECT_EQ(finding["phase"], "network");
  EXPECT_EQ(finding["culprit"], "link");
  EXPECT_EQ(finding["confidence"], "confirmed");
  EXPECT_EQ(finding["nodes"], Json::parse("[0, 2]"));
  EXPECT_EQ(finding["hosts"], Json::parse(R"(["host1", "host3"])"));
  EXPECT_EQ(finding["evidence"].size(), 1u);
  EXPECT_EQ(finding["next"], "on host1: ping -c 3 10.0.0.3");
  EXPECT_FALSE(finding.contains("gpus"));
}

TEST(FabricJson, HasWhatTheNodesHave) {
  FabricReport report = PretendReport(FABRIC_NCCL, 1, 1);
  FabricInventory* inventory = report.mutable_nodes(0)->mutable_inventory();
  GpuFacts* gpu = inventory->mutable_gpus(0);
  gpu->set_memory_bytes(85'899'345'920);
  gpu->set_capability(90);
  gpu->set_nvlinks(17);
  gpu->set_nvlinks_off(1);
  gpu->set_pcie_generation(5);
  gpu->set_pcie_width(16);
  gpu->set_fabric_state("completed");
  NicFacts* nic = inventory->add_nics();
  nic->set_name("mlx5_0");
  nic->set_layer("infiniband");
  nic->set_gbps(400);
  nic->set_state("DOWN");
  inventory->set_driver("550.54.15");
  inventory->set_nccl_version(22809);
  inventory->set_nccl_library("/usr/lib/libnccl.so.2");
  inventory->set_nccl_origin("python3's");
  inventory->set_gloo_problem("no libgloo.so.0");
  inventory->set_memlock_bytes(UINT64_MAX);
  inventory->set_shm_bytes(67'108'864);
  inventory->set_interface("eth0");
  inventory->set_interface_gbps(25);
  inventory->add_notes("odd");
  Json json = Parsed(report)["nodes"][0]["inventory"];
  EXPECT_EQ(json, Json::parse(R"({
      "gpus": [{"gpu": 0, "uuid": "GPU-1-0", "pci": "0000:1b:00.0",
                "name": "NVIDIA H100 80GB HBM3", "memory_bytes": 85899345920,
                "compute_capability": "9.0", "nvlinks": 17, "nvlinks_off": 1,
                "pcie_generation": 5, "pcie_width": 16,
                "fabric_state": "completed"}],
      "nics": [{"name": "mlx5_0", "layer": "infiniband", "active": false,
                "rate_gbit": 400.0, "state": "DOWN"}],
      "driver": "550.54.15",
      "nccl": {"version": "2.28.9", "library": "/usr/lib/libnccl.so.2",
               "origin": "python3's"},
      "gloo": {"problem": "no libgloo.so.0"},
      "memlock_bytes": "unlimited", "shm_bytes": 67108864,
      "interface": "eth0", "interface_gbit": 25.0, "notes": ["odd"]})"));
}

TEST(FabricJson, WithNcclNamesGpus) {
  FabricReport report = PretendReport(FABRIC_NCCL, 2, 2);
  AddPair(&report, 1, 0, 1, 48, 1)->set_network("IB");
  report.mutable_tests(0)->add_transports("NET/IB/0/GDRDMA");
  Fail(AddPair(&report, 1, 0, 1, 48, 0), FABRIC_FAILURE_WRONG,
       FABRIC_STAGE_CHECK, 7, "");
  report.mutable_tests(1)->mutable_failure()->set_wrong(3);
  AddFinding(&report, FABRIC_VERDICT_WARN, FABRIC_PHASE_NETWORK,
             FABRIC_CULPRIT_RAIL, FABRIC_CONFIDENCE_PROBABLE, {1}, "slow")
      ->add_gpus()
      ->set_node(1);
  Json json = Parsed(report);
  EXPECT_EQ(json["tests"][0]["members"],
            Json::parse(R"([{"node": 0, "host": "host1", "gpu": 1},
                            {"node": 1, "host": "host2", "gpu": 1}])"));
  EXPECT_EQ(json["tests"][0]["network"], "IB");
  EXPECT_EQ(json["tests"][0]["transports"][0], "NET/IB/0/GDRDMA");
  EXPECT_EQ(json["findings"][0]["gpus"],
            Json::parse(R"([{"node": 1, "host": "host2", "gpu": 0}])"));
  // A rank that the group does not have is nobody's.
  EXPECT_EQ(json["tests"][1]["failure"],
            Json::parse(R"({"kind": "wrong_data", "stage": "check",
                            "wrong": 3})"));
}

TEST(FabricJson, SaysWhetherTheSwitchesReduce) {
  FabricReport report = PretendReport(FABRIC_NCCL, 1, 2);
  const auto add = [&] {
    return AddTest(&report, FABRIC_PHASE_LOCAL, 1, {{0, 0}, {0, 1}}, 300);
  };
  add();
  add()->set_nvls(FABRIC_NVLS_OFF);
  add()->set_nvls(FABRIC_NVLS_MISSING);
  add()->set_nvls(FABRIC_NVLS_USABLE);
  Json json = Parsed(report)["tests"];
  EXPECT_FALSE(json[0].contains("nvls"));
  EXPECT_EQ(json[1]["nvls"], "off");
  EXPECT_EQ(json[2]["nvls"], "missing");
  EXPECT_EQ(json[3]["nvls"], "usable");
}

TEST(FabricJson, SaysWhichNetworkAFailureHadChosenAndWhy) {
  FabricReport report = BrokenLink();
  FabricFailure* failure = report.mutable_tests(1)->mutable_failure();
  failure->set_network("Socket");
  failure->set_network_reason("no adapter was found");
  Json json = Parsed(report)["tests"];
  EXPECT_EQ(json[1]["failure"]["network"], "Socket");
  EXPECT_EQ(json[1]["failure"]["network_reason"], "no adapter was found");
  EXPECT_FALSE(json[4]["failure"].contains("network"));
  EXPECT_FALSE(json[4]["failure"].contains("network_reason"));
}

TEST(FabricJson, SaysWhereALimitAndTheTimeToConnectCameFrom) {
  FabricReport report = ThreeNodes();
  report.mutable_tests(0)->set_limit_from("half of the median");
  report.mutable_tests(0)->set_connect_seconds(0.8);
  report.mutable_tests(1)->clear_limit();
  report.mutable_tests(1)->set_limit_from("--limit-network 0");
  Json json = Parsed(report)["tests"];
  EXPECT_EQ(json[0]["limit"], 0.6);
  EXPECT_EQ(json[0]["limit_from"], "half of the median");
  EXPECT_EQ(json[0]["connect_seconds"], 0.8);
  EXPECT_FALSE(json[1].contains("limit"));
  EXPECT_EQ(json[1]["limit_from"], "--limit-network 0");
  EXPECT_FALSE(json[1].contains("connect_seconds"));
}

TEST(FabricJson, HasTheOddFactsOfANodeOnlyWhereTheyAreTrue) {
  FabricReport report = PretendReport(FABRIC_NCCL, 2, 1);
  report.mutable_nodes(0)->set_lost("silent for 5 s");
  FabricInventory* inventory = report.mutable_nodes(0)->mutable_inventory();
  inventory->set_pretended(true);
  inventory->set_boot_id("boot");
  inventory->set_nccl_problem("no libnccl.so.2");
  inventory->set_memlock_bytes(65536);
  inventory->mutable_gpus(0)->set_mig(true);
  inventory->mutable_gpus(0)->set_processes(2);
  inventory->mutable_gpus(0)->set_problem("fell off the bus");
  Json json = Parsed(report)["nodes"];
  EXPECT_EQ(json[0]["lost"], "silent for 5 s");
  Json& odd = json[0]["inventory"];
  EXPECT_EQ(odd["pretended"], true);
  EXPECT_EQ(odd["boot_id"], "boot");
  EXPECT_EQ(odd["nccl"], Json::parse(R"({"problem": "no libnccl.so.2"})"));
  EXPECT_EQ(odd["memlock_bytes"], 65536);
  EXPECT_EQ(odd["gpus"][0]["mig"], true);
  EXPECT_EQ(odd["gpus"][0]["processes"], 2);
  EXPECT_EQ(odd["gpus"][0]["problem"], "fell off the bus");
  EXPECT_EQ(json[1], Json::parse(R"({"node": 1, "host": "host2",
      "address": "10.0.0.2", "verdict": "pass",
      "inventory": {"gpus": [{"gpu": 0, "uuid": "GPU-2-0",
                              "pci": "0000:1b:00.0",
                              "name": "NVIDIA H100 80GB HBM3"}]}})"));
}

TEST(FabricJson, LeavesOutWhatIsNoNumber) {
  FabricReport report = ThreeNodes();
  report.mutable_tests(0)->set_busbw(std::numeric_limits<double>::infinity());
  report.mutable_tests(0)->set_limit(std::nan(""));
  Json json = Parsed(report)["tests"][0];
  EXPECT_FALSE(json.contains("busbw_gbps"));
  EXPECT_FALSE(json.contains("limit"));
}

TEST(FabricJson, ANodeThatIsNotThereHasItsNumberForAName) {
  FabricReport report = ThreeNodes();
  for (const uint32_t node : {3U, UINT32_MAX}) {
    report.mutable_tests(0)->mutable_members(0)->set_node(node);
    EXPECT_EQ(Parsed(report)["tests"][0]["members"][0]["host"],
              absl::StrCat("node ", node));
  }
  FabricFailure* failure = report.mutable_tests(0)->mutable_failure();
  failure->set_kind(FABRIC_FAILURE_ERROR);
  failure->set_peer(UINT32_MAX);
  report.mutable_tests(0)->set_failed_rank(UINT32_MAX);
  EXPECT_EQ(Parsed(report)["tests"][0]["failure"],
            Json::parse(R"({"kind": "error"})"));
}

TEST(FabricJson, WhatWasNotTestedDidNotPass) {
  FabricReport report = PretendReport(FABRIC_OFF, 1);
  EXPECT_EQ(Parsed(report)["verdict"], "none");
  EXPECT_EQ(Parsed(report)["kind"], "off");
  report.set_verdict(FABRIC_VERDICT_FAIL);
  EXPECT_EQ(Parsed(report)["verdict"], "fail") << "a node was lost before";
}

TEST(FabricJson, BytesThatAreNotUtf8AreReplaced) {
  FabricReport report = BrokenLink();
  report.mutable_findings(0)->set_message("bad \xff \x1b[0m");
  report.mutable_nodes(0)->set_host(std::string("\0\n\"\\\x80", 5));
  report.add_notes("cut \xe2\x82");
  Json json = Parsed(report);
  EXPECT_EQ(json["findings"][0]["message"], "bad \ufffd \x1b[0m");
  EXPECT_EQ(json["nodes"][0]["host"], std::string("\0\n\"\\\ufffd", 7));
  EXPECT_EQ(json["notes"][0], "cut \ufffd");
  const std::string text = FabricToJson(report);
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "escaped, not raw";
}

template <typename Enum, typename Word>
void ExpectWords(Enum first, Enum last, Word word) {
  for (int value = first + 1; value <= last; ++value) {
    EXPECT_NE(word(static_cast<Enum>(value)), "") << value;
    EXPECT_NE(word(static_cast<Enum>(value)), "none") << value;
  }
}

TEST(FabricJson, EverythingHasItsWord) {
  ExpectWords(FabricVerdict_MIN, FabricVerdict_MAX,
              [](FabricVerdict value) { return VerdictWord(value); });
  ExpectWords(FabricKind_MIN, FabricKind_MAX, KindWord);
  ExpectWords(FabricPhase_MIN, FabricPhase_MAX, PhaseWord);
  ExpectWords(FabricCulprit_MIN, FabricCulprit_MAX, CulpritWord);
  ExpectWords(FabricConfidence_MIN, FabricConfidence_MAX, ConfidenceWord);
  ExpectWords(FabricFailureKind_MIN, FabricFailureKind_MAX, FailureWord);
  ExpectWords(FabricStage_MIN, FabricStage_MAX, StageWord);
  ExpectWords(FabricNvls_MIN, FabricNvls_MAX, NvlsWord);
}

}  // namespace
}  // namespace muster::fabric
