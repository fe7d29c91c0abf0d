// A thread that does one thing after the other.
#ifndef MUSTER_LAUNCHER_COLLECTOR_LOOP_THREAD_H_
#define MUSTER_LAUNCHER_COLLECTOR_LOOP_THREAD_H_

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace muster::collector {

// Job: a loop on a thread of its own, without signals. What is posted runs in
// its order.
// Life cycle: construct; post; Join(), after which nothing posted runs.
// Threads: any may post.
class LoopThread {
 public:
  LoopThread();
  ~LoopThread() { Join(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  template <typename Function>
  void Post(Function&& function) {
    asio::post(loop_, std::forward<Function>(function));
  }

  // On the thread itself: runs it after a pause, unless what is returned is
  // destroyed before, which is to be done on the thread as well.
  template <typename Function>
  std::shared_ptr<void> PostAfter(std::chrono::steady_clock::duration pause,
                                  Function&& function) {
    auto timer = std::make_shared<asio::steady_timer>(loop_, pause);
    timer->async_wait([function = std::forward<Function>(function)](
                          const std::error_code& error) mutable {
      if (!error) function();
    });
    return timer;
  }

  // Returns when all that was posted has run, also by what ran meanwhile. Not
  // to be called on the thread itself.
  void Join();

 private:
  asio::io_context loop_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>>
      work_;
  std::thread thread_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_LOOP_THREAD_H_
