#include "launcher/process/stop_sequence.h"

#include <algorithm>

namespace muster::process {

StopSequence::Effects StopSequence::Stop(Duration grace, Time now,
                                         Census alive) {
  const Time deadline = now + std::clamp(grace, Duration::zero(), kMaxGrace);
  switch (state_) {
    case State::kRunning:
      if (alive.workers == 0) return WorkersGone(now, alive);
      state_ = State::kStopping;
      deadline_ = deadline;
      if (now < deadline) return {Effect::kTerminateWorkers};
      return Advance(now, alive);
    case State::kStopping:
    case State::kSweeping:
      if (deadline >= *deadline_) return {};
      deadline_ = deadline;
      return now < deadline ? Effects() : Advance(now, alive);
    case State::kKilling:
    case State::kSweepKilling:
    case State::kDone:
      return {};
  }
  return {};
}

StopSequence::Effects StopSequence::Finish(Time now, Census alive) {
  switch (state_) {
    case State::kRunning:
    case State::kStopping:
    case State::kKilling:
      return StartSweep(now, alive);
    case State::kSweeping:
    case State::kSweepKilling:
    case State::kDone:
      return {};
  }
  return {};
}

StopSequence::Effects StopSequence::AgentLost(Duration grace, Time now,
                                              Census alive) {
  leaving_ = true;
  // The workers' grace is over and nobody waits for them any more.
  if (state_ == State::kKilling) return StartSweepKill(now);
  // A sweep that is under way keeps its own, shorter time.
  if (state_ == State::kSweeping) return {};
  return Stop(grace, now, alive);
}

StopSequence::Effects StopSequence::Advance(Time now, Census alive) {
  const bool due = deadline_.has_value() && now >= *deadline_;
  switch (state_) {
    case State::kRunning:
    case State::kDone:
      return {};
    case State::kStopping:
      if (alive.workers == 0) return WorkersGone(now, alive);
      if (!due) return {};
      if (leaving_) return StartSweepKill(now);
      state_ = State::kKilling;
      deadline_.reset();
      return {Effect::kKillWorkers};
    case State::kKilling:
      return alive.workers == 0 ? WorkersGone(now, alive) : Effects();
    case State::kSweeping:
      if (!alive.children) return EndSweep();
      if (due) return StartSweepKill(now);
      return {Effect::kTerminateDescendants};
    case State::kSweepKilling:
      if (!alive.children || now >= give_up_) return EndSweep();
      deadline_ = now + kKillRepeat;
      return {Effect::kKillDescendants};
  }
  return {};
}

StopSequence::Effects StopSequence::WorkersGone(Time now, Census alive) {
  if (leaving_) return StartSweep(now, alive);
  state_ = State::kRunning;
  deadline_.reset();
  return {};
}

StopSequence::Effects StopSequence::StartSweep(Time now, Census alive) {
  if (!alive.children) return EndSweep();
  state_ = State::kSweeping;
  deadline_ = now + kSweepGrace;
  return {Effect::kTerminateDescendants};
}

StopSequence::Effects StopSequence::StartSweepKill(Time now) {
  state_ = State::kSweepKilling;
  deadline_ = now + kKillRepeat;
  give_up_ = now + kGiveUp;
  return {Effect::kKillDescendants};
}

StopSequence::Effects StopSequence::EndSweep() {
  deadline_.reset();
  state_ = leaving_ ? State::kDone : State::kRunning;
  return {leaving_ ? Effect::kLeave : Effect::kReportFinished};
}

}  // namespace muster::process
