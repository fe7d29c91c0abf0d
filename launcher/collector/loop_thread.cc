#include "launcher/collector/loop_thread.h"

#include <signal.h>

namespace muster::collector {

LoopThread::LoopThread()
    : work_(asio::make_work_guard(loop_)), thread_([this] {
        // Signals are for the program's own threads; in particular a console
        // that nobody reads must not kill the job.
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        loop_.run();
      }) {}

void LoopThread::Join() {
  if (!thread_.joinable()) return;
  asio::post(loop_, [this] { work_.reset(); });
  thread_.join();
}

}  // namespace muster::collector
