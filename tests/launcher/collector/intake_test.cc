#include "launcher/collector/intake.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/launcher/collector/files.h"

namespace muster::collector {
namespace {

Delivery Introduce(uint32_t node, const std::string& run_id = "run") {
  Delivery message;
  Introduction& introduction = *message.mutable_introduction();
  introduction.set_run_id(run_id);
  introduction.set_node_rank(node);
  introduction.set_first_rank(node * 2);
  introduction.set_workers(2);
  introduction.set_world_size(4);
  return message;
}

Delivery Log(uint32_t rank, uint64_t offset, const std::string& data) {
  Delivery message;
  message.mutable_log()->set_rank(rank);
  message.mutable_log()->set_offset(offset);
  message.mutable_log()->set_data(data);
  return message;
}

Delivery File(const std::string& path, const std::string& data, bool last) {
  Delivery message;
  message.mutable_file()->set_path(path);
  message.mutable_file()->set_data(data);
  message.mutable_file()->set_last(last);
  return message;
}

Delivery Finish() {
  Delivery message;
  message.mutable_finish();
  return message;
}

class IntakeTest : public testing::Test {
 protected:
  TempDir base_;
  std::unique_ptr<RunDirectory> run_ =
      *RunDirectory::Create(base_.path(), "run");
  std::string printed_;
  ConsolePrinter console_{CONSOLE_ALL, [this](absl::string_view lines) {
                            printed_ += std::string(lines);
                          }};
  Shelf shelf_{*run_, console_};
};

TEST_F(IntakeTest, CountsWhatANodeDelivered) {
  Intake intake(shelf_);
  ASSERT_TRUE(intake.Take(Introduce(1)).ok());
  ASSERT_TRUE(intake.Take(Log(3, 0, "12345")).ok());
  ASSERT_TRUE(intake.Take(File("logs/a", "123", true)).ok());
  ASSERT_TRUE(intake.Take(File("outputs/a", "1234567", true)).ok());
  Delivery agent;
  agent.mutable_agent_log()->set_data("not counted");
  ASSERT_TRUE(intake.Take(agent).ok());
  EXPECT_FALSE(intake.finished());
  ASSERT_TRUE(intake.Take(Finish()).ok());
  EXPECT_TRUE(intake.finished());
  EXPECT_EQ(intake.receipt().log_bytes(), 8u);
  EXPECT_EQ(intake.receipt().output_bytes(), 7u);
}

TEST_F(IntakeTest, WantsTheIntroductionFirstAndOnce) {
  for (const Delivery& first :
       {Delivery(), Log(0, 0, "x"), File("logs/a", "x", true), Finish()}) {
    Intake intake(shelf_);
    EXPECT_TRUE(absl::IsInvalidArgument(intake.Take(first)));
    EXPECT_FALSE(intake.finished());
  }
  EXPECT_TRUE(Tree(run_->path()).empty());
  Intake intake(shelf_);
  ASSERT_TRUE(intake.Take(Introduce(0)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(intake.Take(Introduce(0))));
  EXPECT_TRUE(absl::IsInvalidArgument(intake.Take(Delivery())));
}

TEST_F(IntakeTest, KnowsNoOtherRun) {
  Intake intake(shelf_);
  const absl::Status taken = intake.Take(Introduce(0, "other"));
  EXPECT_TRUE(absl::IsNotFound(taken)) << taken;
  EXPECT_TRUE(Tree(run_->path()).empty());
}

TEST_F(IntakeTest, TakesOnlyTheRanksOfTheNode) {
  Intake first(shelf_);
  Intake second(shelf_);
  ASSERT_TRUE(first.Take(Introduce(0)).ok());
  ASSERT_TRUE(second.Take(Introduce(1)).ok());
  for (const uint32_t rank : {0u, 1u, 4u, 4294967295u}) {
    EXPECT_TRUE(absl::IsInvalidArgument(second.Take(Log(rank, 0, "x"))));
  }
  EXPECT_EQ(ReadFile(run_->path() + "/logs/0.stdout"), "");
  EXPECT_TRUE(second.Take(Log(2, 0, "x")).ok());
}

TEST_F(IntakeTest, LetsANodeDeliverOnOneStreamAtATime) {
  {
    Intake first(shelf_);
    ASSERT_TRUE(first.Take(Introduce(0)).ok());
    ASSERT_TRUE(first.Take(Log(0, 0, "ab")).ok());
    Intake second(shelf_);
    EXPECT_TRUE(absl::IsInvalidArgument(second.Take(Introduce(0))));
  }
  Intake again(shelf_);
  ASSERT_TRUE(again.Take(Introduce(0)).ok());
  ASSERT_TRUE(again.Take(Log(0, 2, "c")).ok());
  EXPECT_EQ(ReadFile(run_->path() + "/logs/0.stdout"), "abc");
}

TEST_F(IntakeTest, LeavesNothingHalfDoneWhenItEnds) {
  {
    Intake intake(shelf_);
    ASSERT_TRUE(intake.Take(Introduce(0)).ok());
    ASSERT_TRUE(intake.Take(Log(0, 0, "no end")).ok());
    ASSERT_TRUE(intake.Take(File("outputs/a", "half", false)).ok());
    EXPECT_EQ(printed_, "");
    EXPECT_TRUE(HasPartFile(run_->path()));
  }
  EXPECT_EQ(printed_, "[0] no end\n");
  EXPECT_FALSE(HasPartFile(run_->path()));
}

TEST_F(IntakeTest, EndsTheConsoleLineOfAnEndedLog) {
  Intake intake(shelf_);
  ASSERT_TRUE(intake.Take(Introduce(0)).ok());
  Delivery end = Log(1, 0, "bye");
  end.mutable_log()->set_end(true);
  ASSERT_TRUE(intake.Take(end).ok());
  EXPECT_EQ(printed_, "[1] bye\n");
}

}  // namespace
}  // namespace muster::collector
