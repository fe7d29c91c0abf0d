#include "launcher/collector/log_store.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/collector/journal.h"
#include "launcher/collector/names.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/collector/logs_client.h"

namespace muster::collector {
namespace {

using testing::HasSubstr;

NodeRegister::Entry Entry(uint32_t id, uint32_t workers = 1,
                          uint32_t world = 4) {
  NodeRegister::Entry entry;
  entry.node.set_id(id);
  entry.node.set_node_rank(id);
  entry.node.set_first_rank(id * workers);
  entry.node.set_workers(workers);
  entry.node.set_world_size(world);
  entry.node.set_incarnation("one");
  entry.is_new = true;
  return entry;
}

// A run directory with its journal, which can be closed and opened again as by
// a process that died: what was not journaled is forgotten.
class Disk {
 public:
  explicit Disk(const std::string& path, uint64_t quota = 0)
      : path_(path), quota_(quota) {
    root_ = Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_TRUE(Journal::Create(root_.get(), path).ok());
    Restart();
  }

  void Restart() {
    const absl::Status status = TryRestart();
    ASSERT_TRUE(status.ok()) << status;
  }
  absl::Status TryRestart() {
    logs_.reset();
    auto journal = Journal::Open(root_.get(), path_);
    if (!journal.ok()) return journal.status();
    journal_ = *std::move(journal);
    auto logs = LogStore::Open({.root = root_.get(),
                                .shown = path_,
                                .cache = &cache_,
                                .quota = &quota_},
                               journal_->state());
    if (!logs.ok()) return logs.status();
    logs_ = *std::move(logs);
    return absl::OkStatus();
  }
  void Commit() { Commit(logs_->TakeChanges()); }
  void Commit(const LogChanges& changes) {
    ASSERT_TRUE(journal_->Append(changes.record).ok());
  }

  LogStore& logs() { return *logs_; }
  FileCache& cache() { return cache_; }
  Quota& quota() { return quota_; }

 private:
  const std::string path_;
  Quota quota_;
  FileCache cache_{4};
  Fd root_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<LogStore> logs_;
};

class LogStoreTest : public testing::Test {
 protected:
  std::string In(const std::string& name) const { return base_ / name; }
  TempDir base_;
};

absl::Status Append(LogStore& logs, uint32_t node, uint32_t rank,
                    uint64_t offset, const std::string& bytes) {
  return logs.Append(node, Data(Stdout(rank), offset, bytes).data());
}

TEST_F(LogStoreTest, MakesTheLogsOfANodeAtOnce) {
  Disk disk(base_.path());
  ASSERT_TRUE(disk.logs().AddNode(Entry(0, 2, 12)).ok());
  for (const char* name :
       {"00.stdout", "00.stderr", "01.stdout", "01.stderr", "node0.agent"}) {
    EXPECT_TRUE(std::filesystem::exists(In(absl::StrCat("logs/", name))))
        << name;
  }
  NodeRegister::Entry later = Entry(1, 1, 12);
  later.node.set_attempt(2);
  ASSERT_TRUE(disk.logs().AddNode(later).ok());
  EXPECT_TRUE(std::filesystem::exists(In("logs/attempt2/01.stdout")));
}

TEST_F(LogStoreTest, ForgetsWhatWasNotCommitted) {
  Disk disk(base_.path());
  ASSERT_TRUE(disk.logs().AddNode(Entry(0)).ok());
  ASSERT_TRUE(Append(disk.logs(), 0, 0, 0, "durable").ok());
  ASSERT_TRUE(disk.logs().AddGap(0, Gap(Stdout(0), 7, 3).gap()).ok());
  disk.Commit();
  ASSERT_TRUE(Append(disk.logs(), 0, 0, 10, "and not").ok());
  ASSERT_TRUE(disk.logs().AddGap(0, Gap(Stdout(0), 17, 3).gap()).ok());
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "durableand not");
  const std::string both = ReadFile(In("logs/0.stdout.gaps"));
  disk.Restart();
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "durable");
  EXPECT_EQ(ReadFile(In("logs/0.stdout.gaps")),
            both.substr(0, both.size() / 2));
  EXPECT_EQ(disk.logs().Positions(0).at(0).offset(), 10u);
  ASSERT_TRUE(Append(disk.logs(), 0, 0, 10, "!").ok());
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "durable!");
}

