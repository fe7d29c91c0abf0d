// Random nodes with random faults: the verdict names who is at fault and nobody
// else, whatever the order in which messages come.
#include <algorithm>
#include <iterator>
#include <numeric>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rendezvous/exit_codes.h"
#include "tests/launcher/fabric/pretend_nodes.h"

namespace muster::fabric {
namespace {

using test::Fault;
using test::Place;
using test::PretendNodes;
using What = Fault::What;
using Random = std::mt19937;
using Nodes = std::set<uint32_t>;

constexpr uint32_t kPlacements = 50;

uint32_t Up(Random* random, uint32_t most) {
  return std::uniform_int_distribution<uint32_t>(0, most)(*random);
}

// Mostly few nodes, and few GPUs where there are many nodes.
PretendNodes::Options AnyNodes(Random* random, uint32_t fewest,
                               uint32_t fewest_gpus = 0) {
  const uint32_t kind = Up(random, 99);
  const uint32_t gpus[] = {0, 1, 2, 3, 4, 8};
  PretendNodes::Options options;
  options.nodes = fewest + Up(random, kind < 70   ? 8
                                      : kind < 95 ? 24
                                                  : 64 - fewest);
  do {
    options.gpus = gpus[Up(random, options.nodes > 16 ? 3 : 5)];
  } while (options.gpus < fewest_gpus);
  options.seed = (*random)();
  options.chaos = Up(random, 1) == 0;
  // The job may start without one of them, or may not.
  options.min_nodes = options.nodes - Up(random, 1);
  return options;
}

std::string TextOf(const FabricReport& report) {
  std::string text = absl::StrCat("rounds ", report.rounds(), "\n");
  for (const FabricFinding& finding : report.findings()) {
    absl::StrAppend(&text, FabricVerdict_Name(finding.verdict()), " ",
                    FabricCulprit_Name(finding.culprit()), " ",
                    FabricPhase_Name(finding.phase()), ": ", finding.message(),
                    "\n");
    for (const std::string& line : finding.evidence()) {
      absl::StrAppend(&text, "    ", line, "\n");
    }
  }
  return text;
}

// What holds of every test that came to its end.
void CheckSane(const PretendNodes& nodes, uint32_t min_nodes) {
  const FabricReport& report = nodes.fabric();
  FabricVerdict worst = FABRIC_VERDICT_PASS;
  for (const FabricFinding& finding : report.findings()) {
    EXPECT_GE(finding.verdict(), FABRIC_VERDICT_WARN);
    EXPECT_NE(finding.phase(), FABRIC_PHASE_UNSPECIFIED);
    EXPECT_NE(finding.culprit(), FABRIC_CULPRIT_UNSPECIFIED);
    EXPECT_NE(finding.confidence(), FABRIC_CONFIDENCE_UNSPECIFIED);
    EXPECT_FALSE(finding.message().empty());
    EXPECT_FALSE(finding.evidence().empty()) << finding.message();
    EXPECT_FALSE(finding.next().empty()) << finding.message();
    worst = std::max(worst, finding.verdict());
  }
  EXPECT_EQ(report.verdict(), worst);
  std::set<uint32_t> judged;  // took part, or are in a finding
  for (const FabricTest& test : report.tests()) {
    for (const Slot& member : test.members()) judged.insert(member.node());
  }
  for (const FabricFinding& finding : report.findings()) {
    judged.insert(finding.nodes().begin(), finding.nodes().end());
  }
  const auto left_out = nodes.left_out();
  for (uint32_t node = 0; node < static_cast<uint32_t>(report.nodes_size());
       ++node) {
    const FabricNode& told = report.nodes(static_cast<int>(node));
    EXPECT_EQ(told.left_out(), left_out.contains(node));
    EXPECT_EQ(told.verdict() != FABRIC_VERDICT_UNSPECIFIED,
              judged.contains(node));
  }
  if (nodes.exit_code() != 0) {
    EXPECT_TRUE(left_out.empty());
  } else {
    EXPECT_GE(static_cast<uint32_t>(report.nodes_size()) - left_out.size(),
              min_nodes);
  }
}

struct Expected {
  FabricVerdict verdict = FABRIC_VERDICT_FAIL;
  FabricCulprit culprit = FABRIC_CULPRIT_NODE;
  Nodes nodes;
  std::vector<Slot> gpus;  // none: not looked at
};

bool SameSlots(const FabricFinding& finding, const std::vector<Slot>& gpus) {
  return std::equal(finding.gpus().begin(), finding.gpus().end(), gpus.begin(),
                    gpus.end(), [](const Slot& one, const Slot& other) {
                      return one.node() == other.node() &&
                             one.gpu() == other.gpu();
                    });
}

// There is that finding, no other, and the verdict follows from it.
void CheckOnly(const PretendNodes& nodes, const PretendNodes::Options& options,
               const Expected& expected) {
  CheckSane(nodes, options.min_nodes);
  const FabricReport& report = nodes.fabric();
  ASSERT_EQ(report.findings_size(), 1) << TextOf(report);
  const FabricFinding& finding = report.findings(0);
  EXPECT_EQ(finding.verdict(), expected.verdict) << TextOf(report);
  EXPECT_EQ(finding.culprit(), expected.culprit) << TextOf(report);
  EXPECT_EQ(Nodes(finding.nodes().begin(), finding.nodes().end()),
            expected.nodes)
      << TextOf(report);
  if (!expected.gpus.empty()) {
    EXPECT_TRUE(SameSlots(finding, expected.gpus)) << TextOf(report);
  }
  if (expected.verdict == FABRIC_VERDICT_WARN) {
    EXPECT_EQ(nodes.exit_code(), 0);
    EXPECT_TRUE(nodes.left_out().empty());
    return;
  }
  const bool nobody = expected.nodes.empty() ||
                      expected.culprit == FABRIC_CULPRIT_PAIR ||
                      expected.culprit == FABRIC_CULPRIT_FABRIC;
  if (nobody) {
    EXPECT_EQ(nodes.exit_code(), rendezvous::kExitFabric);
  } else if (options.min_nodes < options.nodes) {
    EXPECT_EQ(nodes.exit_code(), 0);
    ASSERT_EQ(nodes.left_out().size(), 1);
    EXPECT_TRUE(expected.nodes.contains(nodes.left_out().begin()->first));
  } else {
    EXPECT_EQ(nodes.exit_code(), rendezvous::kExitNodeLost);
    EXPECT_TRUE(
        expected.nodes.contains(nodes.check().report().first_cause().node()))
        << TextOf(report);
  }
}

const char* NameOf(What what) {
  constexpr const char* kNames[] = {
      "wrong data", "slow",  "hang in connect", "missing", "hang",
      "error",      "crash", "no probe",        "silent",  "fallback"};
  return kNames[static_cast<int>(what)];
}

constexpr What kHard[] = {What::kWrong,   What::kHangConnect, What::kMissing,
                          What::kHangRun, What::kError,       What::kCrash,
                          What::kNoProbe, What::kSilent};
constexpr What kHardOfLinks[] = {What::kWrong, What::kHangConnect,
                                 What::kHangRun, What::kError};
const std::set<FabricPhase> kBetweenNodes = {FABRIC_PHASE_NETWORK,
                                             FABRIC_PHASE_WORLD};
const std::set<FabricPhase> kTogether = {
    FABRIC_PHASE_LOCAL, FABRIC_PHASE_NETWORK, FABRIC_PHASE_WORLD};

std::string Told(uint32_t seed, const std::string& what,
                 const PretendNodes::Options& options) {
  return absl::StrCat("seed ", seed, ", ", what, ", ", options.nodes,
                      " nodes of ", options.gpus, " GPUs, at least ",
                      options.min_nodes, options.chaos ? ", chaos" : "");
}

TEST(FabricCheckProperty, HealthyNodesPass) {
  for (uint32_t seed = 0; seed < 150 && !HasFailure(); ++seed) {
    Random random(seed);
    const PretendNodes::Options options = AnyNodes(&random, 1);
    SCOPED_TRACE(Told(seed, "healthy", options));
    PretendNodes nodes(options);
    ASSERT_TRUE(nodes.Run());
    CheckSane(nodes, options.min_nodes);
    EXPECT_EQ(nodes.fabric().findings_size(), 0) << TextOf(nodes.fabric());
    EXPECT_EQ(nodes.exit_code(), 0);
    EXPECT_EQ(nodes.check().state(), FabricCheck::State::kPassed);
    EXPECT_LT(nodes.elapsed(), std::chrono::seconds(2));
  }
}

TEST(FabricCheckProperty, NodeThatFailsWithOthersIsNamed) {
  for (const What what : kHard) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 3);
      SCOPED_TRACE(Told(seed, NameOf(what), options));
      const uint32_t bad = Up(&random, options.nodes - 1);
      PretendNodes nodes(options);
      nodes.Break({.what = what, .one = {{bad}}, .phases = kBetweenNodes});
      ASSERT_TRUE(nodes.Run());
      CheckOnly(nodes, options, {.nodes = {bad}});
    }
  }
}

