#include "launcher/collector/file_intake.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/framing/digest.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/collector/files_server.h"

namespace muster::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace fs = std::filesystem;

constexpr auto kInvalid =
    static_cast<uint32_t>(absl::StatusCode::kInvalidArgument);
constexpr auto kClash =
    static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition);
constexpr auto kDataLoss = static_cast<uint32_t>(absl::StatusCode::kDataLoss);

std::string DigestOf(const std::string& bytes) {
  framing::Digest digest;
  digest.Update(bytes);
  return digest.Value();
}

FileUp OpenFile(uint64_t transfer, const std::string& path, uint64_t size,
                uint64_t inode = 1) {
  FileUp up;
  FileOpen& open = *up.mutable_open();
  open.set_transfer(transfer);
  open.set_path(path);
  open.set_mode(0644);
  open.mutable_version()->set_size(size);
  open.mutable_version()->set_inode(inode);
  return up;
}

FileUp Follow(uint64_t transfer, const std::string& path, uint64_t offset) {
  FileUp up = OpenFile(transfer, path, 0);
  up.mutable_open()->set_follow(true);
  up.mutable_open()->set_offset(offset);
  return up;
}

FileUp Data(uint64_t transfer, uint64_t offset, const std::string& bytes) {
  FileUp up;
  FileData& data = *up.mutable_data();
  data.set_transfer(transfer);
  data.set_offset(offset);
  data.set_data(bytes);
  data.set_checksum(framing::Checksum(bytes));
  return up;
}

FileUp CloseFile(uint64_t transfer, uint64_t size, const std::string& digest) {
  FileUp up;
  up.mutable_close()->set_transfer(transfer);
  up.mutable_close()->set_size(size);
  up.mutable_close()->set_digest(digest);
  return up;
}

FileUp Small(uint64_t transfer, const std::string& path,
             const std::string& bytes) {
  FileUp up;
  SmallFile& small = *up.mutable_pack()->add_files();
  small.set_transfer(transfer);
  small.set_path(path);
  small.set_mode(0644);
  small.set_data(bytes);
  small.set_checksum(framing::Checksum(bytes));
  return up;
}

FileUp Move(uint64_t transfer, const std::string& from, const std::string& to) {
  FileUp up;
  up.mutable_move()->set_transfer(transfer);
  up.mutable_move()->set_from(from);
  up.mutable_move()->set_to(to);
  return up;
}

FileUp Finish() {
  FileUp up;
  up.mutable_finish();
  return up;
}

// What came back, all together.
struct Answers {
  std::map<uint64_t, uint64_t> opened;
  std::map<uint64_t, uint64_t> progress;
  std::vector<uint64_t> stored;
  std::map<uint64_t, uint32_t> refused;
  std::vector<std::string> messages;
  std::optional<FileDone> done;

  void Add(const FileDown& down) {
    if (down.has_opened()) {
      opened[down.opened().transfer()] = down.opened().offset();
    }
    if (down.has_progress()) {
      progress[down.progress().transfer()] = down.progress().offset();
    }
    for (const uint64_t transfer : down.outcomes().stored()) {
      stored.push_back(transfer);
    }
    for (const FileRefused& one : down.outcomes().refused()) {
      refused[one.transfer()] = one.code();
      messages.push_back(one.message());
    }
    if (down.has_done()) done = down.done();
  }
};

class FileIntakeTest : public testing::Test {
 protected:
  FileIntakeTest() { NewStream(); }

  void NewStream() {
    intake_.reset();
    intake_ = std::make_unique<FileIntake>(*run_->store, 0);
    answers_ = {};
    intake_->TakeAnswers();
  }
  // A collector that was killed and started again.
  void NewCollector(uint64_t quota = 0) {
    intake_.reset();
    // What a process that was killed could not remove.
    const std::string kept = base_ / "kept";
    if (fs::exists(Parts())) {
      fs::remove_all(kept);
      fs::copy(Parts(), kept, fs::copy_options::recursive);
    }
    run_.reset();
    if (fs::exists(kept)) {
      fs::remove_all(Parts());
      fs::rename(kept, Parts());
    }
    run_ = std::make_unique<TestRun>(base_ / "run", quota);
    NewStream();
  }