TEST_F(LogStoreTest, WritesGapFilesAnewThatAreGoneOrWrong) {
  Disk disk(base_.path());
  ASSERT_TRUE(disk.logs().AddNode(Entry(0)).ok());
  ASSERT_TRUE(disk.logs().AddGap(0, Gap(Stdout(0), 0, 3).gap()).ok());
  ASSERT_TRUE(disk.logs()
                  .End(0, EndOf(Stdout(0), 3, STREAM_END_AGENT_DIED).end())
                  .ok());
  disk.Commit();
  const std::string right = ReadFile(In("logs/0.stdout.gaps"));
  EXPECT_THAT(right, HasSubstr("{\"offset\":3,\"end\":\"agent-died\"}\n"));
  for (const std::string& wrong :
       {std::string(), right.substr(0, 5), right + "{\"offset\":", "?" + right,
        std::string(1000, '\0')}) {
    WriteFile(In("logs/0.stdout.gaps"), wrong);
    WriteFile(In("logs/0.stderr.gaps"), wrong);
    disk.Restart();
    EXPECT_EQ(ReadFile(In("logs/0.stdout.gaps")), right);
    EXPECT_FALSE(std::filesystem::exists(In("logs/0.stderr.gaps")));
  }
  std::filesystem::remove(In("logs/0.stdout.gaps"));
  disk.Restart();
  EXPECT_EQ(ReadFile(In("logs/0.stdout.gaps")), right);
  EXPECT_TRUE(disk.logs().Positions(0).at(0).ended());
}

TEST_F(LogStoreTest, WritesMoreLogsThanItKeepsOpen) {
  Disk disk(base_.path());
  ASSERT_TRUE(disk.logs().AddNode(Entry(0, 30, 30)).ok());
  for (uint64_t round = 0; round < 3; ++round) {
    for (uint32_t rank = 0; rank < 30; ++rank) {
      ASSERT_TRUE(Append(disk.logs(), 0, rank, round * 2, "ab").ok());
    }
    EXPECT_EQ(disk.cache().open_files(), 4u);
  }
  const LogChanges changes = disk.logs().TakeChanges();
  EXPECT_TRUE(changes.sync_all) << "rather than thirty files";
  EXPECT_TRUE(changes.files.empty());
  EXPECT_EQ(changes.record.streams_size(), 30);
  EXPECT_EQ(ReadFile(In("logs/29.stdout")), "ababab");
}

TEST_F(LogStoreTest, NamesTheFilesToSyncEachOnce) {
  Disk disk(base_.path());
  ASSERT_TRUE(disk.logs().AddNode(Entry(0, 2)).ok());
  EXPECT_EQ(disk.logs().TakeChanges().directories,
            (std::set<std::string>{"", "logs"}));
  for (uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(Append(disk.logs(), 0, 1, i, "x").ok());
  }
  const LogChanges changes = disk.logs().TakeChanges();
  ASSERT_EQ(changes.files.size(), 1u);
  EXPECT_EQ(changes.files[0].path, "logs/1.stdout");
  ASSERT_EQ(changes.record.streams_size(), 1);
  EXPECT_EQ(changes.record.streams(0).stored(), 5u);
  EXPECT_TRUE(disk.logs().TakeChanges().empty());
}

// A byte and a gap of two, again and again.
TEST_F(LogStoreTest, AStreamMayHaveAnyNumberOfGaps) {
  constexpr uint64_t kGaps = 3 * kMaxGapsAtOnce;
  Disk disk(base_.path());
  ASSERT_TRUE(disk.logs().AddNode(Entry(0)).ok());
  disk.Commit();
  uint64_t at = 0;
  const auto add = [&](uint64_t gaps) {
    for (; gaps > 0; --gaps, at += 3) {
      ASSERT_TRUE(Append(disk.logs(), 0, 0, at, "x").ok());
      ASSERT_TRUE(disk.logs().AddGap(0, Gap(Stdout(0), at + 1, 2).gap()).ok());
    }
    ASSERT_TRUE(Append(disk.logs(), 0, 0, at, "!").ok());
    ++at;
  };
  for (int round = 0; round < 2; ++round) {
    add(kGaps);
    const LogChanges changes = disk.logs().TakeChanges();
    EXPECT_GT(changes.record.streams_size(), 2);
    disk.Commit(changes);
    const std::string gaps = ReadFile(In("logs/0.stdout.gaps"));
    disk.Restart();  // from the journal, and then from a snapshot of it
    EXPECT_EQ(disk.logs().Positions(0).at(0).offset(), at);
    EXPECT_EQ(disk.logs().Totals(0).gaps, (round + 1) * 2 * kGaps);
    EXPECT_EQ(ReadFile(In("logs/0.stdout.gaps")), gaps);
  }
}

