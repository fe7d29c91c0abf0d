#include "launcher/streams/leftovers.h"

#include <signal.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/streams/log_link.h"
#include "launcher/streams/record.h"
#include "launcher/streams/segments.h"
#include "launcher/streams/spool_directory.h"

namespace muster::streams {
namespace {

using Clock = std::chrono::steady_clock;

// The streams that a node has, whether they are in its spool or not.
std::vector<StreamState> Orphaned(const Introduction& node,
                                  const std::vector<StreamState>& sent) {
  std::vector<StreamState> states = sent;
  for (uint32_t i = 0; i < node.workers(); ++i) {
    for (const StreamKind kind : {STREAM_STDOUT, STREAM_STDERR}) {
      states.push_back({.stream = {kind, node.first_rank() + i}});
    }
  }
  states.push_back({.stream = {STREAM_AGENT, 0}});
  for (StreamState& state : states) state.how = STREAM_END_AGENT_DIED;
  return states;
}

}  // namespace

class Leftovers::Worker {
 public:
  Worker(asio::io_context& caller, LeftoversOptions options,
         LeftoversCallbacks callbacks)
      : caller_(caller),
        options_(std::move(options)),
        shared_(std::make_shared<Shared>(Shared{std::move(callbacks)})),
        thread_([this] { Run(); }) {}

  ~Worker() {
    shared_->alive = false;
    asio::post(loop_, [this] {
      link_.reset();
      loop_.stop();
    });
    thread_.join();
  }

  void Hurry(std::chrono::milliseconds patience) {
    asio::post(loop_, [this, patience] {
      hurried_ = true;
      options_.patience = std::min(options_.patience, patience);
    });
  }

 private:
  struct Shared {
    LeftoversCallbacks callbacks;
    bool alive = true;  // the caller's loop only
  };

  void Run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    asio::post(loop_, [this] { Begin(); });
    loop_.run();
  }

  void Begin() {
    absl::StatusOr<std::vector<std::string>> spools =
        SpoolDirectory::List(options_.directory);
    if (!spools.ok()) return AllDone(spools.status());
    spools_ = *std::move(spools);
    std::reverse(spools_.begin(), spools_.end());
    Next();
  }

  void Next() {
    while (!spools_.empty()) {
      result_ = {.spool = std::move(spools_.back())};
      spools_.pop_back();
      const absl::Status status = Open();
      if (status.ok()) return;
      if (absl::IsNotFound(status)) continue;  // gone meanwhile
      result_.is_in_use = absl::IsUnavailable(status);
      Keep(status.message());
    }
    AllDone(absl::OkStatus());
  }

