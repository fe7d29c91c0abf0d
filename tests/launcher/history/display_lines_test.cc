#include "launcher/history/display_lines.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/terminal/harmless.h"

namespace muster::history {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "text|" for a line that ended, "text" for one that goes on.
class Splitter {
 public:
  std::vector<std::string> Add(const std::string& bytes) {
    lines_.Add(bytes, Sink());
    return Take();
  }
  std::vector<std::string> Show() {
    lines_.Show(Sink());
    return Take();
  }
  std::vector<std::string> End() {
    lines_.End(Sink());
    return Take();
  }

 private:
  std::function<void(absl::string_view, bool)> Sink() {
    return [this](absl::string_view text, bool ends) {
      got_.push_back(std::string(text) + (ends ? "|" : ""));
    };
  }
  std::vector<std::string> Take() { return std::exchange(got_, {}); }

  DisplayLines lines_;
  std::vector<std::string> got_;
};

TEST(DisplayLines, ALineEndsAtANewline) {
  Splitter splitter;
  EXPECT_THAT(splitter.Add("one\n\ntwo\nthr"),
              ElementsAre("one|", "|", "two|"));
  EXPECT_THAT(splitter.Add("ee\n"), ElementsAre("three|"));
}

TEST(DisplayLines, ALoneReturnEndsAFrameAndLeavesNoBlankLine) {
  Splitter splitter;
  EXPECT_THAT(splitter.Add("\r10%\r20%\r"), ElementsAre("10%|", "20%|"));
  EXPECT_THAT(splitter.Add("done\n"), ElementsAre("done|"));
}

TEST(DisplayLines, AReturnBeforeANewlineIsPartOfItsEnd) {
  Splitter splitter;
  EXPECT_THAT(splitter.Add("dos\r\nnext\r"), ElementsAre("dos|", "next|"));
  EXPECT_THAT(splitter.Add("\n\r\n"), ElementsAre("|"));
}

TEST(DisplayLines, NothingDependsOnHowTheBytesAreCut) {
  const std::string text = "a\r\n\r\nb\rc\n\n\r\rd\re\r\nf\n";
  Splitter whole;
  const std::vector<std::string> expected = whole.Add(text);
  for (size_t step = 1; step < text.size(); ++step) {
    Splitter pieces;
    std::vector<std::string> got;
    for (size_t at = 0; at < text.size(); at += step) {
      for (const std::string& one : pieces.Add(text.substr(at, step))) {
        got.push_back(one);
      }
    }
    EXPECT_EQ(got, expected) << step;
  }
}

TEST(DisplayLines, A64KilobyteLineIsWholeAndALongerOneIsCut) {
  const std::string most(kMaxDisplayLine, 'x');
  Splitter splitter;
  EXPECT_THAT(splitter.Add(most + "\n"), ElementsAre(most + "|"));
  EXPECT_THAT(splitter.Add(most + most + "y\n"),
              ElementsAre(most + "|", most + "|", "y|"));
  // Byte by byte as well.
  EXPECT_THAT(splitter.Add(most), IsEmpty());
  EXPECT_THAT(splitter.Add("\n"), ElementsAre(most + "|"));
  EXPECT_THAT(splitter.Add(most), IsEmpty());
  EXPECT_THAT(splitter.Add("z"), ElementsAre(most + "|"));
  EXPECT_THAT(splitter.End(), ElementsAre("z"));
}

TEST(DisplayLines, NoCutGoesThroughACharacter) {
  Splitter splitter;
  const std::string text =
      std::string(kMaxDisplayLine - 1, 'x') + "\u00fc" + "yz";
  EXPECT_THAT(splitter.Add(text),
              ElementsAre(std::string(kMaxDisplayLine - 1, 'x') + "|"));
  EXPECT_THAT(splitter.End(), ElementsAre("\u00fcyz"));
}

TEST(DisplayLines, WhatIsShownEarlyGoesOn) {
  Splitter splitter;
  EXPECT_THAT(splitter.Add("Epoch 1..."), IsEmpty());
  EXPECT_THAT(splitter.Show(), ElementsAre("Epoch 1..."));
  EXPECT_THAT(splitter.Show(), IsEmpty());
  EXPECT_THAT(splitter.Add(" done\nnext\n"), ElementsAre(" done|", "next|"));
  splitter.Add("again");
  splitter.Show();
  EXPECT_THAT(splitter.Add("\n"), ElementsAre("|"));
}

TEST(DisplayLines, WhatIsShownEarlyCountsForTheLengthOfTheLine) {
  Splitter splitter;
  splitter.Add(std::string(kMaxDisplayLine - 1, 'x'));
  splitter.Show();
  EXPECT_THAT(splitter.Add("yz\n"), ElementsAre("y|", "z|"));
}

TEST(DisplayLines, HalfACharacterIsNotShownEarlyButAtTheEnd) {
  Splitter splitter;
  splitter.Add("a\xc3");
  EXPECT_THAT(splitter.Show(), ElementsAre("a"));
  EXPECT_THAT(splitter.Show(), IsEmpty());
  EXPECT_THAT(splitter.Add("\xbc\n"), ElementsAre("\u00fc|"));
  splitter.Add("b\xc3");
  EXPECT_THAT(splitter.End(), ElementsAre("b\xc3"));
}

TEST(DisplayLines, AReturnAfterAnEarlyShowEndsTheLine) {
  Splitter splitter;
  splitter.Add("50%");
  splitter.Show();
  EXPECT_THAT(splitter.Add("\r60%\r"), ElementsAre("|", "60%|"));
}

}  // namespace
}  // namespace muster::history
