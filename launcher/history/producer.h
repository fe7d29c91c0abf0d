// What answers one call of History, reply by reply.
#ifndef MUSTER_LAUNCHER_HISTORY_PRODUCER_H_
#define MUSTER_LAUNCHER_HISTORY_PRODUCER_H_

#include "absl/status/statusor.h"

namespace muster::history {

enum class Step {
  kReply,    // there is one
  kNothing,  // all that is there was said; more may come
  kOver,     // nothing will ever come
};

// Job: reads the disk for one call.
// Life cycle: Next until kOver or an error. Threads: one at a time.
template <typename Reply>
class Producer {
 public:
  Producer() = default;
  virtual ~Producer() = default;
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // `reply` is empty before, and good after kReply.
  virtual absl::StatusOr<Step> Next(Reply* reply) = 0;

  // Whether it hears of news by itself; else Recheck it from time to time
  // after kNothing.
  virtual bool is_told() const { return true; }
  virtual void Recheck() {}
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_PRODUCER_H_