TEST(FabricCheckProperty, SlowNodeIsNamedAndNotLeftOut) {
  const std::pair<What, FabricCulprit> cases[] = {
      {What::kSlow, FABRIC_CULPRIT_NODE},
      {What::kFallback, FABRIC_CULPRIT_CONFIG}};
  for (const auto& [what, culprit] : cases) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 4);
      SCOPED_TRACE(Told(seed, NameOf(what), options));
      const uint32_t bad = Up(&random, options.nodes - 1);
      PretendNodes nodes(options);
      nodes.Break({.what = what, .one = {{bad}}, .phases = kBetweenNodes});
      ASSERT_TRUE(nodes.Run());
      CheckOnly(nodes, options,
                {.verdict = FABRIC_VERDICT_WARN,
                 .culprit = options.gpus > 0 ? culprit : FABRIC_CULPRIT_NODE,
                 .nodes = {bad}});
    }
  }
}

TEST(FabricCheckProperty, StrictLeavesTheSlowNodeOut) {
  for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
    Random random(seed);
    PretendNodes::Options options = AnyNodes(&random, 4);
    options.settings.set_strict(true);
    SCOPED_TRACE(Told(seed, "slow", options));
    const uint32_t bad = Up(&random, options.nodes - 1);
    PretendNodes nodes(options);
    nodes.Break({.what = What::kSlow, .one = {{bad}}, .phases = kBetweenNodes});
    ASSERT_TRUE(nodes.Run());
    CheckOnly(nodes, options, {.nodes = {bad}});
  }
}