  absl::Status Take(const FileUp& message) {
    absl::Status taken = intake_->Take(message);
    while (taken.ok() && intake_->busy()) taken = intake_->Continue();
    Collect();
    return taken;
  }
  absl::Status Work() {
    std::unique_ptr<FileWork> work = intake_->TakeWork();
    if (!work) return absl::OkStatus();
    FileWork* const works[] = {work.get()};
    RunFileWork(works);
    const absl::Status done = intake_->Done(std::move(work));
    Collect();
    return done;
  }
  void Send(const FileUp& message) {
    const absl::Status taken = Take(message);
    EXPECT_TRUE(taken.ok()) << taken;
  }
  void Finished() {
    for (;;) {
      std::unique_ptr<FileWork> work = intake_->TakeVerification();
      if (!work) work = intake_->TakeWork();
      if (!work) break;
      FileWork* const works[] = {work.get()};
      RunFileWork(works);
      const absl::Status done = intake_->Done(std::move(work));
      EXPECT_TRUE(done.ok()) << done;
    }
    Collect();
  }
  void SendWhole(uint64_t transfer, const std::string& path,
                 const std::string& bytes, uint64_t inode = 1) {
    Send(OpenFile(transfer, path, bytes.size(), inode));
    Finished();
    for (uint64_t at = answers_.opened[transfer]; at < bytes.size();
         at += 1 << 20) {
      Send(Data(transfer, at, bytes.substr(at, 1 << 20)));
    }
    Send(CloseFile(transfer, bytes.size(), DigestOf(bytes)));
    Finished();
  }
  void Collect() {
    for (const FileDown& down : intake_->TakeAnswers()) answers_.Add(down);
  }

  std::string Node(const std::string& path) {
    return run_->path + "/nodes/node0/" + path;
  }
  std::string Parts() { return base_ / "run/.muster/parts"; }
  size_t PartFiles() {
    return static_cast<size_t>(std::distance(fs::directory_iterator(Parts()),
                                             fs::directory_iterator()));
  }
  static std::string Bytes(size_t size, unsigned seed = 1) {
    std::mt19937 random(seed);
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  }

  TempDir base_;
  std::unique_ptr<TestRun> run_ = std::make_unique<TestRun>(base_ / "run");
  std::unique_ptr<FileIntake> intake_;
  Answers answers_;
};

TEST_F(FileIntakeTest, StoresAFileUnderItsName) {
  const std::string bytes = Bytes(3'000'000);
  Send(OpenFile(1, "outputs/a/b", bytes.size()));
  EXPECT_EQ(answers_.opened[1], 0u);
  for (size_t at = 0; at < bytes.size(); at += 1 << 20) {
    Send(Data(1, at, bytes.substr(at, 1 << 20)));
  }
  EXPECT_EQ(answers_.progress[1], 2u << 20);
  FileUp close = CloseFile(1, bytes.size(), DigestOf(bytes));
  Send(close);
  EXPECT_FALSE(fs::exists(Node("outputs/a/b"))) << "it is not durable yet";
  Finished();
  EXPECT_THAT(answers_.stored, ElementsAre(1));
  EXPECT_TRUE(ReadFile(Node("outputs/a/b")) == bytes);
  EXPECT_EQ(PartFiles(), 0u);
  EXPECT_EQ(run_->quota.used(), bytes.size());
}

