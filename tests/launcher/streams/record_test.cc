#include "launcher/streams/record.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::streams {
namespace {

using Type = Record::Type;

constexpr StreamId kOut = {.kind = STREAM_STDOUT, .rank = 70'000};
constexpr StreamId kErr = {.kind = STREAM_STDERR, .rank = 1};

std::vector<Record> TakeAll(absl::string_view payload) {
  std::vector<Record> records;
  while (!payload.empty()) {
    const absl::StatusOr<Record> record = TakeRecord(payload);
    EXPECT_TRUE(record.ok()) << record.status();
    if (!record.ok()) break;
    records.push_back(*record);
  }
  return records;
}

Record Sample(Type type) {
  switch (type) {
    case Type::kData:
      return {.type = type,
              .stream = kOut,
              .offset = uint64_t{1} << 40,
              .length = 3,
              .bytes = absl::string_view("a\0\xff", 3)};
    case Type::kEnd:
      return {.type = type,
              .stream = kErr,
              .offset = 9,
              .how = STREAM_END_ABANDONED};
    case Type::kLost:
      return {.type = type,
              .stream = {.kind = STREAM_AGENT},
              .offset = 5,
              .length = uint64_t{1} << 40,
              .reason = GAP_SPOOL_ERROR};
    case Type::kState:
      return {.type = type, .stream = kOut, .offset = 12};
    case Type::kDamage:
      break;
  }
  return {};
}

constexpr Type kTypes[] = {Type::kData, Type::kEnd, Type::kLost, Type::kState};

TEST(Record, IsReadAsItWasWritten) {
  std::string payload;
  for (const Type type : kTypes) EncodeRecord(Sample(type), payload);
  const std::vector<Record> records = TakeAll(payload);
  ASSERT_EQ(records.size(), std::size(kTypes));
  for (size_t i = 0; i < records.size(); ++i) {
    const Record expected = Sample(kTypes[i]);
    EXPECT_EQ(records[i].type, expected.type);
    EXPECT_EQ(records[i].stream, expected.stream);
    EXPECT_EQ(records[i].offset, expected.offset);
    EXPECT_EQ(records[i].length, expected.length);
    EXPECT_EQ(records[i].how, expected.how);
    EXPECT_EQ(records[i].reason, expected.reason);
    EXPECT_EQ(records[i].bytes, expected.bytes);
  }
}

TEST(Record, HasThisLayoutForEver) {
  std::string payload;
  EncodeRecord({.type = Type::kData,
                .stream = {.kind = STREAM_STDERR, .rank = 0x01020304},
                .offset = 0x1112131415161718,
                .length = 2,
                .bytes = "ab"},
               payload);
  EXPECT_EQ(payload, std::string("\x01\x02\x00\x00\x04\x03\x02\x01"
                                 "\x18\x17\x16\x15\x14\x13\x12\x11"
                                 "\x02\x00\x00\x00\x00\x00\x00\x00"
                                 "ab",
                                 26));
}

TEST(Record, ThatIsCutOffIsNone) {
  for (const Type type : kTypes) {
    std::string whole;
    EncodeRecord(Sample(type), whole);
    for (size_t size = 0; size < whole.size(); ++size) {
      absl::string_view cut(whole.data(), size);
      EXPECT_TRUE(absl::IsDataLoss(TakeRecord(cut).status())) << size;
      EXPECT_EQ(cut.size(), size);
    }
  }
}

TEST(Record, WithFieldsThatMakeNoSenseIsNone) {
  const auto refused = [](Type type, size_t at, int value) {
    std::string payload;
    EncodeRecord(Sample(type), payload);
    payload[at] = static_cast<char>(value);
    absl::string_view rest = payload;
    return absl::IsDataLoss(TakeRecord(rest).status());
  };
  for (const Type type : kTypes) {
    EXPECT_TRUE(refused(type, 0, 0));
    EXPECT_TRUE(refused(type, 0, 5));
    EXPECT_TRUE(refused(type, 1, 0));
    EXPECT_TRUE(refused(type, 1, 4));
    EXPECT_TRUE(refused(type, 1, 0x81));
    EXPECT_TRUE(refused(type, 2, 4));
    EXPECT_TRUE(refused(type, 3, 1));
  }
  EXPECT_TRUE(refused(Type::kData, 2, 1));
  EXPECT_TRUE(refused(Type::kEnd, 2, 0));
  EXPECT_TRUE(refused(Type::kLost, 2, 0));
  EXPECT_TRUE(refused(Type::kEnd, 16, 1));
  EXPECT_TRUE(refused(Type::kState, 16, 1));
  EXPECT_TRUE(refused(Type::kData, 16, 4));
  EXPECT_TRUE(refused(Type::kData, 16, 0));
}

TEST(Record, WhoseEndCannotBeCountedIsNone) {
  Record record = Sample(Type::kLost);
  record.offset = UINT64_MAX - record.length + 1;
  std::string payload;
  EncodeRecord(record, payload);
  absl::string_view rest = payload;
  EXPECT_TRUE(absl::IsDataLoss(TakeRecord(rest).status()));
}

TEST(StreamId, IsTheProtocolsName) {
  EXPECT_EQ(FromProto(ToProto(kOut)), kOut);
  EXPECT_EQ(ToProto(kErr).kind(), STREAM_STDERR);
  EXPECT_EQ(ToProto(kErr).rank(), 1u);
}

TEST(Chunk, JoinsWhatAStreamSaysInOneGo) {
  Chunk chunk;
  EXPECT_TRUE(chunk.payload().empty());
  EXPECT_EQ(chunk.AddData(kOut, 10, "one "), 4u);
  EXPECT_EQ(chunk.AddData(kOut, 14, "two"), 3u);
  EXPECT_EQ(chunk.AddData(kErr, 0, "oh"), 2u);
  EXPECT_EQ(chunk.AddData(kOut, 17, "!"), 1u);
  EXPECT_TRUE(chunk.AddEnd(kOut, 18, STREAM_END_CLOSED));
  EXPECT_EQ(chunk.AddData(kErr, 2, ""), 0u);
  const std::vector<Record> records = TakeAll(chunk.payload());
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].bytes, "one two");
  EXPECT_EQ(records[0].offset, 10u);
  EXPECT_EQ(records[1].stream, kErr);
  EXPECT_EQ(records[2].bytes, "!");
  EXPECT_EQ(records[3].type, Type::kEnd);
  EXPECT_EQ(records[3].offset, 18u);
  EXPECT_EQ(records[3].how, STREAM_END_CLOSED);
}