TEST(FabricCheckProperty, GpuThatFailsByItselfIsNamed) {
  for (const What what : kHard) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 2, 1);
      SCOPED_TRACE(Told(seed, NameOf(what), options));
      const uint32_t node = Up(&random, options.nodes - 1);
      const uint32_t gpu = Up(&random, options.gpus - 1);
      PretendNodes nodes(options);
      nodes.Break({.what = what, .one = {{node, gpu}}});
      ASSERT_TRUE(nodes.Run());
      CheckOnly(nodes, options,
                {.culprit = FABRIC_CULPRIT_GPU,
                 .nodes = {node},
                 .gpus = {SlotOf(node, gpu)}});
    }
  }
}

TEST(FabricCheckProperty, GpuThatFailsWithTheOthersOfItsNodeIsNamed) {
  for (const What what : kHard) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 1, 3);
      SCOPED_TRACE(Told(seed, NameOf(what), options));
      const uint32_t node = Up(&random, options.nodes - 1);
      const uint32_t gpu = Up(&random, options.gpus - 1);
      PretendNodes nodes(options);
      nodes.Break({.what = what, .one = {{node, gpu}}, .phases = kTogether});
      ASSERT_TRUE(nodes.Run());
      if (options.nodes == 1) continue;  // nothing to be left out of
      CheckOnly(nodes, options,
                {.culprit = FABRIC_CULPRIT_GPU,
                 .nodes = {node},
                 .gpus = {SlotOf(node, gpu)}});
    }
  }
}

TEST(FabricCheckProperty, LinkBetweenGpusOfANodeIsNamed) {
  for (const What what : kHardOfLinks) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 2, 3);
      SCOPED_TRACE(Told(seed, NameOf(what), options));
      const uint32_t node = Up(&random, options.nodes - 1);
      const uint32_t a = Up(&random, options.gpus - 2);
      const uint32_t b = a + 1 + Up(&random, options.gpus - 2 - a);
      PretendNodes nodes(options);
      nodes.Break({.what = what,
                   .one = {{node, a}},
                   .other = {{node, b}},
                   .phases = {FABRIC_PHASE_LOCAL}});
      ASSERT_TRUE(nodes.Run());
      CheckOnly(nodes, options,
                {.culprit = FABRIC_CULPRIT_LINK,
                 .nodes = {node},
                 .gpus = {SlotOf(node, a), SlotOf(node, b)}});
    }
  }
}

TEST(FabricCheckProperty, RailIsNamed) {
  for (const What what : kHard) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 3, 2);
      SCOPED_TRACE(Told(seed, NameOf(what), options));
      const uint32_t node = Up(&random, options.nodes - 1);
      const uint32_t gpu = Up(&random, options.gpus - 1);
      PretendNodes nodes(options);
      nodes.Break(
          {.what = what, .one = {{node, gpu}}, .phases = kBetweenNodes});
      ASSERT_TRUE(nodes.Run());
      CheckOnly(nodes, options,
                {.culprit = FABRIC_CULPRIT_RAIL,
                 .nodes = {node},
                 .gpus = {SlotOf(node, gpu)}});
    }
  }
}

