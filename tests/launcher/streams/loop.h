// The agent's loop, run by the test itself.
#ifndef MUSTER_TESTS_LAUNCHER_STREAMS_LOOP_H_
#define MUSTER_TESTS_LAUNCHER_STREAMS_LOOP_H_

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <functional>

namespace muster::streams {

class Loop {
 public:
  // Runs until `done()`; false when that takes over 30 seconds.
  bool RunUntil(const std::function<bool()>& done) {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (context_.run_one_until(deadline) == 0) return false;
    }
    return true;
  }

  asio::io_context& context() { return context_; }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{
      context_.get_executor()};
};

}  // namespace muster::streams

#endif  // MUSTER_TESTS_LAUNCHER_STREAMS_LOOP_H_
