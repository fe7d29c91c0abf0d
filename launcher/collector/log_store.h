// The logs of one run: what came in, and what of it must become durable.
#ifndef MUSTER_LAUNCHER_COLLECTOR_LOG_STORE_H_
#define MUSTER_LAUNCHER_COLLECTOR_LOG_STORE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/file_cache.h"
#include "launcher/collector/journal_state.h"
#include "launcher/collector/node_register.h"
#include "launcher/collector/quota.h"
#include "proto/collector.pb.h"

namespace muster::collector {

constexpr size_t kMaxLogData = size_t{256} << 10;

// What has to reach the disk before a record may say so.
struct LogChanges {
  struct File {
    std::shared_ptr<Fd> file;
    std::string path;
  };
  std::vector<File> files;            // to be synced, each
  bool sync_all = false;              // instead: the whole file system, once
  std::set<std::string> directories;  // with new names; "" for the run's own
  JournalRecord record;

  bool empty() const {
    return record.nodes().empty() && record.streams().empty();
  }
};

struct LogTotals {
  uint64_t stored = 0;
  uint64_t gaps = 0;
};

// Job: append to the logs of a run's streams in order, and keep count of where
// each stream is: bytes of its file plus bytes of its gaps. A write that fails
// leaves no trace.
// Life cycle: Open; AddNode and what the nodes send; TakeChanges again and
// again. What was not taken, or not journaled, is cut off at the next Open.
// Threads: one at a time.
// Ownership: borrows the descriptor, the cache and the quota, which must
// outlive it; owns what is open, through the cache.
//
// Errors where no others are listed: as FileError (beneath.h), with the path.
class LogStore {
 public:
  struct Place {
    int root = -1;      // of the run's directory
    std::string shown;  // its name, for messages
    FileCache* cache = nullptr;
    Quota* quota = nullptr;
  };

  // Brings the files to what the journal says: longer ones are cut, and what
  // is in .gaps is written anew.
  //   DataLoss  a file holds less than was acknowledged; the text names it
  static absl::StatusOr<std::unique_ptr<LogStore>> Open(
      const Place& place, const JournalState& state);

  // A node comes for the first time: its logs are made, empty.
  absl::Status AddNode(const NodeRegister::Entry& entry);

  // `node` is a JournalNode.id. What does not follow is InvalidArgument: a
  // stream that the node does not own, bytes that are not where the stream is
  // at, anything after its end, over 256 KiB. Over the run's quota is
  // ResourceExhausted.
  absl::Status Append(uint32_t node, const LogData& data);
  absl::Status AddGap(uint32_t node, const LogGap& gap);
  absl::Status End(uint32_t node, const LogEnd& end);

  // Of the node's streams that are not at their very beginning.
  std::vector<StreamPosition> Positions(uint32_t node) const;
  // Of the node's workers: without the agent's own log.
  LogTotals Totals(uint32_t node) const;
  // Of all nodes.
  LogTotals Totals() const;

  // All changes since the last call.
  LogChanges TakeChanges();

 private:
  struct Log {
    Log(FileCache& cache, StreamName stream_name, std::string file_path)
        : name(std::move(stream_name)),
          path(std::move(file_path)),
          file(cache) {}

    const StreamName name;
    const std::string path;
    FileCache::Place file;
    uint64_t stored = 0;
    uint64_t gap_bytes = 0;
    uint64_t gaps_end = 0;  // bytes of .gaps
    bool ended = false;
    StreamEnd how = STREAM_END_UNSPECIFIED;

    // Since the last TakeChanges:
    bool changed = false;
    bool written = false;
    std::vector<JournalGap> new_gaps;

    uint64_t position() const { return stored + gap_bytes; }
  };
  struct Node {
    JournalNode info;
    size_t generation = 0;
    std::deque<Log> logs;  // stdout and stderr by rank; the agent's last
  };

  explicit LogStore(const Place& place) : place_(place) {}

  Node& MakeNode(const NodeRegister::Entry& entry);
  absl::Status Restore(Log& log, const DurableStream* durable);
  absl::Status RestoreGaps(Log& log, const DurableStream* durable);
  absl::StatusOr<Log*> Find(uint32_t node, const StreamName& stream,
                            uint64_t offset);
  absl::StatusOr<std::shared_ptr<Fd>> OpenLog(Log& log, int flags);
  absl::Status AppendGapLine(Log& log, const std::string& line);
  absl::Status Charge(const Log& log, uint64_t bytes);
  void Change(Log& log, uint32_t node);
  void NeedsSync(std::shared_ptr<Fd> file, const std::string& path);
  absl::Status Named(const absl::Status& status) const;

  const Place place_;
  std::deque<Node> nodes_;                          // by id
  LogChanges changes_;                              // the streams apart
  std::vector<std::pair<uint32_t, Log*>> changed_;  // with their nodes
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_LOG_STORE_H_