TEST(FabricCheckProperty, LinkBetweenNodesIsNamedAndOneEndLeftOut) {
  for (const What what : kHardOfLinks) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 4);
      SCOPED_TRACE(Told(seed, NameOf(what), options));
      // One that the two rounds of a healthy network test.
      const uint32_t half = options.nodes / 2;
      const uint32_t place = Up(&random, half - 1);
      const bool across = Up(&random, 1) == 0;
      const uint32_t a = across ? place + options.nodes % 2 : 2 * place;
      const uint32_t b = across ? a + half : a + 1;
      PretendNodes nodes(options);
      nodes.Break({.what = what,
                   .one = {{a}},
                   .other = {{b}},
                   .phases = kBetweenNodes});
      ASSERT_TRUE(nodes.Run());
      CheckOnly(nodes, options,
                {.culprit = FABRIC_CULPRIT_LINK, .nodes = {a, b}});
    }
  }
}

TEST(FabricCheckProperty, SlowLinkIsNamedAndNobodyLeftOut) {
  for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
    Random random(seed);
    const PretendNodes::Options options = AnyNodes(&random, 4);
    SCOPED_TRACE(Told(seed, "slow link", options));
    const uint32_t a = 2 * Up(&random, options.nodes / 2 - 1);
    PretendNodes nodes(options);
    nodes.Break({.what = What::kSlow,
                 .one = {{a}},
                 .other = {{a + 1}},
                 .phases = kBetweenNodes});
    ASSERT_TRUE(nodes.Run());
    CheckOnly(nodes, options,
              {.verdict = FABRIC_VERDICT_WARN,
               .culprit = FABRIC_CULPRIT_LINK,
               .nodes = {a, a + 1}});
  }
}

TEST(FabricCheckProperty, WhatComesOnceIsAWarning) {
  for (const What what : kHard) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 4);
      SCOPED_TRACE(Told(seed, NameOf(what), options));
      const uint32_t bad = Up(&random, options.nodes - 1);
      PretendNodes nodes(options);
      nodes.Break({.what = what,
                   .one = {{bad}},
                   .phases = {FABRIC_PHASE_NETWORK},
                   .times = 1});
      ASSERT_TRUE(nodes.Run());
      CheckSane(nodes, options.min_nodes);
      EXPECT_EQ(nodes.fabric().verdict(), FABRIC_VERDICT_WARN)
          << TextOf(nodes.fabric());
      EXPECT_EQ(nodes.exit_code(), 0);
      EXPECT_TRUE(nodes.left_out().empty());
    }
  }
}

TEST(FabricCheckProperty, NodeThatIsLostInAnyPhaseIsNamed) {
  for (int phase = FABRIC_PHASE_INVENTORY; phase <= FABRIC_PHASE_WORLD;
       ++phase) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 3, 2);
      SCOPED_TRACE(Told(seed, FabricPhase_Name(static_cast<FabricPhase>(phase)),
                        options));
      if (options.nodes > 64) continue;  // there is no test of all together
      const uint32_t bad = Up(&random, options.nodes - 1);
      PretendNodes nodes(options);
      nodes.LoseIn(bad, static_cast<FabricPhase>(phase));
      ASSERT_TRUE(nodes.Run());
      CheckOnly(nodes, options, {.nodes = {bad}});
    }
  }
}

TEST(FabricCheckProperty, NodeThatDoesNotSayWhatItHasIsNamed) {
  for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
    Random random(seed);
    const PretendNodes::Options options = AnyNodes(&random, 2);
    SCOPED_TRACE(Told(seed, "no inventory", options));
    const uint32_t bad = Up(&random, options.nodes - 1);
    PretendNodes nodes(options);
    nodes.HideInventory(bad);
    ASSERT_TRUE(nodes.Run());
    CheckOnly(nodes, options, {.nodes = {bad}});
  }
}

TEST(FabricCheckProperty, NodeWithAnotherNcclIsNamed) {
  for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
    Random random(seed);
    const PretendNodes::Options options = AnyNodes(&random, 3, 1);
    SCOPED_TRACE(Told(seed, "NCCL", options));
    const uint32_t bad = Up(&random, options.nodes - 1);
    PretendNodes nodes(options);
    nodes.inventory(bad)->set_nccl_version(21805);
    ASSERT_TRUE(nodes.Run());
    CheckOnly(nodes, options,
              {.culprit = FABRIC_CULPRIT_CONFIG, .nodes = {bad}});
  }
}

