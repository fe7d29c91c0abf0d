// What was sent to the collector and is not answered.
#ifndef MUSTER_LAUNCHER_FILES_UPLOAD_LEDGER_H_
#define MUSTER_LAUNCHER_FILES_UPLOAD_LEDGER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launcher/files/source.h"

namespace muster::files {

// Job: keep the books of one stream: which transfer is which file, and how much
// of the window they take. Pure.
// Threads: one at a time.
class UploadLedger {
 public:
  struct Upload {
    std::string path;
    Version version;
    uint64_t acknowledged = 0;  // bytes of it, by this stream or another one
    uint64_t kept = 0;          // of them, those that outlived a stream
  };

  void Begin(uint64_t transfer, Upload upload);
  // Bytes of the window that are answered by progress up to `end`, or with the
  // transfer.
  void Sent(uint64_t transfer, uint64_t window, uint64_t end);
  void Progress(uint64_t transfer, uint64_t offset);
  // It goes on at `offset`; whether that is more than when it went on last.
  bool GoesOn(uint64_t transfer, uint64_t offset);
  // The transfer is over; nullopt when it is not one of these.
  std::optional<Upload> End(uint64_t transfer);
  // The same for one of which all is stored.
  std::optional<Upload> Stored(uint64_t transfer);
  // All that was under way, and the window is free again.
  std::vector<Upload> Clear();

  bool Has(uint64_t transfer) const { return uploads_.count(transfer) != 0; }
  bool empty() const { return uploads_.empty(); }
  uint64_t window_used() const { return window_used_; }
  // Sizes of what is under way, less what is acknowledged of it.
  uint64_t bytes_left() const { return bytes_left_; }
  // Since the start. What is sent once more, since it was lost on the way or at
  // the collector, counts once.
  uint64_t bytes_acknowledged() const { return acknowledged_; }

 private:
  struct Sending {
    Upload upload;
    std::deque<std::pair<uint64_t, uint64_t>> sent;  // end and window
  };

  std::map<uint64_t, Sending> uploads_;
  uint64_t window_used_ = 0;
  uint64_t bytes_left_ = 0;
  uint64_t acknowledged_ = 0;
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_UPLOAD_LEDGER_H_
