#include "launcher/files/uploader.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace muster::files {
namespace {

// A directory may be replaced by another of its name.
constexpr std::chrono::milliseconds kReopenRoot{500};
// Without inotify; longer where a walk takes long.
constexpr std::chrono::seconds kRescan{1};
constexpr int kRescanFactor = 10;
constexpr int kEntriesAtOnce = 256;
constexpr char kNoTime[] = "there was no time left";

Instant Now() { return std::chrono::steady_clock::now(); }

int64_t WallNanoseconds() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void FileList::Add(const std::string& path, const std::string& reason) {
  ++count;
  if (shown.size() < kMostShown) shown.push_back({path, reason});
}

Uploader::Uploader(UploadChannel& channel, std::vector<Tree> trees,
                   Callbacks callbacks)
    : channel_(channel),
      trees_(std::move(trees)),
      callbacks_(std::move(callbacks)),
      pack_(channel) {}

Uploader::~Uploader() {
  channel_.Stop();
  if (thread_.joinable()) thread_.join();
}

void Uploader::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Uploader::Closed(const std::string& path) {
  channel_.Post([this, path] {
    if (!plan_.Add({path, Now() + kSettle})) {
      // To be found when there is room again.
      const Tree* const tree = TreeOf(path);
      if (tree != nullptr) rescans_.push_back({tree, {}, Now() + kRescan});
    }
  });
}

void Uploader::Appeared(const std::string& directory) {
  channel_.Post([this, directory] {
    const Tree* const tree = TreeOf(directory);
    if (tree == nullptr) return;
    StartWalk(*tree, directory.substr(tree->prefix.size()));
  });
}

void Uploader::Rescan(const std::string& prefix) {
  channel_.Post([this, prefix] {
    const Tree* const tree = TreeOf(prefix);
    if (tree == nullptr) return;
    rescans_.push_back({tree, kRescan, Now()});
  });
}

void Uploader::Finish(std::map<std::string, FollowedContent> followed) {
  channel_.Post([this, followed = std::move(followed)]() mutable {
    if (finishing_) return;
    followed_ = std::move(followed);
    StartLastPass();
  });
}

void Uploader::Abandon(std::map<std::string, FollowedContent> followed) {
  channel_.GiveUp();
  channel_.Post([this, followed = std::move(followed)]() mutable {
    // Together with the pass that lists what is unsent.
    abandoned_ = true;
    if (finished_) return;
    if (!finishing_) followed_ = std::move(followed);
    StartLastPass();
  });
}

void Uploader::StartLastPass() {
  finishing_ = true;
  walks_.clear();
  rescans_.clear();
  result_.skipped = {};
  result_.unsent = {};
  plan_.Hurry(Now());
  for (const Tree& tree : trees_) StartWalk(tree, "");
}

Uploader::Progress Uploader::progress() const {
  const uint64_t done = channel_.acknowledged();
  return {done, done + channel_.bytes_left() + waiting_bytes_};
}

const Tree* Uploader::TreeOf(const std::string& path) const {
  for (const Tree& tree : trees_) {
    if (absl::StartsWith(path, tree.prefix)) return &tree;
  }
  return nullptr;
}

int Uploader::RootOf(const Tree& tree) {
  Root& root = roots_[&tree];
  if (!root.fd.valid() || Now() - root.opened > kReopenRoot) {
    root.fd.Reset(open(tree.directory.c_str(),
                       O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC));
    root.opened = Now();
  }
  return root.fd.get();
}

void Uploader::Run() {
  // Signals are for the agent's threads.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (!channel_.is_stopped()) {
    for (const UploadChannel::Answer& answer : channel_.TakeAnswers()) {
      TakeAnswer(answer);
    }
    const bool worked = Step();
    waiting_bytes_ = plan_.waiting_bytes();
    // Between files, what was posted has its turn.
    if (!channel_.Wait(worked ? Now() : NextDue())) return;
  }
}

