// This node's output on its way home.
#ifndef MUSTER_LAUNCHER_NODE_OUTPUT_H_
#define MUSTER_LAUNCHER_NODE_OUTPUT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "grpcpp/channel.h"
#include "launcher/collect_progress.h"
#include "launcher/collector/console.h"
#include "launcher/files/node_files.h"
#include "launcher/node_leftovers.h"
#include "launcher/streams/outflow.h"
#include "launcher/terminal/status_line.h"
#include "proto/collector.pb.h"
#include "proto/job.pb.h"
#include "rendezvous/credentials.h"

namespace muster::launcher {

struct NodeOutputResult {
  uint64_t log_bytes = 0;     // at the collector: streams, and files in ./logs
  uint64_t output_bytes = 0;  // files in ./outputs
  // "" or what is missing there, why, where it is, and what to do.
  std::string problem;
  uint64_t missing_bytes = 0;  // as far as known
};

struct NodeOutputCallbacks {
  // The node's own disk is slower than the workers, or the spool is full and
  // must not drop: stop reading them, or go on.
  std::function<void(bool paused)> on_pause;
  // All of it has arrived, or no more of it will.
  std::function<void(const NodeOutputResult&)> on_done;
};

// Job: takes what the workers write and the agent logs, and what appears in the
// log and output directories, and sees it to the collector; what agents of this
// host left that died goes along. With --collector none the console of this
// node is all there is. Life cycle: construct, Open, append, Close once, await
// on_done. Threads: the loop's only; callbacks come there, never inside a call.
// Ownership: the loop must outlive this.
class NodeOutput {
 public:
  // `channel` leads to the collector; null for none. `credentials` are for
  // those that dead agents had.
  NodeOutput(asio::io_context& loop, const JobSpec& spec,
             std::shared_ptr<grpc::Channel> channel,
             rendezvous::Credentials credentials,
             NodeOutputCallbacks callbacks);
  ~NodeOutput();

  // Errors, after which this is only to be destroyed: the spool can't be made,
  // where and why.
  absl::Status Open(const Introduction& introduction);

  void Append(uint32_t rank, bool is_stderr, absl::string_view bytes);
  void End(uint32_t rank, bool is_stderr, StreamEnd how);

  // The workers are gone: what is still on this node goes home, as long as
  // that makes progress (--collect-timeout).
  void Close();

  // Waits no longer, for this reason: what has arrived is what there is. Before
  // Close: waits then only as long as the collector takes something.
  void Hurry(const std::string& why);

  // Bytes that the collector has not got yet.
  uint64_t waiting_bytes() const;

 private:
  void Watch();
  void GiveUp(const std::string& why);
  std::string WhatIsMissing(const files::NodeFilesResult& result);
  void FilesDone(const files::NodeFilesResult& result);
  void CloseStreams();
  void StreamsDone(const streams::OutflowResult& result);
  void LookIfDone();  // and say so
  // Bytes at the collector, of everything.
  uint64_t Moved() const;
  // On the loop, unless this is gone by then. Any thread.
  template <typename Function>
  void OnLoop(Function function);

  asio::io_context& loop_;
  const JobSpec spec_;
  const std::shared_ptr<grpc::Channel> channel_;
  const rendezvous::Credentials credentials_;
  const NodeOutputCallbacks callbacks_;
  bool closed_ = false;
  bool files_done_ = false;  // maybe before Close, when it is of no use
  bool files_abandoned_ = false;
  bool streams_closed_ = false;
  bool streams_done_ = false;
  bool told_ = false;     // on_done
  std::string hurry_;     // why Close has to be quick; "" when it has not
  std::string given_up_;  // why nothing more is waited for; ""

  // Without a collector:
  collector::ConsoleWriter writer_;
  std::optional<collector::ConsolePrinter> console_;

  // With one:
  std::unique_ptr<streams::Outflow> outflow_;
  std::unique_ptr<files::NodeFiles> files_;
  std::unique_ptr<NodeLeftovers> leftovers_;  // until they are looked at
  NodeOutputResult result_;
  asio::steady_timer watch_;  // for progress, once closed
  uint64_t moved_ = 0;        // bytes, when last looked at
  std::chrono::steady_clock::time_point moved_at_;
  std::chrono::steady_clock::time_point logs_moved_at_;  // or none waited
  std::optional<CollectProgress> progress_;
  terminal::StatusLine line_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_NODE_OUTPUT_H_