// A crash in the middle of a commit leaves some of them.
TEST_F(LogStoreTest, PartOfManyGapsIsWhereTheStreamWasOnce) {
  Disk disk(base_.path());
  ASSERT_TRUE(disk.logs().AddNode(Entry(0)).ok());
  ASSERT_TRUE(disk.logs().AddGap(0, Gap(Stdout(0), 0, 5).gap()).ok());
  disk.Commit();
  uint64_t at = 5;
  for (uint64_t i = 0; i < 2 * kMaxGapsAtOnce; ++i, at += 3) {
    ASSERT_TRUE(Append(disk.logs(), 0, 0, at, "x").ok());
    ASSERT_TRUE(disk.logs().AddGap(0, Gap(Stdout(0), at + 1, 2).gap()).ok());
  }
  ASSERT_TRUE(disk.logs().End(0, EndOf(Stdout(0), at).end()).ok());
  LogChanges changes = disk.logs().TakeChanges();
  changes.record.mutable_streams()->RemoveLast();
  disk.Commit(changes);
  disk.Restart();
  const StreamPosition position = disk.logs().Positions(0).at(0);
  EXPECT_EQ(position.offset(), 5 + 3 * kMaxGapsAtOnce);
  EXPECT_FALSE(position.ended());
  EXPECT_EQ(ReadFile(In("logs/0.stdout")).size(), kMaxGapsAtOnce);
}

