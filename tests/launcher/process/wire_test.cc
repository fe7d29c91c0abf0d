#include "launcher/process/wire.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/process/messages.h"

namespace muster::process {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using Read = FrameReader::Result;
using Write = FrameWriter::Result;

class WireTest : public testing::Test {
 protected:
  WireTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    near_.Reset(ends[0]);
    far_.Reset(ends[1]);
  }

  // Sends `frame` and receives it, piece by piece where it is large.
  Frame Carry(Frame frame) {
    writer_.Push(std::move(frame));
    Frame received;
    while (true) {
      EXPECT_NE(writer_.Flush(near_.get()), Write::kBroken);
      const Read result = reader_.Next(far_.get(), &received);
      if (result == Read::kFrame) return received;
      EXPECT_EQ(result, Read::kWouldBlock) << reader_.error();
      if (result != Read::kWouldBlock) return received;
    }
  }

  void SendRaw(const std::string& bytes) {
    EXPECT_EQ(send(near_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }

  // The bytes of a frame as they are on the wire.
  static std::string Raw(Frame frame) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const UniqueFd in(ends[0]), out(ends[1]);
    FrameWriter writer;
    writer.Push(std::move(frame));
    EXPECT_EQ(writer.Flush(in.get()), Write::kDone);
    std::string bytes(65536, '\0');
    const ssize_t size = recv(out.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(static_cast<size_t>(size));
    return bytes;
  }

  UniqueFd near_, far_;
  FrameWriter writer_;
  FrameReader reader_;
};

ino_t Inode(int fd) {
  struct stat info = {};
  EXPECT_EQ(fstat(fd, &info), 0);
  return info.st_ino;
}

int OpenDescriptors() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

TEST_F(WireTest, CarriesASpawnRequestOfMegabytes) {
  SpawnRequest request;
  request.id = 7;
  request.argv = {"python3", "", "a b", std::string("\xff\n", 2)};
  request.env = {{"BIG", std::string(2 << 20, 'x')}, {"EMPTY", ""}};
  request.working_directory = "/some/where";
  request.held_fds = {dup(near_.get())};
  const Frame frame = Carry(EncodeSpawn(request));
  EXPECT_EQ(frame.fds.size(), 1u) << "sent once for each piece";
  const auto got = DecodeSpawn(frame);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->id, 7u);
  EXPECT_EQ(got->argv, request.argv);
  EXPECT_EQ(got->env, request.env);
  EXPECT_EQ(got->working_directory, "/some/where");
}

TEST_F(WireTest, CarriesEveryOtherMessage) {
  const auto signal = DecodeSignal(Carry(EncodeSignal({kAllWorkers, 10})));
  ASSERT_TRUE(signal.ok());
  EXPECT_EQ(signal->id, kAllWorkers);
  EXPECT_EQ(signal->signo, 10);
  const std::chrono::milliseconds day = std::chrono::hours(24);
  EXPECT_EQ(*DecodeGrace(Carry(EncodeStop(day))), day);
  EXPECT_EQ(*DecodeGrace(Carry(EncodeSetOrphanGrace(day))), day);
  EXPECT_EQ(*DecodeRemoveAtEnd(Carry(EncodeRemoveAtEnd("/tmp/\xff x"))),
            "/tmp/\xff x");
  EXPECT_FALSE(DecodeRemoveAtEnd(EncodeRemoveAtEnd("")).ok());
  EXPECT_EQ(Carry(EncodeFinish()).type,
            static_cast<uint16_t>(MessageType::kFinish));

  const SpawnFailure failure = {SpawnStep::kExec, 8, "./x", "#!"};
  const auto failed = DecodeSpawnFailed(Carry(EncodeSpawnFailed({3, failure})));
  ASSERT_TRUE(failed.ok());
  EXPECT_EQ(failed->id, 3u);
  EXPECT_EQ(failed->failure.Message(), failure.Message());

  for (const ExitStatus status :
       {ExitStatus::Exited(255), ExitStatus::Signaled(9)}) {
    const auto exited = DecodeExited(Carry(EncodeExited({4, 1234, status})));
    ASSERT_TRUE(exited.ok());
    EXPECT_EQ(exited->id, 4u);
    EXPECT_EQ(exited->pid, 1234);
    EXPECT_EQ(exited->status, status);
  }
  const std::vector<Killed> killed = {{5, "a b", true}, {6, "", false}};
  EXPECT_EQ(*DecodeFinished(Carry(EncodeFinished(killed))), killed);
  EXPECT_TRUE(DecodeFinished(Carry(EncodeFinished({})))->empty());
}

TEST_F(WireTest, CarriesDescriptorsWithTheirOwnFrame) {
  int pipes[4];
  ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(pipes + 2, O_CLOEXEC), 0);
  const ino_t first = Inode(pipes[0]), second = Inode(pipes[2]);
  const int before = OpenDescriptors();
  writer_.Push(EncodeFinish());
  writer_.Push(EncodeSpawned({1, 2, UniqueFd(pipes[0]), UniqueFd(pipes[1])}));
  writer_.Push(EncodeSpawned({3, 4, UniqueFd(pipes[2]), UniqueFd(pipes[3])}));
  ASSERT_EQ(writer_.Flush(near_.get()), Write::kDone);
  EXPECT_EQ(OpenDescriptors(), before - 4) << "sent copies stay open";

