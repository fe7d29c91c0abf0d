#include "launcher/files/follower.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/collector/file_intake.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/collector/files_server.h"

namespace muster::files {
namespace {

using collector::FileIntake;
using collector::FileWork;
using collector::ReadFile;
using collector::TempDir;
using collector::TestRun;
using collector::WriteFile;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

namespace fs = std::filesystem;

void Append(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::app) << bytes;
}

// A follower and the collector's own intake, without a network between them:
// the test is the network, and may cut it anywhere.
class FollowerTest : public testing::Test {
 protected:
  FollowerTest() {
    fs::create_directories(logs_);
    Restart();
  }

  void Restart() {
    follower_ = std::make_unique<Follower>(
        loop_, Tree{logs_, "logs/"}, transfers_,
        Follower::Callbacks{
            .on_message = [] {},
            .on_finished =
                [this](std::map<std::string, FollowedContent> contents) {
                  contents_ = std::move(contents);
                  finished_ = true;
                },
            .on_notice =
                [this](const std::string& line) { notices_.push_back(line); }});
  }

  void Connect() {
    intake_ = std::make_unique<FileIntake>(*run_.store, 0);
    follower_->Open(intake_->TakeAnswers().at(0).welcome().window_bytes());
  }
  void Cut() {
    if (!intake_) return;
    intake_.reset();
    follower_->Broken();
  }

  // One message to the collector; false when there was none.
  bool Send() {
    FileUp message;
    if (!follower_->Next(&message)) return false;
    sent_.push_back(message.body_case());
    const absl::Status taken = intake_->Take(message);
    EXPECT_TRUE(taken.ok()) << taken;
    return true;
  }
  // What the collector has to do and to say.
  bool Receive(bool answers_arrive = true) {
    std::unique_ptr<FileWork> work = intake_->TakeWork();
    if (work) {
      FileWork* const works[] = {work.get()};
      collector::RunFileWork(works);
      const absl::Status done = intake_->Done(std::move(work));
      EXPECT_TRUE(done.ok()) << done;
    }
    const std::vector<FileDown> answers = intake_->TakeAnswers();
    if (answers_arrive) {
      for (const FileDown& answer : answers) follower_->Take(answer);
    }
    return !answers.empty();
  }
  void Exchange() {
    while (Send() || Receive()) {
    }
  }

  // As if the follower had just been told of everything.
  void LookAndExchange() {
    follower_->Poll();
    Exchange();
  }

  std::map<std::string, std::string> Here() { return collector::Tree(logs_); }
  std::map<std::string, std::string> There() {
    const std::string path = run_.path + "/nodes/node0/logs";
    return fs::exists(path) ? collector::Tree(path)
                            : std::map<std::string, std::string>();
  }
  std::string In(const std::string& name) { return logs_ + "/" + name; }

