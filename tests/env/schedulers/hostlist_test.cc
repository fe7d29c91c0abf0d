#include "env/schedulers/hostlist.h"

#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/schedulers/hosts.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::env {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using Strings = std::vector<std::string>;

std::string Expanded(const std::string& list) {
  const absl::StatusOr<Strings> hosts = ExpandHostlist(list);
  return hosts.ok() ? absl::StrJoin(*hosts, " ")
                    : absl::StrCat("error: ", hosts.status().message());
}

TEST(Hostlist, ReadsTheWholeGrammar) {
  EXPECT_EQ(Expanded("tux"), "tux");
  EXPECT_EQ(Expanded("tux[1-4]"), "tux1 tux2 tux3 tux4");
  EXPECT_EQ(Expanded("tux[1-2,5,7-8]"), "tux1 tux2 tux5 tux7 tux8");
  EXPECT_EQ(Expanded("linux[08-10]"), "linux08 linux09 linux10");
  EXPECT_EQ(Expanded("n[0001,2]"), "n0001 n2");
  EXPECT_EQ(Expanded("tux[1-2]-ib"), "tux1-ib tux2-ib");
  EXPECT_EQ(Expanded("r[0-1]n[00-01]x"), "r0n00x r0n01x r1n00x r1n01x");
  EXPECT_EQ(Expanded("[1-2]"), "1 2");
  EXPECT_EQ(Expanded("a,b[1-2],c"), "a b1 b2 c");
  EXPECT_EQ(Expanded("a b\tc\nd"), "a b c d");
  EXPECT_EQ(Expanded(" a, b ,c "), "a b c");
}

TEST(Hostlist, KeepsTheOrderAndWhatIsThereTwice) {
  EXPECT_EQ(Expanded("b,a,b[2,1],a"), "b a b2 b1 a");
}

