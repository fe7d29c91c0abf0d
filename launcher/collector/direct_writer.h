// Writes a large file past the page cache.
#ifndef MUSTER_LAUNCHER_COLLECTOR_DIRECT_WRITER_H_
#define MUSTER_LAUNCHER_COLLECTOR_DIRECT_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace muster::collector {

// Job: append to a file, where the file system has it with O_DIRECT: a file of
// gigabytes that is to be synced anyway costs a fraction of the time, and does
// not push out what is in the page cache. Elsewhere (tmpfs, some network file
// systems), and for the ends of pieces that do not fill a block, it writes as
// ever.
// Life cycle: construct; Append and Skip; Flush before anybody else looks at
// the file. What is not flushed is lost with the object.
// Threads: one at a time.
// Ownership: borrows the descriptor, of which it changes the O_DIRECT flag.
// Memory: kBufferBytes from the first Append to a Flush.
class DirectWriter {
 public:
  static constexpr size_t kBufferBytes = size_t{1} << 20;

  // `path` stands in messages.
  DirectWriter(int file, uint64_t offset, std::string path);
  ~DirectWriter();
  DirectWriter(const DirectWriter&) = delete;
  DirectWriter& operator=(const DirectWriter&) = delete;

  uint64_t offset() const { return start_ + used_; }

  // Errors as FileError (beneath.h); what is in the file beyond the last Flush
  // is not known then.
  absl::Status Append(absl::string_view bytes);
  // Goes on at `offset`, which is further: a hole.
  absl::Status Skip(uint64_t offset);
  absl::Status Flush();

 private:
  struct Free {
    void operator()(char* memory) const;
  };

  bool SetDirect(bool on);
  absl::Status WriteBuffer(size_t begin, size_t end);

  const int file_;
  const std::string path_;
  uint64_t start_;  // where the buffer belongs; a multiple of kBlock, but for
                    // a file that is not written directly
  size_t used_ = 0;
  size_t written_ = 0;  // of used_: in the file already
  bool can_ = true;     // the file system has O_DIRECT
  bool direct_ = false;
  std::unique_ptr<char, Free> buffer_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_DIRECT_WRITER_H_
