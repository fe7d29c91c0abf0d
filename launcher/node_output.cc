#include "launcher/node_output.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "launcher/log.h"

namespace muster::launcher {

NodeOutput::NodeOutput(asio::io_context& loop, const JobSpec& spec,
                       const std::shared_ptr<grpc::Channel>& channel,
                       const Introduction& introduction,
                       NodeOutputCallbacks callbacks)
    : loop_(loop), callbacks_(std::move(callbacks)), writer_(STDOUT_FILENO) {
  if (!channel) {
    console_.emplace(spec.console(),
                     [this](absl::string_view lines) { writer_.Write(lines); });
    return;
  }
  // A last-in-first-out list: outputs go first, so that they are safe when
  // somebody is in a hurry.
  trees_ = {{spec.log_dir(), "logs/"}, {spec.output_dir(), "outputs/"}};
  delivery_ = std::make_unique<streams::Delivery>(
      loop_, channel, introduction,
      streams::Delivery::Callbacks{
          .on_writable =
              [this] {
                callbacks_.on_pause(false);
                if (sweep_) sweep_->Resume();
              },
          .on_receipt = [this](const Receipt& receipt) { Done(receipt, ""); },
          .on_failed =
              [this](const grpc::Status& status) {
                callbacks_.on_pause(false);
                Done({}, absl::StrCat("the collector did not take the output "
                                      "of this node: ",
                                      status.error_message()));
              }});
  TeeLog([this](const std::string& line) { delivery_->AppendAgentLog(line); });
}

NodeOutput::~NodeOutput() { TeeLog({}); }

void NodeOutput::Append(uint32_t rank, bool is_stderr,
                        absl::string_view bytes) {
  if (console_) {
    console_->Write(rank, is_stderr, bytes);
    return;
  }
  delivery_->AppendLog(rank, is_stderr, bytes);
  if (delivery_->Full()) callbacks_.on_pause(true);
}

void NodeOutput::End(uint32_t rank, bool is_stderr) {
  if (console_) {
    console_->End(rank, is_stderr);
  } else {
    delivery_->EndLog(rank, is_stderr);
  }
}

void NodeOutput::Close() {
  if (console_ || done_) {
    asio::post(loop_, [this] { callbacks_.on_done({}, problem_); });
    return;
  }
  SweepNext();
}

void NodeOutput::Hurry() {
  if (!sweep_) return;
  trees_.clear();
  sweep_.reset();
  spdlog::warn("told to hurry: not all files were sent");
  SweepNext();
}

void NodeOutput::SweepNext() {
  if (trees_.empty()) {
    sweep_.reset();
    TeeLog({});
    delivery_->Finish();
    return;
  }
  streams::Sweep::Tree tree = std::move(trees_.back());
  trees_.pop_back();
  const std::string name = tree.directory;
  sweep_ = std::make_unique<streams::Sweep>(
      loop_, *delivery_, std::move(tree),
      [this, name](const streams::SweepResult& result) {
        if (result.files > 0) {
          spdlog::info("{}: {} files, {} bytes sent", name, result.files,
                       result.bytes);
        }
        for (const streams::SkippedFile& file : result.skipped) {
          spdlog::warn("{}: {} was not sent: {}", name, file.path, file.reason);
        }
        if (result.skipped_count > result.skipped.size()) {
          spdlog::warn("{}: {} files were not sent in all", name,
                       result.skipped_count);
        }
        if (!done_) SweepNext();
      });
}

void NodeOutput::Done(const Receipt& receipt, const std::string& problem) {
  const bool closing = trees_.empty() || sweep_;
  done_ = true;
  problem_ = problem;
  sweep_.reset();
  TeeLog({});
  // A delivery that broke while workers run is told when they are gone.
  if (closing) callbacks_.on_done(receipt, problem);
}

}  // namespace muster::launcher
