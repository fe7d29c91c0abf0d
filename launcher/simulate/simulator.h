// A job of several nodes on this machine, through the same code: each node is
// an agent process of its own.
#ifndef MUSTER_LAUNCHER_SIMULATE_SIMULATOR_H_
#define MUSTER_LAUNCHER_SIMULATE_SIMULATOR_H_

#include <memory>
#include <string>
#include <vector>

#include "asio/io_context.hpp"
#include "asio/signal_set.hpp"
#include "env/frameworks/variables.h"
#include "launcher/collector/console.h"
#include "launcher/process/keeper.h"
#include "launcher/process/keeper_client.h"
#include "launcher/streams/pipe_reader.h"
#include "proto/job.pb.h"

namespace muster::simulate {

// Job: `muster sim`. Gives each node a loopback address, a name (node0, ...)
// and a working directory, starts its agent, passes signals on, and relays
// what the agents print: node 0 whole, of the others only warnings and errors.
// A node's directory, RUN_DIR/<run-id>.nodes/node<k>, shows the current
// directory through links, but has its own log and output directories, as a
// node with its own copy of the code would; it stays, since workers may have
// written more.
// Life cycle: construct, Run() once.
// Threads: everything on the thread that calls Run().
class Simulator {
 public:
  // `spec` is what each agent is told but for the node's own part.
  // `program` is muster's own path, `token` the job's secret ("" for none).
  Simulator(JobSpec spec, std::string program, std::string token,
            process::KeeperHandle keeper, env::Variables inherited);
  ~Simulator();

  // Returns node 0's exit code, which is every node's.
  int Run();

 private:
  struct Node {
    std::unique_ptr<streams::PipeReader> out;
    std::unique_ptr<streams::PipeReader> err;
    std::string out_line;  // not ended yet
    std::string err_line;
  };

  void CompleteSpec();
  absl::Status MakePlaces();
  void Complain(const absl::Status& status);
  void StartNode(uint32_t k);
  void Spawned(uint32_t k, int stdout_fd, int stderr_fd);
  void Exited(uint32_t k, int code);
  void Relay(uint32_t k, bool is_stderr, absl::string_view bytes);
  void Gone();
  void AwaitSignal();

  JobSpec spec_;
  const std::string program_;
  const std::string token_;
  const env::Variables inherited_;
  const std::string current_directory_;
  std::string nodes_directory_;
  uint32_t base_address_ = 0;

  asio::io_context loop_;
  asio::signal_set signals_;
  streams::ReadBuffer buffer_;
  collector::ConsoleWriter out_;
  collector::ConsoleWriter err_;
  std::vector<Node> nodes_;
  size_t left_ = 0;
  int exit_code_ = 0;
  const pid_t keeper_pid_;
  std::unique_ptr<process::KeeperClient> keeper_;
};

}  // namespace muster::simulate

#endif  // MUSTER_LAUNCHER_SIMULATE_SIMULATOR_H_
