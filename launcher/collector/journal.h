// The journal of one run, as a file: what is durable of its logs.
#ifndef MUSTER_LAUNCHER_COLLECTOR_JOURNAL_H_
#define MUSTER_LAUNCHER_COLLECTOR_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/beneath.h"
#include "launcher/collector/journal_state.h"

namespace muster::collector {

// Job: add records to the file "journal" of a directory, durably, and keep it
// small: when it is much larger than a snapshot of what it says, it is
// replaced by one.
//
// A record is written when the one before it is on the disk, so only the last
// can be cut off or mixed up by a crash. It is then as if it was never written,
// which is what nobody was told of.
//
// Life cycle: Create once in the life of a run; Open, Append, destroy.
// Threads: one at a time.
// Ownership: borrows `directory`, which must outlive it.
class Journal {
 public:
  // Makes an empty one, durable but for its name.
  // Errors: as FileError (beneath.h).
  static absl::Status Create(int directory, const std::string& shown);

  // `shown` stands for the directory in messages. What it says is on the disk
  // then, also where an earlier process died before it had synced that.
  // Errors:
  //   DataLoss   it is missing, altered in its middle, or says what can't be;
  //              the text names it.
  //   others     as FileError and SyncError (disk.h).
  static absl::StatusOr<std::unique_ptr<Journal>> Open(int directory,
                                                       std::string shown);

  // Makes the record durable. After an error nothing can be said of what is
  // on the disk but that the state before, or a part of the record's changes
  // on top of it, is there: Open again to know.
  // Errors:
  //   ResourceExhausted  the disk is full.
  //   DataLoss           the disk failed, or the record does not fit.
  absl::Status Append(const JournalRecord& record);

  const JournalState& state() const { return state_; }
  uint64_t size() const { return size_; }

 private:
  Journal(int directory, std::string shown);

  absl::Status Replay();
  absl::Status AppendOne(const JournalRecord& record);
  absl::Status Compact();
  std::string path() const { return shown_ + "/journal"; }

  const int directory_;
  const std::string shown_;
  Fd file_;
  uint64_t identity_ = 0;
  uint64_t size_ = 0;           // up to the last whole record
  uint64_t snapshot_size_ = 0;  // of the file when it was a snapshot
  JournalState state_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_JOURNAL_H_
