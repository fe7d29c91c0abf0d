#include "launcher/streams/outflow.h"

#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/streams/fake_collector.h"
#include "tests/launcher/streams/loop.h"

namespace muster::streams {
namespace {

using collector::TempDir;
using testing::HasSubstr;
using testing::IsEmpty;

namespace fs = std::filesystem;

constexpr StreamId kOut0 = {.kind = STREAM_STDOUT, .rank = 0};
constexpr StreamId kErr0 = {.kind = STREAM_STDERR, .rank = 0};
constexpr StreamId kOut1 = {.kind = STREAM_STDOUT, .rank = 1};
constexpr StreamId kAgent = {.kind = STREAM_AGENT};

// Bytes that differ from place to place.
std::string Text(size_t size, int seed = 0) {
  std::string text(size, '\0');
  uint64_t state = static_cast<uint64_t>(seed) + 1;
  for (char& c : text) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return text;
}

class OutflowTest : public testing::Test {
 protected:
  void Open(SpoolOptions spool = {}) {
    spool.base = base_ / "spools";
    OutflowOptions options{
        .spool = spool, .collector = "10.0.0.1:29400", .host_name = "tux1"};
    options.introduction.set_run_id("run");
    options.introduction.set_node_rank(3);
    options.introduction.set_workers(2);
    options.introduction.set_incarnation("abc");
    auto opened = Outflow::Open(
        loop_.context(), options, server_.Channel(),
        {.on_pause = [this](bool paused) { paused_ = paused; },
         .on_notice =
             [this](const std::string& line) { notices_.push_back(line); },
         .on_done = [this](const OutflowResult& result) { result_ = result; }});
    ASSERT_TRUE(opened.ok()) << opened.status();
    outflow_ = *std::move(opened);
  }

  void Append(StreamId stream, const std::string& bytes) {
    written_[stream] += bytes;
    outflow_->Append(stream, bytes);
  }

  // Ends everything and waits for the result.
  OutflowResult Finish() {
    outflow_->Finish();
    return Result();
  }
  OutflowResult Result() {
    EXPECT_TRUE(loop_.RunUntil([&] { return result_.has_value(); }));
    return result_.value_or(OutflowResult());
  }

  // All that was written is stored, without gaps.
  void ExpectAllStored() {
    for (const auto& [stream, bytes] : written_) {
      const Stored stored = collector().Get(stream);
      EXPECT_EQ(Compare(bytes, stored), "");
      EXPECT_THAT(stored.gaps, IsEmpty());
    }
  }

  FakeCollector& collector() { return server_.collector(); }
  std::vector<std::string> Spools() {
    std::vector<std::string> spools;
    for (const auto& entry : fs::directory_iterator(base_ / "spools")) {
      spools.push_back(entry.path());
    }
    return spools;
  }

  TempDir base_;
  CollectorServer server_;
  Loop loop_;
  std::map<StreamId, std::string> written_;
  bool paused_ = false;
  std::vector<std::string> notices_;
  std::optional<OutflowResult> result_;
  std::unique_ptr<Outflow> outflow_;
};

TEST_F(OutflowTest, CarriesEveryByteAndRemovesTheSpool) {
  Open();
  Append(kOut0, Text(1'000'000));
  Append(kErr0, "oh\n");
  Append(kOut1, Text(3'000'000, 1));
  Append(kOut0, Text(70'000, 2));
  outflow_->AppendAgentLog("muster: hello\n");
  outflow_->End(kOut0, STREAM_END_CLOSED);
  outflow_->End(kErr0, STREAM_END_CLOSED);
  const OutflowResult result = Finish();
  ASSERT_TRUE(result.done) << result.problem;
  EXPECT_EQ(result.problem, "");
  EXPECT_EQ(result.done->stored_bytes(), 4'070'003u);
  EXPECT_EQ(result.done->gap_bytes(), 0u);
  written_[kAgent] = "muster: hello\n";
  ExpectAllStored();
  EXPECT_EQ(collector().Get(kOut0).how, STREAM_END_CLOSED);
  EXPECT_EQ(collector().Get(kOut1).how, STREAM_END_ABANDONED);
  EXPECT_EQ(collector().Get(kAgent).how, STREAM_END_CLOSED);
  EXPECT_EQ(collector().Introductions()[0].incarnation(), "abc");
  EXPECT_THAT(Spools(), IsEmpty());
  EXPECT_EQ(outflow_->progress().waiting_bytes, 0u);
  EXPECT_EQ(outflow_->progress().acknowledged_bytes, 4'070'017u);
}

}  // namespace
}  // namespace muster::streams
