// Every wait of the rendezvous, and how the waits relate to each other.
#ifndef MUSTER_RENDEZVOUS_TIMING_H_
#define MUSTER_RENDEZVOUS_TIMING_H_

#include <chrono>
#include <cstdint>

namespace muster::rendezvous {

using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// When something happened: `at` decides, `unix_ms` is only shown to people.
struct Moment {
  Instant at;
  int64_t unix_ms = 0;
};

inline Moment Now() {
  return {std::chrono::steady_clock::now(),
          std::chrono::duration_cast<std::chrono::milliseconds>(
              std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

// For reports and messages.
inline double Seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

// With --nnodes MIN:MAX, how long MIN nodes wait for more.
inline constexpr std::chrono::seconds kLastCall{30};

// How long an agent goes without an answer to its hello before the attempt
// counts as failed.
inline constexpr std::chrono::seconds kHelloAnswer{10};

// Between attempts to reach the coordinator: doubles from first to last.
inline constexpr std::chrono::milliseconds kFirstRetry{5};
inline constexpr std::chrono::milliseconds kLastRetry{1000};

// How long the coordinator waits for the agents to hang up after the verdict.
inline constexpr std::chrono::seconds kFarewell{5};

// How long the nodes have to deliver their output after the last worker ended.
inline constexpr std::chrono::minutes kCollect{60};

// In a job that mpirun starts: how long a more telling cause may need to arrive
// after one that may be its echo.
inline constexpr std::chrono::milliseconds kEvidence{250};

// How long mpirun may take to end after its last rank.
inline constexpr std::chrono::seconds kLauncherEnd{10};
// How long a node tries to connect to a port of another one.
inline constexpr std::chrono::seconds kReachPort{10};

// How long the nodes have to prepare the start of the workers.
inline constexpr std::chrono::seconds kPrepare{60};

// How often people are told that a wait goes on.
inline constexpr std::chrono::seconds kProgress{10};

static_assert(kFirstRetry < kLastRetry);
static_assert(kLastRetry < kHelloAnswer);
static_assert(kFarewell < kCollect);
static_assert(kEvidence < kLauncherEnd);
// A port that nobody reaches is told from an agent that does not answer.
static_assert(2 * kReachPort < kPrepare);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_TIMING_H_
