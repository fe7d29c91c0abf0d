#include "launcher/collector/journal.h"

#include <fcntl.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/files.h"

namespace muster::collector {
namespace {

using testing::HasSubstr;

JournalRecord Node(uint32_t id) {
  JournalRecord record;
  JournalNode& node = *record.add_nodes();
  node.set_id(id);
  node.set_node_rank(id);
  node.set_first_rank(id);
  node.set_workers(1);
  node.set_world_size(100);
  node.set_incarnation("an incarnation");
  return record;
}

JournalRecord Stored(uint32_t node, uint64_t stored) {
  JournalRecord record;
  JournalStream& stream = *record.add_streams();
  stream.set_node(node);
  stream.mutable_name()->set_kind(STREAM_STDOUT);
  stream.mutable_name()->set_rank(node);
  stream.set_stored(stored);
  return record;
}

JournalRecord WithGap(JournalRecord record, uint64_t offset, uint64_t length) {
  JournalGap& gap = *record.mutable_streams(0)->add_gaps();
  gap.set_offset(offset);
  gap.set_length(length);
  gap.set_reason(GAP_CORRUPT);
  return record;
}

// The state as text, to be compared.
std::string Text(const JournalState& state) {
  std::string text;
  for (const JournalRecord& record : state.Snapshot()) {
    absl::StrAppend(&text, record.DebugString());
  }
  return text;
}

class JournalTest : public testing::Test {
 protected:
  JournalTest()
      : directory_(open(base_.path().c_str(), O_RDONLY | O_DIRECTORY)) {}

  absl::StatusOr<std::unique_ptr<Journal>> Open() {
    return Journal::Open(directory_.get(), base_.path());
  }
  std::unique_ptr<Journal> Fresh() {
    EXPECT_TRUE(Journal::Create(directory_.get(), base_.path()).ok());
    return *Open();
  }
  std::string path() const { return base_ / "journal"; }

  // A journal of some records; the file's size after each, and what it says
  // then.
  struct Step {
    uint64_t size;
    std::string state;
  };
  std::vector<Step> WriteSome() {
    const std::unique_ptr<Journal> journal = Fresh();
    std::vector<Step> steps = {{journal->size(), Text(journal->state())}};
    for (const JournalRecord& record :
         {Node(0), Stored(0, 10), WithGap(Stored(0, 20), 15, 5), Node(1),
          Stored(1, 1000), Stored(0, 21)}) {
      EXPECT_TRUE(journal->Append(record).ok());
      steps.push_back({journal->size(), Text(journal->state())});
    }
    return steps;
  }

  TempDir base_;
  Fd directory_;
};

TEST_F(JournalTest, SaysAfterARestartWhatItSaidBefore) {
  const std::vector<Step> steps = WriteSome();
  const auto again = Open();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Text((*again)->state()), steps.back().state);
  const auto& stream = (*again)->state().streams(0).at({STREAM_STDOUT, 0});
  EXPECT_EQ(stream.stored, 21u);
  EXPECT_EQ(stream.position(), 26u);
  EXPECT_TRUE((*again)->Append(Stored(0, 30)).ok());
  EXPECT_EQ((*Open())->state().streams(0).at({STREAM_STDOUT, 0}).stored, 30u);
}

TEST_F(JournalTest, CutAnywhereSaysWhatItsWholeRecordsSay) {
  const std::vector<Step> steps = WriteSome();
  const std::string whole = ReadFile(path());
  for (size_t size = 0; size < whole.size(); ++size) {
    WriteFile(path(), whole.substr(0, size));
    const auto journal = Open();
    if (size < steps[0].size) {
      EXPECT_TRUE(absl::IsDataLoss(journal.status())) << size;
      EXPECT_THAT(std::string(journal.status().message()), HasSubstr(path()));
      continue;
    }
    ASSERT_TRUE(journal.ok()) << size << ": " << journal.status();
    size_t step = 0;
    while (step + 1 < steps.size() && steps[step + 1].size <= size) ++step;
    EXPECT_EQ(Text((*journal)->state()), steps[step].state) << size;
    // What comes next stands where the torn record stood.
    ASSERT_TRUE((*journal)->Append(Node(step < 1 ? 0 : step < 4 ? 1 : 2)).ok());
    const std::string after = Text((*journal)->state());
    EXPECT_EQ(Text((*Open())->state()), after) << size;
  }
}

TEST_F(JournalTest, DamagedAnywhereIsRefusedOrLosesItsLastRecordOnly) {
  const std::vector<Step> steps = WriteSome();
  const std::string whole = ReadFile(path());
  const uint64_t last = steps[steps.size() - 2].size;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flipped : {0x01, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ flipped);
      WriteFile(path(), bytes);
      const auto journal = Open();
      if (at >= last) {
        ASSERT_TRUE(journal.ok()) << at << ": " << journal.status();
        EXPECT_EQ(Text((*journal)->state()), steps[steps.size() - 2].state);
      } else {
        EXPECT_TRUE(absl::IsDataLoss(journal.status())) << at;
        EXPECT_THAT(std::string(journal.status().message()), HasSubstr(path()));
      }
    }
  }
}

