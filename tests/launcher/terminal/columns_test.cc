#include "launcher/terminal/columns.h"

#include "gtest/gtest.h"

namespace muster::terminal {
namespace {

TEST(Columns, HaveOneWidth) {
  EXPECT_EQ(Table({{"A"}, {"N", true}, {"LAST"}},
                  {{"x", "1", "y"}, {"\u00fcber", "100", ""}}),
            "A       N  LAST\n"
            "x       1  y\n"
            "\u00fcber  100  \n");
}

TEST(Columns, ColoursTakeNoPlace) {
  EXPECT_EQ(Width("\x1b[1;31mfail\x1b[0m"), 4u);
  EXPECT_EQ(Table({{"A"}, {"B"}}, {{"\x1b[32mok\x1b[0m", "y"}, {"bad", "z"}}),
            "A    B\n"
            "\x1b[32mok\x1b[0m   y\n"
            "bad  z\n");
}

}  // namespace
}  // namespace muster::terminal