// Does a little; false when there is nothing to do now.
bool Uploader::Step() {
  StartDueRescans();
  const bool can_send = channel_.is_open() && !abandoned_;
  if (!walks_.empty() &&
      (abandoned_ || plan_.waiting() < FilePlan::kMaxWaiting / 2)) {
    StepWalk();
    if (!can_send) return true;
  }
  if (can_send) {
    for (int i = 0; i < kEntriesAtOnce; ++i) {
      const auto candidate = plan_.Next(Now());
      if (!candidate) {
        if (pack_.empty()) break;
        FlushPack();
        return true;
      }
      Handle(*candidate);
      if (i + 1 == kEntriesAtOnce) return true;
    }
  }
  if (!walks_.empty() && plan_.waiting() < FilePlan::kMaxWaiting / 2) {
    return true;
  }
  if (finishing_ && !finished_ && walks_.empty() &&
      (abandoned_ || (plan_.IsIdle() && pack_.empty() && channel_.is_idle()))) {
    Finished();
  }
  return false;
}

std::optional<Instant> Uploader::NextDue() const {
  std::optional<Instant> due;
  if (channel_.is_open() && !abandoned_) due = plan_.NextDue();
  for (const Rescanned& rescan : rescans_) {
    due = due ? std::min(*due, rescan.due) : rescan.due;
  }
  return due;
}

void Uploader::StartDueRescans() {
  for (size_t i = 0; i < rescans_.size(); ++i) {
    if (rescans_[i].due > Now() || !walks_.empty()) continue;
    const Tree* const tree = rescans_[i].tree;
    const Instant begin = Now();
    StartWalk(*tree, "");
    while (!walks_.empty() && plan_.waiting() < FilePlan::kMaxWaiting) {
      StepWalk();
    }
    if (rescans_[i].pause == Duration::zero()) {
      rescans_.erase(rescans_.begin() + static_cast<ptrdiff_t>(i--));
    } else {
      rescans_[i].due =
          Now() + std::max<Duration>(kRescan, (Now() - begin) * kRescanFactor);
    }
  }
}

void Uploader::StartWalk(const Tree& tree, const std::string& directory) {
  // One that holds it does its work.
  for (const Walking& walking : walks_) {
    if (walking.tree == &tree && walking.directory == directory &&
        !walking.walk) {
      return;
    }
  }
  walks_.push_back({.tree = &tree, .directory = directory});
}

void Uploader::StepWalk() {
  Walking& walking = walks_.front();
  const Tree& tree = *walking.tree;
  if (!walking.walk) {
    walking.root.Reset(open(tree.directory.c_str(),
                            O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC));
    if (!walking.root.valid()) {
      if (errno != ENOENT) {
        result_.skipped.Add(tree.prefix, strerror(errno));
      }
      walks_.pop_front();
      return;
    }
    walking.walk = std::make_unique<Walk>(
        walking.root.get(), walking.directory,
        Walk::Callbacks{.on_skip = [this, &tree](const std::string& path,
                                                 const std::string& reason) {
          if (finishing_) result_.skipped.Add(tree.prefix + path, reason);
        }});
  }
  for (int i = 0; i < kEntriesAtOnce; ++i) {
    if (const std::optional<Walk::Entry> entry = walking.walk->Next()) {
      Found(walking, *entry);
      continue;
    }
    while (!walking.markers.empty() && plan_.Add(walking.markers.front())) {
      walking.markers.pop_front();
    }
    if (walking.markers.empty()) walks_.pop_front();
    return;
  }
}

void Uploader::Found(Walking& walking, const Walk::Entry& entry) {
  const std::string path = walking.tree->prefix + entry.path;
  const Version version = VersionOf(entry.stat);
  if (plan_.IsKnown(path, version)) return;
  if (abandoned_) {
    const auto followed = followed_.find(path);
    if (followed == followed_.end() || followed->second.size != version.size) {
      result_.unsent.Add(path, kNoTime);
    }
    return;
  }
  FilePlan::Notice notice = {path, Now(), {}, version.size};
  if (!finishing_) {
    notice.due += kQuiet;
    notice.expected = Fingerprint(version);
  }
  if (MarksCompleteness(path)) {
    walking.markers.push_back(std::move(notice));
  } else {
    plan_.Add(std::move(notice));
  }
}

