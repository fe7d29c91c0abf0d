#include "tests/support/records/log_check.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

class LogCheckTest : public ::testing::Test {
 protected:
  std::string Written(uint64_t offset, size_t size) const {
    std::string bytes(size, '\0');
    pattern_.Fill(offset, bytes.data(), size);
    return bytes;
  }

  // What the check says of a file with these bytes and that gap file.
  LogCheck Check(const std::string& bytes, const std::string& gaps = "",
                 std::optional<uint64_t> total = std::nullopt) const {
    WriteFile(path_, bytes);
    WriteFile(path_ + ".gaps", gaps);
    return CheckLog(pattern_, path_, total);
  }

  TempDir dir_;
  const std::string path_ = dir_.File("5.stdout");
  const LogPattern pattern_{LogPattern::Options{.rank = 5}};
};

constexpr char kGap[] =
    R"({"offset":1000,"length":500,"reason":"spool full","at":"x"})"
    "\n";

TEST_F(LogCheckTest, TakesAllThatWasWritten) {
  const LogCheck check = Check(Written(0, 3'000'123), "", 3'000'123);
  EXPECT_EQ(check.problem, "");
  EXPECT_EQ(check.stored, 3'000'123);
  EXPECT_EQ(check.missing, 0);
}

TEST_F(LogCheckTest, TakesAPrefixOnlyWhereNoTotalIsGiven) {
  EXPECT_EQ(Check(Written(0, 150)).problem, "");
  EXPECT_THAT(Check(Written(0, 150), "", 151).problem,
              HasSubstr("are 150, but the worker wrote 151"));
  EXPECT_NE(Check(Written(0, 152), "", 151).problem, "");
}

TEST_F(LogCheckTest, TakesAnEmptyStreamButNoMissingFile) {
  EXPECT_EQ(Check("", "", 0).problem, "");
  EXPECT_THAT(CheckLog(pattern_, dir_.File("none"), 0).problem,
              HasSubstr("No such file"));
}

TEST_F(LogCheckTest, CountsStoredAndMissingBytesTogether) {
  const LogCheck check =
      Check(Written(0, 1000) + Written(1500, 700), kGap, 2200);
  EXPECT_EQ(check.problem, "");
  EXPECT_EQ(check.stored, 1700);
  EXPECT_EQ(check.missing, 500);
  EXPECT_EQ(check.gaps, 1);
}

TEST_F(LogCheckTest, TakesGapsAtBothEndsAndSideBySide) {
  EXPECT_EQ(Check(Written(30, 10),
                  R"({"offset":0,"length":10,"reason":"a","at":1})"
                  "\n"
                  R"({"offset":10,"length":20,"reason":"b","at":1})"
                  "\n"
                  R"({"offset":40,"length":60,"reason":"c","at":1})"
                  "\n",
                  100)
                .problem,
            "");
}

TEST_F(LogCheckTest, FindsAGapThatIsNotTold) {
  EXPECT_THAT(Check(Written(0, 1000) + Written(1500, 700)).problem,
              HasSubstr("byte 1033 of the file is not byte 1033"));
}

TEST_F(LogCheckTest, FindsAGapInTheWrongPlace) {
  EXPECT_NE(Check(Written(0, 1050) + Written(1550, 650), kGap).problem, "");
  EXPECT_THAT(Check(Written(0, 900), kGap).problem,
              HasSubstr("before a gap begins"));
}

TEST_F(LogCheckTest, FindsWhatIsThereTwiceAlteredOrInAnotherOrder) {
  EXPECT_NE(Check(Written(0, 200) + Written(100, 300)).problem, "");
  std::string altered = Written(0, 5000);
  altered[4321] ^= 4;
  EXPECT_THAT(Check(altered).problem, HasSubstr("byte 4321"));
  EXPECT_NE(
      Check(Written(0, 100) + Written(200, 100) + Written(100, 100)).problem,
      "");
}

TEST_F(LogCheckTest, FindsAnotherRanksBytes) {
  const LogPattern other({.rank = 6});
  std::string bytes(100, '\0');
  other.Fill(0, bytes.data(), bytes.size());
  EXPECT_THAT(Check(bytes).problem, HasSubstr("R00006.1"));
}

TEST_F(LogCheckTest, KeepsHowTheStreamEnded) {
  const LogCheck check =
      Check(Written(0, 50), "{\"offset\":50,\"end\":\"abandoned\"}\n");
  EXPECT_EQ(check.problem, "");
  EXPECT_EQ(check.end, "abandoned");
  EXPECT_NE(
      Check(Written(0, 51), "{\"offset\":50,\"end\":\"abandoned\"}\n").problem,
      "");
}

TEST_F(LogCheckTest, DoesNotBelieveAGapFileThatIsWrong) {
  const std::string bytes = Written(0, 1000) + Written(1500, 700);
  for (const std::string& gaps : {
           std::string("{\n"),
           std::string("[]\n"),
           std::string("{\"offset\":1000,\"length\":500,\"reason\":\"x\"}\n"),
           std::string("{\"offset\":1000,\"length\":0,\"reason\":\"x\","
                       "\"at\":1}\n"),
           std::string("{\"offset\":1000,\"length\":500,\"reason\":\"\","
                       "\"at\":1}\n"),
           std::string("{\"offset\":-1,\"length\":500,\"reason\":\"x\","
                       "\"at\":1}\n"),
           std::string(kGap, sizeof(kGap) - 2),  // cut off before its newline
           std::string(kGap) + kGap,
           "{\"offset\":1000,\"end\":\"abandoned\"}\n" + std::string(kGap),
       }) {
    EXPECT_THAT(Check(bytes, gaps).problem, HasSubstr("line")) << gaps;
  }
}

TEST_F(LogCheckTest, DigestsAreTheSameForFileAndPattern) {
  WriteFile(path_, Written(0, 2'500'000));
  EXPECT_EQ(DigestOfFile(path_), DigestOfPattern(pattern_, 2'500'000));
  EXPECT_NE(DigestOfFile(path_), DigestOfPattern(pattern_, 2'500'001));
  EXPECT_EQ(DigestOfFile(path_).size(), 32);
  EXPECT_EQ(DigestOfFile(dir_.File("none")), "");
}

}  // namespace
}  // namespace muster::test
