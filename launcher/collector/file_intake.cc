#include "launcher/collector/file_intake.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/framing/digest.h"

namespace muster::collector {
namespace {

constexpr uint64_t kSmallFileOverhead = 1024;
constexpr uint64_t kProgressEvery = FileIntake::kWindowBytes / 8;

bool IsOfTheFile(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ||
         absl::IsFailedPrecondition(status) || absl::IsNotFound(status);
}

// Sent again, it may be right.
absl::Status Altered(const std::string& path, absl::string_view what) {
  return absl::NotFoundError(
      absl::StrCat(ShowPath(path), ": ", what, " is not that of its bytes"));
}

// What was found not to be whole does not count any more.
void Settle(FileStore& store, const FileWork::Verify& one) {
  const uint64_t bytes = one.part->bytes();
  if (bytes <= one.charged) {
    store.home().quota->Refund(one.charged - bytes);
  } else {
    store.home().quota->Charge(bytes - one.charged);
  }
}

}  // namespace

uint64_t WindowOf(const SmallFile& file) {
  return file.data().size() + kSmallFileOverhead;
}

FileIntake::FileIntake(FileStore& store, uint32_t node)
    : store_(store), node_(node), followed_(store, node) {
  answers_.emplace_back().mutable_welcome()->set_window_bytes(kWindowBytes);
}

FileIntake::~FileIntake() {
  if (next_) GiveUp(store_, std::move(next_));
  if (verification_) GiveUp(store_, std::move(verification_));
  for (auto& [id, transfer] : transfers_) {
    if (transfer.part) store_.parts().Park(std::move(transfer.part));
  }
}

void FileIntake::GiveUp(FileStore& store, std::unique_ptr<FileWork> work) {
  for (FileWork::Publish& file : work->publish) {
    if (file.is_published) {
      store.home().quota->Refund(file.replaced_bytes);
    } else if (file.part && work->status.ok() && file.status.ok()) {
      store.parts().Park(std::move(file.part));
    } else if (file.part) {
      store.parts().Drop(std::move(file.part));
    } else {
      unlinkat(work->parts, file.name.c_str(), 0);
      store.home().quota->Refund(file.bytes);
    }
  }
  for (FileWork::Verify& one : work->verify) {
    Settle(store, one);
    store.parts().Park(std::move(one.part));
  }
}

absl::Status FileIntake::Take(const FileUp& message) {
  if (finishing_) {
    return absl::InvalidArgumentError("a message after FileFinish");
  }
  const absl::Status taken = Dispatch(message);
  if (taken.ok() && unanswered_ + followed_.unanswered() > 2 * kWindowBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("node ", node_, " sends more than its window"));
  }
  return taken;
}

absl::Status FileIntake::Continue() {
  const FileUp message = std::move(*hole_);
  hole_.reset();
  return Dispatch(message);
}

absl::Status FileIntake::Dispatch(const FileUp& message) {
  switch (message.body_case()) {
    case FileUp::kOpen:
      return Open(message.open());
    case FileUp::kData:
      return Data(message);
    case FileUp::kClose:
      return Close(message);
    case FileUp::kAbandon:
      Forget(message.abandon().transfer());
      return absl::OkStatus();
    case FileUp::kPack:
      return Pack(message.pack());
    case FileUp::kMove:
      return Move(message.move());
    case FileUp::kFinish:
      Finish();
      return absl::OkStatus();
    case FileUp::kIntroduction:
      return absl::InvalidArgumentError(
          absl::StrCat("node ", node_, " introduces itself twice"));
    default:
      return absl::InvalidArgumentError(
          "a message without a body; are the nodes' versions of muster the "
          "same?");
  }
}

absl::Status FileIntake::CheckIsNew(uint64_t transfer) {
  if (transfers_.count(transfer) == 0 && !followed_.Has(transfer)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("node ", node_, " begins transfer ", transfer, " twice"));
}

absl::Status FileIntake::Open(const FileOpen& open) {
  absl::Status status = CheckIsNew(open.transfer());
  if (!status.ok()) return status;
  status = CheckNodePath(open.path());
  if (status.ok())
    status = open.follow() ? followed_.Open(open) : OpenPart(open);
  if (!status.ok()) return RefuseOrFail(open.transfer(), status);
  if (open.follow()) {
    FileOpened& opened = *answers_.emplace_back().mutable_opened();
    opened.set_transfer(open.transfer());
    opened.set_offset(open.offset());
    Next();
  }
  return absl::OkStatus();
}

