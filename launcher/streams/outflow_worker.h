// The thread behind an Outflow.
#ifndef MUSTER_LAUNCHER_STREAMS_OUTFLOW_WORKER_H_
#define MUSTER_LAUNCHER_STREAMS_OUTFLOW_WORKER_H_

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "launcher/streams/handover.h"
#include "launcher/streams/log_link.h"
#include "launcher/streams/outflow.h"

namespace muster::streams {

// Job: write what is handed over to the spool, and have the link send it.
//
//   running --Finish--> finishing --LogDone, failure or Abandon--> done
//
// Life cycle: runs from construction to destruction, which writes what was
// handed over before it returns.
// Threads: constructed, used and destroyed on the agent's loop; what is below
// the line happens on its own thread.
class Outflow::Worker {
 public:
  Worker(asio::io_context& agent, const OutflowOptions& options,
         std::unique_ptr<Spool> spool, std::shared_ptr<grpc::Channel> channel,
         OutflowCallbacks callbacks);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Handover& handover() { return handover_; }
  void CountAppended(uint64_t bytes) { appended_bytes_ += bytes; }
  void Finish();
  void Abandon(const std::string& why);
  OutflowProgress progress() const;
  const std::string& spool_path() const { return spool_path_; }

 private:
  using LoopWork = asio::executor_work_guard<asio::io_context::executor_type>;

  // ---- its own thread ----
  void Run();
  void Connect();
  // Writes some of what was handed over.
  void Write();
  // Writes all of it, whatever the bound.
  void WriteAll();
  // False when the spool is full.
  bool WriteNext();
  void OnFailed(const grpc::Status& status);
  void OnBroken(const grpc::Status& status);
  void OnConnected();
  void OnAdvanced();
  void OnRelease(LogPosition position);
  void OnLogDone(const LogDone& done);
  void Fail(const std::string& why);
  void Done(OutflowResult result);
  void TellOfTheDisk(Spool::Appended appended);
  void Notice(std::string line);
  template <typename Function>
  void PostToAgent(Function function);

  asio::io_context& agent_;
  const OutflowOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::string spool_path_;
  // The agent's loop only; posted calls share it.
  struct Shared {
    OutflowCallbacks callbacks;
    bool alive = true;
  };
  const std::shared_ptr<Shared> shared_;
  const BufferPool pool_;
  Handover handover_;
  std::atomic<uint64_t> appended_bytes_ = 0;
  std::atomic<uint64_t> acknowledged_bytes_ = 0;
  std::atomic<bool> connected_ = false;

  asio::io_context loop_;
  LoopWork work_{loop_.get_executor()};

  // Its own thread only, from Run on.
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<LogLink> link_;  // null when it is of no use any more
  std::optional<Chunk> pending_;   // taken, but not written
  asio::steady_timer full_timer_{loop_};
  std::string failure_;  // why the link is of no use
  std::string trouble_;  // why there is no connection now
  bool finishing_ = false;
  bool done_ = false;
  bool told_broken_ = false;
  bool told_full_ = false;
  bool told_error_ = false;

  std::thread thread_;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_OUTFLOW_WORKER_H_
