// ./logs on its way to the collector while it is written.
#ifndef MUSTER_LAUNCHER_FILES_FOLLOWER_H_
#define MUSTER_LAUNCHER_FILES_FOLLOWER_H_

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "launcher/files/file_plan.h"
#include "launcher/files/follow_names.h"
#include "launcher/files/followed_file.h"
#include "launcher/files/uploader.h"
#include "proto/collector.pb.h"

namespace muster::files {

// Job: send what is added to the files of a tree within some 20 ms, and follow
// them through truncation, rotation and removal. The collector's copies have
// the names that the files have here (follow_names.h); what was sent is never
// taken back.
//
// Messages go out in an order in which a stream can break anywhere: a rename
// waits until all before it is answered, and all after it waits for its answer.
//
// Life cycle: Scan and Modified as the tree changes, Open and Broken as streams
// come and go; Finish once, then on_finished when all is durable.
// Threads: the loop's only. Files are read there, some 256 KiB at a time.
// Ownership: `loop` and `transfers` must outlive it. Every followed file is
// held open; those over kMost are left for the last pass.
class Follower {
 public:
  static constexpr size_t kMost = 1024;
  static constexpr size_t kMaxData = size_t{256} << 10;

  struct Callbacks {
    // There is something for Next.
    std::function<void()> on_message;
    // What the files with a name hold at the collector.
    std::function<void(std::map<std::string, FollowedContent>)> on_finished;
    std::function<void(const std::string&)> on_notice;
  };

  Follower(asio::io_context& loop, Tree tree, std::atomic<uint64_t>& transfers,
           Callbacks callbacks);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // Names may have changed, soon looked at.
  void Scan();
  // Bytes may have been added to that file, relative to the tree.
  void Modified(const std::string& path);
  // Nobody tells of changes: looks every so often.
  void Poll();

  void Open(uint64_t window);
  void Broken();
  // Fills in the next message; false when there is none now.
  bool Next(FileUp* message);
  // What is not of its transfers is left alone.
  void Take(const FileDown& message);

  // Nobody writes any more: sends all that is there.
  void Finish();
  // What is durable of the files with a name.
  std::map<std::string, FollowedContent> Durable() const;

  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t bytes_left() const;

 private:
  struct File {
    explicit File(SourceFile source) : content(std::move(source)) {}
    FollowedFile content;
    uint64_t transfer = 0;  // open at the collector, or being opened
    bool is_open = false;
    bool open_queued = false;
    bool is_ready = false;  // in ready_
    uint64_t durable = 0;
    int refusals = 0;
    bool given_up = false;
    bool closing = false;
    bool closed = false;
  };
  struct Op {
    enum class Kind { kOpen, kMove, kClose };
    Kind kind = Kind::kOpen;
    FileKey file;
    uint64_t transfer = 0;  // of kClose
    uint64_t window = 0;    // of kClose: bytes that are not answered
    std::string from;
    std::string to;  // of kOpen as well
  };
  using Timer = asio::steady_timer;

  void ScanNow();
  void Carry(const FollowNames::Action& action);
  void Flush();
  void Flush(FileKey key, File& file);
  void Restart(FileKey key, File& file);
  void Release(FileKey key, File& file);
  void QueueOpen(FileKey key, File& file);
  void FreeSome();
  File* Find(FileKey key);
  bool NextOp(FileUp* message);
  bool Fill(const Op& op, uint64_t transfer, FileUp* message);
  bool NextData(FileUp* message);
  void Opened(const FileOpened& opened);
  void Progressed(uint64_t transfer, uint64_t offset);
  void Stored(uint64_t transfer);
  void Refused(const FileRefused& refused);
  void CloseOrWait(FileKey key, File& file);
  void MaybeFinished();
  void At(Timer& timer, bool* armed, Instant when,
          void (Follower::*function)());
  void PollNow();
  std::string Remote(const std::string& path) const {
    return tree_.prefix + path;
  }

  const Tree tree_;
  std::atomic<uint64_t>& transfers_;
  const Callbacks callbacks_;
  Timer scan_timer_;
  Timer flush_timer_;
  Timer poll_timer_;
  bool scan_armed_ = false;
  bool flush_armed_ = false;
  bool poll_armed_ = false;
  bool polling_ = false;  // all the time, not for those that are gone alone
  Instant next_scan_;
  Instant next_flush_;

  FollowNames names_;
  std::map<FileKey, std::unique_ptr<File>> files_;
  std::map<FileKey, std::unique_ptr<SourceFile>> fresh_;  // to be started
  std::map<uint64_t, FileKey> by_transfer_;
  std::set<FileKey> changed_;
  std::deque<FileKey> ready_;  // have bytes to send
  std::deque<Op> ops_;
  std::map<uint64_t, Op> in_flight_;  // by transfer
  bool connected_ = false;
  uint64_t window_ = 0;
  uint64_t unanswered_ = 0;
  uint64_t acknowledged_ = 0;
  bool finishing_ = false;
  bool finished_ = false;
  bool too_many_ = false;
  const std::shared_ptr<const bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_FOLLOWER_H_
