#include "launcher/size.h"

#include <gtest/gtest.h>

namespace muster::launcher {
namespace {

TEST(Size, ReadsEveryUnitThatPeopleWrite) {
  EXPECT_EQ(*ParseSize("0"), 0u);
  EXPECT_EQ(*ParseSize("65536"), 65536u);
  EXPECT_EQ(*ParseSize("64K"), 65536u);
  EXPECT_EQ(*ParseSize("64KiB"), 65536u);
  EXPECT_EQ(*ParseSize("64kb"), 65536u);
  EXPECT_EQ(*ParseSize("8MiB"), 8u << 20);
  EXPECT_EQ(*ParseSize("1G"), 1u << 30);
  EXPECT_EQ(*ParseSize("2TiB"), uint64_t{2} << 40);
}

TEST(Size, RefusesAllElseAndSaysWhatIsRight) {
  for (const char* text :
       {"", "K", "-1", "+1", "1.5G", "1 K", "1KX", "1iB", "1Ki", "9E",
        "99999999999999999999", "9007199254740992K"}) {
    const auto read = ParseSize(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.status().message(),
              "must be a size such as 65536, 64KiB, 8MiB or 1GiB");
  }
}

TEST(Size, WrittenExactlyIsReadBack) {
  EXPECT_EQ(FormatSize(uint64_t{1} << 30), "1GiB");
  for (const uint64_t bytes :
       {0ul, 1ul, 1000ul, 1024ul, 1ul << 40, 1ul << 50}) {
    EXPECT_EQ(*ParseSize(FormatSize(bytes)), bytes);
  }
}

TEST(Size, IsShownWithTwoOrThreeDigits) {
  EXPECT_EQ(ShortSize(1), "1 byte");
  EXPECT_EQ(ShortSize(1023), "1023 bytes");
  EXPECT_EQ(ShortSize(1536), "1.5 KiB");
  EXPECT_EQ(ShortSize(1048575), "1.0 MiB");
  EXPECT_EQ(ShortSize(10752), "10 KiB");
  EXPECT_EQ(ShortSize(uint64_t{312} << 20), "312 MiB");
}

}  // namespace
}  // namespace muster::launcher
