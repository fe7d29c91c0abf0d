#include "launcher/collector/console.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace muster::collector {
namespace {

class ConsolePrinterTest : public testing::Test {
 protected:
  ConsolePrinter Printer(Console mode = CONSOLE_ALL) {
    return ConsolePrinter(mode, [this](absl::string_view lines) {
      ASSERT_FALSE(lines.empty());
      ASSERT_EQ(lines.back(), '\n');
      printed_ += std::string(lines);
    });
  }

  std::string printed_;
};

TEST_F(ConsolePrinterTest, PutsTheRankBeforeEachLine) {
  ConsolePrinter printer = Printer();
  printer.Write(7, false, "one\n\ntwo\n");
  printer.Write(12, true, "three\n");
  EXPECT_EQ(printed_, "[7] one\n[7] \n[7] two\n[12] three\n");
}

TEST_F(ConsolePrinterTest, NeverMixesTwoStreamsInOneLine) {
  ConsolePrinter printer = Printer();
  printer.Write(0, false, "out");
  printer.Write(0, true, "err");
  printer.Write(1, false, "other\n");
  printer.Write(0, true, "or\n");
  printer.Write(0, false, "put\n");
  EXPECT_EQ(printed_, "[1] other\n[0] error\n[0] output\n");
}

TEST_F(ConsolePrinterTest, PrintsTheUnfinishedRestAtTheEnd) {
  ConsolePrinter printer = Printer();
  printer.Write(0, false, "a\nb");
  EXPECT_EQ(printed_, "[0] a\n");
  printer.End(0, false);
  EXPECT_EQ(printed_, "[0] a\n[0] b\n");
  printer.End(0, false);
  printer.End(3, true);
  EXPECT_EQ(printed_, "[0] a\n[0] b\n");
}

TEST_F(ConsolePrinterTest, LetsACarriageReturnEndALineAtOnce) {
  ConsolePrinter printer = Printer();
  printer.Write(0, false, "\r 0%\r 50%\r");
  EXPECT_EQ(printed_, "[0]  0%\n[0]  50%\n");
  printer.Write(0, false, " 100%\n");
  EXPECT_EQ(printed_, "[0]  0%\n[0]  50%\n[0]  100%\n");
}

TEST_F(ConsolePrinterTest, TakesReturnAndNewlineAsOneEndInAnySplit) {
  const std::string text = "a\r\nb\r\n\r\nc\rd\n";
  for (size_t first = 0; first <= text.size(); ++first) {
    for (size_t second = first; second <= text.size(); ++second) {
      printed_.clear();
      ConsolePrinter printer = Printer();
      printer.Write(0, false, text.substr(0, first));
      printer.Write(0, false, text.substr(first, second - first));
      printer.Write(0, false, text.substr(second));
      EXPECT_EQ(printed_, "[0] a\n[0] b\n[0] \n[0] c\n[0] d\n")
          << "split at " << first << " and " << second;
    }
  }
}

TEST_F(ConsolePrinterTest, CutsALineOver64KiB) {
  const std::string line(64 * 1024, 'x');
  ConsolePrinter printer = Printer();
  printer.Write(0, false, line + "\n");
  EXPECT_EQ(printed_, "[0] " + line + "\n");
  printed_.clear();
  for (const char c : line) printer.Write(0, false, absl::string_view(&c, 1));
  EXPECT_EQ(printed_, "");
  printer.Write(0, false, "yz\n");
  EXPECT_EQ(printed_, "[0] " + line + "\n[0] yz\n");
}

TEST_F(ConsolePrinterTest, KeepsOddBytes) {
  const std::string odd("\0\xff\xc3\x1b[31m", 8);
  ConsolePrinter printer = Printer();
  printer.Write(0, false, odd + "\n");
  EXPECT_EQ(printed_, "[0] " + odd + "\n");
}

TEST_F(ConsolePrinterTest, ShowsTheRanksOfItsMode) {
  ConsolePrinter first = Printer(CONSOLE_FIRST);
  first.Write(1, false, "one\nrest");
  first.End(1, false);
  first.Write(0, true, "zero\n");
  ConsolePrinter none = Printer(CONSOLE_NONE);
  none.Write(0, false, "none\nrest");
  none.End(0, false);
  EXPECT_EQ(printed_, "[0] zero\n");
}

TEST(ConsoleWriter, WritesEverythingToANonBlockingPipe) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
  ASSERT_EQ(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
  std::string sent;
  for (int i = 0; i < 100'000; ++i) sent += std::to_string(i) + "\n";
  std::string got;
  std::thread reader([&] {
    char buffer[1000];
    for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) {
      got.append(buffer, static_cast<size_t>(n));
    }
  });
  ConsoleWriter writer(ends[1]);
  writer.Write(sent);
  close(ends[1]);
  reader.join();
  close(ends[0]);
  EXPECT_EQ(got, sent);
  EXPECT_FALSE(writer.is_silent());
}

TEST(ConsoleWriter, FallsSilentWhenNobodyReads) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  ConsoleWriter writer(ends[1]);
  writer.Write("lost\n");
  EXPECT_TRUE(writer.is_silent());
  writer.Write("lost as well\n");
  close(ends[1]);
}

}  // namespace
}  // namespace muster::collector
