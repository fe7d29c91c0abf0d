#include "launcher/framing/digest.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace muster::framing {
namespace {

std::string Of(const std::string& bytes) {
  Digest digest;
  digest.Update(bytes);
  return digest.Value();
}

TEST(Digest, IsTheOneThatXxhsumPrints) {
  EXPECT_EQ(absl::BytesToHexString(Of("")), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(Checksum(""), 0x2d06800538d394c2u);
}

TEST(Digest, IsTheSameHoweverTheBytesCome) {
  const std::string bytes =
      std::string(100'000, 'a') + std::string(70'000, 'b');
  Digest digest;
  for (size_t at = 0; at < bytes.size(); at += 777) {
    digest.Update(absl::string_view(bytes).substr(at, 777));
  }
  EXPECT_EQ(digest.Value(), Of(bytes));
  EXPECT_NE(digest.Value(), Of(bytes.substr(1)));
}

TEST(Digest, CountsZerosAsBytes) {
  Digest digest;
  digest.Update("x");
  digest.UpdateZeros(200'001);
  digest.Update("y");
  EXPECT_EQ(digest.Value(), Of("x" + std::string(200'001, '\0') + "y"));
}

TEST(Digest, GoesOnApartFromItsCopy) {
  Digest one;
  one.Update("same");
  Digest other = one;
  one.Update("1");
  EXPECT_EQ(other.Value(), Of("same"));
  other = one;
  other.Update("2");
  EXPECT_EQ(one.Value(), Of("same1"));
  EXPECT_EQ(other.Value(), Of("same12"));
}

}  // namespace
}  // namespace muster::framing
