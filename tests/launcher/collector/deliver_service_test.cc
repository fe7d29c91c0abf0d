#include "launcher/collector/deliver_service.h"

#include <sys/mount.h>

#include <deque>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/collector/server.h"

namespace muster::collector {
namespace {

using testing::HasSubstr;

// A peer that says what it is told to say, right or wrong, and then waits for
// the end of the stream.
class Script final : public grpc::ClientBidiReactor<Delivery, Receipt> {
 public:
  Script(const std::shared_ptr<grpc::Channel>& channel,
         std::deque<Delivery> messages)
      : stub_(Collector::NewStub(channel)), messages_(std::move(messages)) {
    stub_->async()->Deliver(&context_, this);
    StartRead(&receipt_);
    if (!messages_.empty()) StartWrite(&messages_.front());
    if (messages_.empty()) StartWritesDone();
    StartCall();
  }
  ~Script() override {
    context_.TryCancel();
    done_.Wait(1);
  }

  void Cancel() { context_.TryCancel(); }

  grpc::Status Status() {
    const auto done = done_.Wait(1);
    return done.empty() ? grpc::Status(grpc::StatusCode::UNKNOWN, "no end")
                        : done[0];
  }
  bool has_receipt() const { return has_receipt_; }
  const Receipt& receipt() const { return receipt_; }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    has_receipt_ = true;
    StartRead(&more_);
  }
  void OnWriteDone(bool ok) override {
    messages_.pop_front();
    if (ok && !messages_.empty()) StartWrite(&messages_.front());
  }
  void OnDone(const grpc::Status& status) override { done_.Add(status); }

