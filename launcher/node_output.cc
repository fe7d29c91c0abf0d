#include "launcher/node_output.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "asio/post.hpp"
#include "launcher/directories.h"
#include "launcher/endpoint.h"
#include "launcher/log.h"
#include "launcher/size.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

using std::chrono::milliseconds;

// How often it is looked whether anything has moved.
constexpr milliseconds kLook{200};

// How long a collector may take nothing when somebody is in a hurry.
constexpr milliseconds kHurriedPatience{1'000};

void Tell(const char* what, const files::FileList& list) {
  for (const files::ListedFile& file : list.shown) {
    spdlog::warn("{} {}: {}", Printable(file.path), what, file.reason);
  }
  if (list.count > list.shown.size()) {
    spdlog::warn("{} more files: {}", list.count - list.shown.size(), what);
  }
}

streams::StreamId IdOf(uint32_t rank, bool is_stderr) {
  return {is_stderr ? STREAM_STDERR : STREAM_STDOUT, rank};
}

}  // namespace

NodeOutput::NodeOutput(asio::io_context& loop, const JobSpec& spec,
                       std::shared_ptr<grpc::Channel> channel,
                       rendezvous::Credentials credentials,
                       NodeOutputCallbacks callbacks)
    : loop_(loop),
      spec_(spec),
      channel_(std::move(channel)),
      credentials_(std::move(credentials)),
      callbacks_(std::move(callbacks)),
      writer_(STDOUT_FILENO),
      watch_(loop) {}

NodeOutput::~NodeOutput() { TeeLog({}); }

absl::Status NodeOutput::Open(const Introduction& introduction) {
  if (!channel_) {
    console_.emplace(spec_.console(),
                     [this](absl::string_view lines) { writer_.Write(lines); });
    return absl::OkStatus();
  }
  const streams::OutflowOptions options{
      .spool = {.base = spec_.spool_dir(),
                .bound = spec_.spool_bytes(),
                .full = spec_.spool_blocks() ? streams::SpoolFull::kBlock
                                             : streams::SpoolFull::kDrop},
      .introduction = introduction,
      .collector = CollectorEndpoint(spec_),
      .host_name = spec_.host_name()};
  auto outflow = streams::Outflow::Open(
      loop_, options, channel_,
      {.on_pause = callbacks_.on_pause,
       .on_notice = [](const std::string& line) { spdlog::warn("{}", line); },
       .on_done =
           [this](const streams::OutflowResult& result) {
             StreamsDone(result);
           }});
  if (!outflow.ok()) return outflow.status();
  outflow_ = *std::move(outflow);
  files_ = std::make_unique<files::NodeFiles>(
      files::NodeFiles::Options{.log_dir = spec_.log_dir(),
                                .output_dir = spec_.output_dir(),
                                .channel = channel_,
                                .introduction = introduction},
      files::NodeFiles::Callbacks{
          .on_done =
              [this](files::NodeFilesResult result) {
                OnLoop(
                    [this, result = std::move(result)] { FilesDone(result); });
              },
          .on_notice =
              [](const std::string& line) { spdlog::warn("{}", line); }});
  files_->Start();
  leftovers_ = std::make_unique<NodeLeftovers>(loop_, spec_, channel_,
                                               credentials_, [this] {
                                                 leftovers_.reset();
                                                 LookIfDone();
                                               });
  // Some lines come from other threads.
  TeeLog([this](const std::string& line) {
    if (loop_.get_executor().running_in_this_thread()) {
      outflow_->AppendAgentLog(line);
    } else {
      OnLoop([this, line] {
        if (!streams_closed_) outflow_->AppendAgentLog(line);
      });
    }
  });
  return absl::OkStatus();
}

void NodeOutput::Append(uint32_t rank, bool is_stderr,
                        absl::string_view bytes) {
  if (console_) {
    console_->Write(rank, is_stderr, bytes);
  } else {
    outflow_->Append(IdOf(rank, is_stderr), bytes);
  }
}

void NodeOutput::End(uint32_t rank, bool is_stderr, StreamEnd how) {
  if (console_) {
    console_->End(rank, is_stderr);
  } else {
    outflow_->End(IdOf(rank, is_stderr), how);
  }
}

template <typename Function>
void NodeOutput::OnLoop(Function function) {
  asio::post(loop_, [alive = std::weak_ptr<bool>(alive_),
                     function = std::move(function)]() mutable {
    if (!alive.expired()) function();
  });
}

void NodeOutput::Close() {
  if (console_) {
    OnLoop([this] { callbacks_.on_done({}); });
    return;
  }
  closed_ = true;
  if (files_done_) {
    CloseStreams();
  } else {
    files_->Finish();
  }
  if (leftovers_) leftovers_->Hurry();
  moved_at_ = std::chrono::steady_clock::now();
  logs_moved_at_ = moved_at_;
  progress_.emplace(
      line_.is_on(), moved_at_, Moved(),
      CollectProgress::Callbacks{
          .show = [this](const std::string& text) { line_.Show(text); },
          .log = [](const std::string& text) { spdlog::info("{}", text); }});
  Watch();
}

