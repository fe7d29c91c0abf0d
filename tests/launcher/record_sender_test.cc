#include "launcher/record_sender.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "grpcpp/server.h"
#include "gtest/gtest.h"
#include "proto/collector.grpc.pb.h"
#include "rendezvous/credentials.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A collector that writes down what it is told, and answers as it is told.
class Notebook final : public Collector::CallbackService {
 public:
  grpc::ServerUnaryReactor* Record(grpc::CallbackServerContext* context,
                                   const RecordUpdate* update,
                                   RecordReply*) override {
    auto* reactor = context->DefaultReactor();
    const absl::MutexLock lock(&mutex_);
    if (answer_.ok()) updates_.push_back(*update);
    ++calls_;
    reactor->Finish(answer_);
    return reactor;
  }

  void Answer(grpc::Status status) {
    const absl::MutexLock lock(&mutex_);
    answer_ = std::move(status);
  }
  void AwaitCalls(int count) {
    const absl::MutexLock lock(&mutex_);
    const auto enough = [&] { return calls_ >= count; };
    mutex_.Await(absl::Condition(&enough));
  }
  std::vector<RecordUpdate> updates() const {
    const absl::MutexLock lock(&mutex_);
    return updates_;
  }

 private:
  mutable absl::Mutex mutex_;
  grpc::Status answer_;
  std::vector<RecordUpdate> updates_;
  int calls_ = 0;
};

class RecordSenderTest : public ::testing::Test {
 protected:
  RecordSenderTest() {
    auto listening = rendezvous::Listen(
        "127.0.0.1", 0, rendezvous::Credentials::Insecure(), {&notebook_});
    server_ = std::move(listening->server);
    record_ = std::make_unique<RecordSender>(
        rendezvous::Dial("127.0.0.1", listening->port,
                         rendezvous::Credentials::Insecure(),
                         rendezvous::ChannelUse::kSession),
        "run-1", "the key");
  }
  ~RecordSenderTest() override {
    record_.reset();
    server_->Shutdown();
  }

  Notebook notebook_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<RecordSender> record_;
};

MATCHER_P2(Says, document, content, "") {
  return arg.document() == document && arg.content() == content &&
         arg.run_id() == "run-1" && arg.run_key() == "the key";
}

TEST_F(RecordSenderTest, MakesTheRunAndSendsInOrder) {
  record_->Append("one\n");
  record_->Append("two\n");
  record_->Write(RECORD_REPORT, "{}");
  EXPECT_EQ(record_->Close(seconds(30)), "");
  const std::vector<RecordUpdate> updates = notebook_.updates();
  ASSERT_THAT(
      updates,
      ElementsAre(Says(RECORD_UNSPECIFIED, ""), Says(RECORD_EVENTS, "one\n"),
                  Says(RECORD_EVENTS, "two\n"), Says(RECORD_REPORT, "{}")));
  EXPECT_EQ(updates[1].offset(), 0u);
  EXPECT_EQ(updates[2].offset(), 4u);
}

TEST_F(RecordSenderTest, SendsAgainUntilItIsTakenAndOnlyWhatIsNewest) {
  notebook_.Answer({grpc::StatusCode::RESOURCE_EXHAUSTED, "the disk is full"});
  notebook_.AwaitCalls(1);
  record_->Write(RECORD_RUN, "old");
  record_->Append("one\n");
  record_->Write(RECORD_RUN, "new");
  notebook_.AwaitCalls(2);
  notebook_.Answer(grpc::Status::OK);
  EXPECT_EQ(record_->Close(seconds(30)), "");
  const std::vector<RecordUpdate> updates = notebook_.updates();
  EXPECT_THAT(
      std::vector<RecordUpdate>(updates.end() - 2, updates.end()),
      ElementsAre(Says(RECORD_EVENTS, "one\n"), Says(RECORD_RUN, "new")));
}

TEST_F(RecordSenderTest, SaysWhatKeptItFromArriving) {
  notebook_.AwaitCalls(1);
  notebook_.Answer({grpc::StatusCode::UNAVAILABLE, "leaving"});
  record_->Write(RECORD_RUN, "{}");
  notebook_.AwaitCalls(3);  // it knows the answer to the second
  EXPECT_THAT(record_->Close(milliseconds(0)), HasSubstr("leaving"));
}

TEST_F(RecordSenderTest, GivesUpWhereItIsOfNoUse) {
  notebook_.AwaitCalls(1);
  notebook_.Answer({grpc::StatusCode::ALREADY_EXISTS, "another key"});
  record_->Write(RECORD_RUN, "{}");
  record_->Write(RECORD_REPORT, "{}");
  EXPECT_THAT(record_->Close(seconds(30)), HasSubstr("another key"));
}

TEST_F(RecordSenderTest, TellsWhoDoesNotWaitWhenAllIsThere) {
  notebook_.Answer({grpc::StatusCode::UNAVAILABLE, "leaving"});
  record_->Write(RECORD_RUN, "{}");
  absl::Notification done;
  record_->Finish([&] { done.Notify(); });
  notebook_.AwaitCalls(2);
  EXPECT_FALSE(done.HasBeenNotified());
  notebook_.Answer(grpc::Status::OK);
  done.WaitForNotification();
  EXPECT_THAT(notebook_.updates(), Contains(Says(RECORD_RUN, "{}")));
  EXPECT_EQ(record_->Close(milliseconds(0)), "");
}

TEST_F(RecordSenderTest, TellsWhoDoesNotWaitThatItIsOfNoUse) {
  notebook_.Answer({grpc::StatusCode::PERMISSION_DENIED, ""});
  absl::Notification done;
  record_->Finish([&] { done.Notify(); });
  done.WaitForNotification();
  EXPECT_THAT(record_->Close(milliseconds(0)), HasSubstr("gave no reason"));
}

TEST_F(RecordSenderTest, WithNobodyThereIsGivenUpInTime) {
  notebook_.AwaitCalls(1);
  server_->Shutdown();
  record_->Write(RECORD_RUN, "{}");
  EXPECT_NE(record_->Close(milliseconds(10)), "");
}

}  // namespace
}  // namespace muster::launcher
