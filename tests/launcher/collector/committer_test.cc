// When commits begin, on a thread and a clock that the test plays.
#include "launcher/collector/committer.h"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/collector/run_store.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/collector/logs_client.h"

namespace muster::collector {
namespace {

using testing::ElementsAre;
using testing::Gt;
using testing::IsEmpty;
using testing::SizeIs;
using Duration = std::chrono::steady_clock::duration;
using Function = absl::AnyInvocable<void()>;

class Waiter final : public Committer::Waiter {
 public:
  void OnCommitted(uint64_t mark, const absl::Status& status) override {
    EXPECT_TRUE(status.ok()) << status;
    marks.push_back(mark);
  }
  std::vector<uint64_t> marks;
};

class CommitterTest : public testing::Test {
 protected:
  CommitterTest() {
    store_ = *RunStore::Open({.directory = base_.path()});
    run_ = *store_->OpenOrCreate("run", TestKey());
    node_ = *run_->Enter(IntroductionOf({}));
    committer_.emplace(
        run_,
        Committer::Environment{
            .elsewhere = [this](Function f) { now_.push_back(std::move(f)); },
            .later = [this](Function f) { now_.push_back(std::move(f)); },
            .after =
                [this](Duration pause, Function f) {
                  pauses_.push_back(pause);
                  after_.push_back(std::move(f));
                  auto timer = std::make_shared<bool>(true);
                  timer_ = timer;
                  return timer;
                },
            .on_over = [this](const absl::Status&) { ++over_; }});
  }

  // Bytes come, and a commit of them is wanted.
  void Write(bool now = false) {
    ++mark_;
    ASSERT_TRUE(run_->logs()
                    .Append(node_, Data(Stdout(0), mark_ - 1, "x").data())
                    .ok());
    committer_->Want(&waiter_, mark_, now);
  }
  void RunAll(std::deque<Function>& functions) {
    while (!functions.empty()) {
      Function function = std::move(functions.front());
      functions.pop_front();
      function();
    }
  }

  TempDir base_;
  std::unique_ptr<RunStore> store_;
  std::shared_ptr<collector::Run> run_;
  uint32_t node_ = 0;
  uint64_t mark_ = 0;
  Waiter waiter_;
  std::deque<Function> now_;
  std::deque<Function> after_;
  std::vector<Duration> pauses_;
  std::weak_ptr<bool> timer_;
  int over_ = 0;
  std::optional<Committer> committer_;
};

TEST_F(CommitterTest, TheFirstCommitBeginsAtOnceAndTakesWhatCameWithIt) {
  Write();
  Write();
  EXPECT_THAT(after_, IsEmpty());
  EXPECT_TRUE(committer_->IsBusy());
  RunAll(now_);
  EXPECT_THAT(waiter_.marks, ElementsAre(2));
  EXPECT_FALSE(committer_->IsBusy());
  EXPECT_EQ(over_, 1);
}

TEST_F(CommitterTest, TheNextOneWaitsForMore) {
  Write();
  RunAll(now_);
  Write();
  Write();
  EXPECT_THAT(now_, IsEmpty());
  ASSERT_THAT(pauses_, SizeIs(1));
  EXPECT_THAT(pauses_[0], Gt(Duration::zero()));
  EXPECT_TRUE(committer_->IsBusy());
  RunAll(after_);
  RunAll(now_);
  EXPECT_THAT(waiter_.marks, ElementsAre(1, 3));
  EXPECT_FALSE(committer_->IsBusy());
}

TEST_F(CommitterTest, WhatComesDuringACommitWaitsAsWell) {
  Write();
  Write();
  now_.front()();  // begins it
  now_.pop_front();
  Write();
  RunAll(now_);
  EXPECT_THAT(waiter_.marks, ElementsAre(2));
  EXPECT_TRUE(committer_->IsBusy());
  ASSERT_THAT(pauses_, SizeIs(1));
  RunAll(after_);
  RunAll(now_);
  EXPECT_THAT(waiter_.marks, ElementsAre(2, 3));
}

TEST_F(CommitterTest, WhoCanDoNothingWithoutItsAnswerIsNotKeptWaiting) {
  Write();
  RunAll(now_);
  Write();
  Write(true);
  Write(true);
  EXPECT_TRUE(timer_.expired()) << "it would hold up those who leave";
  RunAll(now_);
  EXPECT_THAT(waiter_.marks, ElementsAre(1, 4));
  EXPECT_FALSE(committer_->IsBusy());
  // If its end was on its way already, nothing comes of it.
  Write(true);
  RunAll(after_);
  EXPECT_THAT(waiter_.marks, ElementsAre(1, 4));
  RunAll(now_);
  EXPECT_THAT(waiter_.marks, ElementsAre(1, 4, 5));
  EXPECT_EQ(over_, 3);
}

TEST_F(CommitterTest, APauseMayOutliveIt) {
  Write();
  RunAll(now_);
  Write();
  Write(true);
  RunAll(now_);
  ASSERT_FALSE(committer_->IsBusy());
  committer_.reset();
  RunAll(after_);
  EXPECT_EQ(over_, 2);
}

TEST_F(CommitterTest, WhoIsForgottenIsNotToldAndYetCommitted) {
  Write();
  committer_->Forget(&waiter_);
  RunAll(now_);
  EXPECT_THAT(waiter_.marks, IsEmpty());
  EXPECT_EQ(over_, 1);
  EXPECT_TRUE(run_->logs().TakeChanges().empty());
}

}  // namespace
}  // namespace muster::collector
