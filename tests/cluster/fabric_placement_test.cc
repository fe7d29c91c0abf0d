// Every kind of fault, anywhere among eight hosts of four GPUs, gives the
// verdict that it should. $MUSTER_PLACEMENTS says how many places are tried
// for each kind; without it, one.
#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/gpu_check.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

constexpr int kHosts = 8;
constexpr int kGpus = 4;

// Where a fault is, and what that makes of it.
enum class Place { kHost, kGpu, kNode, kRail, kLink };

struct Kind {
  std::string name;
  // "wrong", and what comes after the target.
  std::string fault;
  std::string value;
  // Where it can be; one of them is taken.
  std::vector<Place> places;
  bool hard = true;
  // What is found of kHost: the culprit, and what its message says.
  std::string culprit = "node";
  std::string message;
};

std::ostream& operator<<(std::ostream& out, const Kind& kind) {
  return out << kind.fault << kind.value;
}

const std::vector<Place> kAnywhere = {Place::kGpu, Place::kNode, Place::kRail,
                                      Place::kLink};

const Kind kKinds[] = {
    {.name = "WrongData", .fault = "wrong", .value = "", .places = kAnywhere},
    {.name = "Slow",
     .fault = "slow",
     .value = ":10",
     .places = kAnywhere,
     .hard = false},
    {.name = "HangInInit",
     .fault = "hang-init",
     .value = "",
     .places = kAnywhere},
    {.name = "HangInTheCollective",
     .fault = "hang-run",
     .value = "",
     .places = kAnywhere},
    {.name = "ErrorInInit",
     .fault = "error",
     .value = ":2,the cable is out",
     .places = kAnywhere},
    {.name = "ErrorInTheCollective",
     .fault = "error-run",
     .value = ":6,the peer is gone",
     .places = kAnywhere},
    {.name = "CrashAtStart",
     .fault = "crash",
     .value = ":start",
     .places = {Place::kGpu}},
    {.name = "CrashInMemory",
     .fault = "crash",
     .value = ":memory",
     .places = {Place::kGpu}},
    {.name = "CrashInInit",
     .fault = "crash",
     .value = ":init",
     .places = {Place::kGpu}},
    {.name = "CrashInTheCollective",
     .fault = "crash",
     .value = ":run",
     .places = {Place::kGpu}},
    {.name = "MissingSymbol",
     .fault = "missing-symbol",
     .value = ":ncclCommInitRankConfig",
     .places = {Place::kHost},
     .culprit = "config",
     .message = "ncclCommInitRankConfig"},
    {.name = "OtherVersion",
     .fault = "version",
     .value = ":22005",
     .places = {Place::kHost},
     .culprit = "config",
     .message = "has NCCL 2.20.5; 7 of 8 nodes have 2.28.9"},
    {.name = "FewerGpus",
     .fault = "fewer-gpus",
     .value = ":3",
     .places = {Place::kHost},
     .message = "shows 3 GPUs; 7 of 8 nodes show 4"},
    {.name = "FallbackToSockets",
     .fault = "sockets",
     .value = "",
     .places = {Place::kHost},
     .hard = false,
     .culprit = "config",
     .message = "TCP"},
};

class Placement : public GpuCheckTest,
                  public ::testing::WithParamInterface<Kind> {
 protected:
  void Try(unsigned seed) {
    std::mt19937 random(seed);
    const auto any = [&](int count) {
      return std::uniform_int_distribution<>(0, count - 1)(random);
    };
    const Kind& kind = GetParam();
    const Place place = kind.places[any(static_cast<int>(kind.places.size()))];
    const int host = any(kHosts);
    const int other = (host + 1 + any(kHosts - 1)) % kHosts;
    const int gpu = any(kGpus);
    const std::string name = absl::StrCat("host", host);
    const std::string low = absl::StrCat("host", std::min(host, other));
    const std::string high = absl::StrCat("host", std::max(host, other));

    std::string target;
    std::vector<std::string> expected;
    const std::string verdict = kind.hard ? "fail " : "warn ";
    Flags flags = {{"--fabric-timeout", "4s"}};
    switch (place) {
      case Place::kHost:
        target = name;
        expected = {absl::StrCat(verdict, kind.culprit, " ", name)};
        break;
      case Place::kGpu:
        target = absl::StrCat(name, "/", gpu);
        expected = {absl::StrCat(verdict, "gpu ", target)};
        break;
      case Place::kNode:
        target = absl::StrCat(name, "-*");
        expected = {absl::StrCat(verdict, "node ", name)};
        break;
      case Place::kRail:
        target = absl::StrCat(name, "/", gpu, "-*");
        expected = {absl::StrCat(verdict, "rail ", name, "/", gpu)};
        break;
      case Place::kLink:
        target = absl::StrCat(low, "-", high);
        expected = {absl::StrCat(verdict, "link ", low, " ", high)};
        flags["--exhaustive"] = "";  // else that pair may not be tried
        break;
    }
    SCOPED_TRACE(absl::StrCat("seed ", seed, ": ", kind.fault, "@", target));
    MakeGpuHosts(kHosts, kGpus, kind.fault + "@" + target + kind.value);
    StartAll(Check(Small(flags)));
    ExpectAllEndWith(Code(kind.hard ? 75 : 0), absl::Seconds(90));
    // A machine that is busy with other things makes a GPU slow for a moment.
    const auto findings = Findings([&](const nlohmann::json& finding) {
      return finding["verdict"] == "fail" ||
             (!kind.hard && finding["confidence"] == "confirmed");
    });
    EXPECT_EQ(findings, expected) << Seen();
    EXPECT_THAT(agent(0).Out(), HasSubstr(kind.message));
    for (const auto& finding : Fabric()["findings"]) {
      if (place != Place::kHost) {
        EXPECT_FALSE(finding["evidence"].empty());
      }
      EXPECT_NE(finding["next"], "");
    }
    ExpectNothingIsLeft();
  }
};

TEST_P(Placement, IsNamed) {
  const char* wanted = getenv("MUSTER_PLACEMENTS");
  const int count = wanted != nullptr ? atoi(wanted) : 1;
  for (int i = 0; i < count && !HasFailure(); ++i) {
    Try(static_cast<unsigned>(i + 1) * 1000003 +
        static_cast<unsigned>(GetParam().name.size()));
    Reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, Placement, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace muster::test
