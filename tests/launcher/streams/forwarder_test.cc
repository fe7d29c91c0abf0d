#include "launcher/streams/forwarder.h"

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/streams/sender.h"

namespace muster::streams {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Type = LogMessage::Type;

constexpr StreamId kOut = {.kind = STREAM_STDOUT, .rank = 0};
constexpr StreamId kErr = {.kind = STREAM_STDERR, .rank = 0};

Record Data(StreamId stream, uint64_t offset, absl::string_view bytes) {
  return {.type = Record::Type::kData,
          .stream = stream,
          .offset = offset,
          .length = bytes.size(),
          .bytes = bytes};
}
Record End(StreamId stream, uint64_t offset) {
  return {.type = Record::Type::kEnd,
          .stream = stream,
          .offset = offset,
          .how = STREAM_END_CLOSED};
}
Record State(StreamId stream, uint64_t offset,
             StreamEnd how = STREAM_END_UNSPECIFIED) {
  return {.type = Record::Type::kState,
          .stream = stream,
          .offset = offset,
          .how = how};
}
Record Damage(GapReason reason) {
  return {.type = Record::Type::kDamage, .reason = reason};
}

LogWelcome Welcome(uint64_t window, std::vector<StreamState> states = {}) {
  LogWelcome welcome;
  welcome.set_window_bytes(window);
  for (const StreamState& state : states) {
    StreamPosition& position = *welcome.add_streams();
    *position.mutable_stream() = ToProto(state.stream);
    position.set_offset(state.offset);
    position.set_ended(state.how != STREAM_END_UNSPECIFIED);
  }
  return welcome;
}

class ForwarderTest : public testing::Test {
 protected:
  void Take(std::vector<Record> records) {
    forwarder_.Take({.records = std::move(records), .end = {1, ++end_}});
  }
  // What it wants to send now.
  std::vector<std::string> Sent() {
    std::vector<std::string> sent;
    while (const std::optional<LogMessage> message = forwarder_.Next()) {
      sent.push_back(Describe(*message));
    }
    return sent;
  }
  static std::string Describe(const LogMessage& message) {
    std::string name = message.stream == kOut ? "out" : "err";
    name += " " + std::to_string(message.offset) + " ";
    switch (message.type) {
      case Type::kData:
        name += "'";
        for (const absl::string_view piece : message.pieces) {
          name.append(piece.data(), piece.size());
        }
        return name + "'";
      case Type::kGap:
        return name + "gap of " + std::to_string(message.length) + ": " +
               GapReason_Name(message.reason);
      case Type::kEnd:
        return name + StreamEnd_Name(message.how);
      case Type::kFinish:
        return "finish";
    }
    return name;
  }