TEST(FabricCheckProperty, NodeWithFewerGpusIsNamed) {
  for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
    Random random(seed);
    const PretendNodes::Options options = AnyNodes(&random, 2, 2);
    SCOPED_TRACE(Told(seed, "GPUs", options));
    const uint32_t bad = Up(&random, options.nodes - 1);
    PretendNodes nodes(options);
    nodes.inventory(bad)->mutable_gpus()->RemoveLast();
    ASSERT_TRUE(nodes.Run());
    CheckOnly(nodes, options, {.nodes = {bad}});
  }
}

// Up to a quarter of the nodes.
TEST(FabricCheckProperty, SeveralBadNodesAreAllNamedAndLeftOut) {
  for (uint32_t seed = 0; seed < 4 * kPlacements && !HasFailure(); ++seed) {
    Random random(seed);
    PretendNodes::Options options = AnyNodes(&random, 4);
    std::vector<uint32_t> places(options.nodes);
    std::iota(places.begin(), places.end(), 0);
    std::shuffle(places.begin(), places.end(), random);
    const Nodes bad(places.begin(),
                    places.begin() + 1 + Up(&random, options.nodes / 4 - 1));
    options.min_nodes = 1;
    SCOPED_TRACE(Told(seed, absl::StrCat(bad.size(), " bad nodes"), options));
    PretendNodes nodes(options);
    for (const uint32_t node : bad) {
      nodes.Break({.what = kHard[Up(&random, std::size(kHard) - 1)],
                   .one = {{node}},
                   .phases = kBetweenNodes});
    }
    ASSERT_TRUE(nodes.Run());
    CheckSane(nodes, options.min_nodes);
    Nodes left_out;
    for (const auto& [node, why] : nodes.left_out()) left_out.insert(node);
    EXPECT_EQ(left_out, bad) << TextOf(nodes.fabric());
  }
}

TEST(FabricCheckProperty, ANetworkInTwoHalvesIsOneFindingThatNamesBoth) {
  for (uint32_t seed = 0; seed < 20 * kPlacements && !HasFailure(); ++seed) {
    Random random(seed);
    const PretendNodes::Options options = AnyNodes(&random, 4);
    std::vector<uint32_t> places(options.nodes);
    std::iota(places.begin(), places.end(), 0);
    if (Up(&random, 1) == 0) std::shuffle(places.begin(), places.end(), random);
    const uint32_t first = 2 + Up(&random, options.nodes - 4);
    SCOPED_TRACE(Told(seed, absl::StrCat("halves of ", first), options));
    Fault fault{.what = kHardOfLinks[Up(&random, 3)], .phases = kBetweenNodes};
    for (uint32_t i = 0; i < options.nodes; ++i) {
      (i < first ? fault.one : fault.other).push_back({places[i]});
    }
    PretendNodes nodes(options);
    nodes.Break(fault);
    ASSERT_TRUE(nodes.Run());
    // Of few nodes all the pairs that are tried may lie across.
    const auto& tests = nodes.fabric().tests();
    const bool any =
        std::any_of(tests.begin(), tests.end(), [](const FabricTest& test) {
          return test.phase() == FABRIC_PHASE_NETWORK &&
                 test.verdict() == FABRIC_VERDICT_PASS;
        });
    EXPECT_TRUE(any || options.nodes < 16);
    CheckOnly(nodes, options,
              {.culprit = FABRIC_CULPRIT_FABRIC,
               .nodes = any ? Nodes(places.begin(), places.end()) : Nodes{}});
    if (!any || HasFailure()) continue;
    for (const auto& part : {fault.one, fault.other}) {
      std::set<uint32_t> hosts;
      for (const Place& place : part) hosts.insert(place.node);
      EXPECT_THAT(
          nodes.fabric().findings(0).evidence(),
          testing::Contains(absl::StrCat(
              "one part: ",
              absl::StrJoin(hosts, ", ", [&](std::string* out, uint32_t node) {
                *out += nodes.HostOf(node);
              }))));
    }
  }
}

