#include "launcher/files/follower.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "launcher/files/walk.h"
#include "launcher/framing/digest.h"

namespace muster::files {
namespace {

// Bytes that come within this time travel together.
constexpr std::chrono::milliseconds kFlushEvery{20};
constexpr std::chrono::milliseconds kScanEvery{20};
constexpr int kScanFactor = 5;  // a walk that takes long is done less often
constexpr std::chrono::milliseconds kPollEvery{250};
constexpr size_t kMaxOpsInFlight = 64;
constexpr int kMaxRefusals = 5;

Instant Now() { return std::chrono::steady_clock::now(); }

}  // namespace

Follower::Follower(asio::io_context& loop, Tree tree,
                   std::atomic<uint64_t>& transfers, Callbacks callbacks)
    : tree_(std::move(tree)),
      transfers_(transfers),
      callbacks_(std::move(callbacks)),
      scan_timer_(loop),
      flush_timer_(loop),
      poll_timer_(loop) {}

Follower::~Follower() = default;

void Follower::At(Timer& timer, bool* armed, Instant when,
                  void (Follower::*function)()) {
  if (*armed) return;
  *armed = true;
  timer.expires_at(when);
  timer.async_wait(
      [this, armed, function,
       alive = std::weak_ptr<const bool>(alive_)](std::error_code error) {
        if (error || alive.expired()) return;
        *armed = false;
        (this->*function)();
      });
}

Follower::File* Follower::Find(FileKey key) {
  const auto found = files_.find(key);
  return found == files_.end() ? nullptr : found->second.get();
}

// ---- what changes here ----

void Follower::Scan() {
  if (finishing_) return;
  if (Now() >= next_scan_) return ScanNow();
  At(scan_timer_, &scan_armed_, next_scan_, &Follower::ScanNow);
}

void Follower::Modified(const std::string& path) {
  if (finishing_) return;
  const FileKey* const key = names_.At(path);
  if (key == nullptr) return Scan();
  changed_.insert(*key);
  At(flush_timer_, &flush_armed_, std::max(Now(), next_flush_),
     &Follower::Flush);
}

void Follower::Poll() {
  polling_ = true;
  PollNow();
}

void Follower::PollNow() {
  if (finishing_) return;
  bool any_gone = false;
  for (const auto& [key, file] : files_) {
    if (!names_.IsGone(key)) continue;
    any_gone = true;
    changed_.insert(key);
  }
  if (polling_) {
    ScanNow();
  } else {
    Flush();
  }
  if (polling_ || any_gone) {
    At(poll_timer_, &poll_armed_, Now() + kPollEvery, &Follower::PollNow);
  }
}

void Follower::ScanNow() {
  const Instant begin = Now();
  const process::UniqueFd root(
      open(tree_.directory.c_str(),
           O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC));
  std::vector<std::pair<std::string, FileKey>> seen;
  fresh_.clear();
  if (root.valid()) {
    FreeSome();
    Walk walk(root.get(), "",
              {.on_skip = [](const std::string&, const std::string&) {}});
    while (const auto entry = walk.Next()) {
      const FileKey key = KeyOf(VersionOf(entry->stat));
      if (files_.count(key) == 0 && fresh_.count(key) == 0) {
        if (files_.size() + fresh_.size() >= kMost) {
          if (!too_many_) {
            callbacks_.on_notice(absl::StrCat(
                tree_.directory, " holds over ", kMost,
                " files: not all are followed, the others are sent at the "
                "end"));
          }
          too_many_ = true;
          continue;
        }
        absl::StatusOr<SourceFile> file =
            SourceFile::Open(root.get(), entry->path);
        if (!file.ok() || KeyOf(file->version()) != key) continue;
        fresh_[key] = std::make_unique<SourceFile>(*std::move(file));
      }
      seen.push_back({entry->path, key});
    }
  }
  std::sort(seen.begin(), seen.end());
  for (const FollowNames::Action& action : names_.Look(seen)) Carry(action);
  fresh_.clear();
  for (const auto& [key, file] : files_) changed_.insert(key);
  next_scan_ =
      Now() + std::max<Duration>(kScanEvery, (Now() - begin) * kScanFactor);
  Flush();
}

// Files that are gone make room for others.
void Follower::FreeSome() {
  if (files_.size() < kMost) return;
  for (auto i = files_.begin(); i != files_.end();) {
    File& file = *i->second;
    const bool is_over = names_.IsGone(i->first) && !file.open_queued &&
                         file.content.Look() == FollowedFile::State::kSame &&
                         file.durable == file.content.position();
    if (!is_over) {
      ++i;
      continue;
    }
    Release(i->first, file);
    names_.Forget(i->first);
    i = files_.erase(i);
  }
}

void Follower::Carry(const FollowNames::Action& action) {
  using Kind = FollowNames::Action::Kind;
  switch (action.kind) {
    case Kind::kMove:
      ops_.push_back({.kind = Op::Kind::kMove,
                      .file = {},
                      .from = action.from,
                      .to = action.to});
      return;
    case Kind::kStart: {
      const auto fresh = fresh_.find(action.file);
      auto file = std::make_unique<File>(std::move(*fresh->second));
      QueueOpen(action.file, *file);
      files_[action.file] = std::move(file);
      return;
    }
    case Kind::kGone:
      At(poll_timer_, &poll_armed_, Now() + kPollEvery, &Follower::PollNow);
      return;
    case Kind::kForget:
      Release(action.file, *files_.at(action.file));
      files_.erase(action.file);
      return;
  }
}

void Follower::Flush() {
  next_flush_ = Now() + kFlushEvery;
  for (const FileKey& key : std::exchange(changed_, {})) {
    if (File* const file = Find(key)) Flush(key, *file);
  }
  callbacks_.on_message();
}

void Follower::Flush(FileKey key, File& file) {
  if (file.given_up || file.closing || file.closed) return;
  FollowedFile::State state = file.content.Look();
  if (state == FollowedFile::State::kTruncated) {
    Restart(key, file);
    state = file.content.Look();
    if (finishing_) file.content.Limit(file.content.size());
  }
  if (state == FollowedFile::State::kSame) return;
  if (file.transfer == 0 && !file.open_queued) QueueOpen(key, file);
  if (file.is_ready) return;
  file.is_ready = true;
  ready_.push_back(key);
}

// ---- what the collector is told ----

void Follower::QueueOpen(FileKey key, File& file) {
  file.open_queued = true;
  ops_.push_back({.kind = Op::Kind::kOpen,
                  .file = key,
                  .from = "",
                  .to = names_.NameOf(key)});
}

// What was sent stays as it is, and the file has no transfer any more.
void Follower::Release(FileKey key, File& file) {
  if (file.open_queued) {
    const auto is_its_open = [key](const Op& op) {
      return op.kind == Op::Kind::kOpen && op.file == key;
    };
    ops_.erase(std::remove_if(ops_.begin(), ops_.end(), is_its_open),
               ops_.end());
    file.open_queued = false;
  }
  if (file.transfer != 0) {
    ops_.push_back({.kind = Op::Kind::kClose,
                    .file = {},
                    .transfer = file.transfer,
                    .window = file.content.position() - file.durable});
    by_transfer_.erase(file.transfer);
  }
  file.transfer = 0;
  file.is_open = false;
}

void Follower::Restart(FileKey key, File& file) {
  Release(key, file);
  for (const FollowNames::Action& action : names_.Truncated(key)) Carry(action);
  file.content.Restart();
  file.durable = 0;
  file.refusals = 0;
  QueueOpen(key, file);
}

bool Follower::Next(FileUp* message) {
  if (!connected_) return false;
  return NextOp(message) || NextData(message);
}

bool Follower::NextOp(FileUp* message) {
  if (ops_.empty() || in_flight_.size() >= kMaxOpsInFlight) return false;
  const Op op = ops_.front();
  const bool move_is_out = std::any_of(
      in_flight_.begin(), in_flight_.end(),
      [](const auto& one) { return one.second.kind == Op::Kind::kMove; });
  if (move_is_out || (op.kind == Op::Kind::kMove && !in_flight_.empty()) ||
      (op.kind == Op::Kind::kClose && in_flight_.count(op.transfer) != 0)) {
    return false;
  }
  const uint64_t transfer =
      op.kind == Op::Kind::kClose ? op.transfer : ++transfers_;
  ops_.pop_front();
  in_flight_[transfer] = op;
  message->Clear();
  switch (op.kind) {
    case Op::Kind::kMove: {
      FileMove& move = *message->mutable_move();
      move.set_transfer(transfer);
      move.set_from(Remote(op.from));
      move.set_to(Remote(op.to));
      break;
    }
    case Op::Kind::kClose:
      message->mutable_close()->set_transfer(transfer);
      break;
    case Op::Kind::kOpen: {
      File& file = *files_.at(op.file);
      file.open_queued = false;
      file.transfer = transfer;
      file.is_open = false;
      file.content.Rewind(file.durable);
      by_transfer_[transfer] = op.file;
      FileOpen& open = *message->mutable_open();
      open.set_transfer(transfer);
      open.set_path(Remote(op.to));
      open.set_mode(file.content.mode());
      open.set_follow(true);
      open.set_offset(file.durable);
      break;
    }
  }
  return true;
}

bool Follower::NextData(FileUp* message) {
  // One message may go beyond it, so that a small window is one as well.
  for (size_t i = ready_.size(); i > 0 && unanswered_ < window_; --i) {
    const FileKey key = ready_.front();
    ready_.pop_front();
    File* const file = Find(key);
    if (file == nullptr) continue;
    file->is_ready = false;
    if (!file->is_open || file->given_up || file->closing) continue;
    const uint64_t offset = file->content.position();
    std::string bytes = file->content.Read(kMaxData);
    if (bytes.empty()) {
      CloseOrWait(key, *file);
      continue;
    }
    if (!file->content.AtEnd()) {
      file->is_ready = true;
      ready_.push_back(key);
    }
    unanswered_ += bytes.size();
    message->Clear();
    FileData& data = *message->mutable_data();
    data.set_transfer(file->transfer);
    data.set_offset(offset);
    data.set_checksum(framing::Checksum(bytes));
    *data.mutable_data() = std::move(bytes);
    return true;
  }
  return false;
}

// ---- what the collector says ----

void Follower::Open(uint64_t window) {
  connected_ = true;
  window_ = window;
  for (const auto& [key, file] : files_) {
    changed_.insert(key);
    CloseOrWait(key, *file);
  }
  Flush();
  MaybeFinished();
}

void Follower::Broken() {
  connected_ = false;
  unanswered_ = 0;
  by_transfer_.clear();
  for (const auto& [key, file] : files_) {
    file->transfer = 0;
    file->is_open = false;
    file->closing = false;
    file->open_queued = false;
    file->content.Rewind(file->durable);
  }
  // What was not answered may be done or not: it is said again. What was to be
  // closed is, and a file that is open is opened when there is more of it.
  std::deque<Op> again;
  for (auto& [transfer, op] : in_flight_) again.push_back(std::move(op));
  for (Op& op : ops_) again.push_back(std::move(op));
  in_flight_.clear();
  ops_.clear();
  for (Op& op : again) {
    if (op.kind == Op::Kind::kClose) continue;
    if (op.kind == Op::Kind::kOpen) {
      File* const file = Find(op.file);
      if (file == nullptr || file->open_queued) continue;
      file->open_queued = true;
    }
    ops_.push_back(std::move(op));
  }
}

void Follower::Take(const FileDown& message) {
  if (message.has_opened()) {
    Opened(message.opened());
  } else if (message.has_progress()) {
    Progressed(message.progress().transfer(), message.progress().offset());
  }
  for (const uint64_t transfer : message.outcomes().stored()) Stored(transfer);
  for (const FileRefused& refused : message.outcomes().refused()) {
    Refused(refused);
  }
  callbacks_.on_message();
  MaybeFinished();
}

void Follower::Opened(const FileOpened& opened) {
  const auto op = in_flight_.find(opened.transfer());
  if (op == in_flight_.end() || op->second.kind != Op::Kind::kOpen) return;
  in_flight_.erase(op);
  const auto key = by_transfer_.find(opened.transfer());
  if (key == by_transfer_.end()) return;  // it began anew meanwhile
  File& file = *files_.at(key->second);
  file.is_open = true;
  if (!file.is_ready) {
    file.is_ready = true;
    ready_.push_back(key->second);
  }
  CloseOrWait(key->second, file);
}

void Follower::Progressed(uint64_t transfer, uint64_t offset) {
  const auto key = by_transfer_.find(transfer);
  if (key == by_transfer_.end()) return;
  File& file = *files_.at(key->second);
  if (offset > file.durable) {
    unanswered_ -= std::min(unanswered_, offset - file.durable);
    acknowledged_ += offset - file.durable;
    file.durable = offset;
    file.refusals = 0;
  }
  CloseOrWait(key->second, file);
}

void Follower::Stored(uint64_t transfer) {
  const auto found = in_flight_.find(transfer);
  if (found == in_flight_.end()) return;
  const Op op = std::move(found->second);
  in_flight_.erase(found);
  if (op.kind != Op::Kind::kClose) return;
  unanswered_ -= std::min(unanswered_, op.window);
  const auto key = by_transfer_.find(transfer);
  if (key == by_transfer_.end()) return;
  File& file = *files_.at(key->second);
  by_transfer_.erase(key);
  file.transfer = 0;
  file.is_open = false;
  file.closed = true;
}

void Follower::Refused(const FileRefused& refused) {
  const uint64_t transfer = refused.transfer();
  const auto op = in_flight_.find(transfer);
  if (op != in_flight_.end()) {
    // A rename that was done before the stream broke is refused as well.
    unanswered_ -= std::min(unanswered_, op->second.window);
    in_flight_.erase(op);
  }
  const auto is_its_close = [transfer](const Op& one) {
    return one.kind == Op::Kind::kClose && one.transfer == transfer;
  };
  ops_.erase(std::remove_if(ops_.begin(), ops_.end(), is_its_close),
             ops_.end());
  const auto key = by_transfer_.find(transfer);
  if (key == by_transfer_.end()) return;
  const FileKey refused_key = key->second;
  File& file = *files_.at(refused_key);
  by_transfer_.erase(key);
  unanswered_ -= std::min(unanswered_, file.content.position() - file.durable);
  const bool was_open = file.is_open;
  file.transfer = 0;
  file.is_open = false;
  file.closing = false;
  // Less is there than was: all of it again.
  if (!was_open) file.durable = 0;
  file.content.Rewind(file.durable);
  const bool is_damage =
      refused.code() == static_cast<uint32_t>(absl::StatusCode::kDataLoss);
  if (!is_damage || ++file.refusals > kMaxRefusals) {
    file.given_up = true;  // the last pass tells of it
    return;
  }
  QueueOpen(refused_key, file);
}

// ---- the end ----

void Follower::Finish() {
  if (finishing_) return;
  ScanNow();
  finishing_ = true;
  for (const auto& [key, file] : files_) {
    file->content.Limit(file->content.size());
    CloseOrWait(key, *file);
  }
  Flush();
  MaybeFinished();
}

void Follower::CloseOrWait(FileKey key, File& file) {
  if (!finishing_ || file.closing || file.closed || file.given_up ||
      file.open_queued || !file.content.AtEnd() ||
      file.durable != file.content.position()) {
    return;
  }
  if (file.transfer == 0) {
    file.closed = true;  // all of it is durable already
  } else if (file.is_open) {
    file.closing = true;
    ops_.push_back({.kind = Op::Kind::kClose,
                    .file = key,
                    .transfer = file.transfer,
                    .from = "",
                    .to = ""});
  }
}

void Follower::MaybeFinished() {
  if (!finishing_ || finished_ || !ops_.empty() || !in_flight_.empty()) return;
  for (const auto& [key, file] : files_) {
    if (!file->closed && !file->given_up) return;
  }
  finished_ = true;
  std::map<std::string, FollowedContent> contents;
  for (const auto& [key, file] : files_) {
    if (file->given_up || names_.IsGone(key)) continue;
    contents[Remote(names_.NameOf(key))] = {.size = file->content.read(),
                                            .digest = file->content.Digest()};
  }
  callbacks_.on_finished(std::move(contents));
}

std::map<std::string, FollowedContent> Follower::Durable() const {
  std::map<std::string, FollowedContent> contents;
  for (const auto& [key, file] : files_) {
    if (names_.IsGone(key)) continue;
    contents[Remote(names_.NameOf(key))] = {.size = file->durable,
                                            .digest = ""};
  }
  return contents;
}

uint64_t Follower::bytes_left() const {
  uint64_t bytes = 0;
  for (const auto& [key, file] : files_) {
    const uint64_t size = std::max(file->content.size(), file->durable);
    bytes += size - file->durable;
  }
  return bytes;
}

}  // namespace muster::files
