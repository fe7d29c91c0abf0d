// Group commit: many streams, one wait for the disk.
#ifndef MUSTER_LAUNCHER_COLLECTOR_COMMITTER_H_
#define MUSTER_LAUNCHER_COLLECTOR_COMMITTER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "launcher/collector/run.h"

namespace muster::collector {

// Job: have the changes of one run's logs committed, and tell who waits for
// them. A commit begins as soon as there is something to commit and the one
// before is over: an idle system answers at once, a busy one in large groups.
//
//   idle --Want--> under way --done, more wanted--> under way
//     ^-------------done, nothing wanted / failed-----/
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
    // A commit is over, and all who waited were told. May destroy this object
    // unless IsBusy().
    std::function<void(const absl::Status&)> on_over;
  };

  Committer(std::shared_ptr<Run> run, Environment environment)
      : run_(std::move(run)), environment_(std::move(environment)) {}
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // One answer for each waiter and commit, with its latest mark.
  void Want(Waiter* waiter, uint64_t mark);
  // No answer comes to this waiter any more; what it wanted is committed all
  // the same.
  void Forget(Waiter* waiter);

  bool IsBusy() const { return busy_; }

 private:
  using Marks = std::map<Waiter*, uint64_t>;

  void Begin();
  void Over(const absl::Status& status);

  const std::shared_ptr<Run> run_;
  const Environment environment_;
  Marks wanted_;  // by the next commit
  Marks under_way_;
  bool wanted_any_ = false;  // even if the waiter was forgotten since
  bool busy_ = false;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_COMMITTER_H_
