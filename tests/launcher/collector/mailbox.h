// Values and text that another thread brings, and a test waits for.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_MAILBOX_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_MAILBOX_H_

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace muster::collector {

constexpr std::chrono::seconds kDeadline(30);

// Values that another thread adds and the test waits for.
template <typename T>
class Mailbox {
 public:
  void Add(T value) {
    const std::lock_guard<std::mutex> lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }

  // The first `count` values, or fewer when the deadline is over.
  std::vector<T> Wait(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, kDeadline, [&] { return values_.size() >= count; });
    return values_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> values_;
};

// The console: a pipe that is read from Read() on.
class ConsolePipe {
 public:
  ConsolePipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) abort();
  }
  ~ConsolePipe() { Close(); }

  int fd() const { return ends_[1]; }

  void Read() {
    if (reader_.joinable()) return;
    reader_ = std::thread([this] {
      char buffer[4096];
      for (ssize_t n; (n = read(ends_[0], buffer, sizeof(buffer))) > 0;) {
        const std::lock_guard<std::mutex> lock(mutex_);
        text_.append(buffer, static_cast<size_t>(n));
        changed_.notify_all();
      }
    });
  }

  bool WaitFor(const std::string& part) {
    Read();
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(
        lock, kDeadline, [&] { return text_.find(part) != std::string::npos; });
  }

  // Everything; the collector must be gone.
  std::string Close() {
    Read();
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
    if (reader_.joinable()) reader_.join();
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
    return text_;
  }

 private:
  int ends_[2];
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  std::thread reader_;
};

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_MAILBOX_H_
