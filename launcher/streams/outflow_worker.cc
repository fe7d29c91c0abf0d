#include "launcher/streams/outflow_worker.h"

#include <signal.h>

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::streams {
namespace {

// So much is written in one turn of the loop, between which the link works.
constexpr int kChunksInATurn = 1;

// A spool that is full for want of disk may find room without our doing.
constexpr std::chrono::milliseconds kFullPause(200);

std::string Where(const OutflowOptions& options) {
  return options.collector.empty()
             ? std::string("the collector")
             : absl::StrCat("the collector ", options.collector);
}

// A collector in the coordinator's process ends with it: one of its own takes
// over its directory.
std::string HowToSend(const OutflowOptions& options, const std::string& spool) {
  const std::string where =
      options.collector.empty() ? std::string("HOST:PORT") : options.collector;
  const std::string get = absl::StrCat("`muster get --spool ", spool,
                                       " --collector ", where, "` sends it");
  return options.collector.empty()
             ? absl::StrCat(get,
                            " to a `muster collect --listen HOST:PORT --dir "
                            "DIR`, where DIR is the --run-dir of the node that "
                            "collected")
             : get;
}

}  // namespace

Outflow::Worker::Worker(asio::io_context& agent, const OutflowOptions& options,
                        std::unique_ptr<Spool> spool,
                        std::shared_ptr<grpc::Channel> channel,
                        OutflowCallbacks callbacks)
    : agent_(agent),
      options_(options),
      channel_(std::move(channel)),
      spool_path_(spool->path()),
      shared_(std::make_shared<Shared>(Shared{std::move(callbacks)})),
      handover_(
          pool_,
          {.on_pause =
               [this](bool paused) {
                 PostToAgent([paused](const OutflowCallbacks& c) {
                   c.on_pause(paused);
                 });
               },
           .on_filled = [this] { asio::post(loop_, [this] { Write(); }); }}),
      spool_(std::move(spool)),
      thread_([this] { Run(); }) {}

Outflow::Worker::~Worker() {
  shared_->alive = false;
  asio::post(loop_, [this] {
    link_.reset();
    WriteAll();
    done_ = true;
    loop_.stop();
  });
  thread_.join();
}

void Outflow::Worker::Finish() {
  asio::post(loop_, [this] {
    finishing_ = true;
    Write();
  });
}

void Outflow::Worker::Abandon(const std::string& why) {
  asio::post(loop_, [this, why] {
    if (done_) return;
    finishing_ = true;
    link_.reset();
    WriteAll();
    if (!failure_.empty()) return Fail(failure_);
    Fail(trouble_.empty() ? why : absl::StrCat(why, " (", trouble_, ")"));
  });
}

OutflowProgress Outflow::Worker::progress() const {
  // In this order, since what is acknowledged was appended before.
  const uint64_t acknowledged = acknowledged_bytes_;
  const uint64_t appended = appended_bytes_;
  return {.acknowledged_bytes = acknowledged,
          .waiting_bytes = appended - std::min(appended, acknowledged),
          .is_connected = connected_};
}

void Outflow::Worker::Run() {
  // Signals are for the agent's threads.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  Connect();
  loop_.run();
}

void Outflow::Worker::Connect() {
  link_ = std::make_unique<LogLink>(
      loop_, channel_, options_.introduction, spool_->segments(), pool_,
      LogLink::Callbacks{
          .on_release = [this](LogPosition position) { OnRelease(position); },
          .streams_at_end =
              [this](const std::vector<StreamState>&) {
                return spool_->States();
              },
          .on_done = [this](const LogDone& done) { OnLogDone(done); },
          .on_failed = [this](const grpc::Status& why) { OnFailed(why); },
          .on_broken = [this](const grpc::Status& why) { OnBroken(why); },
          .on_connected = [this] { OnConnected(); },
          .on_advanced = [this] { OnAdvanced(); }});
}

void Outflow::Worker::Write() {
  if (done_) return;
  for (int i = 0; i < kChunksInATurn; ++i) {
    if (!pending_) pending_ = handover_.Take();
    if (!pending_) {
      if (!finishing_) break;
      failure_.empty() ? link_->Finish() : Fail(failure_);
      return;
    }
    if (!WriteNext()) {
      full_timer_.expires_after(kFullPause);
      full_timer_.async_wait([this](const std::error_code& error) {
        if (!error) Write();
      });
      break;
    }
    if (i + 1 == kChunksInATurn) asio::post(loop_, [this] { Write(); });
  }
  if (link_) link_->Poke();
}

bool Outflow::Worker::WriteNext() {
  const Spool::Appended appended =
      spool_->Append(pending_->payload(), std::chrono::steady_clock::now());
  TellOfTheDisk(appended);
  if (appended == Spool::Appended::kFull) return false;
  if (appended == Spool::Appended::kYes) {
    spool_->segments().Remember(pending_->payload(), pending_->memory());
  }
  pending_.reset();
  return true;
}

void Outflow::Worker::WriteAll() {
  if (done_) return;
  spool_->StopBlocking();
  spool_->RaiseBound(2 * Handover::kBound);
  while (pending_ || (pending_ = handover_.Take())) WriteNext();
}

void Outflow::Worker::TellOfTheDisk(Spool::Appended appended) {
  const bool full = appended == Spool::Appended::kFull;
  const uint64_t dropped = spool_->dropped_segments();
  if ((full || dropped > 0) && !told_full_) {
    told_full_ = true;
    Notice(absl::StrCat(
        "the spool ", spool_path_, " is full: ",
        full ? "workers wait until the collector has taken some of it"
             : "the oldest output that was not sent is dropped",
        "; a larger --spool-size holds more"));
  }
  const bool lost = appended == Spool::Appended::kLost;
  if (lost == told_error_) return;
  told_error_ = lost;
  Notice(lost ? absl::StrCat(spool_->error().message(),
                             "; what they write meanwhile is lost")
              : absl::StrCat("the spool ", spool_path_,
                             " takes what workers write again; ",
                             spool_->lost_bytes(), " bytes were lost"));
}

void Outflow::Worker::OnRelease(LogPosition position) {
  spool_->Release(position);
  acknowledged_bytes_ = link_->acknowledged_bytes();
  if (pending_ && full_timer_.cancel() > 0) {
    asio::post(loop_, [this] { Write(); });
  }
}

void Outflow::Worker::OnConnected() {
  connected_ = true;
  trouble_.clear();
  acknowledged_bytes_ = link_->acknowledged_bytes();
}

void Outflow::Worker::OnAdvanced() {
  if (!std::exchange(told_broken_, false)) return;
  told_full_ = false;
  Notice(absl::StrCat(Where(options_), " takes output again"));
}

void Outflow::Worker::OnBroken(const grpc::Status& why) {
  connected_ = false;
  trouble_ = why.error_message();
  if (std::exchange(told_broken_, true)) return;
  Notice(absl::StrCat(Where(options_), " does not take output now (",
                      why.error_message(), "); it waits in ", spool_path_,
                      " and is sent when the collector is back"));
}

void Outflow::Worker::OnFailed(const grpc::Status& why) {
  connected_ = false;
  failure_ = why.error_message();
  // Nothing will make room in it.
  spool_->StopBlocking();
  Notice(absl::StrCat(Where(options_), " refuses the output of this node: ",
                      failure_, "; it stays in ", spool_path_));
  asio::post(loop_, [this] {
    link_.reset();
    Write();
  });
}

void Outflow::Worker::OnLogDone(const LogDone& done) {
  connected_ = false;
  acknowledged_bytes_ = appended_bytes_.load();
  const absl::Status removed = spool_->Remove();
  if (!removed.ok()) Notice(std::string(removed.message()));
  Done({.done = done});
}

void Outflow::Worker::Fail(const std::string& why) {
  if (done_) return;
  const uint64_t left = progress().waiting_bytes;
  std::string problem = absl::StrCat(
      left > 0 ? absl::StrCat(left, " bytes of this node's logs")
               : std::string("the end of this node's logs"),
      " did not reach ", Where(options_), ": ", why, "; what is missing is in ",
      spool_path_, ", and ", HowToSend(options_, spool_path_));
  connected_ = false;
  Done({.problem = std::move(problem),
        .bytes_left = left,
        .spool = spool_path_});
}

void Outflow::Worker::Done(OutflowResult result) {
  done_ = true;
  full_timer_.cancel();
  PostToAgent([result = std::move(result)](const OutflowCallbacks& callbacks) {
    callbacks.on_done(result);
  });
}

void Outflow::Worker::Notice(std::string line) {
  PostToAgent([line = std::move(line)](const OutflowCallbacks& callbacks) {
    if (callbacks.on_notice) callbacks.on_notice(line);
  });
}

template <typename Function>
void Outflow::Worker::PostToAgent(Function function) {
  asio::post(agent_, [shared = shared_, function = std::move(function)] {
    if (shared->alive) function(shared->callbacks);
  });
}

}  // namespace muster::streams
