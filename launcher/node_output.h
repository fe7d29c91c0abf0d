// This node's output on its way home: logs as they come, files at the end.
#ifndef MUSTER_LAUNCHER_NODE_OUTPUT_H_
#define MUSTER_LAUNCHER_NODE_OUTPUT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "asio/io_context.hpp"
#include "grpcpp/channel.h"
#include "launcher/collector/console.h"
#include "launcher/streams/delivery.h"
#include "launcher/streams/sweep.h"
#include "proto/collector.pb.h"
#include "proto/job.pb.h"

namespace muster::launcher {

struct NodeOutputCallbacks {
  // The collector is slower than the workers: stop reading them, or go on.
  std::function<void(bool paused)> on_pause;
  // All of it has arrived, or no more of it will. `problem` is empty or says
  // what is missing.
  std::function<void(const Receipt& receipt, const std::string& problem)>
      on_done;
};

// Job: takes what the workers write and the agent logs, and sends it to the
// collector; then sends the log and output directories. With --collector none
// the console of this node is all there is.
// Life cycle: construct, append, Close once, await on_done.
// Threads: the loop's only; callbacks come there, never inside a call.
// Ownership: the loop must outlive this.
class NodeOutput {
 public:
  // `channel` leads to the collector; null for none.
  NodeOutput(asio::io_context& loop, const JobSpec& spec,
             const std::shared_ptr<grpc::Channel>& channel,
             const Introduction& introduction, NodeOutputCallbacks callbacks);
  ~NodeOutput();

  void Append(uint32_t rank, bool is_stderr, absl::string_view bytes);
  void End(uint32_t rank, bool is_stderr);

  // The workers are gone: sends the directories and closes.
  void Close();

  // Stops sending files: what has arrived is what there is.
  void Hurry();

 private:
  void SweepNext();
  void Done(const Receipt& receipt, const std::string& problem);

  asio::io_context& loop_;
  const NodeOutputCallbacks callbacks_;
  std::vector<streams::Sweep::Tree> trees_;  // still to be swept, last first
  std::string problem_;
  bool done_ = false;
  collector::ConsoleWriter writer_;
  std::optional<collector::ConsolePrinter> console_;  // without a collector
  std::unique_ptr<streams::Delivery> delivery_;       // with one
  std::unique_ptr<streams::Sweep> sweep_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_NODE_OUTPUT_H_
