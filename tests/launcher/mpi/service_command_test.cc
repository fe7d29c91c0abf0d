// Commands with their streams as frames, under a real keeper.
#include "launcher/mpi/service_command.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "tests/launcher/process/support.h"

namespace muster::mpi {
namespace {

using process::Agent;

// A command and what came back from it.
class Conversation {
 public:
  Conversation(Agent& agent, const std::string& script) : agent_(agent) {
    command_ = std::make_unique<ServiceCommand>(
        agent.loop,
        ServiceKeeper{
            .spawn =
                [&agent](process::SpawnRequest request,
                         process::ProcessCallbacks callbacks) {
                  agent.client->Spawn(std::move(request), std::move(callbacks));
                },
            .signal = [&agent](uint32_t id,
                               int signo) { agent.client->Signal(id, signo); }},
        kFirstServiceId,
        ServiceCommand::Callbacks{
            .on_reply = [this](const RemoteReply& r) { Got(r); },
            .on_exited = [this](pid_t, process::ExitStatus status,
                                const std::string&) { exited = status; }});
    process::SpawnRequest request = process::Request({"/bin/sh", "-c", script});
    command_->Start(std::move(request));
  }

  void Input(const std::string& data, bool last) {
    RemoteRequest request;
    request.mutable_input()->set_data(data);
    request.mutable_input()->set_end(last);
    command_->Handle(request);
  }
  void Signal(int signo) {
    RemoteRequest request;
    request.set_signal(signo);
    command_->Handle(request);
  }
  void Credit(size_t bytes) {
    RemoteRequest request;
    request.set_output_credit(bytes);
    command_->Handle(request);
  }
  void HangUp() {
    RemoteRequest request;
    request.set_hang_up(true);
    command_->Handle(request);
  }
  bool Ends() {
    return agent_.RunUntil([this] { return end.has_value(); });
  }

  std::string out, err;
  size_t frames = 0;  // of both
  size_t input_credit = 0;
  bool gives_credit = true;
  std::optional<RemoteEnd> end;
  std::optional<process::ExitStatus> exited;

 private:
  void Got(const RemoteReply& reply) {
    if (reply.has_output()) {
      EXPECT_LE(reply.output().data().size(), kRemoteChunk);
      (reply.output().is_stderr() ? err : out) += reply.output().data();
      ++frames;
      if (gives_credit) Credit(RemoteCost(reply.output().data().size()));
    }
    if (reply.has_input_credit()) input_credit += reply.input_credit();
    if (reply.has_end()) {
      EXPECT_FALSE(end.has_value()) << "two ends";
      end = reply.end();
    }
  }

  Agent& agent_;
  std::unique_ptr<ServiceCommand> command_;
};

TEST(ServiceCommand, CarriesBothStreamsAndTheExitCode) {
  Agent agent;
  Conversation talk(agent, "echo out; echo err >&2; exit 3");
  ASSERT_TRUE(talk.Ends());
  EXPECT_EQ(talk.out, "out\n");
  EXPECT_EQ(talk.err, "err\n");
  EXPECT_EQ(talk.end->exit_code(), 3u);
  EXPECT_EQ(talk.exited, process::ExitStatus::Exited(3));
}

TEST(ServiceCommand, CarriesTheSignalThatEndedIt) {
  Agent agent;
  Conversation talk(agent, "kill -SEGV $$");
  ASSERT_TRUE(talk.Ends());
  EXPECT_EQ(talk.end->signal(), static_cast<uint32_t>(SIGSEGV));
}

TEST(ServiceCommand, WritesAllInputAndGivesCreditForIt) {
  Agent agent;
  Conversation talk(agent, "wc -c");
  const std::string half(300'000, 'x');
  talk.Input(half, false);
  talk.Input(half, true);
  ASSERT_TRUE(talk.Ends());
  EXPECT_EQ(talk.out, "600000\n");
  EXPECT_EQ(talk.input_credit, 600'000u);
}

TEST(ServiceCommand, GivesCreditForInputThatNobodyReads) {
  signal(SIGPIPE, SIG_IGN);  // as every agent does
  Agent agent;
  Conversation talk(agent, "exec <&-; sleep 1000");
  talk.Input(std::string(300'000, 'x'), false);
  EXPECT_TRUE(agent.RunUntil([&] { return talk.input_credit == 300'000; }));
  talk.HangUp();
  ASSERT_TRUE(talk.Ends());
  EXPECT_EQ(talk.end->signal(), static_cast<uint32_t>(SIGTERM));
}

TEST(ServiceCommand, WaitsWhileItsWindowIsFull) {
  Agent agent;
  Conversation talk(agent, "head -c 4000000 /dev/zero; echo done >&2");
  talk.gives_credit = false;
  EXPECT_TRUE(agent.RunUntil([&] { return talk.out.size() >= kRemoteWindow; }));
  // What one read brings may exceed it; the rest stays where it is.
  EXPECT_LE(talk.out.size(), kRemoteWindow + sizeof(streams::ReadBuffer));
  EXPECT_EQ(talk.err, "");
  talk.gives_credit = true;
  talk.Credit(2 * kRemoteWindow);
  ASSERT_TRUE(talk.Ends());
  EXPECT_EQ(talk.out.size(), 4'000'000u);
  EXPECT_EQ(talk.err, "done\n");
}

// Or they would be a flood of frames within the window.
TEST(ServiceCommand, LetsSmallWritesCostMoreThanTheirBytes) {
  Agent agent;
  Conversation talk(agent,
                    "i=0; while [ $i -lt 1000 ]; do printf x; i=$((i+1)); "
                    "read line <&0 || exit; done");
  talk.gives_credit = false;
  const size_t most = kRemoteWindow / RemoteCost(1);
  size_t inputs = 0;
  const auto go_on = [&] {
    talk.Input("go\n", false);
    ++inputs;
    return agent.RunUntil(
        [&] { return talk.input_credit == inputs * RemoteCost(3); });
  };
  while (talk.frames < most) {
    const size_t before = talk.out.size();
    ASSERT_TRUE(go_on());
    ASSERT_TRUE(agent.RunUntil([&] { return talk.out.size() > before; }));
  }
  // It goes on writing, and nobody reads.
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(go_on());
  EXPECT_EQ(talk.frames, most);
  EXPECT_LT(talk.out.size(), kRemoteWindow / 2);
  talk.HangUp();
  agent.RunUntil([&] { return talk.exited.has_value(); });
}

TEST(ServiceCommand, ForwardsASignalThatComesBeforeTheStart) {
  Agent agent;
  Conversation talk(agent, "sleep 1000");
  talk.Signal(SIGTERM);
  ASSERT_TRUE(talk.Ends());
  EXPECT_EQ(talk.end->signal(), static_cast<uint32_t>(SIGTERM));
}

TEST(ServiceCommand, EndsAlthoughADaemonHoldsItsPipes) {
  Agent agent;
  Conversation talk(agent, "setsid sleep 1000 & echo started");
  ASSERT_TRUE(talk.Ends());
  EXPECT_EQ(talk.out, "started\n");
  EXPECT_EQ(talk.end->exit_code(), 0u);
}

}  // namespace
}  // namespace muster::mpi
