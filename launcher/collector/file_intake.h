// The files of one node, message by message.
#ifndef MUSTER_LAUNCHER_COLLECTOR_FILE_INTAKE_H_
#define MUSTER_LAUNCHER_COLLECTOR_FILE_INTAKE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "launcher/collector/file_store.h"
#include "launcher/collector/file_work.h"
#include "launcher/collector/followed_files.h"
#include "launcher/collector/part.h"
#include "proto/collector.pb.h"

namespace muster::collector {

// Job: the far end of one Collector.Files, without gRPC and threads: FileUp in,
// FileDown out, and between them the work that a disk needs time for.
//
//   Take(message), while busy() Continue()   -> TakeAnswers()
//   TakeWork() -> RunFileWork, anywhere -> Done(work)   -> TakeAnswers()
//
// One work is out at a time, and what comes meanwhile is in the next one; but
// parts of an earlier collector are read beside it, which may take minutes.
// Life cycle: one for a stream, after its introduction was accepted. When it
// goes, what is unfinished is kept for the next stream of the node where that
// is worth it. A work that is out then is finished by GiveUp().
// Threads: the files thread's only.
// Ownership: the store must outlive it.
//
// Errors are those at Collector.Logs (proto/collector.proto), and end the
// stream; a file that is refused does not.
class FileIntake {
 public:
  static constexpr uint64_t kWindowBytes = uint64_t{16} << 20;
  static constexpr size_t kMaxOpen = 64;
  static constexpr size_t kMaxData = size_t{1} << 20;

  FileIntake(FileStore& store, uint32_t node);
  ~FileIntake();
  FileIntake(const FileIntake&) = delete;
  FileIntake& operator=(const FileIntake&) = delete;

  // Any message but an introduction. Not while busy().
  absl::Status Take(const FileUp& message);

  // The last message is not done with: it has a hole that takes time.
  bool busy() const { return hole_.has_value(); }
  absl::Status Continue();

  // What is to be sent, in order.
  std::vector<FileDown> TakeAnswers() { return std::exchange(answers_, {}); }

  // Null when nothing is to be done, or a work is out.
  std::unique_ptr<FileWork> TakeWork();
  // Parts to be read; null when there are none. Any number may be out.
  std::unique_ptr<FileWork> TakeVerification();
  absl::Status Done(std::unique_ptr<FileWork> work);
  // The same for a work that outlived its intake.
  static void GiveUp(FileStore& store, std::unique_ptr<FileWork> work);

  // A work is out, other than one of TakeVerification().
  bool has_work_out() const { return work_is_out_; }

  // FileDone is among the answers: nothing follows.
  bool finished() const { return finished_; }

 private:
  struct Transfer {
    std::unique_ptr<Part> part;  // null while a work verifies it
    std::string target;
    mode_t mode = 0;
    uint64_t unanswered = 0;
  };
  using Transfers = std::map<uint64_t, Transfer>;

  absl::Status Dispatch(const FileUp& message);
  absl::Status CheckIsNew(uint64_t transfer);
  absl::Status Open(const FileOpen& open);
  absl::Status OpenPart(const FileOpen& open);
  void Ready(uint64_t transfer, std::unique_ptr<Part> part);
  absl::Status Data(const FileUp& message);
  absl::Status Follow(const FileData& data);
  absl::Status Store(Transfers::iterator at, const FileUp& message);
  absl::Status Close(const FileUp& message);
  absl::Status Publish(Transfers::iterator at, const FileUp& message);
  // False while a part of the hole up to `offset` is left for Continue().
  absl::StatusOr<bool> Skip(Part& part, uint64_t offset, const FileUp& message);
  absl::Status Pack(const FilePack& pack);
  absl::Status Small(const SmallFile& file);
  absl::Status Move(const FileMove& move);
  void Finish();

  absl::Status Charge(uint64_t bytes, const std::string& path);
  // Refuses the file where the error is its own, else returns it.
  absl::Status RefuseOrFail(uint64_t transfer, const absl::Status& why);
  void Refuse(uint64_t transfer, const absl::Status& why);
  void Forget(uint64_t transfer);
  void AnswerStored(uint64_t transfer);
  void AnswerRefused(uint64_t transfer, const absl::Status& why);
  void Progress(uint64_t transfer, uint64_t offset);
  void Published(const FileWork::Publish& file);
  absl::Status Verified(FileWork::Verify& one);
  FileOutcomes& Outcomes();
  FileWork& Next();
  std::unique_ptr<FileWork> NewWork();

  FileStore& store_;
  const uint32_t node_;
  FollowedFiles followed_;
  Transfers transfers_;
  uint64_t unanswered_ = 0;
  std::optional<FileUp> hole_;  // the message that waits behind it
  std::vector<FileDown> answers_;
  std::unique_ptr<FileWork> next_;
  std::unique_ptr<FileWork> verification_;
  bool work_is_out_ = false;
  bool finishing_ = false;
  bool finished_ = false;
};

// How much of the window a small file takes.
uint64_t WindowOf(const SmallFile& file);

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_FILE_INTAKE_H_
