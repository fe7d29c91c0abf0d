#include "launcher/fabric/nccl/command_inbox.h"

#include <unistd.h>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "launcher/fabric/probe_messages.h"

namespace muster::fabric {
namespace {

constexpr absl::Duration kLong = absl::Seconds(20);

// An inbox and the end of the pipe that its agent holds, both kept for ever:
// the end of its input would end this process.
struct Line {
  Line() {
    int ends[2];
    if (pipe(ends) != 0) abort();
    agent = ends[1];
    inbox = new CommandInbox(ends[0]);
  }
  void Send(const ProbeCommand& command) const {
    const std::string bytes = EncodeProbeMessage(command);
    ASSERT_EQ(write(agent, bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  void SendTask(uint32_t group) const {
    ProbeCommand command;
    command.mutable_task()->mutable_group()->set_id(group);
    Send(command);
  }
  void SendValue(uint32_t group, const std::string& key,
                 const std::string& value) const {
    ProbeCommand command;
    command.mutable_value()->set_group(group);
    command.mutable_value()->set_key(key);
    command.mutable_value()->set_value(value);
    Send(command);
  }
  void SendStop(uint32_t group) const {
    ProbeCommand command;
    command.mutable_stop()->set_group(group);
    Send(command);
  }

  CommandInbox* inbox;
  int agent = -1;
};

TEST(CommandInbox, TasksComeInOrder) {
  const Line line;
  line.SendTask(3);
  line.SendTask(4);
  EXPECT_EQ(line.inbox->NextTask().group().id(), 3u);
  EXPECT_EQ(line.inbox->NextTask().group().id(), 4u);
}

TEST(CommandInbox, AValueIsThereForWhoAsksLater) {
  const Line line;
  line.SendValue(3, "id", "x");
  EXPECT_EQ(line.inbox->WaitForValue(3, "id", kLong), "x");
  EXPECT_EQ(line.inbox->WaitForValue(3, "id", kLong), "x");
}

TEST(CommandInbox, AValueOfAnotherGroupIsNone) {
  const Line line;
  line.SendValue(2, "id", "old");
  line.SendValue(3, "id", "new");
  EXPECT_EQ(line.inbox->WaitForValue(3, "id", kLong), "new");
  EXPECT_EQ(line.inbox->WaitForValue(4, "id", absl::Milliseconds(1)),
            std::nullopt);
}

TEST(CommandInbox, AStopEndsAWait) {
  const Line line;
  line.SendStop(3);
  EXPECT_EQ(line.inbox->WaitForValue(3, "id", kLong), std::nullopt);
  EXPECT_TRUE(line.inbox->IsStopped(3));
  EXPECT_FALSE(line.inbox->IsStopped(4));
}

TEST(CommandInboxDeath, TheEndOfItsInputIsTheEnd) {
  EXPECT_EXIT(
      {
        const Line line;
        close(line.agent);
        line.inbox->NextTask();
      },
      ::testing::ExitedWithCode(kProbeEnded), "");
}

TEST(CommandInboxDeath, GarbageIsTheEnd) {
  EXPECT_EXIT(
      {
        const Line line;
        if (write(line.agent, "GET / HTTP/1.1\r\n\r\nHost: a", 26) < 0) abort();
        for (int i = 0; i < 100; ++i) {
          if (write(line.agent, "0123456789", 10) < 0) abort();
        }
        line.inbox->NextTask();
      },
      ::testing::ExitedWithCode(kProbeGarbage), "no command");
}

TEST(CommandInboxDeath, ACommandThatIsNoneIsTheEnd) {
  EXPECT_EXIT(
      {
        const Line line;
        line.Send(ProbeCommand());
        line.inbox->NextTask();
      },
      ::testing::ExitedWithCode(kProbeGarbage), "does not know");
}

}  // namespace
}  // namespace muster::fabric
