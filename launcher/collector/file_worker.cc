#include "launcher/collector/file_worker.h"

#include <signal.h>

namespace muster::collector {

FileWorker::FileWorker() : thread_([this] { Loop(); }) {}

FileWorker::~FileWorker() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void FileWorker::Run(std::unique_ptr<FileWork> work, Done done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  queue_.push_back({std::move(work), std::move(done)});
  changed_.notify_all();
}

void FileWorker::Loop() {
  // Signals are for the threads that wait for them.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (;;) {
    std::deque<Item> items;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      items.swap(queue_);
    }
    std::vector<FileWork*> works;
    for (const Item& item : items) works.push_back(item.work.get());
    RunFileWork(works);
    for (Item& item : items) item.done(std::move(item.work));
  }
}

}  // namespace muster::collector
