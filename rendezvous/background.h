// Blocking work beside the loop.
#ifndef MUSTER_RENDEZVOUS_BACKGROUND_H_
#define MUSTER_RENDEZVOUS_BACKGROUND_H_

#include <thread>
#include <utility>

#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"

namespace muster::rendezvous {

// Runs `work` on a thread of its own, then `done` with its result on the loop.
// Both own what they touch, so the thread may outlive whoever started it: a
// resolver can't be interrupted. The loop must outlive the thread, or the
// process must end first.
template <typename Work, typename Done>
void InBackground(asio::io_context& loop, Work work, Done done) {
  std::thread([&loop, guard = asio::make_work_guard(loop),
               work = std::move(work), done = std::move(done)]() mutable {
    asio::post(loop, [done = std::move(done), result = work()]() mutable {
      done(std::move(result));
    });
  }).detach();
}

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_BACKGROUND_H_
