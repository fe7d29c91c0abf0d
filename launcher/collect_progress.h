// How far a node's output is, while the collector takes what is left of it.
#ifndef MUSTER_LAUNCHER_COLLECT_PROGRESS_H_
#define MUSTER_LAUNCHER_COLLECT_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace muster::launcher {

// Job: decide when people are told how far collecting is, and in what words.
// Pure: the time is an argument. A collector that is fast is not talked about.
// Life cycle: construct when collecting begins; Update every so often.
// Threads: one.
class CollectProgress {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  struct State {
    uint64_t sent = 0;     // bytes that the collector has
    uint64_t waiting = 0;  // bytes on this node
    bool is_connected = false;
  };
  struct Callbacks {
    // A line that takes the place of the one before, on a terminal.
    std::function<void(const std::string& text)> show;
    // A line of the log, where there is no terminal.
    std::function<void(const std::string& text)> log;
  };

  // So long nothing is said.
  static constexpr std::chrono::seconds kSilence{2};
  static constexpr std::chrono::seconds kRedraw{1};
  static constexpr std::chrono::seconds kLogInterval{30};

  CollectProgress(bool is_terminal, Instant now, uint64_t sent,
                  Callbacks callbacks);

  void Update(Instant now, const State& state);

 private:
  const bool is_terminal_;
  const Callbacks callbacks_;
  Instant next_;
  Instant counted_at_;  // for the rate: since then
  uint64_t counted_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_COLLECT_PROGRESS_H_
