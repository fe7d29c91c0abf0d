#include "launcher/text.h"

#include <gtest/gtest.h>

namespace muster::launcher {
namespace {

TEST(Text, OrdinaryTextIsShownAsItIs) {
  const std::string text = "loss\t0.25 Gr\u00fc\u00dfe \u6f22 \U0001f600";
  EXPECT_EQ(Printable(text), text);
  EXPECT_TRUE(IsUtf8(text));
  EXPECT_TRUE(IsUtf8(""));
}

TEST(Text, WhatATerminalWouldActOnIsMadeHarmless) {
  EXPECT_EQ(Printable("\x1b[2Jgone\r\n\a\x7f"),
            "\\x1b[2Jgone\\x0d\\x0a\\x07\\x7f");
  EXPECT_EQ(Printable(std::string("a\0b", 3)), "a\\x00b");
  // The one-character form of ESC [ in UTF-8.
  EXPECT_EQ(Printable("\u009b2J"), "\\xc2\\x9b2J");
}

TEST(Text, BytesThatAreNotUtf8AreShownInHex) {
  EXPECT_EQ(Printable("\xff ok \xc3"), "\\xff ok \\xc3");
  for (const char* text :
       {"\x80", "\xc0\xaf", "\xc3(", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xf8\x88", "\xe6\xbc"}) {
    EXPECT_FALSE(IsUtf8(text)) << Printable(text);
    EXPECT_EQ(Printable(text).substr(0, 2), "\\x");
  }
}

}  // namespace
}  // namespace muster::launcher