  Forwarder forwarder_;
  uint64_t end_ = 0;
};

TEST_F(ForwarderTest, SendsNothingBeforeThereIsAnything) {
  forwarder_.Connect(Welcome(1000));
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_FALSE(forwarder_.TakeReleasable());
}

TEST_F(ForwarderTest, JoinsThePiecesOfAStream) {
  forwarder_.Connect(Welcome(100'000));
  Take({Data(kOut, 0, "one "), Data(kErr, 0, "oh "), Data(kOut, 4, "two"),
        Data(kErr, 3, "no"), End(kErr, 5), Data(kOut, 7, "!")});
  EXPECT_THAT(Sent(), ElementsAre("out 0 'one two!'", "err 0 'oh no'",
                                  "err 5 STREAM_END_CLOSED"));
}

TEST_F(ForwarderTest, SendsNoMessageOfMoreThan256KiB) {
  const std::string bytes = Noise(600'000);
  forwarder_.Connect(Welcome(10'000'000));
  Take({Data(kOut, 0, absl::string_view(bytes).substr(0, 100'000)),
        Data(kOut, 100'000, absl::string_view(bytes).substr(100'000))});
  std::string sent;
  while (const std::optional<LogMessage> message = forwarder_.Next()) {
    EXPECT_EQ(message->offset, sent.size());
    EXPECT_LE(message->length, 256u * 1024);
    const LogUp up = OverTheWire(*message);
    sent += up.data().data();
  }
  EXPECT_TRUE(sent == bytes);
}

TEST_F(ForwarderTest, LeavesOutWhatTheCollectorHas) {
  forwarder_.Connect(Welcome(1000, {{kOut, 5}, {kErr, 3, STREAM_END_CLOSED}}));
  Take({Data(kOut, 0, "one"), Data(kOut, 3, "two"), Data(kErr, 0, "err"),
        End(kErr, 3), Data(kOut, 6, "three")});
  EXPECT_THAT(Sent(), ElementsAre("out 5 'othree'"));
}

TEST_F(ForwarderTest, MakesAGapOfWhatIsMissing) {
  forwarder_.Connect(Welcome(1000, {{kOut, 2}}));
  Take({State(kOut, 5), State(kErr, 0), Data(kOut, 5, "five")});
  EXPECT_THAT(Sent(),
              ElementsAre("out 2 gap of 3: GAP_SPOOL_FULL", "out 5 'five'"));
  Take({Damage(GAP_CORRUPT), Data(kErr, 3, "err"), Data(kOut, 10, "ten")});
  EXPECT_THAT(Sent(),
              ElementsAre("err 0 gap of 3: GAP_CORRUPT", "err 3 'err'",
                          "out 9 gap of 1: GAP_CORRUPT", "out 10 'ten'"));
}

TEST_F(ForwarderTest, KnowsWhyWhereTheLogSaysIt) {
  forwarder_.Connect(Welcome(1000));
  Take({{.type = Record::Type::kLost,
         .stream = kOut,
         .offset = 2,
         .length = 3,
         .reason = GAP_SPOOL_ERROR},
        Data(kOut, 5, "five")});
  EXPECT_THAT(Sent(),
              ElementsAre("out 0 gap of 2: GAP_SPOOL_FULL",
                          "out 2 gap of 3: GAP_SPOOL_ERROR", "out 5 'five'"));
}

TEST_F(ForwarderTest, JoinsGapsOfOneReason) {
  const auto lost = [](uint64_t offset, GapReason reason) {
    return Record{.type = Record::Type::kLost,
                  .stream = kOut,
                  .offset = offset,
                  .length = 2,
                  .reason = reason};
  };
  forwarder_.Connect(Welcome(1000));
  Take({lost(0, GAP_SPOOL_FULL), lost(2, GAP_SPOOL_FULL), State(kErr, 0),
        lost(4, GAP_SPOOL_FULL), lost(6, GAP_SPOOL_ERROR), Data(kOut, 8, "x"),
        lost(9, GAP_SPOOL_ERROR)});
  EXPECT_THAT(Sent(),
              ElementsAre("out 0 gap of 6: GAP_SPOOL_FULL",
                          "out 6 gap of 2: GAP_SPOOL_ERROR", "out 8 'x'",
                          "out 9 gap of 2: GAP_SPOOL_ERROR"));
}

TEST_F(ForwarderTest, EndsAStreamOnceHoweverOftenItIsTold) {
  forwarder_.Connect(Welcome(1000));
  Take({Data(kOut, 0, "x"), End(kOut, 1), State(kOut, 1, STREAM_END_CLOSED),
        State(kErr, 4, STREAM_END_ABANDONED)});
  EXPECT_THAT(Sent(), ElementsAre("out 0 'x'", "out 1 STREAM_END_CLOSED",
                                  "err 0 gap of 4: GAP_SPOOL_FULL",
                                  "err 4 STREAM_END_ABANDONED"));
  Take({End(kOut, 1), Data(kOut, 1, "after its end"), End(kErr, 4)});
  EXPECT_THAT(Sent(), IsEmpty());
}

TEST_F(ForwarderTest, SettlesWhatTheLogLacks) {
  forwarder_.Connect(Welcome(1000));
  Take({Data(kOut, 0, "x")});
  Sent();
  forwarder_.Settle({{kOut, 3, STREAM_END_CLOSED}, {kErr, 0}});
  forwarder_.Finish();
  EXPECT_THAT(Sent(), ElementsAre("out 1 gap of 2: GAP_SPOOL_ERROR",
                                  "out 3 STREAM_END_CLOSED", "finish"));
}

TEST_F(ForwarderTest, IsNeverMoreThanTheWindowAhead) {
  forwarder_.Connect(Welcome(1000));
  const std::string bytes(5000, 'x');
  Take({Data(kOut, 0, bytes)});
  std::vector<std::string> sent = Sent();
  // One message is as large as the window, and what it costs beside its data
  // leaves no room for another one.
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].size(), 1000 + strlen("out 0 ''"));
  EXPECT_TRUE(forwarder_.HasQueued());
  ASSERT_TRUE(forwarder_.Acknowledge(1).ok());
  EXPECT_THAT(Sent(), SizeIs(1));
}

TEST_F(ForwarderTest, BoundsTheNumberOfSmallMessagesToo) {
  forwarder_.Connect(Welcome(1000));
  std::vector<Record> records;
  for (uint32_t rank = 0; rank < 100; ++rank) {
    records.push_back(Data({STREAM_STDOUT, rank}, 0, "x"));
  }
  Take(records);
  EXPECT_THAT(Sent(), SizeIs(1000 / (Forwarder::kMessageCost + 1)));
}

TEST_F(ForwarderTest, LetsGoOfTheLogAsItIsAcknowledged) {
  forwarder_.Connect(Welcome(100'000));
  Take({Data(kOut, 0, "one"), Data(kErr, 0, "two")});
  Sent();
  Take({Data(kOut, 3, "x")});
  Sent();
  ASSERT_TRUE(forwarder_.Acknowledge(1).ok());
  EXPECT_FALSE(forwarder_.TakeReleasable());
  ASSERT_TRUE(forwarder_.Acknowledge(2).ok());
  EXPECT_EQ(forwarder_.TakeReleasable(), (LogPosition{1, 1}));
  EXPECT_FALSE(forwarder_.TakeReleasable());
  ASSERT_TRUE(forwarder_.Acknowledge(3).ok());
  EXPECT_EQ(forwarder_.TakeReleasable(), (LogPosition{1, 2}));
  EXPECT_EQ(forwarder_.acknowledged_bytes(), 7u);
}

TEST_F(ForwarderTest, LetsGoAtOnceOfWhatWasAcknowledgedBefore) {
  forwarder_.Connect(Welcome(1000, {{kOut, 3}}));
  Take({Data(kOut, 0, "one")});
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(forwarder_.TakeReleasable(), (LogPosition{1, 1}));
  EXPECT_EQ(forwarder_.acknowledged_bytes(), 3u);
}

TEST_F(ForwarderTest, HoldsWhatWasSkippedUntilWhatCameBeforeIsAcknowledged) {
  forwarder_.Connect(Welcome(1000, {{kErr, 9}}));
  Take({Data(kOut, 0, "one")});
  Sent();
  Take({Data(kErr, 0, "skipped")});
  EXPECT_FALSE(forwarder_.TakeReleasable());
  ASSERT_TRUE(forwarder_.Acknowledge(1).ok());
  EXPECT_EQ(forwarder_.TakeReleasable(), (LogPosition{1, 2}));
}

TEST_F(ForwarderTest, RefusesAcknowledgementsThatCannotBe) {
  forwarder_.Connect(Welcome(1000));
  Take({Data(kOut, 0, "one"), Data(kErr, 0, "two")});
  Sent();
  EXPECT_FALSE(forwarder_.Acknowledge(3).ok());
  ASSERT_TRUE(forwarder_.Acknowledge(2).ok());
  EXPECT_TRUE(forwarder_.Acknowledge(2).ok());
  EXPECT_FALSE(forwarder_.Acknowledge(1).ok());
}

TEST_F(ForwarderTest, BeginsAnewOnEveryConnection) {
  forwarder_.Connect(Welcome(1000));
  Take({Data(kOut, 0, "one")});
  Sent();
  forwarder_.Disconnect();
  EXPECT_FALSE(forwarder_.HasQueued());
  forwarder_.Connect(Welcome(1000));
  Take({Data(kOut, 0, "one")});
  EXPECT_THAT(Sent(), ElementsAre("out 0 'one'"));
  EXPECT_TRUE(forwarder_.Acknowledge(1).ok());
}

TEST(LogMessage, IsReadAsItWasMeantWhateverItsPieces) {
  const std::string noise = Noise(250'000);
  const std::shared_ptr<char[]> memory(new char[noise.size()]);
  std::copy(noise.begin(), noise.end(), memory.get());
  const absl::string_view bytes(memory.get(), noise.size());
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    LogMessage message{.type = Type::kData,
                       .stream = {STREAM_STDERR, 300},
                       .offset = uint64_t{1} << 40,
                       .length = bytes.size(),
                       .memory = memory};
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = 1 + random() % (size_t{1} << (random() % 17));
      message.pieces.push_back(bytes.substr(at, size));
      at += message.pieces.back().size();
    }
    const LogUp up = OverTheWire(message);
    EXPECT_EQ(FromProto(up.data().stream()), message.stream);
    EXPECT_EQ(up.data().offset(), message.offset);
    EXPECT_TRUE(up.data().data() == noise);
  }
}

TEST(LogMessage, HoldsTheMemoryItRefersTo) {
  std::shared_ptr<char[]> memory(new char[100'000]());
  LogMessage message{.type = Type::kData,
                     .length = 100'000,
                     .pieces = {{memory.get(), 100'000}},
                     .memory = memory};
  const std::weak_ptr<char[]> watched = memory;
  grpc::ByteBuffer buffer = EncodeLogMessage(message, kSomeTime);
  message = {};
  memory.reset();
  EXPECT_FALSE(watched.expired());
  buffer.Clear();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace muster::streams
