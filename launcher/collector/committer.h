// Group commit: many streams, one wait for the disk.
#ifndef MUSTER_LAUNCHER_COLLECTOR_COMMITTER_H_
#define MUSTER_LAUNCHER_COLLECTOR_COMMITTER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "launcher/collector/run.h"

namespace muster::collector {

// Job: have the changes of one run's logs committed, and tell who waits for
// them. A commit begins as soon as there is something to commit, the one before
// is over, and that began a while ago: an idle system answers at once, a busy
// one in large groups that leave the disk and the processors to others.
//
//   idle --Want--> due --at once, or after a while--> under way
//     ^             ^------- done, more wanted -----------/
//     ^--------------------- done, nothing wanted / failed
//
// Life cycle: Want any number of times; must not be destroyed while IsBusy().
// Threads: one, the collector's.
// Ownership: shares the run.
class Committer {
 public:
  class Waiter {
   public:
    // All that was in the run's logs when Want(this, mark) was called is
    // durable, or never will be by this commit. Not called inside Want.
    virtual void OnCommitted(uint64_t mark, const absl::Status& status) = 0;

   protected:
    ~Waiter() = default;
  };

  struct Environment {
    // Runs a function on the thread that may wait for the disk; and another
    // one on this thread, later.
    std::function<void(absl::AnyInvocable<void()>)> elsewhere;
    std::function<void(absl::AnyInvocable<void()>)> later;
    // Later on this thread, unless what is returned is destroyed before.
    std::function<std::shared_ptr<void>(std::chrono::steady_clock::duration,
                                        absl::AnyInvocable<void()>)>
        after;
    // A commit is over, and all who waited were told. May destroy this object
    // unless IsBusy().
    std::function<void(const absl::Status&)> on_over;
  };

  Committer(std::shared_ptr<Run> run, Environment environment)
      : run_(std::move(run)), environment_(std::move(environment)) {}
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // One answer for each waiter and commit, with its latest mark. `now`: the
  // peer does nothing until it has its answer.
  void Want(Waiter* waiter, uint64_t mark, bool now);
  // No answer comes to this waiter any more; what it wanted is committed all
  // the same.
  void Forget(Waiter* waiter);

  bool IsBusy() const { return busy_; }

 private:
  using Marks = std::map<Waiter*, uint64_t>;

  void Schedule();
  void Begin();
  void Over(const absl::Status& status);

  const std::shared_ptr<Run> run_;
  const Environment environment_;
  Marks wanted_;  // by the next commit
  Marks under_way_;
  bool wanted_any_ = false;  // even if the waiter was forgotten since
  bool wanted_now_ = false;
  bool busy_ = false;  // due or under way
  bool is_under_way_ = false;
  uint64_t due_ = 0;  // counts what was scheduled: the last one counts
  std::chrono::steady_clock::time_point began_;  // the last commit
  std::shared_ptr<void> pause_;                  // until the next one
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_COMMITTER_H_
