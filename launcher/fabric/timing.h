// Every wait of the self-test, and how the waits relate to each other.
#ifndef MUSTER_LAUNCHER_FABRIC_TIMING_H_
#define MUSTER_LAUNCHER_FABRIC_TIMING_H_

#include <chrono>

namespace muster::fabric {

// How long the nodes have to say what they have: a driver without persistence
// needs seconds to wake up.
inline constexpr std::chrono::seconds kInventory{20};

// A group's time to find each other, and then to come to its result.
struct Patience {
  std::chrono::milliseconds connect;
  std::chrono::milliseconds run;
};

// The first use of a GPU makes its context and loads its kernels.
inline constexpr Patience kGpuSolo{std::chrono::seconds(20),
                                   std::chrono::seconds(40)};
inline constexpr Patience kGpuLocal{std::chrono::seconds(30),
                                    std::chrono::seconds(20)};
inline constexpr Patience kGpuNetwork{std::chrono::seconds(15),
                                      std::chrono::seconds(10)};
inline constexpr Patience kGpuWorld{std::chrono::seconds(30),
                                    std::chrono::seconds(30)};
inline constexpr Patience kGlooNetwork{std::chrono::seconds(2),
                                       std::chrono::seconds(2)};
inline constexpr Patience kGlooWorld{std::chrono::seconds(5),
                                     std::chrono::seconds(5)};

// For how long reductions are timed.
inline constexpr std::chrono::milliseconds kGpuMeasure{500};
inline constexpr std::chrono::milliseconds kGlooMeasure{200};
// Where figures mean little, since the nodes share everything.
inline constexpr std::chrono::milliseconds kShortMeasure{10};

// From a group's own deadlines, which its probe keeps by itself, to the end of
// the agent's patience with the probe.
inline constexpr std::chrono::milliseconds kProbesTurn{1'000};
// From there to the end of the coordinator's patience with the agent.
inline constexpr std::chrono::milliseconds kAgentsTurn{9'000};
// How often an agent looks at its probes.
inline constexpr std::chrono::milliseconds kWatch{100};
// A probe that is not run for so long is stopped, and not only unlucky.
inline constexpr std::chrono::milliseconds kStill{1'000};
// A task that is called off ends within this time, or its probe is killed.
inline constexpr std::chrono::milliseconds kStopPatience{1'000};
// The probes' time to leave by themselves, and to be dead.
inline constexpr std::chrono::milliseconds kLeave{2'000};
inline constexpr std::chrono::milliseconds kDie{7'000};

static_assert(kWatch * 2 < kStill);
static_assert(kStill + kWatch < kAgentsTurn);
static_assert(kProbesTurn + kStopPatience < kAgentsTurn);
static_assert(kLeave < kDie);
// A stopped probe is seen before its partner's patience is over.
static_assert(kStill + kWatch < kGlooNetwork.connect);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_TIMING_H_
