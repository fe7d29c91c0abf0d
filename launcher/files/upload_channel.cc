#include "launcher/files/upload_channel.h"

#include <algorithm>
#include <utility>

namespace muster::files {
namespace {

// In memory, about.
size_t SizeOf(const FileUp& message) {
  if (message.has_data()) return message.data().data().size();
  return message.has_pack() ? size_t{1} << 20 : size_t{1} << 10;
}

}  // namespace

UploadChannel::UploadChannel(std::atomic<uint64_t>& transfers,
                             std::function<void()> on_message)
    : transfers_(transfers), on_message_(std::move(on_message)) {}

uint64_t UploadChannel::Begin(const std::string& path, const Version& version) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!open_ || stopped_) return 0;
  const uint64_t transfer = ++transfers_;
  UploadLedger::Upload upload = {.path = path, .version = version};
  const auto cut = cut_.find(path);
  if (cut != cut_.end()) {
    if (cut->second.version == version) upload = cut->second;
    cut_.erase(cut);
  }
  ledger_.Begin(transfer, std::move(upload));
  return transfer;
}

bool UploadChannel::IsCurrent(const std::vector<Cost>& costs) const {
  if (stopped_ || !open_) return false;
  return std::all_of(costs.begin(), costs.end(), [this](const Cost& cost) {
    return ledger_.Has(cost.transfer);
  });
}

bool UploadChannel::Send(FileUp message, const std::vector<Cost>& costs) {
  uint64_t window = 0;
  for (const Cost& cost : costs) window += cost.window;
  const size_t size = SizeOf(message);
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] {
      return !IsCurrent(costs) || (queued_ < kMaxQueued &&
                                   (window == 0 || ledger_.window_used() == 0 ||
                                    ledger_.window_used() + window <= window_));
    });
    if (!IsCurrent(costs)) return false;
    for (const Cost& cost : costs) {
      if (cost.window > 0) ledger_.Sent(cost.transfer, cost.window, cost.end);
    }
    queue_.push_back(std::move(message));
    queued_ += size;
  }
  on_message_();
  return true;
}

void UploadChannel::Abandon(uint64_t transfer) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!ledger_.End(transfer)) return;
    opened_.erase(transfer);
    FileUp message;
    message.mutable_abandon()->set_transfer(transfer);
    queued_ += SizeOf(message);
    queue_.push_back(std::move(message));
  }
  on_message_();
}

std::optional<uint64_t> UploadChannel::AwaitOpened(uint64_t transfer) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] {
    return stopped_ || !open_ || !ledger_.Has(transfer) ||
           opened_.count(transfer) != 0;
  });
  const auto found = opened_.find(transfer);
  if (stopped_ || found == opened_.end()) return std::nullopt;
  const uint64_t offset = found->second;
  opened_.erase(found);
  return offset;
}

std::string UploadChannel::TakeBuffer(size_t size) {
  std::string buffer;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!buffers_.empty()) {
      buffer = std::move(buffers_.back());
      buffers_.pop_back();
    }
  }
  buffer.resize(size);
  return buffer;
}

bool UploadChannel::Wait(std::optional<Instant> until) {
  std::vector<std::function<void()>> tasks;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    buffers_.clear();  // nothing is being sent
    const auto is_over = [this] {
      return stopped_ || !tasks_.empty() || !answers_.empty();
    };
    if (until) {
      changed_.wait_until(lock, *until, is_over);
    } else {
      changed_.wait(lock, is_over);
    }
    if (stopped_) return false;
    tasks.swap(tasks_);
  }
  for (const std::function<void()>& task : tasks) task();
  return true;
}

std::vector<UploadChannel::Answer> UploadChannel::TakeAnswers() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(answers_, {});
}

bool UploadChannel::is_open() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return open_;
}

bool UploadChannel::is_idle() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ledger_.empty() && answers_.empty();
}

bool UploadChannel::is_given_up() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stopped_ || given_up_;
}

bool UploadChannel::is_stopped() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stopped_;
}

void UploadChannel::Open(uint64_t window) {
  const std::lock_guard<std::mutex> lock(mutex_);
  open_ = !given_up_;
  window_ = window;
  tasks_.emplace_back([] {});  // wakes the reader
  changed_.notify_all();
}

void UploadChannel::Broken() {
  const std::lock_guard<std::mutex> lock(mutex_);
  LoseAll();
}

void UploadChannel::GiveUp() {
  const std::lock_guard<std::mutex> lock(mutex_);
  given_up_ = true;
  LoseAll();
}

void UploadChannel::LoseAll() {
  open_ = false;
  queue_.clear();
  queued_ = 0;
  opened_.clear();
  for (UploadLedger::Upload& upload : ledger_.Clear()) {
    Remember(upload);
    answers_.push_back({.upload = std::move(upload)});
  }
  changed_.notify_all();
}

void UploadChannel::Remember(const UploadLedger::Upload& upload) {
  if (upload.acknowledged == 0) return;
  if (cut_.size() >= kMaxCut) cut_.clear();
  cut_[upload.path] = upload;
}

bool UploadChannel::Next(FileUp* message) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (message->has_data() && buffers_.size() < kMaxBuffers) {
    buffers_.push_back(std::move(*message->mutable_data()->mutable_data()));
  }
  if (queue_.empty()) return false;
  *message = std::move(queue_.front());
  queue_.pop_front();
  queued_ -= SizeOf(*message);
  changed_.notify_all();
  return true;
}

bool UploadChannel::Take(const FileDown& message) {
  const std::lock_guard<std::mutex> lock(mutex_);
  bool has_more = message.outcomes().stored_size() > 0;
  if (message.has_opened()) {
    const uint64_t transfer = message.opened().transfer();
    const uint64_t offset = message.opened().offset();
    if (ledger_.Has(transfer)) opened_[transfer] = offset;
    has_more = ledger_.GoesOn(transfer, offset);
  } else if (message.has_progress()) {
    ledger_.Progress(message.progress().transfer(),
                     message.progress().offset());
  }
  for (const uint64_t transfer : message.outcomes().stored()) {
    Answered(transfer, Answer::Kind::kStored, {});
  }
  for (const FileRefused& refused : message.outcomes().refused()) {
    Answered(refused.transfer(), Answer::Kind::kRefused, refused);
  }
  changed_.notify_all();
  return has_more;
}

void UploadChannel::Answered(uint64_t transfer, Answer::Kind kind,
                             const FileRefused& refused) {
  const bool is_stored = kind == Answer::Kind::kStored;
  std::optional<UploadLedger::Upload> upload =
      is_stored ? ledger_.Stored(transfer) : ledger_.End(transfer);
  if (!upload) return;
  opened_.erase(transfer);
  if (!is_stored) Remember(*upload);
  answers_.push_back({kind, *std::move(upload), refused});
}

void UploadChannel::Post(std::function<void()> task) {
  const std::lock_guard<std::mutex> lock(mutex_);
  tasks_.push_back(std::move(task));
  changed_.notify_all();
}

void UploadChannel::Stop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

uint64_t UploadChannel::acknowledged() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ledger_.bytes_acknowledged();
}

uint64_t UploadChannel::bytes_left() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ledger_.bytes_left();
}

}  // namespace muster::files