absl::Status FileIntake::OpenPart(const FileOpen& open) {
  if (transfers_.size() >= kMaxOpen) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShowPath(open.path()), ": ", kMaxOpen,
                     " files are unfinished already; finish one first"));
  }
  if (open.version().size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShowPath(open.path()), " is over 16 TiB"));
  }
  const std::string target = NodeTarget(node_, open.path());
  // Looked at now, so that a whole file is not sent in vain.
  const absl::StatusOr<uint64_t> replaced =
      CheckTarget(store_.home().root, target);
  if (!replaced.ok()) return replaced.status();

  PartIdentity identity{
      .node = node_, .path = open.path(), .version = open.version()};
  std::unique_ptr<Part> part = store_.parts().Take(identity);
  Transfer& transfer = transfers_[open.transfer()];
  transfer.target = target;
  transfer.mode = NodeFileMode(open.mode());
  if (part && !part->is_verified()) {
    const uint64_t charged = part->bytes();
    if (!verification_) verification_ = NewWork();
    verification_->verify.push_back(
        {open.transfer(), std::move(part), charged});
    return absl::OkStatus();
  }
  if (!part) {
    absl::StatusOr<std::unique_ptr<Part>> made =
        store_.parts().Make(std::move(identity));
    if (!made.ok()) {
      transfers_.erase(open.transfer());
      return made.status();
    }
    part = *std::move(made);
  } else {
    const absl::Status opened = part->Open();
    if (!opened.ok()) {
      store_.parts().Drop(std::move(part));
      transfers_.erase(open.transfer());
      return opened;
    }
  }
  Ready(open.transfer(), std::move(part));
  return absl::OkStatus();
}

void FileIntake::Ready(uint64_t transfer, std::unique_ptr<Part> part) {
  FileOpened& opened = *answers_.emplace_back().mutable_opened();
  opened.set_transfer(transfer);
  opened.set_offset(part->offset());
  transfers_[transfer].part = std::move(part);
}

absl::Status FileIntake::Data(const FileUp& message) {
  const FileData& data = message.data();
  const auto found = transfers_.find(data.transfer());
  const bool is_followed = followed_.Has(data.transfer());
  // Sent before the sender knew that the file was refused.
  if (found == transfers_.end() && !is_followed) return absl::OkStatus();
  const std::string& path = is_followed ? std::string() : found->second.target;
  if (data.data().size() > kMaxData) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShowPath(path), ": over 1 MiB in one message"));
  }
  if (framing::Checksum(data.data()) != data.checksum()) {
    return RefuseOrFail(data.transfer(), Altered(path, "the checksum"));
  }
  const absl::Status status =
      is_followed ? Follow(data) : Store(found, message);
  return status.ok() ? status : RefuseOrFail(data.transfer(), status);
}

absl::Status FileIntake::Follow(const FileData& data) {
  const uint64_t size = data.data().size();
  absl::Status status = Charge(size, "logs");
  if (!status.ok()) return status;
  Next();
  status = followed_.Append(data);
  if (!status.ok()) store_.home().quota->Refund(size);
  return status;
}

absl::Status FileIntake::Store(Transfers::iterator at, const FileUp& message) {
  const FileData& data = message.data();
  Transfer& transfer = at->second;
  if (!transfer.part || data.offset() < transfer.part->offset() ||
      data.offset() > kMaxFileBytes - kMaxData) {
    return absl::InvalidArgumentError(absl::StrCat(
        ShowPath(transfer.target), ": bytes out of order at ", data.offset()));
  }
  Part& part = *transfer.part;
  const absl::StatusOr<bool> skipped = Skip(part, data.offset(), message);
  if (!skipped.ok()) return skipped.status();
  if (!*skipped) return absl::OkStatus();
  const uint64_t size = data.data().size();
  absl::Status status = Charge(size, transfer.target);
  if (!status.ok()) return status;
  status = part.Append(data.data());
  if (!status.ok()) {
    // What of it is in the file is not known.
    store_.home().quota->Refund(size);
    store_.parts().Drop(std::move(transfer.part));
    return status;
  }
  unanswered_ += size;
  transfer.unanswered += size;
  if (transfer.unanswered >= kProgressEvery) {
    Progress(at->first, part.offset());
    unanswered_ -= transfer.unanswered;
    transfer.unanswered = 0;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> FileIntake::Skip(Part& part, uint64_t offset,
                                      const FileUp& message) {
  if (part.offset() == offset) return true;
  const absl::Status skipped = part.SkipTowards(offset);
  if (!skipped.ok()) return skipped;
  if (part.offset() == offset) return true;
  hole_ = message;
  return false;
}

absl::Status FileIntake::Close(const FileUp& message) {
  const FileClose& close = message.close();
  const auto found = transfers_.find(close.transfer());
  absl::Status status;
  if (found != transfers_.end()) {
    status = Publish(found, message);
  } else if (followed_.Has(close.transfer())) {
    status = followed_.Close(close.transfer());
    Next();
  }
  return status.ok() ? status : RefuseOrFail(close.transfer(), status);
}

absl::Status FileIntake::Publish(Transfers::iterator at,
                                 const FileUp& message) {
  const FileClose& close = message.close();
  Transfer& transfer = at->second;
  if (!transfer.part || close.size() < transfer.part->offset() ||
      close.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShowPath(transfer.target), " cannot end at ", close.size(),
                     ", where bytes are"));
  }
  const absl::StatusOr<bool> skipped =
      Skip(*transfer.part, close.size(), message);
  if (!skipped.ok()) return skipped.status();
  if (!*skipped) return absl::OkStatus();
  if (transfer.part->Digest() != close.digest()) {
    return Altered(transfer.target, "the digest");
  }
  const absl::Status closed = transfer.part->Close(transfer.mode);
  if (!closed.ok()) return closed;
  FileWork::Publish file;
  file.transfer = at->first;
  file.target = std::move(transfer.target);
  file.bytes = transfer.part->bytes();
  file.window = transfer.unanswered;
  file.part = std::move(transfer.part);
  Next().publish.push_back(std::move(file));
  transfers_.erase(at);
  return absl::OkStatus();
}

