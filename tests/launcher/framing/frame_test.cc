#include "launcher/framing/frame.h"

#include <gtest/gtest.h>

#include <string>

namespace muster::framing {
namespace {

using State = Frame::State;

constexpr uint64_t kIdentity = 7;
constexpr uint64_t kPosition = 16;

std::string Framed(absl::string_view payload, uint64_t position = kPosition) {
  const auto header = EncodeFrameHeader(kIdentity, position, {payload});
  return std::string(header.data(), header.size()) + std::string(payload);
}

TEST(Frame, IsReadAsItWasWritten) {
  const std::string bytes = Framed("four ranks") + "what follows";
  const Frame frame = DecodeFrame(kIdentity, kPosition, bytes);
  EXPECT_EQ(frame.state, State::kWhole);
  EXPECT_EQ(frame.payload, "four ranks");
  EXPECT_EQ(frame.size, kFrameHeaderBytes + 10);
}

TEST(Frame, OfSeveralPartsIsThatOfTheirSum) {
  EXPECT_EQ(EncodeFrameHeader(kIdentity, kPosition, {"four", " ", "ranks"}),
            EncodeFrameHeader(kIdentity, kPosition, {"four ranks"}));
}

TEST(Frame, IsTornWhereverItIsCut) {
  const std::string whole = Framed("four ranks");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(DecodeFrame(kIdentity, kPosition, whole.substr(0, size)).state,
              State::kTorn)
        << size;
  }
}

TEST(Frame, WithAnyBitFlippedIsBadAndOnlyItsHeaderHidesWhatFollows) {
  const std::string whole = Framed("four ranks");
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const Frame frame = DecodeFrame(kIdentity, kPosition, bytes);
    if (bit / 8 < kFrameHeaderBytes) {
      EXPECT_EQ(frame.state, State::kBadHeader) << bit;
      EXPECT_EQ(frame.size, 0u);
    } else {
      EXPECT_EQ(frame.state, State::kBadPayload) << bit;
      EXPECT_EQ(frame.size, whole.size());
    }
  }
}

TEST(Frame, OfAnotherPlaceOrAnotherFileIsBad) {
  const std::string bytes = Framed("four ranks");
  EXPECT_EQ(DecodeFrame(kIdentity, kPosition + 1, bytes).state,
            State::kBadHeader);
  EXPECT_EQ(DecodeFrame(kIdentity + 1, kPosition, bytes).state,
            State::kBadHeader);
}

TEST(Frame, MayBeEmptyButZerosAreNone) {
  EXPECT_EQ(DecodeFrame(kIdentity, kPosition, Framed("")).state, State::kWhole);
  EXPECT_EQ(DecodeFrame(kIdentity, kPosition, std::string(64, '\0')).state,
            State::kBadHeader);
}

TEST(FileHeader, IsReadAsItWasWritten) {
  const auto header = DecodeFileHeader(
      EncodeFileHeader({.kind = 's', .version = 3, .identity = 42}));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->kind, 's');
  EXPECT_EQ(header->version, 3);
  EXPECT_EQ(header->identity, 42u);
}

TEST(FileHeader, IsToldFromSomethingElse) {
  const std::string bytes = EncodeFileHeader({.kind = 's'});
  EXPECT_TRUE(absl::IsOutOfRange(DecodeFileHeader(bytes.substr(1)).status()));
  EXPECT_TRUE(
      absl::IsDataLoss(DecodeFileHeader(std::string(16, '\0')).status()));
}

}  // namespace
}  // namespace muster::framing
