#ifndef MUSTER_LAUNCHER_PROCESS_STOP_SEQUENCE_H_
#define MUSTER_LAUNCHER_PROCESS_STOP_SEQUENCE_H_

#include <chrono>
#include <optional>
#include <vector>

namespace muster::process {

// Decides who gets which signal when. Pure: it knows no process and no clock;
// each event comes with the time and with what is alive, and returns what the
// keeper has to do. One thread.
//
//   kRunning --Stop--> kStopping --deadline--> kKilling
//      ^  ^                 |                     |
//      |  +--no worker left-+---------------------+
//      |
//      |   from any of the three: Finish --> kSweeping --deadline-->
//      +-- nothing left, or given up <----------- kSweepKilling
//
// Once the agent is lost the same states lead to kDone: the workers have the
// orphan grace, then everything is swept, then the keeper leaves.
class StopSequence {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::milliseconds;

  enum class State {
    kRunning,
    kStopping,      // the workers were asked to end
    kKilling,       // the workers were killed and have yet to be reaped
    kSweeping,      // every descendant was asked to end
    kSweepKilling,  // every descendant is being killed
    kDone,
  };

  enum class Effect {
    kTerminateWorkers,      // SIGTERM and SIGCONT to every worker's group
    kKillWorkers,           // SIGKILL to every worker's group
    kTerminateDescendants,  // SIGTERM and SIGCONT, to each one once
    kKillDescendants,       // SIGKILL
    kReportFinished,        // tell the agent what was swept
    kLeave,                 // the keeper's work is done
  };
  using Effects = std::vector<Effect>;

  // What is alive. Without a child the keeper has no descendant either: what
  // loses its parent becomes the keeper's child.
  struct Census {
    int workers = 0;
    bool children = false;
  };

  // From the sweep's SIGTERM to its SIGKILL.
  static constexpr Duration kSweepGrace{2000};
  // From one round of SIGKILL to the next, for what was forked meanwhile.
  static constexpr Duration kKillRepeat{20};
  // From the first round to giving up on what does not die.
  static constexpr Duration kGiveUp{10000};
  // A longer grace is this one; keeps the sums within range.
  static constexpr Duration kMaxGrace = std::chrono::hours(24 * 365);

  // All workers get `grace`; none (0) kills them at once. While a stop or a
  // sweep is under way, a Stop can only bring its deadline nearer.
  Effects Stop(Duration grace, Time now, Census alive);

  // Ends everything that is left. One report answers all requests made before
  // it.
  Effects Finish(Time now, Census alive);

  // Ends everything, with `grace` for the workers, and then leaves.
  Effects AgentLost(Duration grace, Time now, Census alive);

  // To be called when a process was reaped and when deadline() has come.
  Effects Advance(Time now, Census alive);

  State state() const { return state_; }
  bool accepts_spawns() const { return state_ == State::kRunning && !leaving_; }
  std::optional<Time> deadline() const { return deadline_; }

 private:
  Effects StartSweep(Time now, Census alive);
  Effects StartSweepKill(Time now);
  Effects EndSweep();
  Effects WorkersGone(Time now, Census alive);

  State state_ = State::kRunning;
  bool leaving_ = false;
  std::optional<Time> deadline_;
  Time give_up_;
};

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_STOP_SEQUENCE_H_