 private:
  std::unique_ptr<Collector::Stub> stub_;
  grpc::ClientContext context_;
  std::deque<Delivery> messages_;
  Receipt receipt_;
  Receipt more_;
  bool has_receipt_ = false;
  Mailbox<grpc::Status> done_;
};

Delivery Introduce(const std::string& run_id = "run") {
  Delivery message;
  Introduction& introduction = *message.mutable_introduction();
  introduction.set_run_id(run_id);
  introduction.set_workers(1);
  introduction.set_world_size(1);
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

TEST(DeliverService, GivesAReceiptWhenAllIsWritten) {
  TestServer server;
  for (const auto& channel : {server.Channel(), server.InProcess()}) {
    const uint64_t offset = ReadFile(server.In("logs/0.stdout")).size();
    Script peer(channel, {Introduce(), Log(0, offset, "hello"),
                          File("outputs/a", "123", true), Finish()});
    const grpc::Status status = peer.Status();
    EXPECT_TRUE(status.ok()) << status.error_message();
    ASSERT_TRUE(peer.has_receipt());
    EXPECT_EQ(peer.receipt().log_bytes(), 5u);
    EXPECT_EQ(peer.receipt().output_bytes(), 3u);
    EXPECT_EQ(ReadFile(server.In("nodes/node0/outputs/a")), "123");
  }
  EXPECT_EQ(ReadFile(server.In("logs/0.stdout")), "hellohello");
  EXPECT_EQ(server.Stop(), "[0] hello\n[0] hello\n");
  EXPECT_TRUE(server.broken().Wait(0).empty());
}

struct Wrong {
  const char* what;
  std::deque<Delivery> messages;
  grpc::StatusCode code;
};

TEST(DeliverService, RefusesWhatTheContractForbids) {
  const Wrong wrongs[] = {
      {"no introduction",
       {Log(0, 0, "x"), Finish()},
       grpc::StatusCode::INVALID_ARGUMENT},
      {"another run",
       {Introduce("other"), Finish()},
       grpc::StatusCode::NOT_FOUND},
      {"another node's rank",
       {Introduce(), Log(1, 0, "x"), Finish()},
       grpc::StatusCode::INVALID_ARGUMENT},
      {"a gap",
       {Introduce(), Log(0, 1, "x"), Finish()},
       grpc::StatusCode::INVALID_ARGUMENT},
      {"a path that leads out",
       {Introduce(), File("outputs/../../../x", "x", true), Finish()},
       grpc::StatusCode::INVALID_ARGUMENT},
      {"a path with bytes that are no text",
       {Introduce(), File(std::string(5000, '\xff'), "x", true), Finish()},
       grpc::StatusCode::INVALID_ARGUMENT},
  };
  for (const Wrong& wrong : wrongs) {
    TestServer server;
    Script peer(server.Channel(), wrong.messages);
    const grpc::Status status = peer.Status();
    EXPECT_EQ(status.error_code(), wrong.code)
        << wrong.what << ": " << status.error_message();
    EXPECT_FALSE(status.error_message().empty());
    EXPECT_FALSE(peer.has_receipt());
    server.Stop();
    for (const auto& [path, bytes] : Tree(server.base().path())) {
      EXPECT_TRUE(bytes == "/" || bytes.empty()) << path;
    }
  }
}

TEST(DeliverService, SurvivesAStreamThatOnlyOpensAndCloses) {
  TestServer server;
  { Script peer(server.Channel(), {}); }
  Script peer(server.Channel(), {Introduce(), Finish()});
  EXPECT_TRUE(peer.Status().ok());
}

// Sends half a file after a whole one, and waits until the collector has it.
std::deque<Delivery> HalfAFile() {
  return {Introduce(), File("outputs/a", "old", true),
          File("outputs/a", "half of the new", false),
          Log(0, 0, "sent\nno line end")};
}

void ExpectOnlyTheOldVersion(TestServer& server) {
  const auto broken = server.broken().Wait(1);
  ASSERT_EQ(broken.size(), 1u);
  EXPECT_EQ(broken[0].node, 0u);
  EXPECT_EQ(ReadFile(server.In("nodes/node0/outputs/a")), "old");
  EXPECT_FALSE(HasPartFile(server.base().path()));
  EXPECT_EQ(ReadFile(server.In("logs/0.stdout")), "sent\nno line end");
  EXPECT_EQ(server.Stop(), "[0] sent\n[0] no line end\n");
}

TEST(DeliverService, LeavesNoPartFileWhenTheConnectionIsCut) {
  TestServer server;
  Script peer(server.Channel(), HalfAFile());
  ASSERT_TRUE(server.console().WaitFor("sent"));
  EXPECT_TRUE(HasPartFile(server.base().path()));
  server.CutConnections();
  EXPECT_EQ(peer.Status().error_code(), grpc::StatusCode::UNAVAILABLE);
  ExpectOnlyTheOldVersion(server);
}

TEST(DeliverService, LeavesNoPartFileWhenThePeerCancels) {
  TestServer server;
  Script peer(server.InProcess(), HalfAFile());
  ASSERT_TRUE(server.console().WaitFor("sent"));
  peer.Cancel();
  ExpectOnlyTheOldVersion(server);
}

TEST(DeliverService, EndsOpenStreamsWhenItIsShutDown) {
  TestServer server;
  Script peer(server.Channel(), HalfAFile());
  ASSERT_TRUE(server.console().WaitFor("sent"));
  server.service().Shutdown();
  EXPECT_FALSE(peer.Status().ok());
  Script late(server.Channel(), {Introduce(), Finish()});
  EXPECT_EQ(late.Status().error_code(), grpc::StatusCode::UNAVAILABLE);
  ExpectOnlyTheOldVersion(server);
}

TEST(DeliverService, GoesOnWhenNobodyReadsTheConsole) {
  TempDir base;
  std::shared_ptr<RunDirectory> run = *RunDirectory::Create(base.path(), "run");
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  DeliverOptions options;
  options.console_fd = ends[1];
  DeliverService service(run, std::move(options));
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  Script peer(server->InProcessChannel(grpc::ChannelArguments()),
              {Introduce(), Log(0, 0, "one\n"), Log(0, 4, "two\n"), Finish()});
  EXPECT_TRUE(peer.Status().ok());
  EXPECT_EQ(ReadFile(run->path() + "/logs/0.stdout"), "one\ntwo\n");
  server->Shutdown();
  close(ends[1]);
}

TEST(DeliverService, TellsTheSenderThatTheDiskIsFull) {
  TempDir base;
  if (mount("tmpfs", base.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "needs the right to mount a tmpfs";
  }
  {
    TestServer server(*RunDirectory::Create(base.path(), "run"));
    server.console().Read();
    std::deque<Delivery> messages = {Introduce()};
    for (uint64_t i = 0; i < 40; ++i) {
      messages.push_back(Log(0, i * 65536, std::string(65536, 'x')));
    }
    messages.push_back(Finish());
    Script peer(server.Channel(), std::move(messages));
    const grpc::Status status = peer.Status();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), HasSubstr(base.path() + "/run"));
    EXPECT_THAT(status.error_message(), HasSubstr("logs/0.stdout"));
  }
  EXPECT_EQ(umount2(base.path().c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace muster::collector
