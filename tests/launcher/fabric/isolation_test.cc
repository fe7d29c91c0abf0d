#include "launcher/fabric/isolation.h"

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/pretend_fabric.h"

namespace muster::fabric {
namespace {

using test::PretendFabric;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using What = Blame::What;

// What every round was called.
std::vector<std::string> Drive(Isolation* isolation,
                               const PretendFabric& fabric) {
  std::vector<std::string> texts;
  while (texts.size() < 100) {
    const std::vector<Pair> pairs = isolation->Next();
    if (pairs.empty()) break;
    texts.push_back(isolation->RoundText());
    for (const Pair& pair : pairs) {
      EXPECT_TRUE(isolation->Record(fabric.Test(pair)));
    }
  }
  return texts;
}

struct Outline {
  What what;
  std::vector<uint32_t> units;
  std::optional<uint32_t> rail;
  Severity severity;
  Confidence confidence;
  bool operator==(const Outline&) const = default;
};

void PrintTo(const Outline& outline, std::ostream* out) {
  *out << "what " << static_cast<int>(outline.what) << ", units";
  for (const uint32_t unit : outline.units) *out << " " << unit;
  if (outline.rail) *out << ", rail " << *outline.rail;
  *out << (outline.severity == Severity::kHard ? ", hard" : ", slow")
       << ", confidence " << static_cast<int>(outline.confidence);
}

std::vector<Outline> OutlinesOf(const Isolation& isolation) {
  std::vector<Outline> outlines;
  for (const Blame& blame : isolation.Result()) {
    outlines.push_back({blame.what, blame.units, blame.rail, blame.severity,
                        blame.confidence});
  }
  return outlines;
}

std::vector<Outline> BlamesOf(const PretendFabric& fabric) {
  Isolation isolation({.rails = fabric.rails});
  Drive(&isolation, fabric);
  return OutlinesOf(isolation);
}

TEST(Isolation, AHealthyFabricTakesNeighboursAndStrides) {
  const PretendFabric fabric(8);
  Isolation isolation({.rails = fabric.rails});
  EXPECT_EQ(isolation.round(), 0);
  EXPECT_THAT(Drive(&isolation, fabric),
              ElementsAre("4 pairs of neighbours", "4 pairs across"));
  EXPECT_THAT(isolation.Result(), IsEmpty());
}

TEST(Isolation, OneUnitHasNothingToTest) {
  for (const uint32_t n : {0u, 1u}) {
    Isolation isolation({.rails = std::vector<uint32_t>(n, 8)});
    EXPECT_THAT(isolation.Next(), IsEmpty());
    EXPECT_THAT(isolation.Result(), IsEmpty());
  }
}

TEST(Isolation, ABadUnitIsNamedInTwoRoundsWhileTheOthersGoOn) {
  PretendFabric fabric(8);
  fabric.BreakUnit(3, Outcome::kFail);
  Isolation isolation({.rails = fabric.rails});
  EXPECT_THAT(Drive(&isolation, fabric),
              ElementsAre("4 pairs of neighbours",
                          "2 suspects with good partners, 1 pair across"));
  EXPECT_THAT(OutlinesOf(isolation),
              ElementsAre(Outline{What::kUnit,
                                  {3},
                                  std::nullopt,
                                  Severity::kHard,
                                  Confidence::kConfirmed}));
  // Both partners, and nothing else.
  EXPECT_THAT(isolation.Result()[0].edges,
              ElementsAre(Evidence{1, {2, 3}, 0, Outcome::kFail},
                          Evidence{2, {0, 3}, 0, Outcome::kFail}));
}

TEST(Isolation, ASlowUnitIsSlowAlsoWhenItFailsHardOnce) {
  PretendFabric fabric(8);
  fabric.BreakUnit(3, Outcome::kSlow);
  EXPECT_THAT(BlamesOf(fabric), ElementsAre(Outline{What::kUnit,
                                                    {3},
                                                    std::nullopt,
                                                    Severity::kSlow,
                                                    Confidence::kConfirmed}));
  Isolation isolation({.rails = fabric.rails});
  for (const Pair& pair : isolation.Next()) {
    PairResult result = fabric.Test(pair);
    if (pair == Pair{2, 3}) result.rails = {Outcome::kFail};
    isolation.Record(result);
  }
  Drive(&isolation, fabric);
  EXPECT_THAT(OutlinesOf(isolation),
              UnorderedElementsAre(Outline{What::kUnit,
                                           {3},
                                           std::nullopt,
                                           Severity::kSlow,
                                           Confidence::kConfirmed},
                                   Outline{What::kTransient,
                                           {2, 3},
                                           std::nullopt,
                                           Severity::kHard,
                                           Confidence::kProbable}));
}

TEST(Isolation, ABadLinkIsToldFromBadUnits) {
  PretendFabric fabric(8);
  fabric.BreakLink({4, 5}, Outcome::kFail);
  Isolation isolation({.rails = fabric.rails});
  EXPECT_THAT(Drive(&isolation, fabric),
              ElementsAre("4 pairs of neighbours",
                          "2 suspects with good partners, 1 pair across, "
                          "1 other pair",
                          "the same pair again"));
  EXPECT_THAT(OutlinesOf(isolation),
              ElementsAre(Outline{What::kLink,
                                  {4, 5},
                                  std::nullopt,
                                  Severity::kHard,
                                  Confidence::kConfirmed}));
}

TEST(Isolation, ANetworkInTwoHalvesIsNoneOfItsUnitsFault) {
  PretendFabric fabric(std::vector<uint32_t>(12, 2));
  for (uint32_t a = 0; a < 5; ++a) {
    for (uint32_t b = 5; b < 12; ++b) fabric.BreakLink({a, b}, Outcome::kFail);
  }
  Isolation isolation({.rails = fabric.rails});
  Drive(&isolation, fabric);
  const std::vector<Blame> blames = isolation.Result();
  ASSERT_EQ(blames.size(), 1);
  EXPECT_EQ(blames[0].what, What::kDivided);
  EXPECT_EQ(blames[0].rail, std::nullopt);
  EXPECT_EQ(blames[0].severity, Severity::kHard);
  EXPECT_THAT(blames[0].parts, ElementsAre(ElementsAre(0, 1, 2, 3, 4),
                                           ElementsAre(5, 6, 7, 8, 9, 10, 11)));
  EXPECT_THAT(blames[0].units, testing::SizeIs(12));
  for (const Evidence& edge : blames[0].edges) {
    EXPECT_LT(edge.pair.a, 5);
    EXPECT_GE(edge.pair.b, 5);
  }
}

TEST(Isolation, OneRailMayBeInThreeParts) {
  PretendFabric fabric(std::vector<uint32_t>(15, 2));
  for (uint32_t a = 0; a < 15; ++a) {
    for (uint32_t b = a + 1; b < 15; ++b) {
      if (a % 3 != b % 3) fabric.BreakLink({a, b}, Outcome::kFail, 1);
    }
  }
  Isolation isolation({.rails = fabric.rails});
  Drive(&isolation, fabric);
  const std::vector<Blame> blames = isolation.Result();
  ASSERT_EQ(blames.size(), 1);
  EXPECT_EQ(blames[0].what, What::kDivided);
  EXPECT_EQ(blames[0].rail, 1);
  EXPECT_EQ(blames[0].parts.size(), 3);
}

TEST(Isolation, ABadUnitOfADividedNetworkIsStillNamed) {
  PretendFabric fabric(16);
  for (uint32_t a = 0; a < 8; ++a) {
    for (uint32_t b = 8; b < 16; ++b) fabric.BreakLink({a, b}, Outcome::kFail);
  }
  fabric.BreakUnit(11, Outcome::kFail);
  Isolation isolation({.rails = fabric.rails});
  Drive(&isolation, fabric);
  const std::vector<Blame> blames = isolation.Result();
  ASSERT_EQ(blames.size(), 2);
  EXPECT_EQ(blames[0].what, What::kUnit);
  EXPECT_THAT(blames[0].units, ElementsAre(11));
  EXPECT_EQ(blames[1].what, What::kDivided);
}

TEST(Isolation, AFailureThatDoesNotComeAgainIsTransient) {
  const PretendFabric fabric(8);
  Isolation isolation({.rails = fabric.rails});
  for (const Pair& pair : isolation.Next()) {
    isolation.Record({pair, {pair.a == 0 ? Outcome::kSlow : Outcome::kPass}});
  }
  Drive(&isolation, fabric);
  EXPECT_THAT(OutlinesOf(isolation),
              ElementsAre(Outline{What::kTransient,
                                  {0, 1},
                                  std::nullopt,
                                  Severity::kSlow,
                                  Confidence::kProbable}));
}

TEST(Isolation, ABadRailNamesTheUnitAndTheRail) {
  PretendFabric fabric(std::vector<uint32_t>(8, 4));
  fabric.BreakUnit(6, Outcome::kFail, 2);
  fabric.BreakLink({0, 1}, Outcome::kSlow, 3);
  EXPECT_THAT(
      BlamesOf(fabric),
      ElementsAre(
          Outline{What::kRail, {6}, 2, Severity::kHard, Confidence::kConfirmed},
          Outline{What::kLink,
                  {0, 1},
                  3,
                  Severity::kSlow,
                  Confidence::kConfirmed}));
}

TEST(Isolation, AllRailsOfAUnitAreTheUnit) {
  PretendFabric fabric(std::vector<uint32_t>(8, 2));
  fabric.BreakUnit(6, Outcome::kFail, 0);
  fabric.BreakUnit(6, Outcome::kSlow, 1);
  EXPECT_THAT(BlamesOf(fabric), ElementsAre(Outline{What::kUnit,
                                                    {6},
                                                    std::nullopt,
                                                    Severity::kHard,
                                                    Confidence::kConfirmed}));
}

TEST(Isolation, ARailThatNobodyPassesIsTheFabrics) {
  PretendFabric fabric(std::vector<uint32_t>(8, 2));
  for (uint32_t unit = 0; unit < 8; ++unit) {
    fabric.BreakUnit(unit, Outcome::kFail, 1);
  }
  Isolation isolation({.rails = fabric.rails});
  EXPECT_THAT(Drive(&isolation, fabric), SizeIs(3));
  EXPECT_THAT(
      OutlinesOf(isolation),
      ElementsAre(Outline{
          What::kFabric, {}, 1, Severity::kHard, Confidence::kAmbiguous}));
}

TEST(Isolation, WhereAllAreSlowTheDeadOneIsNamedAllTheSame) {
  PretendFabric fabric(8);
  for (uint32_t unit = 0; unit < 8; ++unit) {
    fabric.BreakUnit(unit, unit == 5 ? Outcome::kFail : Outcome::kSlow);
  }
  EXPECT_THAT(BlamesOf(fabric), ElementsAre(Outline{What::kUnit,
                                                    {5},
                                                    std::nullopt,
                                                    Severity::kHard,
                                                    Confidence::kConfirmed},
                                            Outline{What::kFabric,
                                                    {},
                                                    std::nullopt,
                                                    Severity::kSlow,
                                                    Confidence::kAmbiguous}));
}

TEST(Isolation, TwoUnitsCannotBeToldApart) {
  PretendFabric fabric(std::vector<uint32_t>(2, 2));
  Isolation healthy({.rails = fabric.rails});
  EXPECT_THAT(Drive(&healthy, fabric), ElementsAre("1 pair of neighbours"));
  fabric.BreakUnit(1, Outcome::kFail, 1);
  Isolation isolation({.rails = fabric.rails});
  EXPECT_THAT(Drive(&isolation, fabric),
              ElementsAre("1 pair of neighbours", "the same pair again"));
  EXPECT_THAT(
      OutlinesOf(isolation),
      ElementsAre(Outline{
          What::kPair, {0, 1}, 1, Severity::kHard, Confidence::kAmbiguous}));
}

TEST(Isolation, TwoUnitsThatPassTheSecondTimeHadATransientFailure) {
  const PretendFabric fabric(2);
  Isolation isolation({.rails = fabric.rails});
  ASSERT_THAT(isolation.Next(), SizeIs(1));
  isolation.Record({{0, 1}, {Outcome::kFail}});
  EXPECT_THAT(Drive(&isolation, fabric), SizeIs(1));
  EXPECT_THAT(OutlinesOf(isolation),
              ElementsAre(Outline{What::kTransient,
                                  {0, 1},
                                  std::nullopt,
                                  Severity::kHard,
                                  Confidence::kProbable}));
}

TEST(Isolation, ThreeUnitsNameTheBadOne) {
  for (uint32_t bad = 0; bad < 3; ++bad) {
    PretendFabric fabric(3);
    fabric.BreakUnit(bad, Outcome::kFail);
    Isolation isolation({.rails = fabric.rails});
    EXPECT_THAT(Drive(&isolation, fabric), SizeIs(3));
    EXPECT_THAT(OutlinesOf(isolation),
                ElementsAre(Outline{What::kUnit,
                                    {bad},
                                    std::nullopt,
                                    Severity::kHard,
                                    Confidence::kConfirmed}));
  }
}

TEST(Isolation, ThreeUnitsNameTheBadLinkThatWasTested) {
  for (const Pair link : {Pair{0, 1}, Pair{1, 2}}) {
    PretendFabric fabric(3);
    fabric.BreakLink(link, Outcome::kFail);
    EXPECT_THAT(BlamesOf(fabric), ElementsAre(Outline{What::kLink,
                                                      {link.a, link.b},
                                                      std::nullopt,
                                                      Severity::kHard,
                                                      Confidence::kConfirmed}));
  }
}

TEST(Isolation, TheOneThatWasLeftOverComesNext) {
  const PretendFabric fabric(5);
  Isolation isolation({.rails = fabric.rails, .healthy_rounds = 1});
  EXPECT_THAT(
      Drive(&isolation, fabric),
      ElementsAre("2 pairs of neighbours", "1 left over, with a good partner"));
}

TEST(Isolation, AUnitWithLinksThatFailAndOthersThatPassIsNotBadItself) {
  PretendFabric fabric(8);
  fabric.BreakLink({0, 1}, Outcome::kFail);
  fabric.BreakLink({1, 5}, Outcome::kFail);
  Isolation isolation({.rails = fabric.rails, .exhaustive = true});
  Drive(&isolation, fabric);
  EXPECT_THAT(OutlinesOf(isolation),
              ElementsAre(Outline{What::kLink,
                                  {0, 1},
                                  std::nullopt,
                                  Severity::kHard,
                                  Confidence::kConfirmed},
                          Outline{What::kLink,
                                  {1, 5},
                                  std::nullopt,
                                  Severity::kHard,
                                  Confidence::kConfirmed}));
}

TEST(Isolation, WithOneGoodPartnerLeftTheBlameIsProbable) {
  PretendFabric fabric(4);
  fabric.BreakUnit(3, Outcome::kFail);
  Isolation isolation({.rails = fabric.rails});
  for (const Pair& pair : isolation.Next()) {
    isolation.Record(fabric.Test(pair));
  }
  // 0 is lost, and 2 has not passed with 1 yet.
  isolation.Exclude(0);
  fabric.BreakUnit(2, Outcome::kFail);
  Drive(&isolation, fabric);
  EXPECT_THAT(OutlinesOf(isolation),
              ElementsAre(Outline{What::kUnit,
                                  {2},
                                  std::nullopt,
                                  Severity::kHard,
                                  Confidence::kProbable},
                          Outline{What::kUnit,
                                  {3},
                                  std::nullopt,
                                  Severity::kHard,
                                  Confidence::kProbable}));
}

TEST(Isolation, WhoIsExcludedFromTheStartIsNeitherTestedNorBlamed) {
  PretendFabric fabric(5);
  fabric.BreakUnit(1, Outcome::kFail);
  Isolation isolation({.rails = fabric.rails});
  isolation.Exclude(1);
  EXPECT_THAT(isolation.Next(), ElementsAre(Pair{0, 2}, Pair{3, 4}));
  for (const Pair pair : {Pair{0, 2}, Pair{3, 4}}) {
    isolation.Record(fabric.Test(pair));
  }
  EXPECT_THAT(isolation.Next(), ElementsAre(Pair{0, 3}, Pair{2, 4}));
}

TEST(Isolation, AFailureTogetherWithALostUnitProvesNothing) {
  const PretendFabric fabric(4);
  Isolation isolation({.rails = fabric.rails});
  ASSERT_THAT(isolation.Next(), ElementsAre(Pair{0, 1}, Pair{2, 3}));
  isolation.Record({{0, 1}, {Outcome::kFail}});
  isolation.Exclude(0);
  EXPECT_THAT(isolation.pending(), ElementsAre(Pair{2, 3}));
  isolation.Record({{2, 3}, {Outcome::kPass}});
  Drive(&isolation, fabric);
  EXPECT_THAT(isolation.Result(), IsEmpty());
}

TEST(Isolation, ResultsThatNobodyWaitsForChangeNothing) {
  Isolation isolation({.rails = {1, 1, 1, 1}});
  ASSERT_THAT(isolation.Next(), SizeIs(2));
  EXPECT_FALSE(isolation.Record({{0, 2}, {Outcome::kFail}}));
  EXPECT_TRUE(isolation.Record({{0, 1}, {Outcome::kPass}}));
  EXPECT_FALSE(isolation.Record({{0, 1}, {Outcome::kFail}}));
  isolation.Exclude(3);
  EXPECT_FALSE(isolation.Record({{2, 3}, {Outcome::kFail}}));
  EXPECT_THAT(isolation.pending(), IsEmpty());
}

TEST(Isolation, AResultThatNeverComesIsAHardFailure) {
  const PretendFabric fabric(8);
  Isolation isolation({.rails = fabric.rails});
  for (const Pair& pair : isolation.Next()) {
    if (pair.a != 4) isolation.Record(fabric.Test(pair));
  }
  Drive(&isolation, fabric);
  EXPECT_THAT(OutlinesOf(isolation),
              ElementsAre(Outline{What::kTransient,
                                  {4, 5},
                                  std::nullopt,
                                  Severity::kHard,
                                  Confidence::kProbable}));
}

TEST(Isolation, UnitsWithFewerRailsAreTestedOnWhatTheyHave) {
  PretendFabric fabric({4, 2, 4, 2, 4, 2, 4, 2});
  fabric.BreakUnit(2, Outcome::kFail, 3);
  fabric.BreakUnit(7, Outcome::kFail);
  EXPECT_THAT(
      BlamesOf(fabric),
      UnorderedElementsAre(
          Outline{What::kRail, {2}, 3, Severity::kHard, Confidence::kConfirmed},
          Outline{What::kUnit,
                  {7},
                  std::nullopt,
                  Severity::kHard,
                  Confidence::kConfirmed}));
}

}  // namespace
}  // namespace muster::fabric
