// The agent's part in the self-test of the fabric.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "asio/post.hpp"
#include "launcher/agent.h"
#include "launcher/fabric/fabric_json.h"
#include "launcher/fabric/fabric_table.h"
#include "launcher/log.h"

namespace muster::launcher {
namespace {

// Of libraries that take the place of NCCL's in tests.
constexpr char kFaultVariables[] = "MUSTER_FAULT";

}  // namespace

env::Variables Agent::ProbeVariables() const {
  env::Variables variables = ServiceVariables();
  for (const auto& [name, value] : inherited_) {
    if (absl::StartsWith(name, kFaultVariables)) variables[name] = value;
  }
  return variables;
}

void Agent::Test(const CoordinatorMessage& start) {
  phase_ = Phase::kTesting;
  node_test_ = std::make_unique<fabric::NodeTest>(
      loop_, ServiceKeeper(),
      fabric::NodeTestOptions{
          .host_name = spec_.host_name(),
          .gpus = node_->gpus,
          .pretended = node_->pretend_gpus,
          .program = std::filesystem::read_symlink("/proc/self/exe").string(),
          .environment = ProbeVariables(),
          .nccl_library = spec_.nccl_library(),
          .command = {spec_.agreement().command().begin(),
                      spec_.agreement().command().end()}},
      fabric::NodeTestCallbacks{
          .send =
              [this](AgentMessage message) {
                SendToCoordinator(std::move(message));
              },
          .on_closed =
              [this](const std::string& problem) { TestEnded(problem); }});
  node_test_->Handle(start);
  // The signal was for the waiting nodes, and came when there were none.
  if (cancelled_by_ != 0) SendCancel(cancelled_by_);
}

void Agent::EndTest(std::function<void()> next) {
  if (!node_test_) return next();
  // What was to come next is not, where the verdict comes in between.
  const bool closing = std::exchange(after_test_, std::move(next)) != nullptr;
  if (closing) {
    later_.clear();
  } else {
    node_test_->Close();
  }
}

void Agent::TestEnded(const std::string& problem) {
  if (!problem.empty()) spdlog::error("{}", problem);
  // Not while it is in a call of its own.
  asio::post(loop_, [this] {
    node_test_.reset();
    if (after_test_) std::exchange(after_test_, nullptr)();
    for (const CoordinatorMessage& message : std::exchange(later_, {})) {
      Received(message);
    }
  });
}

bool Agent::PrintTest() const {
  const FabricReport* report = host_->fabric();
  if (!report || !report->only()) return false;
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  const std::string text =
      as_json_ ? fabric::FabricToJson(*report)
               : fabric::FabricTable(
                     *report, {.colour = terminal, .heat_map = terminal});
  fputs(text.c_str(), stdout);
  fflush(stdout);
  return true;
}

}  // namespace muster::launcher