absl::Status FileIntake::Pack(const FilePack& pack) {
  uint64_t bytes = 0;
  for (const SmallFile& file : pack.files()) {
    absl::Status status = CheckIsNew(file.transfer());
    if (!status.ok()) return status;
    bytes += file.data().size();
    if (bytes > kMaxData) {
      return absl::InvalidArgumentError("a pack of over 1 MiB");
    }
    unanswered_ += WindowOf(file);
    status = Small(file);
    if (status.ok()) continue;
    unanswered_ -= WindowOf(file);
    status = RefuseOrFail(file.transfer(), status);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FileIntake::Small(const SmallFile& file) {
  absl::Status status = CheckNodePath(file.path());
  if (!status.ok()) return status;
  if (framing::Checksum(file.data()) != file.checksum()) {
    return Altered(file.path(), "the checksum");
  }
  status = Charge(file.data().size(), file.path());
  if (!status.ok()) return status;
  FileWork& work = Next();
  FileWork::Publish small;
  small.transfer = file.transfer();
  small.name = store_.parts().NewName(node_);
  small.target = NodeTarget(node_, file.path());
  small.bytes = file.data().size();
  small.window = WindowOf(file);
  small.file =
      Fd(openat(work.parts, small.name.c_str(),
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!small.file.is_open()) {
    status = FileError(errno, "make a part of", small.target);
  } else {
    status = WriteAll(small.file, file.data(), 0, small.target);
    const mode_t mode = NodeFileMode(file.mode());
    if (status.ok() && mode != 0600 && fchmod(small.file.get(), mode) != 0) {
      status = FileError(errno, "set the mode of", small.target);
    }
  }
  if (!status.ok()) {
    unlinkat(work.parts, small.name.c_str(), 0);
    store_.home().quota->Refund(small.bytes);
    return status;
  }
  // The others are synced with their whole file system.
  if (work.publish.size() >= kMaxSyncedApart) small.file.Close();
  work.publish.push_back(std::move(small));
  return absl::OkStatus();
}

absl::Status FileIntake::Move(const FileMove& move) {
  absl::Status status = CheckIsNew(move.transfer());
  if (!status.ok()) return status;
  status = CheckNodePath(move.from());
  if (status.ok()) status = CheckNodePath(move.to());
  if (status.ok()) status = followed_.Move(move);
  if (!status.ok()) return RefuseOrFail(move.transfer(), status);
  Next();
  return absl::OkStatus();
}

void FileIntake::Finish() {
  finishing_ = true;
  for (auto& [id, transfer] : transfers_) {
    if (transfer.part) store_.parts().Drop(std::move(transfer.part));
  }
  transfers_.clear();
  store_.parts().DropAll(node_);
  Next().count_below = absl::StrCat("nodes/node", node_);
}

absl::Status FileIntake::Charge(uint64_t bytes, const std::string& path) {
  if (store_.home().quota->Charge(bytes)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(ShowPath(path), ": the run is over its quota of ",
                   store_.home().quota->most(), " bytes"));
}

absl::Status FileIntake::RefuseOrFail(uint64_t transfer,
                                      const absl::Status& why) {
  if (!IsOfTheFile(why)) return store_.home().Named(why);
  Refuse(transfer, why);
  return absl::OkStatus();
}

void FileIntake::Refuse(uint64_t transfer, const absl::Status& why) {
  Forget(transfer);
  AnswerRefused(transfer, why);
}

void FileIntake::Forget(uint64_t transfer) {
  followed_.Forget(transfer);
  const auto found = transfers_.find(transfer);
  if (found == transfers_.end()) return;
  unanswered_ -= found->second.unanswered;
  if (found->second.part) store_.parts().Drop(std::move(found->second.part));
  transfers_.erase(found);
}

FileOutcomes& FileIntake::Outcomes() {
  // Far below what a message may hold.
  constexpr int kMaxStored = 65536;
  constexpr int kMaxRefused = 1024;
  if (answers_.empty() || !answers_.back().has_outcomes() ||
      answers_.back().outcomes().stored_size() >= kMaxStored ||
      answers_.back().outcomes().refused_size() >= kMaxRefused) {
    answers_.emplace_back();
  }
  return *answers_.back().mutable_outcomes();
}

void FileIntake::AnswerStored(uint64_t transfer) {
  Outcomes().add_stored(transfer);
}

void FileIntake::AnswerRefused(uint64_t transfer, const absl::Status& why) {
  FileRefused& refused = *Outcomes().add_refused();
  refused.set_transfer(transfer);
  refused.set_code(static_cast<uint32_t>(
      absl::IsNotFound(why) ? absl::StatusCode::kDataLoss : why.code()));
  refused.set_message(std::string(why.message()));
}

void FileIntake::Progress(uint64_t transfer, uint64_t offset) {
  FileProgress& progress = *answers_.emplace_back().mutable_progress();
  progress.set_transfer(transfer);
  progress.set_offset(offset);
}

std::unique_ptr<FileWork> FileIntake::NewWork() {
  auto work = std::make_unique<FileWork>();
  work->home = store_.home();
  work->parts = store_.parts().directory();
  work->directories = &store_.directories();
  return work;
}

FileWork& FileIntake::Next() {
  if (!next_) next_ = NewWork();
  return *next_;
}

std::unique_ptr<FileWork> FileIntake::TakeVerification() {
  return std::move(verification_);
}

std::unique_ptr<FileWork> FileIntake::TakeWork() {
  if (!next_ || work_is_out_) return nullptr;
  unanswered_ += followed_.unanswered();  // until the work is done
  followed_.Collect(next_.get());
  unanswered_ -= followed_.unanswered();
  if (next_->empty()) {
    next_.reset();
    return nullptr;
  }
  work_is_out_ = true;
  return std::move(next_);
}

absl::Status FileIntake::Done(std::unique_ptr<FileWork> work) {
  if (work->verify.empty()) work_is_out_ = false;
  if (!work->status.ok()) {
    absl::Status why = work->status;
    GiveUp(store_, std::move(work));
    return why;
  }
  for (const FileWork::Grown& file : work->grown) {
    unanswered_ -= file.window;
    Progress(file.transfer, file.offset);
  }
  for (const FileWork::Publish& file : work->publish) Published(file);
  for (const uint64_t transfer : work->done) AnswerStored(transfer);
  for (FileWork::Verify& one : work->verify) {
    const absl::Status status = Verified(one);
    if (!status.ok()) return status;
  }
  if (!work->count_below.empty()) {
    FileDone& done = *answers_.emplace_back().mutable_done();
    done.set_log_bytes(work->totals.log_bytes);
    done.set_output_bytes(work->totals.output_bytes);
    finished_ = true;
  }
  return absl::OkStatus();
}

void FileIntake::Published(const FileWork::Publish& file) {
  unanswered_ -= file.window;
  if (file.is_published) {
    store_.home().quota->Refund(file.replaced_bytes);
    return AnswerStored(file.transfer);
  }
  store_.home().quota->Refund(file.bytes);
  AnswerRefused(file.transfer, file.status);
}

absl::Status FileIntake::Verified(FileWork::Verify& one) {
  Settle(store_, one);
  if (transfers_.count(one.transfer) == 0) {
    store_.parts().Drop(std::move(one.part));
    return absl::OkStatus();
  }
  const absl::Status opened = one.part->Open();
  if (!opened.ok()) {
    store_.parts().Drop(std::move(one.part));
    transfers_.erase(one.transfer);
    return store_.home().Named(opened);
  }
  Ready(one.transfer, std::move(one.part));
  return absl::OkStatus();
}

}  // namespace muster::collector
