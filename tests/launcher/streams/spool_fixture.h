// A spool, a ledger that takes what is in it, and what was written.
#ifndef MUSTER_TESTS_LAUNCHER_STREAMS_SPOOL_FIXTURE_H_
#define MUSTER_TESTS_LAUNCHER_STREAMS_SPOOL_FIXTURE_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "launcher/streams/spool.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/streams/sender.h"

namespace muster::streams {

using Appended = Spool::Appended;

inline SpoolManifest Manifest() {
  SpoolManifest manifest;
  manifest.mutable_introduction()->set_run_id("run-1");
  manifest.mutable_introduction()->set_node_rank(7);
  manifest.set_muster_version("9.9");
  return manifest;
}

class SpoolTest : public testing::Test {
 protected:
  void Create(SpoolOptions options = {}) {
    options.base = base_ / "spools";
    absl::StatusOr<std::unique_ptr<Spool>> spool =
        Spool::Create(options, Manifest());
    ASSERT_TRUE(spool.ok()) << spool.status();
    spool_ = *std::move(spool);
    sender_ = std::make_unique<Sender>(spool_->segments(), ledger_);
  }

  // Goes on with what was written of the stream.
  Appended Append(StreamId stream, absl::string_view bytes) {
    std::string& written = written_[stream];
    Chunk chunk;
    EXPECT_EQ(chunk.AddData(stream, written.size(), bytes), bytes.size());
    const Appended appended = spool_->Append(chunk.payload(), now_);
    if (appended != Appended::kFull) written.append(bytes.data(), bytes.size());
    return appended;
  }
  Appended End(StreamId stream, StreamEnd how = STREAM_END_CLOSED) {
    Chunk chunk;
    chunk.AddEnd(stream, written_[stream].size(), how);
    return spool_->Append(chunk.payload(), now_);
  }

  // Sends everything and releases it.
  void SendAll() {
    sender_->Connect();
    const std::optional<LogPosition> position = sender_->SendAll();
    if (position) spool_->Release(*position);
  }

  uint64_t OnDisk() {
    uint64_t bytes = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(spool_->path())) {
      bytes += entry.file_size();
    }
    return bytes;
  }
  size_t SegmentFiles() {
    size_t files = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(spool_->path())) {
      files += entry.path().extension() == ".segment";
    }
    return files;
  }

  collector::TempDir base_;
  Spool::TimePoint now_{};
  Ledger ledger_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Sender> sender_;
  std::map<StreamId, std::string> written_;
};

}  // namespace muster::streams

#endif  // MUSTER_TESTS_LAUNCHER_STREAMS_SPOOL_FIXTURE_H_