uint64_t NodeOutput::Moved() const {
  return outflow_->progress().acknowledged_bytes + files_->progress().done;
}

uint64_t NodeOutput::waiting_bytes() const {
  if (!outflow_) return 0;
  const files::NodeFiles::Progress files = files_->progress();
  return outflow_->progress().waiting_bytes + files.known -
         std::min(files.known, files.done);
}

void NodeOutput::Watch() {
  if (!progress_ || !given_up_.empty()) return;
  const auto now = std::chrono::steady_clock::now();
  const uint64_t moved = Moved();
  if (moved > moved_) {
    moved_ = moved;
    moved_at_ = now;
  }
  const streams::OutflowProgress streams = outflow_->progress();
  if (streams.is_connected && streams.waiting_bytes == 0) logs_moved_at_ = now;
  const milliseconds timeout(spec_.collect_timeout_ms());
  if (now - moved_at_ >= timeout) {
    const std::string why =
        absl::StrCat("it took nothing for --collect-timeout ",
                     absl::FormatDuration(absl::FromChrono(timeout)));
    // A collector without room for files takes the log that lists them.
    if (files_done_ || files_abandoned_ || now - logs_moved_at_ >= timeout) {
      return GiveUp(why);
    }
    files_abandoned_ = true;
    files_->Abandon(why);
    moved_at_ = now;
  }
  if (!hurry_.empty() && now - moved_at_ >= kHurriedPatience) {
    return GiveUp(hurry_);
  }
  progress_->Update(now, {.sent = moved,
                          .waiting = waiting_bytes(),
                          .is_connected = streams.is_connected});
  watch_.expires_after(kLook);
  watch_.async_wait([this](asio::error_code error) {
    if (!error) Watch();
  });
}

void NodeOutput::Hurry(const std::string& why) {
  if (closed_) {
    GiveUp(why);
  } else if (hurry_.empty()) {
    hurry_ = why;
  }
}

void NodeOutput::GiveUp(const std::string& why) {
  if (!given_up_.empty()) return;
  given_up_ = why;
  watch_.cancel();
  line_.Clear();
  files_->Abandon(why);
  if (streams_closed_) outflow_->Abandon(why);
  leftovers_.reset();
  OnLoop([this] { LookIfDone(); });
}

void NodeOutput::FilesDone(const files::NodeFilesResult& result) {
  if (result.files > 0) {
    spdlog::info("{} sent: {}", Count(result.files, "file"),
                 ShortSize(result.bytes));
  }
  Tell("was not sent", result.skipped);
  Tell("did not reach the collector", result.unsent);
  result_.log_bytes = result.held.log_bytes();
  result_.output_bytes = result.held.output_bytes();
  result_.problem = WhatIsMissing(result);
  files_done_ = true;
  if (closed_) CloseStreams();
}

std::string NodeOutput::WhatIsMissing(const files::NodeFilesResult& result) {
  // Who gave up looked through all of them, and knows when none is missing.
  const bool all_known = closed_ && (files_abandoned_ || !given_up_.empty());
  if (result.unsent.count == 0 && (all_known || result.problem.empty())) {
    return "";
  }
  const auto here = [](const std::string& directory) {
    return AbsolutePath(directory, std::filesystem::current_path());
  };
  const files::NodeFiles::Progress files = files_->progress();
  result_.missing_bytes += files.known - std::min(files.known, files.done);
  return absl::StrCat(
      result.unsent.count == 0 ? "new files"
                               : Count(result.unsent.count, "file"),
      " of this node did not reach the collector: ",
      result.problem.empty() ? "the log says why of each" : result.problem,
      "; what is missing is still in ", here(spec_.output_dir()), " and ",
      here(spec_.log_dir()));
}

// The agent's own log comes last, with what was said of the files.
void NodeOutput::CloseStreams() {
  TeeLog({});
  streams_closed_ = true;
  if (!given_up_.empty()) {
    outflow_->Abandon(given_up_);
  } else {
    outflow_->Finish();
  }
}

void NodeOutput::StreamsDone(const streams::OutflowResult& result) {
  watch_.cancel();
  progress_.reset();
  line_.Clear();
  result_.missing_bytes += result.bytes_left;
  if (result.done) result_.log_bytes += result.done->stored_bytes();
  if (!result.problem.empty()) {
    result_.problem = absl::StrCat(
        result_.problem, result_.problem.empty() ? "" : "; ", result.problem);
  }
  streams_done_ = true;
  LookIfDone();
}

void NodeOutput::LookIfDone() {
  if (!streams_done_ || leftovers_ || std::exchange(told_, true)) return;
  callbacks_.on_done(result_);
}

}  // namespace muster::launcher
