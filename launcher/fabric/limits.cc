#include "launcher/fabric/limits.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "launcher/fabric/bandwidth.h"
#include "launcher/fabric/hardware_profiles.h"

namespace muster::fabric {
namespace {

struct Fractions {
  double warn = 0;
  double fail = 0;
};

// Healthy rings reach 0.92 to 0.98 of their links at 8 GiB and more, and about
// 0.90 at 1 GiB.
constexpr Fractions kNvlink{0.80, 0.60};
// PCIe trees differ much: eight H100 reach 35 to 45 GB/s of 47.
constexpr Fractions kPcie{0.40, 0.15};
// 48 of a NIC of 400 Gb/s (50 GB/s) on two nodes; public limits lie between
// 0.60 and 0.80 of the line.
constexpr Fractions kRdma{0.80, 0.60};
// 4 to 6 of 100 Gb/s (12.5 GB/s).
constexpr Fractions kTcp{0.30, 0.10};
constexpr Fractions kRelative{0.80, 0.50};
constexpr Fractions kRelativeNoisy{0.50, 0.25};

// What PCIe carries of its payload rate from GPU memory.
constexpr double kPcieShare = 0.75;

// The fixed part of an all-reduce's time. Fits 356, 366, 381 and 386 GB/s that
// were measured at 0.5, 1, 2 and 8 GiB on 64 H100, and 0.90 of the ring's speed
// at 1 GiB against 0.98 at 8 GiB on eight.
constexpr double kFixedSeconds = 250e-6;
constexpr double kReferenceBytes = 1 << 30;

// With fewer there is nothing to compare with.
constexpr size_t kFewest = 2;

// How much less is expected of so few bytes than of 1 GiB.
double SizeFactor(uint64_t bytes, uint32_t ranks, double speed) {
  if (speed <= 0) return 1;
  const auto share = [&](double size) {
    const double seconds = size * BusFactor(ranks) / (speed * 1e9);
    return seconds / (seconds + kFixedSeconds);
  };
  const auto size = static_cast<double>(bytes);
  return std::min(1.0, share(size) / share(kReferenceBytes));
}

std::string FractionText(double fraction) {
  if (fraction == 0.5) return "half";
  if (fraction == 0.25) return "a quarter";
  return absl::StrFormat("%.2f", fraction);
}

// "", or " x 0.72 for 64 MiB".
std::string SizeText(uint64_t bytes, double factor) {
  if (factor > 0.995) return "";
  const double mib = static_cast<double>(bytes) / (1 << 20);
  return absl::StrFormat(" x %.2f for %.4g MiB", factor, mib);
}

Bound BoundOf(double fraction, double expected, absl::string_view basis) {
  return {fraction * expected,
          absl::StrCat(FractionText(fraction), " of ", basis)};
}

Limits FractionsOf(const Fractions& fractions, double expected,
                   absl::string_view basis) {
  Limits limits;
  limits.expected = expected;
  limits.warn = BoundOf(fractions.warn, expected, basis);
  limits.fail = BoundOf(fractions.fail, expected, basis);
  return limits;
}

Limits NoLimits(absl::string_view reason) {
  Limits limits;
  limits.reason = std::string(reason);
  return limits;
}

Limits NeverJudged(absl::string_view reason) {
  Limits limits = NoLimits(reason);
  limits.never_judged = true;
  return limits;
}

// What makes the speed of these GPUs mean nothing; "" for nothing.
absl::string_view WhyNotJudged(const std::vector<GpuHardware>& gpus) {
  for (const GpuHardware& gpu : gpus) {
    if (gpu.mig) {
      return "a MIG slice has a share of its GPU and no direct way to others";
    }
    if (gpu.busy) return "another program computes on the GPU";
    if (gpu.shared) return "several ranks share one GPU";
  }
  return "";
}

void Apply(const Override& by_user, Limits* limits) {
  if (!by_user.speed.has_value()) return;
  const double expected = limits->expected;
  if (*by_user.speed <= 0) {
    *limits = NeverJudged(absl::StrCat(by_user.flag, " 0"));
  } else {
    *limits = {};
    limits->warn = limits->fail =
        Bound{*by_user.speed, std::string(by_user.flag)};
  }
  limits->expected = expected;
}

double SlowestPcie(const std::vector<GpuHardware>& gpus,
                   const GpuHardware** which) {
  double slowest = 0;
  for (const GpuHardware& gpu : gpus) {
    const double rate = PcieRate(gpu.pcie_generation, gpu.pcie_lanes);
    if (rate == 0) return 0;
    if (slowest != 0 && rate >= slowest) continue;
    slowest = rate;
    *which = &gpu;
  }
  return kPcieShare * slowest;
}

std::string PcieText(const GpuHardware& gpu) {
  return absl::StrFormat("%.2f x PCIe gen%u x%u (%.1f GB/s)", kPcieShare,
                         gpu.pcie_generation, gpu.pcie_lanes,
                         PcieRate(gpu.pcie_generation, gpu.pcie_lanes));
}

Limits OverNvlink(const LocalFacts& facts, uint64_t bytes) {
  const auto ranks = static_cast<uint32_t>(facts.gpus.size());
  const auto weakest = std::min_element(
      facts.gpus.begin(), facts.gpus.end(),
      [](const GpuHardware& one, const GpuHardware& other) {
        return one.nvlinks * NvlinkRate(one.compute_capability) <
               other.nvlinks * NvlinkRate(other.compute_capability);
      });
  const uint32_t links =
      weakest->nvswitch ? weakest->nvlinks : facts.nvlinks_between;
  if (!weakest->nvswitch && (ranks > 2 || links == 0)) {
    return NoLimits(
        "what GPUs reach over NVLinks without a switch depends on how they are "
        "wired");
  }
  const double rate = NvlinkRate(weakest->compute_capability);
  if (rate == 0) return NoLimits("the GPU's NVLink generation is unknown");
  const double factor = SizeFactor(bytes, ranks, links * rate);
  return FractionsOf(kNvlink, links * rate * factor,
                     absl::StrFormat("%u NVLinks x %.1f GB/s%s", links, rate,
                                     SizeText(bytes, factor)));
}

Limits OverPcie(const LocalFacts& facts, uint64_t bytes) {
  const GpuHardware* slowest = nullptr;
  const double speed = SlowestPcie(facts.gpus, &slowest);
  if (speed == 0) return NoLimits("the GPUs' links are unknown");
  const double factor =
      SizeFactor(bytes, static_cast<uint32_t>(facts.gpus.size()), speed);
  Limits limits = FractionsOf(kPcie, speed * factor,
                              PcieText(*slowest) + SizeText(bytes, factor));
  limits.warn_only = true;
  return limits;
}

// All GPUs are of one kind that is known.
const LocalProfile* ProfileOf(const LocalFacts& facts) {
  const GpuHardware& first = facts.gpus.front();
  uint32_t nvlinks = first.nvlinks;
  for (const GpuHardware& gpu : facts.gpus) {
    if (gpu.name != first.name) return nullptr;
    nvlinks = std::min(nvlinks, gpu.nvlinks);
  }
  return FindLocalProfile(first.name, static_cast<uint32_t>(facts.gpus.size()),
                          nvlinks);
}

Limits OfProfile(const LocalProfile& profile, uint64_t bytes) {
  const double factor = SizeFactor(bytes, profile.gpus, profile.healthy);
  Limits limits;
  limits.expected = profile.healthy * factor;
  const auto bound = [&](double speed) {
    return Bound{speed * factor,
                 absl::StrFormat("%.0f GB/s%s for %u x %s, which reach %.0f",
                                 speed, SizeText(bytes, factor), profile.gpus,
                                 profile.gpu, profile.healthy)};
  };
  limits.warn = bound(profile.warn);
  limits.fail = bound(profile.fail);
  return limits;
}

}  // namespace

Limits LocalLimits(const LocalFacts& facts, uint64_t bytes,
                   const Override& by_user) {
  Limits limits;
  const absl::string_view why_not = WhyNotJudged(facts.gpus);
  if (facts.gpus.size() < 2) {
    limits = NeverJudged("one GPU alone crosses no link");
  } else if (!why_not.empty()) {
    limits = NeverJudged(why_not);
  } else if (const LocalProfile* profile = ProfileOf(facts);
             profile != nullptr && !(facts.nvls_off && profile->nvls)) {
    limits = OfProfile(*profile, bytes);
  } else if (std::all_of(
                 facts.gpus.begin(), facts.gpus.end(),
                 [](const GpuHardware& gpu) { return gpu.nvlinks > 0; })) {
    limits = OverNvlink(facts, bytes);
  } else {
    limits = OverPcie(facts, bytes);
  }
  Apply(by_user, &limits);
  return limits;
}

Limits NetworkLimits(const NetworkFacts& facts, uint64_t bytes,
                     const Override& by_user) {
  Limits limits = NoLimits("the NIC's speed is unknown");
  const absl::string_view why_not = WhyNotJudged(facts.gpus);
  double gbit = 0;
  bool known = !facts.nics_gbit.empty();
  for (const double nic : facts.nics_gbit) {
    known = known && nic > 0;
    gbit += nic;
  }
  if (!why_not.empty()) {
    limits = NeverJudged(why_not);
  } else if (known) {
    const uint32_t sharing = std::max(facts.rails_per_nic, 1u);
    double speed = gbit / 8 / sharing;
    std::string basis = facts.nics_gbit.size() == 1
                            ? absl::StrFormat("a NIC of %.4g Gb/s", gbit)
                            : absl::StrFormat("%d NICs of %.4g Gb/s together",
                                              facts.nics_gbit.size(), gbit);
    if (sharing > 1) absl::StrAppend(&basis, " shared by ", sharing, " rails");
    const GpuHardware* slowest = nullptr;
    const double pcie = SlowestPcie(facts.gpus, &slowest) * facts.rails;
    if (pcie > 0 && pcie < speed) {
      speed = pcie;
      basis = PcieText(*slowest);
      if (facts.rails > 1) absl::StrAppend(&basis, " x ", facts.rails);
    }
    const double factor = SizeFactor(bytes, 2 * facts.rails, speed);
    limits =
        FractionsOf(kRdma, speed * factor, basis + SizeText(bytes, factor));
  }
  Apply(by_user, &limits);
  return limits;
}

Limits TcpLimits(double gbit, const Override& by_user) {
  Limits limits = NoLimits("the interface does not tell its speed");
  if (gbit > 0) {
    limits = FractionsOf(kTcp, gbit / 8,
                         absl::StrFormat("an interface of %.4g Gb/s", gbit));
    limits.warn_only = true;
  }
  Apply(by_user, &limits);
  return limits;
}

Limits RelativeLimits(const std::vector<double>& speeds, Noise noise,
                      absl::string_view what) {
  if (speeds.size() < kFewest) {
    return NoLimits(
        absl::StrCat("fewer than ", kFewest, " ", what, " to compare with"));
  }
  const double median = Median(speeds);
  Limits limits =
      FractionsOf(noise == Noise::kHigh ? kRelativeNoisy : kRelative, median,
                  absl::StrFormat("the median of %d %s (%.4g GB/s)",
                                  speeds.size(), what, median));
  limits.expected = 0;  // of which the links know nothing
  return limits;
}

Judgement Judge(double busbw, const Limits& absolute, const Limits& relative) {
  Judgement judgement;
  judgement.reason = absolute.reason;
  if (absolute.never_judged || relative.never_judged) {
    if (!absolute.never_judged) judgement.reason = relative.reason;
    return judgement;
  }
  bool firm = false;  // one was missed that does more than warn
  const auto consider = [&](Speed if_below, const std::optional<Bound>& bound,
                            bool warn_only) {
    if (!bound.has_value()) return;
    const Speed speed = busbw < bound->speed ? if_below : Speed::kFine;
    firm = firm || (speed != Speed::kFine && !warn_only);
    const bool worse =
        speed > judgement.speed ||
        (speed == judgement.speed && bound->speed > judgement.bound.speed);
    if (!worse) return;
    judgement = {speed, *bound, false, ""};
  };
  for (const Limits* limits : {&absolute, &relative}) {
    consider(Speed::kWarn, limits->warn, limits->warn_only);
    consider(limits->warn_only ? Speed::kWarn : Speed::kFail, limits->fail,
             limits->warn_only);
  }
  judgement.warn_only = judgement.speed > Speed::kFine && !firm;
  return judgement;
}

}  // namespace muster::fabric