TEST(Chunk, DoesNotJoinAcrossAJump) {
  Chunk chunk;
  chunk.AddData(kOut, 0, "one");
  chunk.AddData(kOut, 4, "two");
  EXPECT_EQ(TakeAll(chunk.payload()).size(), 2u);
}

TEST(Chunk, TakesAsMuchAsItHolds) {
  Chunk chunk;
  const std::string bytes(Chunk::kCapacity, 'x');
  const size_t taken = chunk.AddData(kOut, 0, bytes);
  EXPECT_EQ(taken, Chunk::kCapacity - kRecordHeaderBytes);
  EXPECT_EQ(chunk.payload().size(), Chunk::kCapacity);
  EXPECT_EQ(chunk.AddData(kOut, taken, "x"), 0u);
  EXPECT_EQ(chunk.AddData(kErr, 0, "x"), 0u);
  EXPECT_FALSE(chunk.AddEnd(kErr, 0, STREAM_END_CLOSED));
  EXPECT_EQ(TakeAll(chunk.payload()).size(), 1u);
}

TEST(Chunk, LeavesOutARecordThatWouldHaveNoBytes) {
  Chunk chunk;
  chunk.AddData(kOut, 0,
                std::string(Chunk::kCapacity - 2 * kRecordHeaderBytes, 'x'));
  EXPECT_EQ(chunk.AddData(kErr, 0, "x"), 0u);
  EXPECT_EQ(TakeAll(chunk.payload()).size(), 1u);
}

}  // namespace
}  // namespace muster::streams
