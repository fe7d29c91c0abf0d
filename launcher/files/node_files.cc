#include "launcher/files/node_files.h"

#include <signal.h>

#include <asio/post.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::files {
namespace {

constexpr char kLogs[] = "logs/";
constexpr char kOutputs[] = "outputs/";
// As TreeWatch numbers them.
constexpr size_t kLogTree = 0;
// So much of the window is for what is followed: a large file never holds it.
constexpr uint64_t kFollowersPart = 8;

}  // namespace

NodeFiles::NodeFiles(Options options, Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      guard_(asio::make_work_guard(loop_)),
      channel_(transfers_,
               [this] {
                 asio::post(loop_, [this] {
                   if (link_) link_->Wake();
                 });
               }),
      // Outputs first, so that they are safe when somebody is in a hurry.
      uploader_(channel_,
                {{options.output_dir, kOutputs}, {options.log_dir, kLogs}},
                {.on_done =
                     [this](UploadResult result) {
                       asio::post(loop_,
                                  [this, result = std::move(result)]() mutable {
                                    Uploaded(std::move(result));
                                  });
                     },
                 .on_notice = callbacks_.on_notice}),
      follower_(std::make_unique<Follower>(
          loop_, Tree{options.log_dir, kLogs}, transfers_,
          Follower::Callbacks{
              .on_message =
                  [this] {
                    if (link_) link_->Wake();
                  },
              .on_finished =
                  [this](std::map<std::string, FollowedContent> contents) {
                    if (phase_ != Phase::kFollowing) return;
                    phase_ = Phase::kUploading;
                    uploader_.Finish(std::move(contents));
                  },
              .on_notice = callbacks_.on_notice})),
      watch_(std::make_unique<TreeWatch>(
          loop_,
          TreeWatch::Options{.trees = {{.directory = options.log_dir},
                                       {.directory = options.output_dir,
                                        .tells_modified = false}},
                             .most_watches = options.most_watches},
          TreeWatch::Callbacks{
              .on_event =
                  [this](const TreeWatch::Event& event) { OnEvent(event); },
              .on_blind =
                  [this, log_dir = options.log_dir,
                   output_dir = options.output_dir](size_t tree,
                                                    const std::string& why) {
                    callbacks_.on_notice(absl::StrCat(
                        "changes in ", tree == kLogTree ? log_dir : output_dir,
                        " are not told (", why,
                        "): it is looked through every so often"));
                    OnBlind(tree);
                  }})),
      link_(std::make_unique<FilesLink>(
          loop_, options.channel, options.introduction,
          FilesLink::Callbacks{
              .on_open = [this](uint64_t window) { OnOpen(window); },
              .on_message =
                  [this](const FileDown& message) {
                    return OnMessage(message);
                  },
              .on_broken =
                  [this](const grpc::Status& status) { OnBroken(status); },
              .on_failed =
                  [this](const grpc::Status& status) {
                    AbandonWith(absl::StrCat(
                        "the collector does not take the files of this node: ",
                        status.error_message()));
                  },
              .next = [this](FileUp* message) { return Next(message); }})) {}

NodeFiles::~NodeFiles() {
  channel_.Stop();
  asio::post(loop_, [this] {
    // gRPC lets go of the stream here.
    link_.reset();
    watch_.reset();
    follower_.reset();
    guard_.reset();
  });
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  thread_.join();
}

void NodeFiles::Start() {
  asio::post(loop_, [this] {
    watch_->Start();
    link_->Start();
  });
  uploader_.Start();
  thread_ = std::thread([this] { Run(); });
}

void NodeFiles::Run() {
  // Signals are for the agent's threads.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  loop_.run();
}

void NodeFiles::Finish() {
  asio::post(loop_, [this] {
    if (phase_ != Phase::kLive) return;
    phase_ = Phase::kFollowing;
    watch_.reset();
    follower_->Finish();
  });
}

void NodeFiles::Abandon(const std::string& why) {
  asio::post(loop_, [this, why] { AbandonWith(why); });
}

void NodeFiles::AbandonWith(const std::string& problem) {
  if (abandoned_ || phase_ == Phase::kDone) return;
  abandoned_ = true;
  result_.problem = problem;
  watch_.reset();
  if (phase_ == Phase::kFinishing) return Done();
  phase_ = Phase::kUploading;
  uploader_.Abandon(follower_->Durable());
}

void NodeFiles::OnEvent(const TreeWatch::Event& event) {
  if (phase_ != Phase::kLive) return;
  using Kind = TreeWatch::Event::Kind;
  if (event.tree == kLogTree) {
    if (event.kind == Kind::kModified || event.kind == Kind::kClosed) {
      follower_->Modified(event.path);
    } else {
      follower_->Scan();
    }
  } else if (event.kind == Kind::kClosed) {
    uploader_.Closed(kOutputs + event.path);
  } else if (event.kind == Kind::kAppeared) {
    uploader_.Appeared(kOutputs + event.path);
  }
}

void NodeFiles::OnBlind(size_t tree) {
  if (tree == kLogTree) {
    follower_->Poll();
  } else {
    uploader_.Rescan(kOutputs);
  }
}

void NodeFiles::OnOpen(uint64_t window) {
  finish_sent_ = false;
  if (abandoned_) return;
  follower_->Open(window / kFollowersPart);
  channel_.Open(window - window / kFollowersPart);
}

void NodeFiles::OnBroken(const grpc::Status& status) {
  if (!told_broken_ && phase_ != Phase::kDone) {
    callbacks_.on_notice(absl::StrCat(
        "the collector takes no files at the moment: ", status.error_message(),
        "; trying again"));
    told_broken_ = true;
  }
  follower_->Broken();
  channel_.Broken();
}

bool NodeFiles::OnMessage(const FileDown& message) {
  if (message.has_done()) {
    TellTaken();
    result_.held = message.done();
    link_->ExpectEnd();
    if (phase_ == Phase::kFinishing) Done();
    return true;
  }
  const uint64_t followed = follower_->acknowledged();
  follower_->Take(message);
  const bool has_more = channel_.Take(message);
  Count();
  const bool is_durable = follower_->acknowledged() > followed ||
                          message.outcomes().stored_size() > 0;
  if (is_durable) TellTaken();
  return is_durable || has_more;
}

void NodeFiles::TellTaken() {
  if (!std::exchange(told_broken_, false)) return;
  callbacks_.on_notice("the collector takes files again");
}

void NodeFiles::Count() {
  const Uploader::Progress uploaded = uploader_.progress();
  const uint64_t followed = follower_->acknowledged();
  done_bytes_ = uploaded.done + followed;
  known_bytes_ = uploaded.known + followed + follower_->bytes_left();
}

bool NodeFiles::Next(FileUp* message) {
  if (abandoned_) return false;
  if (follower_->Next(message) || channel_.Next(message)) return true;
  if (phase_ != Phase::kFinishing || finish_sent_) return false;
  finish_sent_ = true;
  message->mutable_finish();
  return true;
}

void NodeFiles::Uploaded(UploadResult result) {
  result_.files = result.files;
  result_.bytes = result.bytes + follower_->acknowledged();
  result_.skipped = std::move(result.skipped);
  result_.unsent = std::move(result.unsent);
  Count();
  if (abandoned_) return Done();
  phase_ = Phase::kFinishing;
  link_->Wake();
}

void NodeFiles::Done() {
  if (phase_ == Phase::kDone) return;
  phase_ = Phase::kDone;
  callbacks_.on_done(std::move(result_));
}

}  // namespace muster::files