  absl::Status Open() {
    absl::StatusOr<std::unique_ptr<SpoolDirectory>> spool =
        SpoolDirectory::OpenDead(result_.spool);
    if (!spool.ok()) return spool.status();
    result_.manifest = (*spool)->manifest();
    auto segments = std::make_unique<Segments>((*spool)->fd());
    const absl::Status scanned = segments->Scan();
    if (!scanned.ok()) {
      return absl::InternalError(
          absl::StrCat(result_.spool, ": ", scanned.message()));
    }
    const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
        shared_->callbacks.channel_for(result_.manifest);
    if (!channel.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat(result_.spool, ": ", channel.status().message()));
    }
    directory_ = *std::move(spool);
    segments_ = std::move(segments);
    Connect(*channel);
    return absl::OkStatus();
  }

  void Connect(const std::shared_ptr<grpc::Channel>& channel) {
    Introduction node = result_.manifest.introduction();
    node.set_orphaned(true);
    trouble_ = "it does not answer";
    moved_ = Clock::now();
    acknowledged_ = 0;
    settled_ = false;
    Watch();
    link_ = std::make_unique<LogLink>(
        loop_, channel, node, *segments_, BufferPool(),
        LogLink::Callbacks{
            .on_release = [this](LogPosition position) { Release(position); },
            .streams_at_end =
                [this](const std::vector<StreamState>& sent) {
                  return Orphaned(result_.manifest.introduction(), sent);
                },
            .on_done = [this](const LogDone& done) { Acknowledged(done); },
            .on_failed =
                [this](const grpc::Status& why) {
                  GiveUp(why.error_message());
                },
            .on_broken =
                [this](const grpc::Status& why) {
                  trouble_ = why.error_message();
                }});
    link_->Finish();
  }

  void Release(LogPosition position) {
    while (!segments_->list().empty() &&
           segments_->list().front().number < position.segment) {
      segments_->RemoveOldest();
    }
  }

  // Looks now and then whether anything moves.
  void Watch() {
    watch_.expires_after(
        std::min(options_.patience, std::chrono::milliseconds(500)));
    watch_.async_wait([this](const std::error_code& error) {
      if (error || !link_) return;
      const uint64_t acknowledged = link_->acknowledged_bytes();
      if (acknowledged != acknowledged_) moved_ = Clock::now();
      acknowledged_ = acknowledged;
      if (Clock::now() - moved_ >= options_.patience) return GiveUp(trouble_);
      Watch();
    });
  }

  void GiveUp(const std::string& why) {
    if (std::exchange(settled_, true)) return;
    if (hurried_) spools_.clear();
    const std::string& collector = result_.manifest.collector();
    Keep(absl::StrCat(result_.spool, ": the collector",
                      collector.empty() ? "" : absl::StrCat(" ", collector),
                      " did not take what run ",
                      result_.manifest.introduction().run_id(),
                      " left here: ", why, "; it stays there"));
    GoOn();
  }

  void Acknowledged(const LogDone& done) {
    if (std::exchange(settled_, true)) return;
    const absl::Status removed = directory_->Remove();
    if (!removed.ok()) result_.problem = std::string(removed.message());
    result_.done = done;
    Report();
    GoOn();
  }

  // Lets go of this spool, outside of the link's callbacks, for the next one.
  void GoOn() {
    watch_.cancel();
    asio::post(loop_, [this] {
      link_.reset();
      segments_.reset();
      directory_.reset();
      Next();
    });
  }

  void Keep(absl::string_view problem) {
    result_.problem = std::string(problem);
    Report();
  }

  void Report() {
    PostToCaller([result = result_](const LeftoversCallbacks& callbacks) {
      callbacks.on_spool(result);
    });
  }

  void AllDone(const absl::Status& status) {
    PostToCaller([status](const LeftoversCallbacks& callbacks) {
      callbacks.on_done(status);
    });
  }

  template <typename Function>
  void PostToCaller(Function function) {
    asio::post(caller_, [shared = shared_, function = std::move(function)] {
      if (shared->alive) function(shared->callbacks);
    });
  }

  asio::io_context& caller_;
  LeftoversOptions options_;  // its own thread only
  const std::shared_ptr<Shared> shared_;
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{
      loop_.get_executor()};

  // Its own thread only.
  std::vector<std::string> spools_;  // still to be sent, last first
  LeftoverResult result_;            // of the one that is being sent
  std::unique_ptr<SpoolDirectory> directory_;
  std::unique_ptr<Segments> segments_;
  std::unique_ptr<LogLink> link_;
  asio::steady_timer watch_{loop_};
  Clock::time_point moved_;  // when something was acknowledged last
  uint64_t acknowledged_ = 0;
  bool settled_ = false;  // what becomes of it is decided
  bool hurried_ = false;
  std::string trouble_;  // the last one on the way to the collector

  std::thread thread_;
};

Leftovers::Leftovers(asio::io_context& loop, LeftoversOptions options,
                     LeftoversCallbacks callbacks)
    : worker_(std::make_unique<Worker>(loop, std::move(options),
                                       std::move(callbacks))) {}

Leftovers::~Leftovers() = default;

void Leftovers::Hurry(std::chrono::milliseconds patience) {
  worker_->Hurry(patience);
}

}  // namespace muster::streams
