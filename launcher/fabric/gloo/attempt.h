// One task of a probe, as all its threads see it.
#ifndef MUSTER_LAUNCHER_FABRIC_GLOO_ATTEMPT_H_
#define MUSTER_LAUNCHER_FABRIC_GLOO_ATTEMPT_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "launcher/fabric/gloo/event_pipe.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Job: knows how far a task is, asks the store for it, and gives its one
// answer: the first counts, whoever has it, the worker a deadline or a stop.
// Writes it to the log as well. Life cycle: an attempt that is answered may
// still be at work, in vain: its connections stay as they are, so that what one
// member gives up looks to no other like a peer that died. Close() ends that,
// when the next task is there. Threads: any. The worker is the thread that
// carries the task out.
class Attempt {
 public:
  using Clock = std::chrono::steady_clock;

  // `agent` must outlive the attempt.
  Attempt(ProbeTask task, EventPipe* agent);

  const ProbeTask& task() const { return task_; }
  const FabricGroup& group() const { return task_.group(); }
  uint32_t rank() const { return task_.rank(); }
  // "node2 (rank 1)", for people.
  std::string NameOf(uint32_t rank) const;

  // ---- the worker ----

  // From here on, the stage's deadline holds: connect_ms for what comes before
  // FABRIC_STAGE_RUN, run_ms for the rest.
  void Enter(FabricStage stage);
  // What a deadline that passes now says did not happen, and of which member:
  // "a connection to node2 (rank 1)".
  void WaitingFor(std::string what, std::optional<uint32_t> peer = {});
  // What the other members may know of this one, into the group's store.
  void Publish(const std::string& value);
  // What `member` published. Waits; nullopt once the attempt is closed.
  std::optional<std::string> Published(uint32_t member);
  // What Close() shall call, on its thread, at most once, and what is kept
  // until then. False when it is closed already.
  bool OnClose(std::function<void()> wake);

  // ---- any thread ----

  // The answer. Nothing happens when there is one.
  void Measured(FabricMeasurement measurement);
  void Fail(FabricFailure failure);

  // A failure at the present stage.
  FabricFailure Failure(FabricFailureKind kind, std::string message,
                        std::optional<uint32_t> peer = {}) const;
  bool closed() const;

  // ---- the reader of commands ----

  // When TimeOut() is due; nullopt once there is an answer.
  std::optional<Clock::time_point> deadline() const;
  // The answer is that a deadline passed. Who has not come to the store by then
  // is missing; else it is a timeout.
  void TimeOut();
  void Received(const StoreValue& value);
  // Ends all waiting of the worker.
  void Close();

 private:
  void Answer(SlotResult result);

  // Constant after construction.
  const ProbeTask task_;
  EventPipe* const agent_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // ---- guarded by mutex_ ----
  FabricStage stage_ = FABRIC_STAGE_START;  // never goes back
  Clock::time_point deadline_;
  std::string waiting_for_;
  std::optional<uint32_t> peer_;  // that is waited for
  bool asking_ = false;           // the store, for what it published
  std::map<std::string, std::string> published_;
  std::function<void()> wake_;
  bool answered_ = false;
  bool closed_ = false;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GLOO_ATTEMPT_H_
