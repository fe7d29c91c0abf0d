#include "launcher/streams/delivery.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "launcher/streams/pipe_reader.h"
#include "tests/launcher/collector/server.h"
#include "tests/launcher/streams/loop.h"

namespace muster::streams {
namespace {

using collector::HasPartFile;
using collector::ReadFile;
using collector::TestServer;
using collector::Tree;

Introduction Node(uint32_t rank, uint32_t nodes, uint32_t workers) {
  Introduction node;
  node.set_run_id("run");
  node.set_node_rank(rank);
  node.set_first_rank(rank * workers);
  node.set_workers(workers);
  node.set_world_size(nodes * workers);
  return node;
}

std::string RandomBytes(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// One node's delivery and what came back.
struct Sender {
  Sender(Loop& loop, const std::shared_ptr<grpc::Channel>& channel,
         const Introduction& node)
      : delivery(std::make_unique<Delivery>(
            loop.context(), channel, node,
            Delivery::Callbacks{[this] { ++writable; },
                                [this](const Receipt& got) { receipt = got; },
                                [this](const grpc::Status& got) {
                                  failures.push_back(got);
                                }})) {}

  bool IsSettled() const { return receipt || !failures.empty(); }

  int writable = 0;
  std::optional<Receipt> receipt;
  std::vector<grpc::Status> failures;
  std::unique_ptr<Delivery> delivery;
};

TEST(Delivery, LeavesNothingOfItsChannelToGrpcsThreads) {
  TestServer server;
  Loop loop;
  for (int round = 0; round < 20; ++round) {
    auto channel = server.Channel();
    const std::weak_ptr<grpc::Channel> watched = channel;
    Sender sender(loop, channel, Node(0, 1, 1));
    channel.reset();
    sender.delivery->Finish();
    ASSERT_TRUE(loop.RunUntil([&] { return sender.IsSettled(); }));
    sender.delivery.reset();
    // What was posted meanwhile goes on the loop.
    loop.context().poll();
    ASSERT_TRUE(watched.expired()) << "in round " << round;
  }
}

TEST(Delivery, CarriesEveryByteOfSeveralNodesAtOnce) {
  constexpr uint32_t kNodes = 6;
  TestServer server;
  Loop loop;
  std::vector<std::unique_ptr<Sender>> senders;
  std::vector<std::string> sent(kNodes * 2);
  for (uint32_t node = 0; node < kNodes; ++node) {
    senders.push_back(std::make_unique<Sender>(
        loop, node % 2 == 0 ? server.Channel() : server.InProcess(),
        Node(node, kNodes, 2)));
  }
  for (unsigned round = 0; round < 40; ++round) {
    for (uint32_t rank = 0; rank < sent.size(); ++rank) {
      const std::string bytes =
          RandomBytes(round * round * 7 % 9000, round * 100 + rank);
      senders[rank / 2]->delivery->AppendLog(rank, rank % 2 == 1, bytes);
      sent[rank] += bytes;
    }
  }
  for (uint32_t rank = 0; rank < sent.size(); ++rank) {
    senders[rank / 2]->delivery->EndLog(rank, rank % 2 == 1);
  }
  for (auto& sender : senders) sender->delivery->Finish();
  server.console().Read();
  for (uint32_t node = 0; node < kNodes; ++node) {
    Sender& sender = *senders[node];
    ASSERT_TRUE(loop.RunUntil([&] { return sender.IsSettled(); }));
    ASSERT_TRUE(sender.receipt) << sender.failures[0].error_message();
    EXPECT_EQ(sender.receipt->log_bytes(),
              sent[node * 2].size() + sent[node * 2 + 1].size());
  }
  for (uint32_t rank = 0; rank < sent.size(); ++rank) {
    const std::string name = (rank < 10 ? "logs/0" : "logs/") +
                             std::to_string(rank) +
                             (rank % 2 == 1 ? ".stderr" : ".stdout");
    EXPECT_TRUE(ReadFile(server.In(name)) == sent[rank]) << name;
  }
}

TEST(Delivery, KeepsOddBytesAndLongLines) {
  TestServer server;
  Loop loop;
  Sender sender(loop, server.Channel(), Node(0, 1, 1));
  const std::string odd =
      std::string("\0\xff\xc3(\r\r\n", 7) + std::string(1 << 20, 'l') + "\nend";
  sender.delivery->AppendLog(0, false, odd.substr(0, 3));
  sender.delivery->AppendLog(0, true, "other");
  sender.delivery->AppendLog(0, false, odd.substr(3));
  sender.delivery->AppendAgentLog(odd);
  sender.delivery->EndLog(0, false);
  sender.delivery->EndLog(0, true);
  sender.delivery->Finish();
  server.console().Read();
  ASSERT_TRUE(loop.RunUntil([&] { return sender.IsSettled(); }));
  ASSERT_TRUE(sender.receipt) << sender.failures[0].error_message();
  EXPECT_TRUE(ReadFile(server.In("logs/0.stdout")) == odd);
  EXPECT_EQ(ReadFile(server.In("logs/0.stderr")), "other");
  EXPECT_TRUE(ReadFile(server.In("logs/node0.agent")) == odd);
}

TEST(Delivery, SendsManySmallWritesInFewMessages) {
  TestServer server;
  Loop loop;
  Sender sender(loop, server.Channel(), Node(0, 1, 1));
  for (int i = 0; i < 50'000; ++i) sender.delivery->AppendLog(0, false, "a\n");
  EXPECT_LT(sender.delivery->QueuedBytes(), 101'000u);
  sender.delivery->Finish();
  server.console().Read();
  ASSERT_TRUE(loop.RunUntil([&] { return sender.IsSettled(); }));
  EXPECT_EQ(ReadFile(server.In("logs/0.stdout")).size(), 100'000u);
}

TEST(Delivery, SaysWhyItWasRefusedAndDropsTheRest) {
  TestServer server;
  Loop loop;
  Introduction other = Node(0, 1, 1);
  other.set_run_id("other");
  Sender lost(loop, server.Channel(), other);
  ASSERT_TRUE(loop.RunUntil([&] { return lost.IsSettled(); }));
  EXPECT_EQ(lost.failures[0].error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_FALSE(lost.delivery->IsOpen());
  lost.delivery->AppendLog(0, false, std::string(2 * Delivery::kBound, 'x'));
  lost.delivery->Finish();
  EXPECT_FALSE(lost.delivery->Full());
  EXPECT_EQ(lost.delivery->QueuedBytes(), 0u);

  Sender wrong(loop, server.Channel(), Node(0, 1, 1));
  FileChunk evil;
  evil.set_path("outputs/../../x");
  evil.set_last(true);
  wrong.delivery->SendFileChunk(evil);
  wrong.delivery->Finish();
  ASSERT_TRUE(loop.RunUntil([&] { return wrong.IsSettled(); }));
  EXPECT_EQ(wrong.failures[0].error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  loop.context().poll();
  EXPECT_EQ(wrong.failures.size(), 1u);
  EXPECT_FALSE(wrong.receipt);
}

TEST(Delivery, FailsOnceWhenNobodyListens) {
  Loop loop;
  std::shared_ptr<grpc::Channel> channel;
  {
    TestServer server;
    channel = server.Channel();
  }
  Sender sender(loop, channel, Node(0, 1, 1));
  sender.delivery->AppendLog(0, false, "x");
  ASSERT_TRUE(loop.RunUntil([&] { return sender.IsSettled(); }));
  ASSERT_EQ(sender.failures.size(), 1u);
  EXPECT_EQ(sender.failures[0].error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(Delivery, FailsWhenTheConnectionIsCut) {
  TestServer server;
  Loop loop;
  Sender sender(loop, server.Channel(), Node(0, 1, 1));
  sender.delivery->AppendLog(0, false, "sent\n");
  ASSERT_TRUE(
      loop.RunUntil([&] { return sender.delivery->QueuedBytes() == 0; }));
  ASSERT_TRUE(server.console().WaitFor("[0] sent\n"));
  server.CutConnections();
  ASSERT_TRUE(loop.RunUntil([&] { return sender.IsSettled(); }));
  EXPECT_EQ(sender.failures[0].error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server.broken().Wait(1).size(), 1u);
}

TEST(Delivery, IsFullAtItsBoundAndWritableBelowHalf) {
  TestServer server;  // its console is not read: soon it takes nothing more
  Loop loop;
  Sender sender(loop, server.Channel(), Node(0, 1, 1));
  const std::string line = std::string(65'535, 'x') + "\n";
  uint64_t sent = 0;
  while (!sender.delivery->Full()) {
    sender.delivery->AppendLog(0, false, line);
    sent += line.size();
  }
  EXPECT_GE(sender.delivery->QueuedBytes(), Delivery::kBound);
  EXPECT_LE(sender.delivery->QueuedBytes(), Delivery::kBound + 70'000);
  EXPECT_LE(sent, Delivery::kBound + 70'000);
  EXPECT_EQ(sender.writable, 0);
  server.console().Read();
  ASSERT_TRUE(loop.RunUntil([&] { return sender.writable > 0; }));
  EXPECT_FALSE(sender.delivery->Full());
  EXPECT_LT(sender.delivery->QueuedBytes(), Delivery::kBound / 2);
  sender.delivery->Finish();
  ASSERT_TRUE(loop.RunUntil([&] { return sender.IsSettled(); }));
  EXPECT_EQ(sender.writable, 1);
  EXPECT_EQ(ReadFile(server.In("logs/0.stdout")).size(), sent);
}

// A worker that writes more than all buffers on the way hold, to a collector
// that does not move: the pipe's reader is paused, nothing grows, and nothing
// is lost.
TEST(Delivery, HoldsBackAWorkerWhoseCollectorIsStuck) {
  TestServer server;
  Loop loop;
  ReadBuffer buffer;
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  std::unique_ptr<PipeReader> reader;
  std::unique_ptr<Delivery> delivery;
  size_t most = 0;
  bool is_paused = false;
  bool was_paused = false;
  std::optional<Receipt> receipt;
  delivery = std::make_unique<Delivery>(
      loop.context(), server.Channel(), Node(0, 1, 1),
      Delivery::Callbacks{[&] {
                            is_paused = false;
                            if (reader) reader->Resume();
                          },
                          [&](const Receipt& got) { receipt = got; },
                          [](const grpc::Status& status) {
                            ADD_FAILURE() << status.error_message();
                          }});
  reader = std::make_unique<PipeReader>(
      loop.context(), buffer, ends[0],
      PipeReader::Callbacks{[&](absl::string_view bytes) {
                              EXPECT_FALSE(is_paused);
                              delivery->AppendLog(0, false, bytes);
                              most = std::max(most, delivery->QueuedBytes());
                              if (!delivery->Full()) return;
                              is_paused = was_paused = true;
                              reader->Pause();
                            },
                            [&] {
                              delivery->EndLog(0, false);
                              delivery->Finish();
                              reader.reset();
                            }});
  const std::string sent = RandomBytes(32 << 20, 1);
  std::thread worker([&] {
    size_t at = 0;
    while (at < sent.size()) {
      const ssize_t n = write(ends[1], &sent[at], sent.size() - at);
      if (n <= 0) break;
      at += static_cast<size_t>(n);
    }
    close(ends[1]);
  });
  EXPECT_TRUE(loop.RunUntil([&] { return was_paused; }));
  server.console().Read();
  EXPECT_TRUE(loop.RunUntil([&] { return receipt.has_value(); }));
  reader.reset();  // where the test failed, the worker must not wait for it
  worker.join();
  EXPECT_LE(most, Delivery::kBound + 2 * sizeof(buffer));
  EXPECT_TRUE(ReadFile(server.In("logs/0.stdout")) == sent);
}

TEST(Delivery, MayBeDestroyedAtAnyMoment) {
  TestServer server;
  server.console().Read();
  for (int i = 0; i < 60; ++i) {
    auto loop = std::make_unique<Loop>();
    Sender sender(*loop, i % 2 == 0 ? server.Channel() : server.InProcess(),
                  Node(0, 1, 1));
    sender.delivery->AppendLog(0, false, std::string(200'000, 'x'));
    if (i % 3 == 0) sender.delivery->Finish();
    loop->context().poll();
    for (int turns = 0; turns < i % 7; ++turns) {
      loop->context().run_one_for(std::chrono::milliseconds(1));
    }
    const size_t failures = sender.failures.size();
    sender.delivery.reset();
    const bool had_receipt = sender.receipt.has_value();
    loop->context().poll();
    EXPECT_EQ(sender.failures.size(), failures);
    EXPECT_EQ(sender.receipt.has_value(), had_receipt);
    loop.reset();  // gRPC may still be at it
  }
}

TEST(Delivery, MayBeDestroyedInItsCallbacks) {
  TestServer server;
  Loop loop;
  std::unique_ptr<Delivery> delivery;
  const auto destroy = [&](const auto&) { delivery.reset(); };
  for (const char* run_id : {"run", "other"}) {
    Introduction node = Node(0, 1, 1);
    node.set_run_id(run_id);
    delivery =
        std::make_unique<Delivery>(loop.context(), server.Channel(), node,
                                   Delivery::Callbacks{{}, destroy, destroy});
    delivery->Finish();
    EXPECT_TRUE(loop.RunUntil([&] { return delivery == nullptr; }));
  }
}

}  // namespace
}  // namespace muster::streams