TEST_F(JournalTest, OverwrittenAtRandomNeverSaysWhatItNeverSaid) {
  const std::vector<Step> steps = WriteSome();
  const std::string whole = ReadFile(path());
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string bytes = whole;
    const size_t from = random() % bytes.size();
    const size_t length = 1 + random() % 64;
    for (size_t i = from; i < std::min(from + length, bytes.size()); ++i) {
      bytes[i] = round % 3 == 0 ? '\0' : static_cast<char>(random());
    }
    if (round % 5 == 0) bytes.resize(random() % bytes.size());
    if (round % 7 == 0) bytes += std::string(random() % 5000, '\0');
    WriteFile(path(), bytes);
    const auto journal = Open();
    if (!journal.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(journal.status())) << journal.status();
      continue;
    }
    const std::string state = Text((*journal)->state());
    EXPECT_TRUE(std::any_of(
        steps.begin(), steps.end(),
        [&state](const Step& step) { return step.state == state; }));
  }
}

TEST_F(JournalTest, ThatIsMissingIsRefused) {
  EXPECT_TRUE(absl::IsDataLoss(Open().status()));
}

TEST_F(JournalTest, OfAnotherVersionIsRefused) {
  Fresh();
  std::string bytes = ReadFile(path());
  bytes[5] = 9;
  WriteFile(path(), bytes);
  EXPECT_TRUE(absl::IsDataLoss(Open().status()));
}

TEST_F(JournalTest, StaysSmallHoweverMuchIsCommitted) {
  constexpr uint32_t kNodes = 50;
  constexpr uint64_t kCommits = 600;
  const std::unique_ptr<Journal> journal = Fresh();
  for (uint32_t node = 0; node < kNodes; ++node) {
    ASSERT_TRUE(journal->Append(Node(node)).ok());
  }
  uint64_t most = 0;
  for (uint64_t i = 1; i <= kCommits; ++i) {
    JournalRecord record;
    for (uint32_t node = 0; node < kNodes; ++node) {
      record.MergeFrom(Stored(node, i));
    }
    ASSERT_TRUE(journal->Append(record).ok());
    most = std::max(most, journal->size());
  }
  EXPECT_GT(most, uint64_t{200} << 10) << "never compacted: the test is void";
  EXPECT_LT(most, uint64_t{300} << 10);
  EXPECT_LT(journal->size(), most);
  EXPECT_EQ((*Open())->state().streams(7).at({STREAM_STDOUT, 7}).stored,
            kCommits);
  EXPECT_EQ(Tree(base_.path()).size(), 1u);
}

TEST_F(JournalTest, TakesMoreStreamsAtOnceThanARecordHolds) {
  const std::unique_ptr<Journal> journal = Fresh();
  JournalRecord record;
  for (uint32_t id = 0; id < 5000; ++id) {
    record.MergeFrom(Node(id));
    record.mutable_nodes(static_cast<int>(id))
        ->set_incarnation(std::string(100, 'i'));
    JournalRecord stored = Stored(id, id + 1);
    for (uint64_t gap = 0; gap < 20; ++gap) {
      stored = WithGap(std::move(stored), id + 1 + gap * 10, 10);
    }
    record.MergeFrom(stored);
  }
  ASSERT_GT(record.ByteSizeLong(), kMaxRecordBytes);
  ASSERT_TRUE(journal->Append(record).ok());
  EXPECT_EQ(Text((*Open())->state()), Text(journal->state()));
  EXPECT_EQ((*Open())->state().streams(4999).at({STREAM_STDOUT, 4999}).stored,
            5000u);
}

TEST_F(JournalTest, ASnapshotOfSeveralRecordsIsWholeOrDamaged) {
  std::unique_ptr<Journal> journal = Fresh();
  for (uint32_t id = 0; id < 9000; ++id) {
    JournalRecord node = Node(id);
    node.mutable_nodes(0)->set_incarnation(std::string(120, 'i'));
    JournalRecord next = std::move(node);
    while (next.ByteSizeLong() < 900 * 1000 && id + 1 < 9000) {
      next.MergeFrom(Node(++id));
      next.mutable_nodes(next.nodes_size() - 1)
          ->set_incarnation(std::string(120, 'i'));
    }
    ASSERT_TRUE(journal->Append(next).ok());
  }
  // What is said again and again makes it compact.
  JournalRecord record;
  for (uint32_t node = 0; node < 9000; ++node) {
    record.MergeFrom(Stored(node, 1));
  }
  uint64_t before = 0;
  while (before < journal->size()) {
    before = journal->size();
    ASSERT_TRUE(journal->Append(record).ok());
  }
  const std::string state = Text(journal->state());
  const std::string bytes = ReadFile(path());
  ASSERT_GT(bytes.size(), kMaxRecordBytes);
  EXPECT_EQ(Text((*Open())->state()), state);
  WriteFile(path(), bytes.substr(0, bytes.size() - 1));
  EXPECT_TRUE(absl::IsDataLoss(Open().status()));
}

TEST_F(JournalTest, RefusesRecordsThatContradictEarlierOnes) {
  const std::unique_ptr<Journal> journal = Fresh();
  ASSERT_TRUE(journal->Append(Node(0)).ok());
  ASSERT_TRUE(journal->Append(WithGap(Stored(0, 20), 15, 5)).ok());
  EXPECT_TRUE(absl::IsDataLoss(journal->Append(Node(2))));
  EXPECT_TRUE(absl::IsDataLoss(journal->Append(Stored(7, 1))));
  EXPECT_TRUE(absl::IsDataLoss(journal->Append(Stored(0, 19))));
  EXPECT_TRUE(absl::IsDataLoss(journal->Append(WithGap(Stored(0, 20), 3, 1))));
  EXPECT_TRUE(absl::IsDataLoss(journal->Append(WithGap(Stored(0, 20), 99, 1))));
  EXPECT_TRUE(absl::IsDataLoss(
      journal->Append(WithGap(Stored(0, 20), 20, ~uint64_t{0}))));
}

}  // namespace
}  // namespace muster::collector
