// Sends one file, or several small ones.
#ifndef MUSTER_LAUNCHER_FILES_FILE_SENDER_H_
#define MUSTER_LAUNCHER_FILES_FILE_SENDER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "launcher/files/source.h"
#include "launcher/files/upload_channel.h"
#include "launcher/framing/digest.h"
#include "proto/collector.pb.h"

namespace muster::files {

// Files up to this size travel in packs.
constexpr uint64_t kSmallFile = uint64_t{64} << 10;
// From this size on a transfer that was cut goes on; see FileOpen in
// proto/collector.proto.
constexpr uint64_t kResumeFrom = uint64_t{4} << 20;

// What came of reading a file and handing it over; the collector's answer comes
// through the channel.
enum class SendResult {
  kSent,
  kChanged,  // it changed while it was read: nothing of it counts
  kLost,     // the stream broke, or the collector refused it: the channel's
             // answers say which
  kClosed,   // there was no stream to begin with
};

// Sends all of the file as one transfer. Blocks for as long as the window and
// the queue are full.
// Errors: Internal when it cannot be read, with the reason alone in the text;
// nothing of it counts then.
absl::StatusOr<SendResult> SendWhole(UploadChannel& channel,
                                     const std::string& path,
                                     const SourceFile& file);

// XXH3-128 of the content up to `size`, holes as zeros.
// Errors: OutOfRange when the file ends before; Internal when it cannot be
// read; Cancelled when the channel was given up meanwhile.
absl::StatusOr<framing::Digest> DigestOf(const UploadChannel& channel,
                                         const SourceFile& file, uint64_t size);

// Job: collect small files into a message.
// Life cycle: Add until it Fits no more; Send; and so on.
// Threads: the reader's only.
class Packer {
 public:
  explicit Packer(UploadChannel& channel) : channel_(channel) {}

  struct Packed {
    std::string path;
    Version version;
  };

  bool empty() const { return files_.empty(); }
  // One more of that size.
  bool Fits(uint64_t size) const;
  // Reads the file. Errors and results as SendWhole; kSent: it is in the pack.
  absl::StatusOr<SendResult> Add(const std::string& path,
                                 const SourceFile& file);
  // Sends the pack, which is empty then. False: there is no stream; the files
  // are `lost`.
  bool Send(std::vector<Packed>* lost);
  const std::vector<Packed>& files() const { return files_; }

 private:
  UploadChannel& channel_;
  FileUp message_;
  std::vector<Packed> files_;
  size_t bytes_ = 0;
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_FILE_SENDER_H_