TEST_F(LogStoreTest, AFullDiskLeavesNoTraceAndNothingIsDoubledLater) {
  const std::string path = base_ / "disk";
  std::filesystem::create_directory(path);
  if (mount("tmpfs", path.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "needs the right to mount a tmpfs";
  }
  {
    Disk disk(path);
    ASSERT_TRUE(disk.logs().AddNode(Entry(0)).ok());
    WriteFile(path + "/ballast", std::string(600 * 1000, 'b'));
    const auto piece = [](uint64_t i) {
      return std::string(100 * 1000, static_cast<char>('a' + i));
    };
    absl::Status status;
    uint64_t i = 0;
    while (status.ok() && i < 10) {
      status = Append(disk.logs(), 0, 0, 100 * 1000 * i, piece(i));
      if (status.ok()) ++i;
    }
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
    EXPECT_THAT(std::string(status.message()), HasSubstr("logs/0.stdout"));
    EXPECT_EQ(std::filesystem::file_size(path + "/logs/0.stdout"),
              100 * 1000 * i);
    EXPECT_EQ(disk.quota().used(), 100 * 1000 * i);
    const absl::Status gap =
        disk.logs().AddGap(0, Gap(Stdout(0), 100 * 1000 * i, 1).gap());
    EXPECT_TRUE(gap.ok() || absl::IsResourceExhausted(gap)) << gap;
    std::filesystem::remove(path + "/ballast");
    if (!gap.ok()) {
      ASSERT_TRUE(
          disk.logs().AddGap(0, Gap(Stdout(0), 100 * 1000 * i, 1).gap()).ok());
    }
    ASSERT_TRUE(Append(disk.logs(), 0, 0, 100 * 1000 * i + 1, piece(i)).ok());
    std::string whole;
    for (uint64_t j = 0; j <= i; ++j) whole += piece(j);
    EXPECT_EQ(ReadFile(path + "/logs/0.stdout"), whole);
    const std::string gaps = ReadFile(path + "/logs/0.stdout.gaps");
    EXPECT_EQ(std::count(gaps.begin(), gaps.end(), '\n'), 1) << gaps;
  }
  EXPECT_EQ(umount2(path.c_str(), MNT_DETACH), 0);
}

// ---- random runs against a model ----

// What one stream's worker wrote, and what is to be kept of it.
struct Model {
  std::string file;
  std::string gaps;
  uint64_t position = 0;
  bool ended = false;
};

class RandomRun {
 public:
  explicit RandomRun(const std::string& path, uint32_t seed)
      : path_(path), disk_(path), random_(seed) {}

  void Go() {
    for (int step = 0; step < 400 && !testing::Test::HasFailure(); ++step) {
      Step();
    }
    Restart();
  }

 private:
  static constexpr uint32_t kNodes = 3;

  void Step() {
    const uint32_t node = random_() % kNodes;
    if (node >= known_) {
      ASSERT_TRUE(disk_.logs().AddNode(Entry(known_)).ok());
      ++known_;
      return;
    }
    Model& model = now_[node];
    switch (random_() % 16) {
      case 0:
        return Restart();
      case 1:
      case 2:
        disk_.Commit();
        durable_ = now_;
        durable_known_ = known_;
        return;
      case 3:
      case 4:
        return AddGap(node, model);
      case 5:
        if (random_() % 8 == 0) End(node, model);
        return;
      case 6:  // what does not follow changes nothing
        EXPECT_FALSE(
            Append(disk_.logs(), node, node, model.position + 1, "x").ok());
        return;
      default:
        return Write(node, model);
    }
  }

  void Write(uint32_t node, Model& model) {
    const std::string bytes(random_() % 3000, static_cast<char>(random_()));
    const absl::Status written =
        Append(disk_.logs(), node, node, model.position, bytes);
    EXPECT_EQ(written.ok(), !model.ended) << written;
    if (!written.ok()) return;
    model.file += bytes;
    model.position += bytes.size();
  }

  void AddGap(uint32_t node, Model& model) {
    LogGap gap = Gap(Stdout(node), model.position, 1 + random_() % 5000).gap();
    gap.set_at_unix_ms(random_());
    const absl::Status added = disk_.logs().AddGap(node, gap);
    EXPECT_EQ(added.ok(), !model.ended) << added;
    if (!added.ok()) return;
    JournalGap entry;
    entry.set_offset(gap.offset());
    entry.set_length(gap.length());
    entry.set_reason(gap.reason());
    entry.set_at_unix_ms(gap.at_unix_ms());
    model.gaps += GapLine(entry);
    model.position += gap.length();
  }

  void End(uint32_t node, Model& model) {
    const StreamEnd how = static_cast<StreamEnd>(1 + random_() % 3);
    const absl::Status ended =
        disk_.logs().End(node, EndOf(Stdout(node), model.position, how).end());
    EXPECT_EQ(ended.ok(), !model.ended) << ended;
    if (!ended.ok()) return;
    model.ended = true;
    model.gaps += EndLine(model.position, how);
  }

  // As a process that died: the files may hold more than is durable, though
  // never less.
  void Restart() {
    Compare();
    for (uint32_t node = 0; node < known_; ++node) {
      std::ofstream(Log(node), std::ios::app) << "torn bytes";
      if (random_() % 2 == 0) {
        std::ofstream(Log(node) + ".gaps", std::ios::app) << "{\"offs";
      }
    }
    disk_.Restart();
    now_ = durable_;
    known_ = durable_known_;
    Compare();
  }

  void Compare() {
    for (uint32_t node = 0; node < known_; ++node) {
      const Model& model = now_[node];
      EXPECT_EQ(ReadFile(Log(node)), model.file);
      EXPECT_EQ(ReadFile(Log(node) + ".gaps"), model.gaps);
      const auto positions = disk_.logs().Positions(node);
      if (model.position == 0 && !model.ended) {
        EXPECT_TRUE(positions.empty());
      } else {
        ASSERT_EQ(positions.size(), 1u);
        EXPECT_EQ(positions[0].offset(), model.position);
        EXPECT_EQ(positions[0].ended(), model.ended);
      }
      const LogTotals totals = disk_.logs().Totals(node);
      EXPECT_EQ(totals.stored, model.file.size());
      EXPECT_EQ(totals.stored + totals.gaps, model.position);
    }
  }

  std::string Log(uint32_t node) const {
    return absl::StrCat(path_, "/logs/", node, ".stdout");
  }

  const std::string path_;
  Disk disk_;
  std::mt19937 random_;
  std::array<Model, kNodes> now_;
  uint32_t known_ = 0;
  std::array<Model, kNodes> durable_;
  uint32_t durable_known_ = 0;
};

TEST_F(LogStoreTest, KeepsExactlyWhatWasWrittenThroughRandomRestarts) {
  for (uint32_t seed = 0; seed < 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const std::string path = base_ / absl::StrCat("run", seed);
    std::filesystem::create_directory(path);
    RandomRun(path, seed).Go();
  }
}

}  // namespace
}  // namespace muster::collector
