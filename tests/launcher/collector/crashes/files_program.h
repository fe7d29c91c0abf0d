// What the crash program for files and the check of them agree on.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_CRASHES_FILES_PROGRAM_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_CRASHES_FILES_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "launcher/collector/beneath.h"
#include "launcher/collector/file_cache.h"
#include "launcher/collector/file_intake.h"
#include "launcher/collector/file_store.h"
#include "launcher/collector/quota.h"
#include "proto/collector.pb.h"
#include "tests/support/records/log_pattern.h"

namespace muster::collector {

// Content that says which version of which file it is.
inline std::string FileContent(uint32_t file, int version, size_t size) {
  const test::LogPattern pattern(
      {.rank = file * 100 + static_cast<uint32_t>(version)});
  std::string bytes(size, '\0');
  pattern.Fill(0, bytes.data(), size);
  return bytes;
}

// A node that sends its files into a run's directory, in one thread.
class FileNode {
 public:
  // Dies when the directory can't be used.
  explicit FileNode(const std::string& directory);

  // A whole file; stops after `most` messages of data, if so many are needed.
  // True when it was stored.
  bool Send(const std::string& path, int version, const std::string& content,
            int most = 1 << 20);
  // Three small ones, named "<path>0", "<path>1", "<path>2".
  bool SendPack(const std::string& path, const std::string& content);
  // Opens a file to follow it; what was sent of it and is durable is returned.
  void Follow(uint64_t transfer, const std::string& path, uint64_t offset);
  uint64_t Grow(uint64_t transfer, uint64_t offset, const std::string& bytes);
  bool Move(const std::string& from, const std::string& to);
  // Where the last Send went on from.
  uint64_t resumed_at() const { return resumed_at_; }

 private:
  // All answers to a message, once the disk has done its part.
  void Take(const FileUp& message);

  Quota quota_{0};
  FileCache cache_{16};
  Fd root_;
  Fd hidden_;
  std::unique_ptr<FileStore> store_;
  std::unique_ptr<FileIntake> intake_;
  uint64_t transfer_ = 1000;
  uint64_t resumed_at_ = 0;
  // Of the last message:
  uint64_t opened_ = 0;
  uint64_t progress_ = 0;
  int stored_ = 0;
};

inline constexpr size_t kMediumBytes = 20'000;
inline constexpr size_t kSmallBytes = 700;
inline constexpr size_t kLargeBytes = 4'800'000;  // its digest is noted once

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_CRASHES_FILES_PROGRAM_H_
