// The logs of one run, piece by piece.
#ifndef MUSTER_LAUNCHER_HISTORY_LOG_READER_H_
#define MUSTER_LAUNCHER_HISTORY_LOG_READER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "launcher/history/directory_watch.h"
#include "launcher/history/log_names.h"
#include "launcher/history/log_notes.h"
#include "launcher/history/producer.h"
#include "launcher/history/run_files.h"
#include "proto/history.pb.h"

namespace muster::history {

// Job: what History.Logs says, for one call of it, from the files of a run.
// Life cycle: construct, Next again and again. After kNothing, which comes
// only with `follow`: when on_news was called, or Recheck, go on.
// Threads: one; Next and Recheck read the disk.
// Ownership: owns the run's descriptor; `watch` must outlive it. Holds no log
// open between two calls.
class LogReader final : public Producer<LogPiece> {
 public:
  // `on_news` comes from within `watch`'s Dispatch, and must not call back.
  LogReader(Fd run, LogsRequest request, DirectoryWatch* watch,
            absl::AnyInvocable<void()> on_news);

  // Errors as at run_files.h.
  absl::StatusOr<Step> Next(LogPiece* piece) override;

  bool is_told() const override { return told_; }
  void Recheck() override { recheck_ = true; }

 private:
  struct Log {
    std::string name;           // in the directory of its attempt
    uint64_t first_size = 0;    // when it was seen first
    uint64_t offset = 0;        // what lies before was sent
    uint32_t noted = 0;         // notes that were sent
    uint64_t notes_offset = 0;  // in the .gaps file
    LogNotes notes;
    bool queued = false;
  };

  void Changed(uint32_t tag, const std::string& name);
  absl::Status LookAtEverything();
  absl::Status LookAtDirectory(const LogDirectory& directory);
  const Fd& DirectoryOf(const LogKey& key) const {
    return directories_.at({key.attempt, key.incarnation});
  }
  absl::Status LookAtFile(const LogKey& key, const std::string& name);
  absl::Status Discover(const LogKey& key, const std::string& name,
                        uint64_t size);
  absl::Status ToTail(const LogKey& key, Log& log);
  absl::Status LearnRanks();
  bool IsWanted(const LogKey& key) const;
  void Enqueue(const LogKey& key, Log& log);
  absl::StatusOr<bool> Advance(const LogKey& key, Log& log, LogPiece* piece);
  absl::Status ReadNotes(const LogKey& key, Log& log);

  const Fd run_;
  const LogsRequest request_;
  absl::AnyInvocable<void()> on_news_;

  std::map<LogDirectory, Fd> directories_;
  std::vector<LogDirectory> tags_;  // by what the listener calls them
  std::map<LogKey, Log> logs_;
  std::deque<LogKey> found_;  // to be announced
  std::deque<LogKey> queue_;  // those that may have something
  std::map<LogKey, LogPosition> from_;
  std::set<uint32_t> ranks_;  // that are wanted, of nodes too
  bool recheck_ = true;
  bool over_ = false;  // nothing is written any more
  bool told_ = true;
  DirectoryWatch::Listener listener_;  // the last: it calls back
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_LOG_READER_H_
