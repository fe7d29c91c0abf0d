#include "env/schedulers/host_file.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/env/schedulers/case_file.h"

namespace muster::env {
namespace {

using ::testing::HasSubstr;

std::string Parsed(const std::string& text) {
  const absl::StatusOr<std::vector<std::string>> hosts = ParseHostFile(text);
  return hosts.ok() ? absl::StrJoin(*hosts, " ")
                    : absl::StrCat("error: ", hosts.status().message());
}

TEST(HostFile, ReadsEveryFormThatMpirunTakes) {
  EXPECT_EQ(Parsed("a\nb\n"), "a b");
  EXPECT_EQ(Parsed("# all of them\n\n a slots=4 # big\r\nb:2\n"
                   "c slots=1 max_slots=2\n10.0.0.1:8\nfd00::1\n[fd00::2]:4"),
            "a b c 10.0.0.1 fd00::1 fd00::2");
}

TEST(HostFile, NamesTheLineThatIsWrong) {
  EXPECT_EQ(Parsed(""), "error: it names no host");
  EXPECT_EQ(Parsed("# none\n"), "error: it names no host");
  EXPECT_EQ(Parsed("a\nb\na slots=2\n"),
            "error: line 3: the host a is already in line 1");
  EXPECT_EQ(Parsed("a\nb:x"), "error: line 2: 'b:x' is no HOST or HOST:N");
  EXPECT_EQ(Parsed("a 4"), "error: line 1: '4' is not slots=N");
  EXPECT_EQ(Parsed("a slots="), "error: line 1: 'slots=' is not slots=N");
  EXPECT_THAT(Parsed("a\n$b"), HasSubstr("line 2: '$b' is no host's name"));
  std::string many;
  for (int i = 0; i <= 65536; ++i) absl::StrAppend(&many, "n", i, "\n");
  EXPECT_EQ(Parsed(many), "error: line 65537: there are more than 65536 hosts");
}

TEST(HostFile, SaysWhichFileItIs) {
  test::FakeFiles files;
  files.texts["hosts"] = "a\n";
  files.texts["bad"] = "a a\n";
  files.forbidden = "secret";
  EXPECT_EQ(ReadHostFile("hosts", files)->hosts->value[0], "a");
  EXPECT_THAT(std::string(ReadHostFile("bad", files).status().message()),
              HasSubstr("bad: line 1: 'a' is not slots=N"));
  EXPECT_THAT(std::string(ReadHostFile("none", files).status().message()),
              HasSubstr("none: there is no such file"));
  EXPECT_THAT(std::string(ReadHostFile("secret", files).status().message()),
              HasSubstr("Permission denied"));
}

}  // namespace
}  // namespace muster::env