  TempDir base_;
  const std::string logs_ = base_ / "logs";
  TestRun run_{base_ / "run"};
  asio::io_context loop_;
  std::atomic<uint64_t> transfers_ = 0;
  std::vector<std::string> notices_;
  std::map<std::string, FollowedContent> contents_;
  bool finished_ = false;
  std::vector<FileUp::BodyCase> sent_;
  std::unique_ptr<Follower> follower_;
  std::unique_ptr<FileIntake> intake_;
};

TEST_F(FollowerTest, SendsWhatIsAdded) {
  Connect();
  WriteFile(In("a"), "one\n");
  WriteFile(In("sub/b"), "");
  LookAndExchange();
  EXPECT_EQ(There(), Here());
  Append(In("a"), "two\n");
  LookAndExchange();
  EXPECT_EQ(ReadFile(run_.path + "/nodes/node0/logs/a"), "one\ntwo\n");
  EXPECT_EQ(follower_->acknowledged(), 8u);
}

TEST_F(FollowerTest, SendsOnlyWhatIsAdded) {
  Connect();
  WriteFile(In("a"), "one\n");
  LookAndExchange();
  sent_.clear();
  LookAndExchange();
  EXPECT_TRUE(sent_.empty());
  Append(In("a"), "two\n");
  LookAndExchange();
  EXPECT_THAT(sent_, ElementsAre(FileUp::kData));
}

TEST_F(FollowerTest, CutsWhatIsLargeIntoMessages) {
  Connect();
  std::string bytes;
  for (int i = 0; i < 400'000; ++i) bytes += std::to_string(i);
  WriteFile(In("a"), bytes);
  LookAndExchange();
  EXPECT_TRUE(There()["a"] == bytes);
  EXPECT_EQ(follower_->acknowledged(), bytes.size());
}

TEST_F(FollowerTest, FollowsARotationByRename) {
  Connect();
  WriteFile(In("log"), "first\n");
  LookAndExchange();
  fs::rename(In("log"), In("log.1"));
  WriteFile(In("log"), "second\n");
  Append(In("log.1"), "late\n");  // its writer has not noticed yet
  LookAndExchange();
  EXPECT_THAT(There(), UnorderedElementsAre(Pair("log", "second\n"),
                                            Pair("log.1", "first\nlate\n")));
  fs::rename(In("log.1"), In("log.2"));
  fs::rename(In("log"), In("log.1"));
  WriteFile(In("log"), "third\n");
  LookAndExchange();
  EXPECT_EQ(There(), Here());
}

TEST_F(FollowerTest, KeepsWhatATruncationTook) {
  Connect();
  WriteFile(In("log"), "before\n");
  LookAndExchange();
  ASSERT_EQ(truncate(In("log").c_str(), 0), 0);
  LookAndExchange();
  EXPECT_THAT(There(),
              UnorderedElementsAre(Pair("log", ""),
                                   Pair("log.truncated-1", "before\n")));
  Append(In("log"), "after\n");
  LookAndExchange();
  EXPECT_THAT(There(),
              UnorderedElementsAre(Pair("log", "after\n"),
                                   Pair("log.truncated-1", "before\n")));
}

TEST_F(FollowerTest, FollowsCopyTruncate) {
  Connect();
  WriteFile(In("log"), "one\n");
  LookAndExchange();
  fs::copy_file(In("log"), In("log.1"));
  ASSERT_EQ(truncate(In("log").c_str(), 0), 0);
  Append(In("log"), "two\n");
  LookAndExchange();
  EXPECT_THAT(There(),
              UnorderedElementsAre(Pair("log", "two\n"), Pair("log.1", "one\n"),
                                   Pair("log.truncated-1", "one\n")));
}

TEST_F(FollowerTest, NoticesATruncationThatGrewPastWhereItWas) {
  Connect();
  WriteFile(In("log"), "short\n");
  LookAndExchange();
  ASSERT_EQ(truncate(In("log").c_str(), 0), 0);
  Append(In("log"), "much longer than before\n");
  LookAndExchange();
  EXPECT_THAT(There(),
              UnorderedElementsAre(Pair("log", "much longer than before\n"),
                                   Pair("log.truncated-1", "short\n")));
}

TEST_F(FollowerTest, FollowsAFileThatWasDeletedAndGrows) {
  Connect();
  const int fd = open(In("log").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
  ASSERT_EQ(write(fd, "one\n", 4), 4);
  LookAndExchange();
  ASSERT_EQ(unlink(In("log").c_str()), 0);
  ASSERT_EQ(write(fd, "two\n", 4), 4);
  LookAndExchange();
  EXPECT_THAT(There(), ElementsAre(Pair("log", "one\ntwo\n")));
  // Its name is taken by another one.
  WriteFile(In("log"), "new\n");
  ASSERT_EQ(write(fd, "three\n", 6), 6);
  LookAndExchange();
  EXPECT_THAT(There(), UnorderedElementsAre(
                           Pair("log", "new\n"),
                           Pair("log.replaced-1", "one\ntwo\nthree\n")));
  close(fd);
}

TEST_F(FollowerTest, GoesOnWhereTheStreamBroke) {
  Connect();
  WriteFile(In("a"), "one\n");
  LookAndExchange();
  Append(In("a"), "two\n");
  follower_->Poll();
  ASSERT_TRUE(Send());
  Cut();  // the collector has it, but it was not acknowledged
  Append(In("a"), "three\n");
  Connect();
  LookAndExchange();
  EXPECT_EQ(There()["a"], "one\ntwo\nthree\n");
}

TEST_F(FollowerTest, RenamesOnceWhateverBecameOfTheAnswer) {
  for (const bool answered : {false, true}) {
    Connect();
    WriteFile(In("log"), answered ? "3\n" : "1\n");
    LookAndExchange();
    fs::rename(In("log"), In("log.1"));
    WriteFile(In("log"), "2\n");
    follower_->Poll();
    while (Send()) {
    }
    Receive(answered);
    Cut();
    Connect();
    LookAndExchange();
    EXPECT_EQ(There()["log"], "2\n");
    EXPECT_EQ(There()["log.1"], answered ? "3\n" : "1\n");
    fs::remove(In("log"));
    fs::remove(In("log.1"));
    LookAndExchange();
    Cut();
  }
}

TEST_F(FollowerTest, SendsAllAgainWhereTheCollectorLostIt) {
  Connect();
  WriteFile(In("a"), "one\n");
  LookAndExchange();
  Cut();
  fs::remove_all(run_.path + "/nodes");
  Append(In("a"), "two\n");
  Connect();
  LookAndExchange();
  EXPECT_EQ(There()["a"], "one\ntwo\n");
}

TEST_F(FollowerTest, FinishesWhenAllIsDurable) {
  Connect();
  WriteFile(In("a"), "one\n");
  WriteFile(In("empty"), "");
  follower_->Finish();
  EXPECT_FALSE(finished_);
  Exchange();
  ASSERT_TRUE(finished_);
  framing::Digest digest;
  digest.Update("one\n");
  ASSERT_EQ(contents_.count("logs/a"), 1u);
  EXPECT_EQ(contents_["logs/a"].size, 4u);
  EXPECT_EQ(contents_["logs/a"].digest, digest.Value());
  EXPECT_EQ(contents_["logs/empty"].size, 0u);
  EXPECT_EQ(There(), Here());
}

TEST_F(FollowerTest, FinishesOverABrokenStream) {
  Connect();
  WriteFile(In("a"), "one\n");
  LookAndExchange();
  Append(In("a"), "two\n");
  follower_->Finish();
  ASSERT_TRUE(Send());
  Cut();
  EXPECT_FALSE(finished_);
  Connect();
  Exchange();
  EXPECT_TRUE(finished_);
  EXPECT_EQ(There()["a"], "one\ntwo\n");
}

TEST_F(FollowerTest, FinishesAtOnceWhereThereIsNothing) {
  fs::remove_all(logs_);
  Connect();
  follower_->Finish();
  Exchange();
  EXPECT_TRUE(finished_);
}

TEST_F(FollowerTest, GivesUpAFileThatTheCollectorRefuses) {
  // A file of the node where this one needs a directory.
  WriteFile(run_.path + "/nodes/node0/logs/sub", "x");
  WriteFile(In("sub/a"), "one\n");
  WriteFile(In("b"), "two\n");
  Connect();
  LookAndExchange();
  follower_->Finish();
  Exchange();
  EXPECT_TRUE(finished_);
  EXPECT_EQ(There()["b"], "two\n");
  EXPECT_EQ(contents_.count("logs/sub/a"), 0u);
}

TEST_F(FollowerTest, LeavesLinksAndFifosAlone) {
  WriteFile(base_ / "secret", "x");
  fs::create_symlink(base_ / "secret", In("link"));
  fs::create_symlink(base_.path(), In("directory"));
  ASSERT_EQ(mkfifo(In("fifo").c_str(), 0600), 0);
  WriteFile(In("a"), "one\n");
  Connect();
  LookAndExchange();
  EXPECT_THAT(There(), ElementsAre(Pair("a", "one\n")));
}

// Writers, rotations, truncations and cuts at random. In the end every file is
// as it is here, and every byte that was ever sent is still somewhere.
TEST_F(FollowerTest, LosesNothingWhateverHappens) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&random](size_t n) { return random() % n; };
    fs::remove_all(logs_);
    fs::remove_all(run_.path + "/nodes");
    fs::create_directories(logs_);
    finished_ = false;
    Cut();
    Restart();
    Connect();
    int lines = 0;
    for (int step = 0; step < 120; ++step) {
      const std::string name = "f" + std::to_string(pick(4));
      const std::string other = "f" + std::to_string(pick(4));
      switch (pick(8)) {
        case 0:
        case 1:
        case 2:
          // Each line is there once, so that it can be looked for.
          Append(In(name), "line " + std::to_string(lines++) + "\n");
          break;
        case 3:
          if (fs::exists(In(name))) fs::rename(In(name), In(other));
          break;
        case 4:
          fs::remove(In(name));
          break;
        case 5:
          if (fs::exists(In(name))) {
            ASSERT_EQ(truncate(In(name).c_str(), 0), 0);
          }
          break;
        case 6:
          follower_->Poll();
          for (size_t i = pick(12); i > 0; --i) {
            if (pick(2) == 0) {
              Send();
            } else {
              Receive();
            }
          }
          break;
        case 7:
          if (pick(3) == 0) {
            if (pick(2) == 0) Receive(false);
            Cut();
            Connect();
          }
          break;
      }
    }
    follower_->Finish();
    Exchange();
    ASSERT_TRUE(finished_);
    auto there = There();
    for (const auto& [name, bytes] : Here()) {
      ASSERT_EQ(there[name], bytes) << name;
      ASSERT_EQ(contents_["logs/" + name].size, bytes.size());
    }
    std::set<std::string> seen;
    for (const auto& [name, bytes] : there) {
      ASSERT_TRUE(bytes.empty() || bytes.back() == '\n') << name;
      for (size_t at = 0; at < bytes.size();) {
        const size_t end = bytes.find('\n', at);
        EXPECT_TRUE(seen.insert(bytes.substr(at, end - at)).second)
            << bytes.substr(at, end - at) << " is there twice, in " << name;
        at = end + 1;
      }
    }
  }
}

}  // namespace
}  // namespace muster::files
