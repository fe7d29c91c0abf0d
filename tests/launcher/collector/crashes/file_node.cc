#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "launcher/framing/digest.h"
#include "tests/launcher/collector/crashes/files_program.h"

namespace muster::collector {
namespace {

constexpr size_t kMessageBytes = size_t{1} << 20;

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::exit(1);
}

}  // namespace

FileNode::FileNode(const std::string& directory) {
  mkdir((directory + "/.muster").c_str(), 0700);
  root_ = Fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  hidden_ =
      Fd(openat(root_.get(), ".muster", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  fsync(root_.get());
  absl::StatusOr<std::unique_ptr<FileStore>> store = FileStore::Open(
      {.root = root_.get(), .shown = directory, .quota = &quota_},
      hidden_.get(), cache_);
  Must(store.status());
  store_ = *std::move(store);
  intake_ = std::make_unique<FileIntake>(*store_, 0);
}

void FileNode::Take(const FileUp& message) {
  Must(intake_->Take(message));
  while (intake_->busy()) Must(intake_->Continue());
  stored_ = 0;
  const auto next = [this] {
    std::unique_ptr<FileWork> work = intake_->TakeVerification();
    return work ? std::move(work) : intake_->TakeWork();
  };
  while (std::unique_ptr<FileWork> work = next()) {
    FileWork* const works[] = {work.get()};
    RunFileWork(works);
    Must(intake_->Done(std::move(work)));
  }
  for (const FileDown& answer : intake_->TakeAnswers()) {
    if (answer.has_opened()) opened_ = answer.opened().offset();
    if (answer.has_progress()) progress_ = answer.progress().offset();
    stored_ += answer.outcomes().stored_size();
    for (const FileRefused& refused : answer.outcomes().refused()) {
      Must(absl::InternalError(refused.message()));
    }
  }
}

bool FileNode::Send(const std::string& path, int version,
                    const std::string& content, int most) {
  FileUp message;
  FileOpen& open = *message.mutable_open();
  open.set_transfer(++transfer_);
  open.set_path(path);
  open.set_mode(0644);
  open.mutable_version()->set_size(content.size());
  open.mutable_version()->set_mtime_ns(version);
  opened_ = 0;
  Take(message);
  resumed_at_ = opened_;
  uint64_t at = opened_;
  for (; at < content.size() && most > 0; --most) {
    FileData& data = *message.mutable_data();
    data.set_transfer(transfer_);
    data.set_offset(at);
    data.set_data(content.substr(at, kMessageBytes));
    data.set_checksum(framing::Checksum(data.data()));
    at += data.data().size();
    Take(message);
  }
  if (at < content.size()) return false;
  framing::Digest digest;
  digest.Update(content);
  FileClose& close = *message.mutable_close();
  close.set_transfer(transfer_);
  close.set_size(content.size());
  close.set_digest(digest.Value());
  Take(message);
  return stored_ == 1;
}

bool FileNode::SendPack(const std::string& path, const std::string& content) {
  FileUp message;
  for (int i = 0; i < 3; ++i) {
    SmallFile& file = *message.mutable_pack()->add_files();
    file.set_transfer(++transfer_);
    file.set_path(path + std::to_string(i));
    file.set_mode(0644);
    file.set_data(content);
    file.set_checksum(framing::Checksum(content));
  }
  Take(message);
  return stored_ == 3;
}

void FileNode::Follow(uint64_t transfer, const std::string& path,
                      uint64_t offset) {
  FileUp message;
  FileOpen& open = *message.mutable_open();
  open.set_transfer(transfer);
  open.set_path(path);
  open.set_mode(0644);
  open.set_follow(true);
  open.set_offset(offset);
  Take(message);
}

uint64_t FileNode::Grow(uint64_t transfer, uint64_t offset,
                        const std::string& bytes) {
  FileUp message;
  FileData& data = *message.mutable_data();
  data.set_transfer(transfer);
  data.set_offset(offset);
  data.set_data(bytes);
  data.set_checksum(framing::Checksum(bytes));
  progress_ = 0;
  Take(message);
  return progress_;
}

bool FileNode::Move(const std::string& from, const std::string& to) {
  FileUp message;
  FileMove& move = *message.mutable_move();
  move.set_transfer(++transfer_);
  move.set_from(from);
  move.set_to(to);
  Take(message);
  return stored_ == 1;
}

}  // namespace muster::collector