void Uploader::Handle(const FilePlan::Candidate& candidate) {
  const Tree* const tree = TreeOf(candidate.path);
  const int root = tree == nullptr ? -1 : RootOf(*tree);
  if (root < 0) return plan_.Drop(candidate.path);
  const absl::StatusOr<SourceFile> file =
      SourceFile::Open(root, candidate.path.substr(tree->prefix.size()));
  if (!file.ok()) {
    plan_.Drop(candidate.path);
    if (finishing_ && !absl::IsNotFound(file.status())) {
      result_.skipped.Add(candidate.path, std::string(file.status().message()));
    }
    return;
  }
  const FilePlan::Look look =
      plan_.Decide(candidate, file->version(), Now(), WallNanoseconds());
  if (look == FilePlan::Look::kSend) Send(candidate, *file);
  if (look == FilePlan::Look::kUnstable) ListUnstable(candidate.path);
}

void Uploader::Send(const FilePlan::Candidate& candidate,
                    const SourceFile& file) {
  const std::string& path = candidate.path;
  const uint64_t size = file.version().size;
  if (WasFollowed(path, file)) return plan_.Stored(path, file.version());
  absl::StatusOr<SendResult> sent = SendResult::kLost;
  if (size <= kSmallFile) {
    if (!pack_.Fits(size + path.size())) FlushPack();
    sent = pack_.Add(path, file);
  } else {
    FlushPack();  // those found first go first
    sent = SendWhole(channel_, path, file);
  }
  if (!sent.ok()) {
    plan_.Drop(path);
    if (finishing_) {
      result_.unsent.Add(path, std::string(sent.status().message()));
    }
    return;
  }
  if (*sent == SendResult::kChanged && !plan_.Changed(path, Now())) {
    ListUnstable(path);
  }
  if (*sent == SendResult::kClosed) plan_.Again(path, Now());
}

bool Uploader::WasFollowed(const std::string& path, const SourceFile& file) {
  const auto found = followed_.find(path);
  if (found == followed_.end() || found->second.size != file.version().size) {
    return false;
  }
  const absl::StatusOr<framing::Digest> digest =
      DigestOf(channel_, file, file.version().size);
  return digest.ok() && digest->Value() == found->second.digest &&
         file.IsUnchanged();
}

// While workers run, the last pass is still to come.
void Uploader::ListUnstable(const std::string& path) {
  if (!finishing_) return;
  result_.unsent.Add(path, "unstable: it changed whenever it was read");
}

void Uploader::FlushPack() {
  if (pack_.empty()) return;
  std::vector<Packer::Packed> lost;
  pack_.Send(&lost);
  for (const Packer::Packed& file : lost) plan_.Again(file.path, Now());
}

void Uploader::TakeAnswer(const UploadChannel::Answer& answer) {
  const std::string& path = answer.upload.path;
  switch (answer.kind) {
    case UploadChannel::Answer::Kind::kStored:
      plan_.Stored(path, answer.upload.version);
      ++result_.files;
      result_.bytes += answer.upload.version.size;
      return;
    case UploadChannel::Answer::Kind::kLost:
      return plan_.Again(path, Now());
    case UploadChannel::Answer::Kind::kRefused:
      break;
  }
  const bool is_damage = answer.refused.code() ==
                         static_cast<uint32_t>(absl::StatusCode::kDataLoss);
  // What was damaged on its way may arrive another time.
  if (is_damage && plan_.Changed(path, Now())) return;
  plan_.Drop(path);
  if (finishing_) {
    result_.unsent.Add(path, absl::StrCat("the collector refused it: ",
                                          answer.refused.message()));
  }
}

void Uploader::Finished() {
  finished_ = true;
  callbacks_.on_done(std::move(result_));
}

}  // namespace muster::files
