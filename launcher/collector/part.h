// A file of a node that is not whole yet.
#ifndef MUSTER_LAUNCHER_COLLECTOR_PART_H_
#define MUSTER_LAUNCHER_COLLECTOR_PART_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/beneath.h"
#include "launcher/collector/direct_writer.h"
#include "launcher/framing/digest.h"
#include "proto/collector.pb.h"

namespace muster::collector {

// Files below this are sent anew after a cut; see FileOpen in
// proto/collector.proto.
constexpr uint64_t kResumeFrom = uint64_t{4} << 20;
// No file is larger.
constexpr uint64_t kMaxFileBytes = uint64_t{16} << 40;

bool operator==(const FileVersion& a, const FileVersion& b);

// Whose and what a part is.
struct PartIdentity {
  uint32_t node = 0;
  std::string path;  // as in FileOpen
  FileVersion version;
  bool operator==(const PartIdentity& other) const {
    return node == other.node && path == other.path && version == other.version;
  }
};

// Job: take the content of one file in a file of a private directory, and keep
// its digest. Of a larger one the digest so far is noted in "<name>.record"
// every few megabytes, in frames (launcher/framing, kind 'p'): a collector that
// starts anew can tell how much of the part is as it was.
// Life cycle: Create, or Restore and Verify; Open; Append and SkipTowards;
// Close; then somebody renames it. Park lets go of the file until the next
// Open.
// Threads: one at a time.
// Ownership: borrows the directory, which must outlive it. The files stay when
// it is destroyed; Remove them.
//
// Errors, where no others are listed: as FileError (beneath.h).
class Part {
 public:
  // `directory` holds the parts; `name` is free there.
  static absl::StatusOr<std::unique_ptr<Part>> Create(int directory,
                                                      std::string name,
                                                      PartIdentity identity);

  // The part with a record of that name, of which nothing is known to be whole
  // before Verify. Null when the record says nothing of use.
  static std::unique_ptr<Part> Restore(int directory, std::string name);

  const std::string& name() const { return name_; }
  const PartIdentity& identity() const { return identity_; }
  bool is_verified() const { return verified_; }
  // So much of the content is here, holes included.
  uint64_t offset() const { return offset_; }
  // Of the content, without holes.
  uint64_t bytes() const { return bytes_; }
  // Of the file, while it is open.
  int file() const { return file_.get(); }

  // Reads what is there, up to where it is as the record says, and cuts off the
  // rest. May take seconds. What cannot be read does not count.
  void Verify();

  absl::Status Open();
  // The bytes follow at offset().
  absl::Status Append(absl::string_view bytes);
  // A hole from offset() on: as much of it as is done at once. Call again until
  // offset() is where it should be.
  absl::Status SkipTowards(uint64_t offset);
  // Nothing follows; the file has this mode. All of it is in the file then, to
  // be synced.
  absl::Status Close(mode_t mode);
  std::string Digest() const { return digest_.Value(); }

  // Everything to the file, and the file closed.
  absl::Status Park();
  // Unlinks the record: the part is no more one to be found again.
  void RemoveRecord();
  void Remove();

 private:
  Part(int directory, std::string name, PartIdentity identity);

  absl::Status StartRecord();
  absl::Status Note();
  std::string record_name() const { return name_ + ".record"; }

  const int directory_;
  const std::string name_;
  PartIdentity identity_;
  bool verified_ = true;
  uint64_t offset_ = 0;
  uint64_t bytes_ = 0;
  framing::Digest digest_;
  Fd file_;
  std::optional<DirectWriter> writer_;  // while it is open and worth it

  // The record, if there is one.
  Fd record_;
  uint64_t record_identity_ = 0;
  uint64_t record_size_ = 0;
  uint64_t noted_ = 0;  // offset
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_PART_H_
