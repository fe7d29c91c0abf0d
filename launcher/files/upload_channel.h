// Where the thread that reads files meets the one that speaks with the
// collector.
#ifndef MUSTER_LAUNCHER_FILES_UPLOAD_CHANNEL_H_
#define MUSTER_LAUNCHER_FILES_UPLOAD_CHANNEL_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "launcher/files/file_plan.h"
#include "launcher/files/upload_ledger.h"
#include "proto/collector.pb.h"

namespace muster::files {

// Job: a bounded queue of messages from the reader to the link, the window, and
// the answers on their way back. The reader waits here; the link never does.
// Life cycle: closed at first; Open and Broken any number of times; Stop ends
// every wait for good.
// Threads: any. What the reader may call and what the link may is marked.
class UploadChannel {
 public:
  // What became of a transfer.
  struct Answer {
    enum class Kind { kStored, kRefused, kLost };
    Kind kind = Kind::kLost;
    UploadLedger::Upload upload;
    FileRefused refused;
  };

  // `transfers` counts the transfers of the stream, for all who send on it.
  // `on_message`: there is something for Next; on the reader's thread.
  UploadChannel(std::atomic<uint64_t>& transfers,
                std::function<void()> on_message);

  // ---- for the reader ----

  // A new transfer of this stream; 0 while there is none.
  uint64_t Begin(const std::string& path, const Version& version);

  // Queues a message of that transfer, when the window and the queue have
  // room. False: the stream is not the one of this transfer any more, or the
  // collector refused the file, and nothing more of it is to be sent.
  struct Cost {
    uint64_t transfer = 0;
    uint64_t window = 0;
    uint64_t end = 0;  // the progress that answers it
  };
  bool Send(FileUp message, const std::vector<Cost>& costs);

  // Nothing more of it comes, and the collector is to forget it.
  void Abandon(uint64_t transfer);

  // What the collector has of it already; nullopt as with Send.
  std::optional<uint64_t> AwaitOpened(uint64_t transfer);

  // A buffer of that size, from those that are done with.
  std::string TakeBuffer(size_t size);

  // Waits for a task, an answer, Open or `until`; not at all when one was
  // posted. Runs the tasks. False after Stop.
  bool Wait(std::optional<Instant> until);
  std::vector<Answer> TakeAnswers();
  bool is_open() const;
  bool is_idle() const;  // nothing sent is unanswered
  bool is_stopped() const;
  bool is_given_up() const;  // or stopped

  // ---- for the link ----

  void Open(uint64_t window);
  void Broken();
  bool Next(FileUp* message);
  // What is not of these transfers is left alone. Whether the collector has
  // more than before that no break takes away.
  bool Take(const FileDown& message);

  // ---- for all ----

  // To be run by the reader, in Wait.
  void Post(std::function<void()> task);
  // Nothing more is to be sent: as Broken, but for good.
  void GiveUp();
  void Stop();
  // Bytes that were acknowledged since the start, each once however often it is
  // sent; and those that are under way.
  uint64_t acknowledged() const;
  uint64_t bytes_left() const;

 private:
  // Of messages that wait for the link.
  static constexpr size_t kMaxQueued = size_t{4} << 20;
  static constexpr size_t kMaxBuffers = 6;
  static constexpr size_t kMaxCut = 1024;

  bool IsCurrent(const std::vector<Cost>& costs) const;
  void LoseAll();
  void Remember(const UploadLedger::Upload& upload);
  void Answered(uint64_t transfer, Answer::Kind kind,
                const FileRefused& refused);

  std::atomic<uint64_t>& transfers_;
  const std::function<void()> on_message_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All below is guarded by mutex_.
  bool open_ = false;
  bool stopped_ = false;
  bool given_up_ = false;
  uint64_t window_ = 0;
  std::deque<FileUp> queue_;
  size_t queued_ = 0;
  UploadLedger ledger_;
  std::map<uint64_t, uint64_t> opened_;  // by transfer, until awaited
  std::vector<Answer> answers_;
  std::vector<std::function<void()>> tasks_;
  std::vector<std::string> buffers_;
  // Those that were cut, by path: of what comes again nothing is new.
  std::map<std::string, UploadLedger::Upload> cut_;
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_UPLOAD_CHANNEL_H_
