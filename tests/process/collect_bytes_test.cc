// Whatever workers write arrives as they wrote it, and no terminal is harmed by
// looking at it.
#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/collect.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CollectBytes : public CollectTest {
 protected:
  void SetUp() override { ASSERT_TRUE(collector_.Start()); }
  // `muster logs` of the only run.
  std::string Logs(const std::vector<std::string>& flags) const {
    std::vector<std::string> argv = {MusterBinary(), "logs", Run()};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return MustRun({.argv = argv});
  }
};

class CollectKind : public CollectBytes,
                    public ::testing::WithParamInterface<std::string> {};

TEST_P(CollectKind, ArrivesByteForByte) {
  constexpr uint64_t kBytes = 3'000'017;  // ends in the middle of a cell
  const LogPattern::Options kind = {.kind = *LogKindOf(GetParam())};
  Subprocess& job = StartJob(
      "run", {{"--nproc-per-node", "2"}},
      Loggen(absl::StrCat("--both --kind ", GetParam(), " --bytes ", kBytes)));
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  for (uint32_t rank = 0; rank < 2; ++rank) {
    for (const int fd : {1, 2}) {
      EXPECT_TRUE(IsExact(Run(), rank, fd, kBytes, kind));
    }
  }
  // What people see is harmless; what they ask for raw is what is stored.
  const std::string shown = Logs({"--rank", "0", "--stdout"});
  EXPECT_NE(shown, "");
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    ASSERT_TRUE(c == '\n' || c == '\t' || (byte >= 0x20 && byte != 0x7f))
        << "byte " << static_cast<int>(byte);
  }
  EXPECT_TRUE(Logs({"--rank", "0", "--stdout", "--raw"}) ==
              ReadFile(LogOf(Run(), 0, 1)));
}

INSTANTIATE_TEST_SUITE_P(Kinds, CollectKind,
                         ::testing::ValuesIn(LogKindNames()),
                         [](const auto& kind) { return kind.param; });

TEST_F(CollectBytes, NothingIsAFileWithoutBytes) {
  Subprocess& job = StartJob("run", {}, "exec true");
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  for (const int fd : {1, 2}) {
    EXPECT_TRUE(Exists(LogOf(Run(), 0, fd)));
    EXPECT_TRUE(IsExact(Run(), 0, fd, 0));
  }
}

TEST_F(CollectBytes, AStreamThatAGrandchildHoldsEndsWithIt) {
  Subprocess& job =
      StartJob("run", {}, "echo parent; (sleep 0.2; echo child) & exit 0");
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_THAT(ReadFile(LogOf(Run(), 0, 1)), HasSubstr("parent\n"));
}

TEST_F(CollectBytes, AProgressBarIsSeenWhileItStands) {
  Subprocess& job = StartJob("run", {},
                             "printf 'epoch 1: 10%%\\repoch 1: 20%%\\r';"
                             "until [ -e go ]; do sleep 0.01; done;"
                             "printf 'epoch 1: 30%%'");
  ASSERT_TRUE(Eventually([&] { return Exists(LogOf(Run(), 0, 1)); }))
      << job.Text();
  Subprocess logs({.argv = {MusterBinary(), "logs", Run(), "-f"}});
  EXPECT_TRUE(logs.WaitForOutput("epoch 1: 20%")) << logs.Text();
  WriteFile(directory_.File("job0/go"), "");
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  // It ends when the run is over.
  EXPECT_EQ(logs.Wait(), Code(0)) << logs.Text();
  EXPECT_THAT(logs.Out(), HasSubstr("epoch 1: 30%"));
  EXPECT_EQ(ReadFile(LogOf(Run(), 0, 1)),
            "epoch 1: 10%\repoch 1: 20%\repoch 1: 30%");
}

TEST_F(CollectBytes, AnAgentNeedsLittleMemoryForALineWithoutEnd) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs memory of its own";
#endif
  constexpr uint64_t kBytes = uint64_t{256} << 20;
  Subprocess& job = StartJob("run", {},
                             Loggen("--kind solid --bytes 256MiB") +
                                 "; until [ -e go ]; do sleep 0.01; done");
  ASSERT_TRUE(StoresMoreThan(kBytes - 1)) << job.Text();
  uint64_t peak_kib = 0;
  for (const std::string& line :
       Lines(ReadFile(absl::StrCat("/proc/", job.pid(), "/status")))) {
    if (!absl::StartsWith(line, "VmHWM:")) continue;
    const std::string number = line.substr(6, line.find("kB") - 6);
    ASSERT_TRUE(absl::SimpleAtoi(number, &peak_kib)) << line;
  }
  EXPECT_GT(peak_kib, 0u);
  EXPECT_LT(peak_kib, 64u << 10);
  WriteFile(directory_.File("job0/go"), "");
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_TRUE(IsExact(Run(), 0, 1, kBytes, {.kind = LogKind::kSolid}));
}

}  // namespace
}  // namespace muster::test
