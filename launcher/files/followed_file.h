// A file of this node that grows.
#ifndef MUSTER_LAUNCHER_FILES_FOLLOWED_FILE_H_
#define MUSTER_LAUNCHER_FILES_FOLLOWED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "launcher/files/follow_names.h"
#include "launcher/files/source.h"
#include "launcher/framing/digest.h"

namespace muster::files {

FileKey KeyOf(const Version& version);

// Job: read what is added to a file, and notice when it was truncated or
// written anew: it is shorter than what was read, or what was read last is not
// there any more.
// Life cycle: Look, Read while there is more; Rewind where the reader has to
// send some of it again.
// Threads: one at a time.
// Ownership: holds the file open.
class FollowedFile {
 public:
  explicit FollowedFile(SourceFile file) : file_(std::move(file)) {}

  FileKey key() const { return KeyOf(file_.version()); }
  mode_t mode() const { return file_.mode(); }

  enum class State {
    kSame,       // nothing to read
    kGrown,      // there is, up to size()
    kTruncated,  // what was read is not its content any more
  };
  State Look();
  // It begins anew.
  void Restart();

  uint64_t position() const { return position_; }
  uint64_t size() const { return size_; }
  // No more than this is read from now on.
  void Limit(uint64_t size) { limit_ = size; }
  bool AtEnd() const { return position_ >= std::min(size_, limit_); }

  // At most `most` bytes from position() on; fewer, or none, where the file is
  // shorter by now or cannot be read.
  std::string Read(size_t most);

  // What is before `position` is known to be where it should; the rest is to
  // be read again.
  void Rewind(uint64_t position) { position_ = position; }

  // Of all that was ever read of this content: so many bytes, and their
  // digest.
  uint64_t read() const { return read_; }
  std::string Digest() const { return digest_.Value(); }

 private:
  static constexpr size_t kTailBytes = 64;

  const SourceFile file_;
  uint64_t size_ = 0;  // at the last look
  uint64_t limit_ = UINT64_MAX;
  uint64_t position_ = 0;
  uint64_t read_ = 0;
  framing::Digest digest_;
  std::string tail_;  // the last bytes before read_
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_FOLLOWED_FILE_H_