  Frame frame;
  ASSERT_EQ(reader_.Next(far_.get(), &frame), Read::kFrame);
  EXPECT_TRUE(frame.fds.empty());
  ASSERT_EQ(reader_.Next(far_.get(), &frame), Read::kFrame);
  EXPECT_EQ(OpenDescriptors(), before - 2) << "read past the frame";
  const auto one = DecodeSpawned(std::move(frame));
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(Inode(one->stdout_fd.get()), first);
  EXPECT_NE(fcntl(one->stdout_fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  ASSERT_EQ(reader_.Next(far_.get(), &frame), Read::kFrame);
  const auto two = DecodeSpawned(std::move(frame));
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(two->pid, 4);
  EXPECT_EQ(Inode(two->stdout_fd.get()), second);
}

TEST_F(WireTest, CarriesTheLargestNumberOfDescriptors) {
  SpawnRequest request;
  for (size_t i = 0; i < kMaxFrameFds; ++i) {
    request.held_fds.push_back(dup(near_.get()));
  }
  EXPECT_EQ(Carry(EncodeSpawn(request)).fds.size(), kMaxFrameFds);
}

TEST_F(WireTest, SaysWhenThereIsNoRoomForDescriptors) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  writer_.Push(EncodeSpawned({1, 2, UniqueFd(ends[0]), UniqueFd(ends[1])}));
  ASSERT_EQ(writer_.Flush(near_.get()), Write::kDone);
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  Frame frame;
  const Read result = reader_.Next(far_.get(), &frame);
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_EQ(result, Read::kFrame) << reader_.error();
  EXPECT_TRUE(frame.fds_lost);
  EXPECT_EQ(DecodeSpawned(std::move(frame)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(WireTest, TakesAFrameByteByByte) {
  const std::string bytes = Raw(EncodeStop(std::chrono::milliseconds(5)));
  Frame frame;
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(reader_.Next(far_.get(), &frame), Read::kWouldBlock);
    SendRaw(bytes.substr(i, 1));
  }
  ASSERT_EQ(reader_.Next(far_.get(), &frame), Read::kFrame);
  EXPECT_EQ(DecodeGrace(frame)->count(), 5);
}

TEST_F(WireTest, TellsTheEndFromATruncatedFrame) {
  Frame frame;
  const std::string bytes = Raw(EncodeStop(std::chrono::milliseconds(5)));
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    near_.Reset(ends[0]);
    far_.Reset(ends[1]);
    reader_ = FrameReader();
    SendRaw(bytes.substr(0, cut));
    near_.Reset();
    EXPECT_EQ(reader_.Next(far_.get(), &frame),
              cut == 0 ? Read::kEnd : Read::kBroken)
        << cut;
  }
  EXPECT_THAT(reader_.error(), HasSubstr("closed inside a message"));
}

TEST_F(WireTest, TakesAResetForTheEnd) {
  SendRaw("x");
  far_.Reset();  // with a byte unread: the near side sees a reset
  Frame frame;
  EXPECT_EQ(reader_.Next(near_.get(), &frame), Read::kEnd);
}

TEST_F(WireTest, RefusesGarbage) {
  SendRaw("GET / HTTP/1.1\r\n\r\n");
  Frame frame;
  EXPECT_EQ(reader_.Next(far_.get(), &frame), Read::kBroken);
  EXPECT_THAT(reader_.error(), HasSubstr("not a message"));
}

TEST_F(WireTest, RefusesAFrameThatIsTooLarge) {
  std::string bytes = Raw(EncodeFinish());
  const uint32_t size = kMaxPayload + 1;
  std::memcpy(bytes.data() + 4, &size, sizeof(size));
  SendRaw(bytes);
  Frame frame;
  EXPECT_EQ(reader_.Next(far_.get(), &frame), Read::kBroken);
  EXPECT_THAT(reader_.error(), HasSubstr("too much"));
}

TEST_F(WireTest, RefusesAFrameWithoutItsDescriptors) {
  std::string bytes = Raw(EncodeFinish());
  const uint16_t count = 2;
  std::memcpy(bytes.data() + 10, &count, sizeof(count));
  SendRaw(bytes);
  Frame frame;
  EXPECT_EQ(reader_.Next(far_.get(), &frame), Read::kBroken);
  EXPECT_THAT(reader_.error(), HasSubstr("2 descriptors and brought 0"));
}

TEST_F(WireTest, WritesWithoutBlockingToOneWhoDoesNotRead) {
  Frame large;
  large.payload = std::string(4 << 20, 'x');
  writer_.Push(std::move(large));
  EXPECT_EQ(writer_.Flush(near_.get()), Write::kBlocked);
  far_.Reset();
  EXPECT_EQ(writer_.Flush(near_.get()), Write::kBroken);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(writer_.Flush(near_.get()), Write::kDone) << "nothing is kept";
}

// No payload, however cut or changed, is more than refused.
TEST(Messages, DecodeSurvivesAnything) {
  SpawnRequest request;
  request.argv = {"a", "b"};
  request.env = {{"n", "v"}};
  const std::vector<Frame> originals = [&] {
    std::vector<Frame> frames;
    frames.push_back(EncodeSpawn(request));
    frames.push_back(EncodeSignal({1, 2}));
    frames.push_back(EncodeStop(std::chrono::milliseconds(3)));
    frames.push_back(EncodeSpawnFailed({1, {SpawnStep::kFind, 2, "p", "d"}}));
    frames.push_back(EncodeExited({1, 2, ExitStatus::Exited(3)}));
    frames.push_back(EncodeFinished({{1, "x", true}}));
    return frames;
  }();
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    const Frame& original = originals[random() % originals.size()];
    Frame frame;
    frame.payload =
        original.payload.substr(0, random() % (original.payload.size() + 1));
    for (int change = random() % 3; change > 0 && !frame.payload.empty();
         --change) {
      frame.payload[random() % frame.payload.size()] =
          static_cast<char>(random());
    }
    refused += !DecodeSpawn(frame).ok();
    refused += !DecodeSignal(frame).ok();
    refused += !DecodeGrace(frame).ok();
    refused += !DecodeSpawned(Frame{0, frame.payload, {}, false}).ok();
    refused += !DecodeSpawnFailed(frame).ok();
    refused += !DecodeExited(frame).ok();
    refused += !DecodeFinished(frame).ok();
  }
  EXPECT_GT(refused, 20000);
}

TEST(Messages, DecodeRefusesEveryTruncationAndAnyTail) {
  const std::string whole =
      EncodeSpawnFailed({1, {SpawnStep::kFind, 2, "p", "d"}}).payload;
  Frame frame;
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    frame.payload = whole.substr(0, cut);
    EXPECT_FALSE(DecodeSpawnFailed(frame).ok()) << cut;
  }
  frame.payload = whole + "x";
  EXPECT_FALSE(DecodeSpawnFailed(frame).ok());
  frame.payload = EncodeStop(std::chrono::milliseconds(-1)).payload;
  EXPECT_FALSE(DecodeGrace(frame).ok());
}

}  // namespace
}  // namespace muster::process
