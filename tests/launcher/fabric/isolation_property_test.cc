// Random fabrics: nobody good is blamed, nothing is missed, and it takes few
// rounds.
#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/isolation.h"
#include "tests/launcher/fabric/pretend_fabric.h"

namespace muster::fabric {
namespace {

using test::PretendFabric;
using What = Blame::What;
using Random = std::mt19937;

uint32_t Up(Random* random, uint32_t most) {
  return std::uniform_int_distribution<uint32_t>(0, most)(*random);
}

Outcome AnyBad(Random* random) {
  return Up(random, 1) == 0 ? Outcome::kSlow : Outcome::kFail;
}

// Mostly small ones, where there is little to compare with.
uint32_t AnySize(Random* random) {
  const uint32_t kind = Up(random, 99);
  if (kind < 70) return 1 + Up(random, 15);
  if (kind < 95) return 17 + Up(random, 47);
  return 65 + Up(random, 447);
}

struct Case {
  PretendFabric fabric;
  uint32_t bad = 0;    // units with any bad rail
  uint32_t links = 0;  // bad ones
};

// At most a quarter of the units is bad, at most 8 links are, and none of them
// meet in a unit.
Case AnyCase(Random* random) {
  const uint32_t n = AnySize(random);
  const uint32_t most_rails[] = {1, 1, 2, 4, 8};
  const uint32_t rails = n > 64 ? 1 + Up(random, 1) : most_rails[Up(random, 4)];
  Case one{PretendFabric(std::vector<uint32_t>(n, rails))};
  std::vector<uint32_t> units(n);
  std::iota(units.begin(), units.end(), 0);
  std::shuffle(units.begin(), units.end(), *random);
  one.bad = Up(random, n / 4);
  for (uint32_t i = 0; i < one.bad; ++i) {
    const Outcome outcome = AnyBad(random);
    if (rails == 1 || Up(random, 1) == 0) {
      one.fabric.BreakUnit(units[i], outcome);
      continue;
    }
    const uint32_t count = 1 + Up(random, rails - 1);
    for (uint32_t j = 0; j < count; ++j) {
      one.fabric.BreakUnit(units[i], AnyBad(random), Up(random, rails - 1));
    }
  }
  // Half of the links are where the first two rounds look.
  std::vector<Pair> places;
  if (Up(random, 1) == 0) {
    places = Neighbours(n);
    const std::vector<Pair> across = Strides(n);
    places.insert(places.end(), across.begin(), across.end());
    std::shuffle(places.begin(), places.end(), *random);
  }
  for (uint32_t i = 0; i + 1 < n; i += 2) {
    places.push_back(PairOf(units[i], units[i + 1]));
  }
  const uint32_t links = Up(random, 1) == 0 ? 0 : Up(random, 8);
  std::set<uint32_t> taken(units.begin(), units.begin() + one.bad);
  for (const Pair place : places) {
    if (one.links == links) break;
    if (taken.contains(place.a) || taken.contains(place.b)) continue;
    taken.insert({place.a, place.b});
    std::optional<uint32_t> rail;
    if (Up(random, 1) == 0) rail = Up(random, rails - 1);
    one.fabric.BreakLink(place, AnyBad(random), rail);
    ++one.links;
  }
  return one;
}

struct Course {
  uint32_t rounds = 0;
  std::set<Pair> tested;
  std::vector<Blame> blames;
};

Course Drive(Isolation* isolation, uint32_t n, uint32_t most_rounds,
             const std::function<PairResult(Pair)>& test) {
  Course run;
  while (true) {
    const std::vector<Pair> pairs = isolation->Next();
    if (pairs.empty()) break;
    ++run.rounds;
    EXPECT_EQ(isolation->round(), run.rounds);
    EXPECT_FALSE(isolation->RoundText().empty());
    std::set<uint32_t> busy;
    for (const Pair& pair : pairs) {
      EXPECT_LT(pair.a, pair.b);
      EXPECT_LT(pair.b, n);
      EXPECT_TRUE(busy.insert(pair.a).second);
      EXPECT_TRUE(busy.insert(pair.b).second);
      run.tested.insert(pair);
      EXPECT_TRUE(isolation->Record(test(pair)));
    }
    if (run.rounds > most_rounds) {
      ADD_FAILURE() << "no end after " << most_rounds << " rounds";
      break;
    }
  }
  run.blames = isolation->Result();
  return run;
}

// By rail, over which the severity is that of the worst.
struct Named {
  std::map<std::pair<uint32_t, uint32_t>, const Blame*> units;
  std::map<std::pair<Pair, uint32_t>, const Blame*> links;
};

// All that was blamed is bad, and as bad as that.
Named CheckBlames(const PretendFabric& fabric,
                  const std::vector<Blame>& blames) {
  Named named;
  for (const Blame& blame : blames) {
    EXPECT_FALSE(blame.edges.empty());
    Outcome worst = Outcome::kPass;
    const auto each_rail = [&](uint32_t rails, auto see) {
      for (uint32_t rail = 0; rail < rails; ++rail) {
        if (!blame.rail || *blame.rail == rail) see(rail);
      }
    };
    if (blame.what == What::kUnit || blame.what == What::kRail) {
      const uint32_t unit = blame.units.at(0);
      EXPECT_EQ(blame.what == What::kRail, blame.rail.has_value());
      EXPECT_EQ(blame.confidence, Confidence::kConfirmed);
      each_rail(fabric.rails[unit], [&](uint32_t rail) {
        const Outcome real = fabric.UnitOn(unit, rail);
        EXPECT_NE(real, Outcome::kPass) << "good unit " << unit;
        worst = std::max(worst, real);
        EXPECT_TRUE(named.units.emplace(std::pair(unit, rail), &blame).second);
      });
    } else if (blame.what == What::kLink) {
      const Pair pair{blame.units.at(0), blame.units.at(1)};
      EXPECT_EQ(blame.confidence, Confidence::kConfirmed);
      each_rail(fabric.rails[pair.a], [&](uint32_t rail) {
        const Outcome real = fabric.LinkOn(pair, rail);
        EXPECT_NE(real, Outcome::kPass)
            << "good link " << pair.a << "-" << pair.b;
        worst = std::max(worst, real);
        EXPECT_TRUE(named.links.emplace(std::pair(pair, rail), &blame).second);
      });
    } else {
      ADD_FAILURE() << "a constant fault is not of kind "
                    << static_cast<int>(blame.what);
    }
    EXPECT_EQ(blame.severity == Severity::kHard, worst == Outcome::kFail);
  }
  return named;
}

TEST(IsolationProperty, NamesEveryBadUnitAndLinkAndNobodyElseInFewRounds) {
  for (uint32_t seed = 0; seed < 6000 && !HasFailure(); ++seed) {
    Random random(seed);
    const Case one = AnyCase(&random);
    const auto n = static_cast<uint32_t>(one.fabric.rails.size());
    SCOPED_TRACE(testing::Message()
                 << "seed " << seed << ", " << n << " units, " << one.bad
                 << " bad, " << one.links << " bad links");
    Isolation isolation({.rails = one.fabric.rails});
    const Course course = Drive(
        &isolation, n, 6, [&](Pair pair) { return one.fabric.Test(pair); });
    if (n == 2) continue;  // nobody can tell
    ASSERT_GE(n, 4 * one.bad);
    if (n >= 4 * (one.bad + one.links)) {
      EXPECT_LE(course.rounds, one.links > 0 ? 5u : one.bad > 1 ? 4u : 3u);
    }
    const Named named = CheckBlames(one.fabric, course.blames);
    for (const auto& [key, outcome] : one.fabric.bad_units) {
      EXPECT_TRUE(named.units.contains(key)) << "unit " << key.first;
    }
    for (const auto& [key, outcome] : one.fabric.bad_links) {
      EXPECT_EQ(named.links.contains(key), course.tested.contains(key.first))
          << "link " << key.first.a << "-" << key.first.b;
    }
  }
}

TEST(IsolationProperty, HealthyFabricsTakeTheRoundsThatWereAskedFor) {
  for (uint32_t n = 3; n <= 512; n = n * 5 / 4 + 1) {
    for (uint32_t rounds = 1; rounds <= std::min(n - 1, 5u); ++rounds) {
      PretendFabric fabric(n);
      Isolation isolation({.rails = fabric.rails, .healthy_rounds = rounds});
      const Course course = Drive(&isolation, n, 64,
                                  [&](Pair pair) { return fabric.Test(pair); });
      // A unit left over is tested all the same.
      EXPECT_EQ(course.rounds, n % 2 == 1 ? std::max(rounds, 2u) : rounds) << n;
      EXPECT_TRUE(course.blames.empty());
    }
  }
}

TEST(IsolationProperty, ExhaustiveTestsEveryPairAndNamesEveryBadLink) {
  for (uint32_t seed = 0; seed < 600 && !HasFailure(); ++seed) {
    Random random(seed);
    Case one = AnyCase(&random);
    const auto n = static_cast<uint32_t>(one.fabric.rails.size());
    if (n > 64 || n < 3) continue;
    SCOPED_TRACE(testing::Message()
                 << "seed " << seed << ", " << n << " units, " << one.bad
                 << " bad, " << one.links << " bad links");
    Isolation isolation({.rails = one.fabric.rails, .exhaustive = true});
    const Course course =
        Drive(&isolation, n, CircleRounds(n) + 8,
              [&](Pair pair) { return one.fabric.Test(pair); });
    const Named named = CheckBlames(one.fabric, course.blames);
    for (const auto& [key, outcome] : one.fabric.bad_units) {
      EXPECT_TRUE(named.units.contains(key)) << "unit " << key.first;
    }
    for (const auto& [key, outcome] : one.fabric.bad_links) {
      EXPECT_TRUE(named.links.contains(key))
          << "link " << key.first.a << "-" << key.first.b;
    }
    if (one.bad == 0) {
      EXPECT_EQ(course.tested.size(), n * (n - 1) / 2);
    }
    if (one.bad == 0 && one.links == 0) {
      EXPECT_EQ(course.rounds, CircleRounds(n));
    }
  }
}

TEST(IsolationProperty, WhereMostAreBadNobodyGoodIsBlamed) {
  for (uint32_t seed = 0; seed < 2000 && !HasFailure(); ++seed) {
    Random random(seed);
    const uint32_t n = 3 + Up(&random, 29);
    PretendFabric fabric(n);
    const uint32_t bad = n / 4 + Up(&random, n - n / 4);
    for (uint32_t i = 0; i < bad; ++i) {
      fabric.BreakUnit(Up(&random, n - 1), AnyBad(&random));
    }
    SCOPED_TRACE(testing::Message()
                 << "seed " << seed << ", " << n << " units");
    Isolation isolation({.rails = fabric.rails});
    const Course course =
        Drive(&isolation, n, 64, [&](Pair pair) { return fabric.Test(pair); });
    for (const Blame& blame : course.blames) {
      if (blame.what == What::kFabric) {
        EXPECT_TRUE(blame.units.empty());
        continue;
      }
      // Two that were slow with one another when all others were dead.
      if (blame.what == What::kPair) {
        EXPECT_EQ(blame.units.size(), 2);
        continue;
      }
      ASSERT_EQ(blame.what, What::kUnit);
      EXPECT_NE(fabric.UnitOn(blame.units[0], 0), Outcome::kPass);
    }
  }
}

TEST(IsolationProperty, WithoutAPassNobodyIsBlamed) {
  for (uint32_t n = 3; n <= 40; ++n) {
    for (const Outcome outcome : {Outcome::kSlow, Outcome::kFail}) {
      Isolation isolation({.rails = std::vector<uint32_t>(n, 2)});
      const Course course = Drive(&isolation, n, 3, [&](Pair pair) {
        return PairResult{pair, {outcome, outcome}};
      });
      ASSERT_EQ(course.blames.size(), 1);
      const Blame& blame = course.blames[0];
      EXPECT_EQ(blame.what, What::kFabric);
      EXPECT_TRUE(blame.units.empty());
      EXPECT_EQ(blame.rail, std::nullopt);
      EXPECT_EQ(blame.confidence, Confidence::kAmbiguous);
      EXPECT_EQ(blame.severity == Severity::kHard, outcome == Outcome::kFail);
    }
  }
}

// Units that die while they are tested, and others that are known to be bad.
TEST(IsolationProperty, UnitsThatAreLostHarmNobody) {
  for (uint32_t seed = 0; seed < 2000 && !HasFailure(); ++seed) {
    Random random(seed);
    const Case one = AnyCase(&random);
    const auto n = static_cast<uint32_t>(one.fabric.rails.size());
    if (n > 128) continue;
    SCOPED_TRACE(testing::Message()
                 << "seed " << seed << ", " << n << " units");
    Isolation isolation({.rails = one.fabric.rails});
    std::map<uint32_t, uint32_t> lost;  // unit: in which round
    for (uint32_t i = Up(&random, n / 8 + 1); i > 0; --i) {
      lost[Up(&random, n - 1)] = Up(&random, 3);
    }
    for (const auto& [unit, round] : lost) {
      if (round == 0) isolation.Exclude(unit);
    }
    uint32_t rounds = 0;
    while (true) {
      const std::vector<Pair> pairs = isolation.Next();
      if (pairs.empty()) break;
      ASSERT_LT(++rounds, 16u);
      std::vector<PairResult> results;
      for (const Pair& pair : pairs) {
        results.push_back(one.fabric.Test(pair));
        for (const auto& [unit, round] : lost) {
          if (unit != pair.a && unit != pair.b) continue;
          ASSERT_GE(round, rounds) << unit << " is tested after its end";
          if (round == rounds) results.back().rails.clear();
        }
      }
      // Some of the results come before the loss is known, some after it.
      const size_t before = Up(&random, static_cast<uint32_t>(results.size()));
      for (size_t i = 0; i < results.size(); ++i) {
        if (i == before) {
          for (const auto& [unit, round] : lost) {
            if (round == rounds) isolation.Exclude(unit);
          }
        }
        isolation.Record(results[i]);
      }
      for (const auto& [unit, round] : lost) {
        if (round == rounds) isolation.Exclude(unit);
      }
    }
    std::set<std::pair<uint32_t, uint32_t>> named;
    for (const Blame& blame : isolation.Result()) {
      for (const uint32_t unit : blame.units) {
        EXPECT_TRUE(!lost.contains(unit) || lost[unit] > rounds) << unit;
      }
      if (blame.what != What::kUnit && blame.what != What::kRail) continue;
      for (uint32_t rail = 0; rail < one.fabric.rails[0]; ++rail) {
        if (blame.rail && *blame.rail != rail) continue;
        named.emplace(blame.units[0], rail);
        // With one partner left, a bad link looks like a bad unit.
        if (blame.confidence == Confidence::kConfirmed) {
          EXPECT_NE(one.fabric.UnitOn(blame.units[0], rail), Outcome::kPass)
              << "good unit " << blame.units[0];
        }
      }
    }
    if (n < 4 * (one.bad + lost.size()) + 4) continue;
    for (const auto& [key, outcome] : one.fabric.bad_units) {
      EXPECT_TRUE(lost.contains(key.first) || named.contains(key))
          << "unit " << key.first;
    }
  }
}

// Outcomes that follow no rule: it ends, and what it says fits what it saw.
TEST(IsolationProperty, LyingUnitsAreNotBlamedForWhatDidNotHappen) {
  for (uint32_t seed = 0; seed < 2000 && !HasFailure(); ++seed) {
    Random random(seed);
    const uint32_t n = 1 + Up(&random, Up(&random, 9) == 0 ? 63 : 15);
    std::vector<uint32_t> rails(n);
    for (uint32_t& count : rails) count = 1 + Up(&random, 2);
    const uint32_t badness = 1 + Up(&random, 98);
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", " << n
                                    << " units, " << badness << "%");
    // By unit and rail: with whom it passed, and with whom it did not.
    std::map<std::pair<uint32_t, uint32_t>, std::set<uint32_t>> passed;
    std::map<std::pair<uint32_t, uint32_t>, std::set<uint32_t>> failed;
    Isolation isolation({.rails = rails, .exhaustive = Up(&random, 3) == 0});
    const Course course = Drive(&isolation, n, 8 * n + 8, [&](Pair pair) {
      PairResult result{pair, {}};
      for (uint32_t i = 0; i < std::min(rails[pair.a], rails[pair.b]); ++i) {
        const bool pass = Up(&random, 99) >= badness;
        result.rails.push_back(pass ? Outcome::kPass : AnyBad(&random));
        auto& met = pass ? passed : failed;
        met[{pair.a, i}].insert(pair.b);
        met[{pair.b, i}].insert(pair.a);
      }
      return result;
    });
    for (const Blame& blame : course.blames) {
      EXPECT_FALSE(blame.edges.empty());
      for (const Evidence& edge : blame.edges) {
        if (blame.severity == Severity::kHard) break;  // slow is a pass there
        const std::pair<uint32_t, uint32_t> at_a(edge.pair.a, edge.rail);
        const std::pair<uint32_t, uint32_t> at_b(edge.pair.b, edge.rail);
        EXPECT_TRUE(failed[at_a].contains(edge.pair.b));
        switch (blame.what) {
          case What::kUnit:
          case What::kRail: {
            const bool is_a = blame.units[0] == edge.pair.a;
            EXPECT_TRUE(passed[is_a ? at_a : at_b].empty());
            EXPECT_FALSE(passed[is_a ? at_b : at_a].empty());
            break;
          }
          case What::kLink:
          case What::kTransient:
            EXPECT_FALSE(passed[at_a].empty());
            EXPECT_FALSE(passed[at_b].empty());
            break;
          case What::kDivided:
            EXPECT_FALSE(passed[at_a].empty());
            EXPECT_FALSE(passed[at_b].empty());
            EXPECT_GT(blame.parts.size(), 1);
            break;
          case What::kPair:
          case What::kFabric:
            EXPECT_TRUE(passed[at_a].empty());
            EXPECT_TRUE(passed[at_b].empty());
            break;
        }
      }
    }
  }
}

}  // namespace
}  // namespace muster::fabric
