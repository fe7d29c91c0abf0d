#include "launcher/terminal/harmless.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace muster::terminal {
namespace {

TEST(Harmless, OrdinaryTextStaysAsItIs) {
  const std::string text = "loss\t0.25 Gr\u00fc\u00dfe \u6f22 \U0001f600 ~";
  EXPECT_EQ(Harmless(text), text);
}

TEST(Harmless, EveryControlCharacterIsShownInHex) {
  for (int code = 0; code < 0x20; ++code) {
    if (code == '\t') continue;
    EXPECT_EQ(
        Harmless(absl::StrCat("a", std::string(1, static_cast<char>(code)))),
        absl::StrCat("a\\x", absl::Hex(code, absl::kZeroPad2)));
  }
  EXPECT_EQ(Harmless("\x7f"), "\\x7f");
  // C1 as UTF-8 writes it, ESC [ among it.
  for (int code = 0x80; code < 0xa0; ++code) {
    const char utf8[] = {'\xc2', static_cast<char>(code), '\0'};
    EXPECT_EQ(Harmless(utf8), absl::StrCat("\\xc2\\x", absl::Hex(code)));
  }
  EXPECT_EQ(Harmless("\u00a0"), "\u00a0");
}

TEST(Harmless, NothingOfWhatAnyByteBecomesIsAControlCharacter) {
  std::string all;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      all.push_back(static_cast<char>(a));
      all.push_back(static_cast<char>(b));
    }
  }
  const std::string shown = Harmless(all);
  EXPECT_TRUE(IsUtf8(shown));
  for (const char byte : shown) {
    EXPECT_TRUE(static_cast<uint8_t>(byte) >= 0x20 || byte == '\t');
    EXPECT_NE(byte, '\x7f');
  }
  EXPECT_EQ(shown.find("\xc2\x9b"), std::string::npos);
  EXPECT_EQ(Harmless(shown), shown) << "it is not harmless at the first try";
}

TEST(Harmless, BytesThatAreNotUtf8AreShownInHex) {
  EXPECT_EQ(Harmless("\xff ok \xc3"), "\\xff ok \\xc3");
  EXPECT_EQ(Harmless("\xc3("), "\\xc3(");
  EXPECT_EQ(Harmless("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(WholeCharacters, CutsBeforeACharacterThatIsNotWhole) {
  const std::string face = "\U0001f600";
  for (size_t n = 1; n < 4; ++n) {
    EXPECT_EQ(WholeCharacters("ab" + face.substr(0, n)), 2u) << n;
  }
  EXPECT_EQ(WholeCharacters("ab" + face), 6u);
  EXPECT_EQ(WholeCharacters("ab"), 2u);
  EXPECT_EQ(WholeCharacters(""), 0u);
}

TEST(WholeCharacters, WaitsForNothingAfterBytesThatAreNone) {
  EXPECT_EQ(WholeCharacters("a\xff"), 2u);
  EXPECT_EQ(WholeCharacters("a\x80\x80\x80\x80"), 5u);
}

}  // namespace
}  // namespace muster::terminal
