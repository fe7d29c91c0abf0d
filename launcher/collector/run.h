// One run at a collector.
#ifndef MUSTER_LAUNCHER_COLLECTOR_RUN_H_
#define MUSTER_LAUNCHER_COLLECTOR_RUN_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/beneath.h"
#include "launcher/collector/file_cache.h"
#include "launcher/collector/journal.h"
#include "launcher/collector/log_store.h"
#include "launcher/collector/node_register.h"
#include "launcher/collector/quota.h"
#include "proto/collector.pb.h"

namespace muster::collector {

// AlreadyExists: what is at `path` is not the run that somebody wants there.
absl::Status AnotherRuns(const std::string& path);

// Job: the directory of one run, and the right to write into it.
//
//   RUN/.muster/key      of the run, 32 bytes, for the owner's eyes only; empty
//                        as long as only dead agents' output came, whose
//                        coordinator never said it
//   RUN/.muster/lock     held by the collector that has the run open
//   RUN/.muster/journal  what is durable of the logs
//   RUN/.muster/parts/   files that are not whole yet
//   RUN/logs/..., RUN/nodes/..., RUN/run.json, ...   what people see
//
// A run that breaks (a disk that fails, or is full at the wrong moment) takes
// nothing more. After a full disk Recover() makes it good again; a disk that
// failed is never trusted by this process again.
//
// Life cycle: made by RunStore; closed when the last owner lets go.
// Threads: stated for each group of functions. The collector's thread is the
// one that takes logs in; its sync thread waits for the disk.
// Ownership: shared. Owns its descriptors; borrows the cache.
class Run {
 public:
  struct Options {
    uint64_t quota = 0;  // bytes; 0 for none
    FileCache* cache = nullptr;
    bool is_new = false;  // it was made for this
  };

  // Makes RUN/.muster of a new run in a directory that is still empty, all of
  // it durable but for the directory's own name. The key is 32 bytes, or empty
  // where nobody knows it. Errors as FileError.
  static absl::Status Create(int root, const std::string& path,
                             absl::string_view run_key);

  // The key of the run whose directory this is; NotFound when it is none.
  static absl::StatusOr<std::string> ReadKey(int root, const std::string& path);

  // Whether the introduction is proved by the run's key.
  //   PermissionDenied  it is not
  //   NotFound          the run has no key yet, and this is of a living agent,
  //                     whose coordinator will say it
  static absl::Status CheckKey(absl::string_view run_key,
                               const Introduction& introduction);

  // Takes the lock, replays the journal and cuts the logs to what is durable.
  // Errors:
  //   Unavailable  another collector has it open; the text says which.
  //   DataLoss     the journal or a log was damaged, or the disk failed
  //                (DiskFailure); the text names it.
  //   others       as FileError.
  static absl::StatusOr<std::shared_ptr<Run>> Open(const std::string& path,
                                                   const Options& options);

  // ---- any thread ----

  const std::string& path() const { return path_; }
  const std::string& run_id() const { return run_id_; }
  bool is_new() const { return is_new_; }
  int root() const { return root_.get(); }
  int private_directory() const { return private_.get(); }

  // Whether this is the run's key. A run that had none has it from now on, if
  // the keys of its nodes were made of it.
  //   AlreadyExists  it is not
  //   others         as ReplaceFile
  absl::Status Claim(absl::string_view run_key);
  bool has_key() const;

  // Whether this node may write here.
  //   as CheckKey and NodeRegister::Check
  absl::Status Authorize(const Introduction& introduction) const;

  // Before bytes are written: ResourceExhausted over the quota; problem() when
  // the run broke. Refund is for what was charged and not kept.
  absl::Status Charge(uint64_t bytes);
  void Refund(uint64_t bytes) { quota_.Refund(bytes); }
  Quota& quota() { return quota_; }

  // Ok, or why the run takes nothing more.
  absl::Status problem() const;
  // The first problem stays.
  void Break(const absl::Status& problem);

  bool has_report() const { return has_report_; }

  // ---- the collector's thread ----

  // The node of an introduction that Authorize() lets in; a new one becomes the
  // holder of its place. Its id is that of LogStore's functions.
  // Errors as LogStore::AddNode.
  absl::StatusOr<uint32_t> Enter(const Introduction& introduction);

  LogStore& logs() { return *logs_; }

  // Reads again what is durable, and drops the rest, unless a disk failed;
  // there must be no commit under way. Errors as problem() and Open().
  absl::Status Recover();

  // ---- the sync thread ----

  // Makes the changes durable: the files, then the journal's record. After an
  // error the run is broken.
  //   ResourceExhausted  the disk is full; Recover() when there is space
  //   DataLoss           the disk failed
  absl::Status Commit(const LogChanges& changes);

  // Writes a document of the run, durably.
  //   InvalidArgument  no such document; events that do not follow
  //   others           as FileError and SyncError
  absl::Status WriteDocument(RecordDocument document, absl::string_view content,
                             uint64_t offset);

 private:
  Run(std::string path, const Options& options);

  absl::Status OpenLogs();
  absl::Status Sync(const LogChanges& changes);
  absl::Status AppendEvents(absl::string_view content, uint64_t offset);
  std::string Shown(absl::string_view name) const;

  const std::string path_;
  const std::string run_id_;
  const bool is_new_;
  FileCache* const cache_;
  Fd root_;
  Fd private_;
  Fd parts_;
  Fd lock_;
  Quota quota_;
  std::atomic<bool> has_report_{false};

  mutable std::mutex mutex_;
  std::string key_;       // guarded by mutex_
  NodeRegister nodes_;    // guarded by mutex_
  absl::Status problem_;  // guarded by mutex_

  std::unique_ptr<LogStore> logs_;    // the collector's thread
  std::unique_ptr<Journal> journal_;  // the sync thread, but for Recover()
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_RUN_H_
