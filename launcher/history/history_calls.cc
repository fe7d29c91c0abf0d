#include "launcher/history/history_calls.h"

#include <signal.h>

#include <chrono>
#include <vector>

namespace muster::history {
namespace {

constexpr std::chrono::milliseconds kPollEvery(200);

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message()));
}

HistoryWorker::HistoryWorker()
    : work_(asio::make_work_guard(loop_)), changes_(loop_), timer_(loop_) {
  if (watch_.fd() >= 0) changes_.assign(watch_.fd());
  thread_ = std::thread([this] { Run(); });
}

void HistoryWorker::Run() {
  // Signals are for other threads.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  Listen();
  loop_.run();
}

void HistoryWorker::Stop() {
  if (!thread_.joinable()) return;
  asio::post(loop_, [this] {
    leaving_ = true;
    for (const auto& [call, owner] :
         std::map<Call*, std::shared_ptr<Call>>(calls_)) {
      call->Leave();
    }
    timer_.cancel();
    if (changes_.is_open()) changes_.release();
  });
  work_.reset();
  thread_.join();
}

void HistoryWorker::Listen() {
  if (!changes_.is_open()) return;
  changes_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [this](const asio::error_code& error) {
                        if (error) return;
                        watch_.Dispatch();
                        Listen();
                      });
}

void HistoryWorker::Add(std::shared_ptr<Call> call) {
  Call* const added = call.get();
  calls_[added] = std::move(call);
  if (leaving_) added->Leave();
}

void HistoryWorker::KeepPolling() {
  if (std::exchange(polling_, true) || leaving_) return;
  timer_.expires_after(kPollEvery);
  timer_.async_wait([this](const asio::error_code& error) {
    polling_ = false;
    if (!error) Poll();
  });
}

void HistoryWorker::Poll() {
  bool again = false;
  for (const auto& [call, owner] :
       std::map<Call*, std::shared_ptr<Call>>(calls_)) {
    again = call->Poll() || again;
  }
  if (again) KeepPolling();
}

}  // namespace muster::history