TEST(FabricCheckProperty, WhereNothingWorksNobodyIsBlamed) {
  for (const What what : kHardOfLinks) {
    for (uint32_t seed = 0; seed < kPlacements && !HasFailure(); ++seed) {
      Random random(seed);
      const PretendNodes::Options options = AnyNodes(&random, 2);
      SCOPED_TRACE(Told(seed, NameOf(what), options));
      Fault fault{.what = what, .phases = kBetweenNodes};
      for (uint32_t node = 0; node < options.nodes; ++node) {
        fault.one.push_back({node});
      }
      PretendNodes nodes(options);
      nodes.Break(fault);
      ASSERT_TRUE(nodes.Run());
      const bool two = options.nodes == 2;
      CheckOnly(nodes, options,
                {.culprit = two ? FABRIC_CULPRIT_PAIR : FABRIC_CULPRIT_FABRIC,
                 .nodes = two ? Nodes{0, 1} : Nodes{}});
    }
  }
}

TEST(FabricCheckProperty, ASignalEndsItAtAnyTime) {
  for (uint32_t seed = 0; seed < 4 * kPlacements && !HasFailure(); ++seed) {
    Random random(seed);
    const PretendNodes::Options options = AnyNodes(&random, 2);
    SCOPED_TRACE(Told(seed, "signal", options));
    const uint32_t bad = Up(&random, options.nodes - 1);
    const uint32_t node = Up(&random, options.nodes - 1);
    PretendNodes nodes(options);
    nodes.Break(
        {.what = kHard[Up(&random, std::size(kHard) - 1)], .one = {{bad}}});
    const std::chrono::milliseconds at(Up(&random, 400));
    nodes.CancelAt(node, 15, at);
    ASSERT_TRUE(nodes.Run());
    if (nodes.elapsed() < at) continue;
    EXPECT_EQ(nodes.check().state(), FabricCheck::State::kFailed);
    EXPECT_EQ(nodes.exit_code(), 128 + 15);
    EXPECT_EQ(nodes.check().report().first_cause().kind(), CAUSE_CANCELLED);
    EXPECT_TRUE(nodes.left_out().empty());
  }
}

// Whatever happens: it ends, and nobody is blamed who has no fault.
TEST(FabricCheckProperty, AnyFaultsTogetherComeToAnEnd) {
  for (uint32_t seed = 0; seed < 8 * kPlacements && !HasFailure(); ++seed) {
    Random random(seed);
    PretendNodes::Options options = AnyNodes(&random, 1);
    options.chaos = true;
    options.min_nodes = 1;
    SCOPED_TRACE(Told(seed, "anything", options));
    PretendNodes nodes(options);
    Nodes guilty;
    const uint32_t faults = Up(&random, 3);
    for (uint32_t i = 0; i < faults; ++i) {
      const uint32_t bad = Up(&random, options.nodes - 1);
      guilty.insert(bad);
      Fault fault{.what = kHard[Up(&random, std::size(kHard) - 1)],
                  .one = {{bad}}};
      if (Up(&random, 1) == 0) fault.phases = kBetweenNodes;
      if (options.gpus > 0 && Up(&random, 1) == 0) {
        fault.one[0].gpu = Up(&random, options.gpus - 1);
      }
      nodes.Break(std::move(fault));
    }
    if (Up(&random, 1) == 0) {
      const uint32_t lost = Up(&random, options.nodes - 1);
      guilty.insert(lost);
      nodes.LoseIn(lost, static_cast<FabricPhase>(
                             1 + Up(&random, FABRIC_PHASE_WORLD - 1)));
    }
    ASSERT_TRUE(nodes.Run());
    CheckSane(nodes, options.min_nodes);
    for (const auto& [node, why] : nodes.left_out()) {
      EXPECT_TRUE(guilty.contains(node)) << node << TextOf(nodes.fabric());
    }
  }
}

TEST(FabricCheckProperty, FiveHundredNodesAreTested) {
  for (uint32_t seed = 0; seed < 3 && !HasFailure(); ++seed) {
    Random random(seed);
    PretendNodes::Options options{.nodes = 500 + 6 * seed,
                                  .gpus = seed,
                                  .min_nodes = 499 + 6 * seed,
                                  .seed = seed};
    SCOPED_TRACE(Told(seed, "many", options));
    const uint32_t bad = Up(&random, options.nodes - 1);
    PretendNodes nodes(options);
    nodes.Break(
        {.what = What::kHangRun, .one = {{bad}}, .phases = kBetweenNodes});
    ASSERT_TRUE(nodes.Run());
    CheckOnly(nodes, options, {.nodes = {bad}});
  }
}

}  // namespace
}  // namespace muster::fabric