TEST(Hostlist, ShowsWhatIsWrong) {
  const struct {
    const char* list;
    const char* what;
  } cases[] = {
      {"", "names no host"},
      {" \t", "names no host"},
      {"tux[1-", "'tux[1-': a [ without its ]; was the list cut short?"},
      {"tux[1-4", "without its ]"},
      {"tux[", "without its ]"},
      {"tux1-4]", "a ] without its ["},
      {"tux[[1]]", "a [ inside"},
      {"tux[]", "'' in its brackets is no N or N-M"},
      {"tux[1-]", "'1-' in its brackets"},
      {"tux[-4]", "'-4' in its brackets"},
      {"tux[1--4]", "'1--4' in its brackets"},
      {"tux[1,]", "'' in its brackets"},
      {"tux[a-b]", "'a-b' in its brackets"},
      {"bgl[000x133]", "'000x133' in its brackets"},
      {"tux[4-1]", "its range 4-1 runs backwards"},
      {"tux[99999999999999999999]", "is no N or N-M"},
      {"a,,b", "a name is missing at a comma"},
      {",a", "a name is missing at a comma"},
      {"a,b,", "a name is missing at a comma; was the list cut short?"},
      {"a b;c", "'b;c' is no host's name or address"},
      {"tux\x1b[1-2]", "is no host's name"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(Expanded(c.list),
                AllOf(HasSubstr("error: "), HasSubstr(c.what)))
        << c.list;
  }
}

TEST(Hostlist, IsBoundedBeforeItIsMade) {
  EXPECT_THAT(*ExpandHostlist("t[0-65535]"), SizeIs(65536));
  for (const std::string list :
       {"t[0-999999]", "t[0-65536]", "t[0-18446744073709551615]",
        "t[18446744073709551614-18446744073709551615],t[0-65534]",
        "a[0-999]b[0-999]", "a[0-9]b[0-9]c[0-9]d[0-9]e[0-9]",
        "a[0-40000],b[0-40000]", "t[0-65535],one"}) {
    EXPECT_THAT(Expanded(list), HasSubstr("more than 65536 hosts")) << list;
  }
  EXPECT_EQ(Expanded("t[18446744073709551614-18446744073709551615]"),
            "t18446744073709551614 t18446744073709551615");
  // Seven gigabytes, if it were made first.
  EXPECT_THAT(Expanded(std::string(100'000, 'a') + "[0-65535]"),
              HasSubstr("longer than 253 characters"));
  EXPECT_THAT(Expanded("a[" + std::string(300, '0') + "1-9]"),
              HasSubstr("longer than 253 characters"));
}

TEST(Hostlist, TellsMuchInFewWords) {
  EXPECT_LT(Expanded(std::string(100'000, '[')).size(), 400u);
  EXPECT_LT(Expanded("a[" + std::string(100'000, 'x') + "]").size(), 400u);
}

// A random list, and what it stands for by construction.
TEST(Hostlist, GivesBackWhatRandomListsWereMadeOf) {
  std::minstd_rand random(7);
  const auto below = [&](uint32_t n) { return random() % n; };
  for (int round = 0; round < 500; ++round) {
    Strings tokens;
    Strings expected;
    for (uint32_t left = 1 + below(4); left > 0; --left) {
      std::string token;
      Strings names = {""};
      for (uint32_t group = below(3); group > 0; --group) {
        const std::string text(below(3), static_cast<char>('a' + below(26)));
        Strings ranges;
        Strings numbers;
        for (uint32_t n = 1 + below(3); n > 0; --n) {
          const uint32_t low = below(120);
          const uint32_t high = low + below(15);
          const size_t width = absl::StrCat(low).size() + below(3);
          const auto padded = [width](uint32_t number) {
            std::string digits = absl::StrCat(number);
            while (digits.size() < width) digits.insert(0, "0");
            return digits;
          };
          const bool single = below(3) == 0;
          ranges.push_back(single ? padded(low)
                                  : absl::StrCat(padded(low), "-", high));
          for (uint32_t i = low; i <= (single ? low : high); ++i) {
            numbers.push_back(padded(i));
          }
        }
        absl::StrAppend(&token, text, "[", absl::StrJoin(ranges, ","), "]");
        Strings longer;
        for (const std::string& name : names) {
          for (const std::string& number : numbers) {
            longer.push_back(absl::StrCat(name, text, number));
          }
        }
        names = longer;
      }
      const std::string suffix = below(2) == 0 ? "-x" : "y";
      token += suffix;
      for (const std::string& name : names) expected.push_back(name + suffix);
      tokens.push_back(token);
    }
    const std::string list = absl::StrJoin(tokens, below(2) == 0 ? "," : " ");
    EXPECT_EQ(Expanded(list), absl::StrJoin(expected, " ")) << list;
    // Cut anywhere, it is an error or a list of sound names.
    const absl::StatusOr<Strings> cut =
        ExpandHostlist(list.substr(0, below(list.size()) + 1));
    if (cut.ok()) {
      for (const std::string& name : *cut) EXPECT_TRUE(CheckHost(name).ok());
    }
  }
}

TEST(Counts, AreReadWithTheirRepetitions) {
  EXPECT_THAT(*ExpandCounts("1"), ElementsAre(1));
  EXPECT_THAT(*ExpandCounts("2(x3),1"), ElementsAre(2, 2, 2, 1));
  EXPECT_THAT(*ExpandCounts("1(x65536)"), SizeIs(65536));
}

TEST(Counts, ShowWhatIsWrong) {
  for (const char* text :
       {"", "x", "2(x", "2(x3", "2(3)", "2(x3)x", "2x3", "2,,1", "-1", "2(x-1)",
        "65536", "1(x99999999999999999999)"}) {
    EXPECT_THAT(std::string(ExpandCounts(text).status().message()),
                HasSubstr("is no N or N(xTIMES)"))
        << text;
  }
  EXPECT_THAT(std::string(ExpandCounts("1(x65537)").status().message()),
              HasSubstr("more than 65536 nodes"));
  EXPECT_THAT(std::string(ExpandCounts("1(x65536),1").status().message()),
              HasSubstr("more than 65536 nodes"));
}

}  // namespace
}  // namespace muster::env