TEST_F(FileIntakeTest, GivesAFileItsModeButNoMoreRights) {
  FileUp up = OpenFile(1, "outputs/tool", 0);
  up.mutable_open()->set_mode(06777);
  Send(up);
  Send(CloseFile(1, 0, DigestOf("")));
  FileUp small = Small(2, "outputs/small", "x");
  small.mutable_pack()->mutable_files(0)->set_mode(0);
  Send(small);
  Finished();
  struct stat found;
  ASSERT_EQ(stat(Node("outputs/tool").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777u, 0755u);
  ASSERT_EQ(stat(Node("outputs/small").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777u, 0600u);
}

TEST_F(FileIntakeTest, KeepsHolesAsHoles) {
  const uint64_t size = uint64_t{10} << 30;
  Send(OpenFile(1, "outputs/sparse", size));
  Send(Data(1, uint64_t{5} << 30, "middle"));
  framing::Digest digest;
  digest.UpdateZeros(uint64_t{5} << 30);
  digest.Update("middle");
  digest.UpdateZeros(size - (uint64_t{5} << 30) - 6);
  Send(CloseFile(1, size, digest.Value()));
  Finished();
  EXPECT_THAT(answers_.stored, ElementsAre(1));
  struct stat found;
  ASSERT_EQ(stat(Node("outputs/sparse").c_str(), &found), 0);
  EXPECT_EQ(static_cast<uint64_t>(found.st_size), size);
  EXPECT_LE(found.st_blocks, 64);
  EXPECT_EQ(run_->quota.used(), 6u);
}

TEST_F(FileIntakeTest, TakesALongHoleInPieces) {
  ASSERT_TRUE(intake_->Take(OpenFile(1, "outputs/a", 1)).ok());
  ASSERT_TRUE(intake_->Take(CloseFile(1, uint64_t{4} << 30, "")).ok());
  EXPECT_TRUE(intake_->busy());
  int pieces = 1;
  for (; intake_->busy(); ++pieces) ASSERT_TRUE(intake_->Continue().ok());
  EXPECT_EQ(pieces, 4);
  Collect();
  EXPECT_EQ(answers_.refused[1], kDataLoss) << "the digest was wrong";
}

TEST_F(FileIntakeTest, TakesManySmallFiles) {
  FileUp up;
  for (int i = 0; i < 500; ++i) {
    up.mutable_pack()->add_files()->CopyFrom(
        Small(static_cast<uint64_t>(i) + 1,
              "outputs/d" + std::to_string(i % 7) + "/" + std::to_string(i),
              "content " + std::to_string(i))
            .pack()
            .files(0));
  }
  Send(up);
  Finished();
  EXPECT_EQ(answers_.stored.size(), 500u);
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(ReadFile(Node("outputs/d" + std::to_string(i % 7) + "/" +
                            std::to_string(i))),
              "content " + std::to_string(i));
  }
  EXPECT_EQ(PartFiles(), 0u);
}

TEST_F(FileIntakeTest, ReplacesAFileAsAWhole) {
  SendWhole(1, "outputs/a", "the old one");
  Send(OpenFile(2, "outputs/a", 3, 2));
  Send(Data(2, 0, "new"));
  EXPECT_EQ(ReadFile(Node("outputs/a")), "the old one");
  Send(CloseFile(2, 3, DigestOf("new")));
  Finished();
  EXPECT_EQ(ReadFile(Node("outputs/a")), "new");
  EXPECT_LE(run_->quota.used(), 3u) << "the old one does not count any more";
}

TEST_F(FileIntakeTest, NeverHarmsAGoodCopy) {
  SendWhole(1, "outputs/a", "good");
  // A wrong checksum, a wrong digest, a wrong size, and a file given up.
  Send(OpenFile(2, "outputs/a", 3, 2));
  FileUp altered = Data(2, 0, "bad");
  altered.mutable_data()->set_data("Bad");
  Send(altered);
  EXPECT_EQ(answers_.refused[2], kDataLoss);
  Send(OpenFile(3, "outputs/a", 3, 2));
  Send(Data(3, 0, "bad"));
  Send(CloseFile(3, 3, DigestOf("good")));
  EXPECT_EQ(answers_.refused[3], kDataLoss);
  Send(OpenFile(4, "outputs/a", 3, 2));
  Send(Data(4, 0, "bad"));
  Send(CloseFile(4, 2, DigestOf("ba")));
  EXPECT_EQ(answers_.refused[4], kInvalid);
  Send(OpenFile(5, "outputs/a", 3, 2));
  Send(Data(5, 0, "bad"));
  FileUp abandon;
  abandon.mutable_abandon()->set_transfer(5);
  Send(abandon);
  altered = Small(6, "outputs/a", "bad");
  altered.mutable_pack()->mutable_files(0)->set_data("Bad");
  Send(altered);
  EXPECT_EQ(answers_.refused[6], kDataLoss);
  Send(OpenFile(7, "outputs/a", 3, 2));
  Send(Data(7, 0, "bad"));
  NewStream();
  Finished();
  EXPECT_EQ(ReadFile(Node("outputs/a")), "good");
  EXPECT_EQ(PartFiles(), 0u);
  EXPECT_EQ(run_->quota.used(), 4u);
}

TEST_F(FileIntakeTest, RefusesHostilePathsAndGoesOn) {
  const std::string outside = base_ / "outside";
  fs::create_directories(outside);
  WriteFile(outside + "/precious", "precious");
  SendWhole(1, "outputs/file", "a file");
  fs::create_directories(Node("outputs/directory"));
  fs::create_symlink(outside, Node("outputs/link"));
  fs::create_symlink(outside + "/precious", Node("outputs/linked"));
  const auto before = Tree(base_.path());

  const std::string deep = [] {
    std::string path = "outputs";
    for (int i = 0; i < 64; ++i) path += "/d";
    return path;
  }();
  const std::vector<std::pair<std::string, uint32_t>> hostile = {
      {"", kInvalid},
      {"/etc/x", kInvalid},
      {"../x", kInvalid},
      {"outputs/../../x", kInvalid},
      {"outputs/a/../../x", kInvalid},
      {"outputs/.", kInvalid},
      {"outputs/..", kInvalid},
      {"outputs//x", kInvalid},
      {"outputs/x/", kInvalid},
      {"outputs", kInvalid},
      {"outputs/", kInvalid},
      {"report.json", kInvalid},
      {".muster/key", kInvalid},
      {"outputsx/y", kInvalid},
      {std::string("outputs/a\0b", 11), kInvalid},
      {"outputs/" + std::string(300, 'n'), kInvalid},
      {"outputs/" + std::string(5000, 'n'), kInvalid},
      {deep, kInvalid},
      {"outputs/link/x", kInvalid},
      {"outputs/link", kInvalid},
      {"outputs/linked", kInvalid},
      {"outputs/file/x", kClash},
      {"outputs/directory", kClash},
  };
  uint64_t transfer = 10;
  for (const auto& [path, code] : hostile) {
    // In each of the ways to name a file.
    const std::vector<FileUp> ways = {
        OpenFile(++transfer, path, 1), Small(++transfer, path, "x"),
        Follow(++transfer, path, 0), Move(++transfer, path, "outputs/moved"),
        Move(++transfer, "outputs/file", path)};
    for (const FileUp& way : ways) {
      Send(way);
      Finished();
    }
    for (uint64_t i = transfer - 4; i <= transfer; ++i) {
      EXPECT_EQ(answers_.refused.count(i), 1u) << ShowPath(path) << " " << i;
    }
    EXPECT_EQ(answers_.refused[transfer - 4], code) << ShowPath(path);
    EXPECT_EQ(answers_.refused[transfer - 3], code) << ShowPath(path);
    EXPECT_EQ(answers_.refused[transfer - 2], code) << ShowPath(path);
    EXPECT_EQ(answers_.refused[transfer], code) << ShowPath(path);
  }
  EXPECT_EQ(Tree(base_.path()), before);
  EXPECT_THAT(answers_.messages, testing::Each(testing::Not(IsEmpty())));
  SendWhole(1000, "outputs/after", "the stream goes on");
  EXPECT_EQ(ReadFile(Node("outputs/after")), "the stream goes on");
}

TEST_F(FileIntakeTest, FollowsNoLinkThatIsPutThereMeanwhile) {
  const std::string outside = base_ / "outside";
  fs::create_directories(outside);
  WriteFile(outside + "/x", "precious");
  Send(OpenFile(1, "outputs/d/x", 4));
  Send(Data(1, 0, "evil"));
  fs::create_directories(Node("outputs"));
  fs::create_symlink(outside, Node("outputs/d"));
  Send(CloseFile(1, 4, DigestOf("evil")));
  Finished();
  EXPECT_EQ(answers_.refused[1], kInvalid);
  EXPECT_EQ(ReadFile(outside + "/x"), "precious");
  EXPECT_EQ(PartFiles(), 0u);
}

TEST_F(FileIntakeTest, GoesOnAfterACut) {
  const std::string bytes = Bytes(9'500'000);
  Send(OpenFile(1, "outputs/a", bytes.size()));
  for (size_t at = 0; at < 7u << 20; at += 1 << 20) {
    Send(Data(1, at, bytes.substr(at, 1 << 20)));
  }
  NewStream();
  Send(OpenFile(1, "outputs/a", bytes.size()));
  EXPECT_EQ(answers_.opened[1], 7u << 20);
  Send(Data(1, 7 << 20, bytes.substr(7 << 20, 1 << 20)));
  Send(Data(1, 8 << 20, bytes.substr(8 << 20, 1 << 20)));
  Send(Data(1, 9 << 20, bytes.substr(9 << 20)));
  Send(CloseFile(1, bytes.size(), DigestOf(bytes)));
  Finished();
  EXPECT_THAT(answers_.stored, ElementsAre(1));
  EXPECT_TRUE(ReadFile(Node("outputs/a")) == bytes);
  EXPECT_EQ(PartFiles(), 0u);
  EXPECT_EQ(run_->quota.used(), bytes.size());
}

TEST_F(FileIntakeTest, GoesOnWhereTheCutCameBeforeTheName) {
  const std::string bytes = Bytes(5'000'001);
  Send(OpenFile(1, "outputs/a", bytes.size()));
  for (size_t at = 0; at < bytes.size(); at += 1 << 20) {
    Send(Data(1, at, bytes.substr(at, 1 << 20)));
  }
  Send(CloseFile(1, bytes.size(), DigestOf(bytes)));
  NewStream();
  Send(OpenFile(1, "outputs/a", bytes.size()));
  EXPECT_EQ(answers_.opened[1], bytes.size());
  Send(CloseFile(1, bytes.size(), DigestOf(bytes)));
  Finished();
  EXPECT_TRUE(ReadFile(Node("outputs/a")) == bytes);
}

TEST_F(FileIntakeTest, BeginsAnewWithAnotherVersion) {
  const std::string bytes = Bytes(9'000'000);
  Send(OpenFile(1, "outputs/a", bytes.size(), 1));
  for (size_t at = 0; at < 7u << 20; at += 1 << 20) {
    Send(Data(1, at, bytes.substr(at, 1 << 20)));
  }
  NewStream();
  EXPECT_EQ(PartFiles(), 2u);
  const std::string other = Bytes(9'000'000, 2);
  SendWhole(1, "outputs/a", other, 2);
  EXPECT_TRUE(ReadFile(Node("outputs/a")) == other);
  EXPECT_EQ(PartFiles(), 0u);
  EXPECT_EQ(run_->quota.used(), other.size());
}

TEST_F(FileIntakeTest, GoesOnAfterTheCollectorWasKilled) {
  const std::string bytes = Bytes(13'000'000);
  Send(OpenFile(1, "outputs/a", bytes.size()));
  for (size_t at = 0; at < 11u << 20; at += 1 << 20) {
    Send(Data(1, at, bytes.substr(at, 1 << 20)));
  }
  NewCollector();
  Send(OpenFile(1, "outputs/a", bytes.size()));
  Finished();
  const uint64_t offset = answers_.opened[1];
  EXPECT_GE(offset, 4u << 20);
  EXPECT_LE(offset, 11u << 20);
  for (uint64_t at = offset; at < bytes.size(); at += 1 << 20) {
    Send(Data(1, at, bytes.substr(at, 1 << 20)));
  }
  Send(CloseFile(1, bytes.size(), DigestOf(bytes)));
  Finished();
  EXPECT_TRUE(ReadFile(Node("outputs/a")) == bytes);
  EXPECT_EQ(PartFiles(), 0u);
  EXPECT_EQ(run_->quota.used(), bytes.size());
}

TEST_F(FileIntakeTest, TrustsOnlyWhatIsAsItWas) {
  const std::string bytes = Bytes(14'000'000);
  const std::vector<std::pair<const char*, uint64_t>> damages = {
      {"a byte altered", 4u << 20},
      {"cut off", 8u << 20},
      {"zeros", 0},
      {"no part", 0},
      {"no record", 0},
      {"record altered", 0}};
  for (const auto& [damage, expected] : damages) {
    Send(OpenFile(1, "outputs/a", bytes.size()));
    for (size_t at = 0; at < 13u << 20; at += 1 << 20) {
      Send(Data(1, at, bytes.substr(at, 1 << 20)));
    }
    intake_.reset();
    std::string part;
    for (const auto& entry : fs::directory_iterator(Parts())) {
      const std::string name = entry.path();
      if (!name.ends_with(".record")) part = name;
    }
    ASSERT_NE(part, "");
    const std::string what = damage;
    if (what == "a byte altered") {
      std::fstream file(part, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(5 << 20);
      file.put(static_cast<char>(bytes[5 << 20] + 1));
    } else if (what == "cut off") {
      fs::resize_file(part, 9'000'000);
    } else if (what == "zeros") {
      fs::resize_file(part, 0);
      fs::resize_file(part, 13 << 20);
    } else if (what == "no part") {
      fs::remove(part);
    } else if (what == "no record") {
      fs::remove(part + ".record");
    } else {
      std::fstream file(part + ".record",
                        std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(40);
      file.put('\xff');
    }
    NewCollector();
    SendWhole(1, "outputs/a", bytes);
    EXPECT_EQ(answers_.opened[1], expected) << damage;
    EXPECT_THAT(answers_.stored, ElementsAre(1)) << damage;
    EXPECT_TRUE(ReadFile(Node("outputs/a")) == bytes) << damage;
    fs::remove(Node("outputs/a"));
    NewStream();
  }
}

TEST_F(FileIntakeTest, GoesOnWithOthersWhileAPartIsRead) {
  const std::string bytes = Bytes(9'000'000);
  Send(OpenFile(1, "outputs/a", bytes.size()));
  for (size_t at = 0; at < 8u << 20; at += 1 << 20) {
    Send(Data(1, at, bytes.substr(at, 1 << 20)));
  }
  NewCollector();
  Send(OpenFile(1, "outputs/a", bytes.size()));
  std::unique_ptr<FileWork> reading = intake_->TakeVerification();
  ASSERT_TRUE(reading);
  EXPECT_EQ(answers_.opened.count(1), 0u);
  SendWhole(2, "outputs/b", "meanwhile");
  EXPECT_THAT(answers_.stored, ElementsAre(2));
  // The node gives the file up, and what was read comes back.
  FileUp abandon;
  abandon.mutable_abandon()->set_transfer(1);
  Send(abandon);
  FileWork* const works[] = {reading.get()};
  RunFileWork(works);
  EXPECT_TRUE(intake_->Done(std::move(reading)).ok());
  Collect();
  EXPECT_EQ(answers_.opened.count(1), 0u);
  EXPECT_EQ(PartFiles(), 0u);
  EXPECT_LE(run_->quota.used(), 4096u);
}

TEST_F(FileIntakeTest, KeepsABoundedNumberOfUnfinishedFiles) {
  const std::string piece = Bytes(1 << 20);
  for (uint64_t i = 1; i <= FileIntake::kMaxOpen; ++i) {
    Send(OpenFile(i, "outputs/" + std::to_string(i), 5 << 20));
  }
  Send(OpenFile(100, "outputs/100", 5 << 20));
  EXPECT_EQ(answers_.refused[100], kInvalid);
  NewStream();
  EXPECT_EQ(PartFiles(), 0u) << "nothing was in them";
  for (uint64_t i = 1; i <= PartStore::kMaxParked + 3; ++i) {
    Send(OpenFile(i, "outputs/" + std::to_string(i), 5 << 20));
    for (uint64_t at = 0; at < 4u << 20; at += 1 << 20) {
      Send(Data(i, at, piece));
    }
    NewStream();
  }
  EXPECT_EQ(PartFiles(), 2 * PartStore::kMaxParked);
  EXPECT_EQ(run_->quota.used(), PartStore::kMaxParked * (4u << 20));
  NewCollector();
  EXPECT_EQ(PartFiles(), 2 * PartStore::kMaxParked);
  Send(Finish());
  Finished();
  EXPECT_EQ(PartFiles(), 0u);
  EXPECT_EQ(run_->quota.used(), 0u);
}

TEST_F(FileIntakeTest, RemovesWhatAnEarlierCollectorLeft) {
  WriteFile(Parts() + "/0-17", "a small file that got no name");
  WriteFile(Parts() + "/0-18.record", "no record");
  WriteFile(Parts() + "/nonsense", "");
  NewCollector();
  EXPECT_EQ(PartFiles(), 0u);
  SendWhole(1, "outputs/a", "x");
}

TEST_F(FileIntakeTest, AppendsToAFollowedFile) {
  Send(Follow(1, "logs/a", 0));
  EXPECT_EQ(answers_.opened[1], 0u);
  Send(Data(1, 0, "one\n"));
  EXPECT_EQ(ReadFile(Node("logs/a")), "one\n") << "it is there at once";
  EXPECT_EQ(answers_.progress.count(1), 0u) << "but not durable";
  Finished();
  EXPECT_EQ(answers_.progress[1], 4u);
  Send(Data(1, 4, "two\n"));
  Send(CloseFile(1, 8, ""));
  Finished();
  EXPECT_EQ(answers_.progress[1], 8u);
  EXPECT_THAT(answers_.stored, ElementsAre(1));
  EXPECT_EQ(ReadFile(Node("logs/a")), "one\ntwo\n");
}

TEST_F(FileIntakeTest, GoesOnWithAFollowedFile) {
  Send(Follow(1, "logs/a", 0));
  Send(Data(1, 0, "one\ntwo\n"));
  NewCollector();
  // Of this so much was acknowledged.
  Send(Follow(2, "logs/a", 4));
  EXPECT_EQ(answers_.opened[2], 4u);
  EXPECT_EQ(ReadFile(Node("logs/a")), "one\n");
  Send(Data(2, 4, "2\n"));
  EXPECT_EQ(ReadFile(Node("logs/a")), "one\n2\n");
  Send(Follow(3, "logs/a", 100));
  EXPECT_EQ(answers_.refused[3], kDataLoss);
  Send(Follow(4, "logs/none", 1));
  EXPECT_EQ(answers_.refused[4], kDataLoss);
  Send(Data(2, 7, "x"));
  EXPECT_EQ(answers_.refused[2], kInvalid) << "out of order";
}

TEST_F(FileIntakeTest, RenamesAFollowedFileThatGrows) {
  Send(Follow(1, "logs/a", 0));
  Send(Data(1, 0, "one\n"));
  Send(Move(2, "logs/a", "logs/old/a.1"));
  Send(Follow(3, "logs/a", 0));
  Send(Data(1, 4, "two\n"));
  Send(Data(3, 0, "new\n"));
  Finished();
  EXPECT_THAT(answers_.stored, ElementsAre(2));
  EXPECT_EQ(ReadFile(Node("logs/old/a.1")), "one\ntwo\n");
  EXPECT_EQ(ReadFile(Node("logs/a")), "new\n");
  Send(Move(4, "logs/none", "logs/b"));
  EXPECT_EQ(answers_.refused[4], kClash);
}

TEST_F(FileIntakeTest, StopsAtTheQuotaAndGoesOnWhenThereIsRoom) {
  NewCollector(12'000'000);
  SendWhole(1, "outputs/a", Bytes(6'000'000));
  Send(OpenFile(2, "outputs/b", 9'000'000, 2));
  absl::Status status;
  const std::string bytes = Bytes(9'000'000);
  for (size_t at = 0; status.ok() && at < bytes.size(); at += 1 << 20) {
    status = Take(Data(2, at, bytes.substr(at, 1 << 20)));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("quota"));
  NewStream();
  EXPECT_TRUE(
      absl::IsResourceExhausted(Take(Small(3, "outputs/c", Bytes(1'000'000)))));
  NewStream();
  Send(Small(3, "outputs/c", "there is room for this"));
  Finished();
  EXPECT_THAT(answers_.stored, ElementsAre(3));
  EXPECT_LE(run_->quota.used(), 12'000'000u);
}

TEST_F(FileIntakeTest, EndsAStreamThatIsNone) {
  const std::vector<std::vector<FileUp>> wrongs = {
      {FileUp()},
      {[] {
        FileUp up;
        up.mutable_introduction();
        return up;
      }()},
      {OpenFile(1, "outputs/a", 1), OpenFile(1, "outputs/b", 1)},
      {OpenFile(1, "outputs/a", 1), Data(1, 0, Bytes((1 << 20) + 1))},
      {Small(1, "outputs/a", Bytes((1 << 20) + 1))},
      {Finish(), OpenFile(1, "outputs/a", 1)},
  };
  for (size_t i = 0; i < wrongs.size(); ++i) {
    absl::Status status;
    for (const FileUp& message : wrongs[i]) status = Take(message);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << i << ": " << status;
    NewStream();
  }
}

TEST_F(FileIntakeTest, EndsAStreamThatKeepsToNoWindow) {
  Send(Follow(1, "logs/a", 0));
  const std::string bytes = Bytes(1 << 20);
  absl::Status status;
  for (uint64_t i = 0; status.ok() && i < 100; ++i) {
    status = Take(Data(1, i << 20, bytes));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST_F(FileIntakeTest, IgnoresWhatComesForATransferThatIsOver) {
  Send(OpenFile(1, "/", 1));
  Send(Data(1, 0, "x"));
  Send(CloseFile(1, 1, DigestOf("x")));
  Send(Data(99, 0, "x"));
  Finished();
  EXPECT_EQ(answers_.refused.size(), 1u);
  EXPECT_TRUE(answers_.stored.empty());
}

TEST_F(FileIntakeTest, SaysAtTheEndWhatIsThere) {
  SendWhole(1, "outputs/a", "12345");
  Send(Follow(2, "logs/a", 0));
  Send(Data(2, 0, "123"));
  Send(Small(3, "outputs/d/b", "1234567"));
  Send(Finish());
  EXPECT_FALSE(intake_->finished());
  Finished();
  ASSERT_TRUE(answers_.done);
  EXPECT_TRUE(intake_->finished());
  EXPECT_EQ(answers_.done->log_bytes(), 3u);
  EXPECT_EQ(answers_.done->output_bytes(), 12u);
}

TEST_F(FileIntakeTest, AcknowledgesNothingWhenTheDiskFails) {
  Send(Small(1, "outputs/a", "x"));
  Send(Follow(2, "logs/a", 0));
  Send(Data(2, 0, "x"));
  std::unique_ptr<FileWork> work = intake_->TakeWork();
  // As if the sync had failed.
  work->status = absl::DataLossError("cannot sync: Input/output error");
  FileWork* const works[] = {work.get()};
  RunFileWork(works);
  EXPECT_TRUE(absl::IsDataLoss(intake_->Done(std::move(work))));
  Collect();
  EXPECT_TRUE(answers_.stored.empty());
  EXPECT_TRUE(answers_.progress.empty());
  EXPECT_FALSE(fs::exists(Node("outputs/a")));
  EXPECT_EQ(PartFiles(), 0u);
}

// Messages of several files in any order, works at any time, cuts anywhere: a
// name always leads to one whole version, and never back to an older one.
TEST_F(FileIntakeTest, ShowsOnlyWholeVersionsWhateverTheOrder) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&random](size_t n) { return random() % n; };
    fs::remove_all(run_->path + "/nodes");
    NewStream();
    struct Sending {
      std::string path;
      std::string bytes;
      size_t at = 0;
    };
    std::map<uint64_t, Sending> sending;
    std::map<std::string, std::set<std::string>> versions;
    uint64_t transfer = 0;
    for (int step = 0; step < 150; ++step) {
      switch (pick(6)) {
        case 0: {
          const std::string path = "outputs/" + std::to_string(pick(3));
          ++transfer;
          const std::string bytes = Bytes(pick(3) * 400'000 + pick(100),
                                          static_cast<unsigned>(transfer));
          Send(OpenFile(transfer, path, bytes.size(), transfer));
          sending[transfer] = {path, bytes};
          versions[path].insert(bytes);
          break;
        }
        case 1:
        case 2:
        case 3: {
          if (sending.empty()) break;
          auto one = std::next(sending.begin(),
                               static_cast<long>(pick(sending.size())));
          Sending& file = one->second;
          if (file.at < file.bytes.size()) {
            const std::string piece = file.bytes.substr(file.at, 150'000);
            Send(Data(one->first, file.at, piece));
            file.at += piece.size();
          } else {
            Send(
                CloseFile(one->first, file.bytes.size(), DigestOf(file.bytes)));
            sending.erase(one);
          }
          break;
        }
        case 4:
          EXPECT_TRUE(Work().ok());
          break;
        case 5:
          if (pick(8) == 0) {
            NewStream();
            sending.clear();
          }
          break;
      }
      for (const auto& [path, known] : versions) {
        if (!fs::exists(Node(path))) continue;
        ASSERT_EQ(known.count(ReadFile(Node(path))), 1u) << path;
      }
    }
    NewStream();
  }
}

}  // namespace
}  // namespace muster::collector
