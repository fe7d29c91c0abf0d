#include "launcher/history/log_view.h"

#include <string>

#include "gtest/gtest.h"

namespace muster::history {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1);

LogPiece Piece(uint32_t rank, const std::string& data,
               StreamKind kind = STREAM_STDOUT) {
  LogPiece piece;
  piece.mutable_log()->set_number(rank);
  piece.mutable_log()->set_kind(kind);
  piece.set_data(data);
  return piece;
}

LogPiece Gap(uint32_t rank, uint64_t bytes, const std::string& reason) {
  LogPiece piece = Piece(rank, "");
  piece.mutable_note()->set_missing_bytes(bytes);
  piece.mutable_note()->set_reason(reason);
  return piece;
}

class View {
 public:
  explicit View(LogView::Options options = {}) : view_(options) {}

  std::string Add(const LogPiece& piece, absl::Time now = kStart) {
    std::string out;
    view_.Add(piece, now, &out);
    return out;
  }
  std::string Idle(absl::Time now) {
    std::string out;
    view_.Idle(now, &out);
    return out;
  }
  std::string End() {
    std::string out;
    view_.End(&out);
    return out;
  }
  LogView& view() { return view_; }

 private:
  LogView view_;
};

TEST(LogView, EachLineHasItsSpeaker) {
  View view;
  EXPECT_EQ(view.Add(Piece(3, "one\ntwo\n")), "[3] one\n[3] two\n");
  EXPECT_EQ(view.Add(Piece(0, "err\n", STREAM_STDERR)), "[0] err\n");
  EXPECT_EQ(view.Add(Piece(1, "here\n", STREAM_AGENT)), "[node1] here\n");
}

TEST(LogView, TwoRanksNeverShareALine) {
  View view;
  EXPECT_EQ(view.Add(Piece(0, "half ")), "");
  EXPECT_EQ(view.Add(Piece(1, "whole\n")), "[1] whole\n");
  EXPECT_EQ(view.Add(Piece(0, "line\n")), "[0] half line\n");
  // Nor do the two streams of one rank.
  view.Add(Piece(0, "out "));
  EXPECT_EQ(view.Add(Piece(0, "err\n", STREAM_STDERR)), "[0] err\n");
  EXPECT_EQ(view.End(), "[0] out \n");
}

TEST(LogView, ALineWithoutAnEndIsShownWhenItsLogFallsSilent) {
  View view;
  EXPECT_EQ(view.view().NextIdle(), absl::InfiniteFuture());
  view.Add(Piece(0, "Epoch 1..."));
  EXPECT_EQ(view.view().NextIdle(), kStart + kIdle);
  EXPECT_EQ(view.Idle(kStart + kIdle / 2), "");
  EXPECT_EQ(view.Idle(kStart + kIdle), "[0] Epoch 1...");
  EXPECT_EQ(view.view().NextIdle(), absl::InfiniteFuture());
  EXPECT_EQ(view.Add(Piece(0, " done\n")), " done\n");
}

TEST(LogView, ALineThatIsShownIsEndedWhenAnotherRankSpeaks) {
  View view;
  view.Add(Piece(0, "Epoch 1..."));
  EXPECT_EQ(view.Idle(kStart + kIdle), "[0] Epoch 1...");
  EXPECT_EQ(view.Add(Piece(1, "x\n")), "\n[1] x\n");
  EXPECT_EQ(view.Add(Piece(0, " done\n")), "[0]  done\n");
}

TEST(LogView, TheMereEndOfALineThatWasEndedIsNotShown) {
  View view;
  view.Add(Piece(0, "waiting"));
  view.Idle(kStart + kIdle);
  view.Add(Piece(1, "x\n"));
  EXPECT_EQ(view.Add(Piece(0, "\nnext\n\n")), "[0] next\n[0] \n");
}

TEST(LogView, HalfACharacterDoesNotKeepTheViewAwake) {
  View view;
  view.Add(Piece(0, "\xc3"));
  EXPECT_EQ(view.Idle(kStart + kIdle), "");
  EXPECT_EQ(view.view().NextIdle(), absl::InfiniteFuture());
  EXPECT_EQ(view.End(), "[0] \\xc3\n");
}

TEST(LogView, ControlCharactersAreHarmlessUnlessRaw) {
  View view;
  EXPECT_EQ(view.Add(Piece(0, "\x1b[2J\xff\n")), "[0] \\x1b[2J\\xff\n");
  View raw({.harmless = false});
  EXPECT_EQ(raw.Add(Piece(0, "\x1b[2J\xff\n")), "[0] \x1b[2J\xff\n");
}

TEST(LogView, AGapIsALineInItsPlace) {
  View view;
  view.Add(Piece(3, "before"));
  EXPECT_EQ(view.Add(Gap(3, 4096, "spool-full")),
            "[3] before\n[3] -- 4096 bytes missing: the spool was full --\n");
  EXPECT_EQ(view.Add(Piece(3, "after\n")), "[3] after\n");
}

TEST(LogView, OneSpeakerNeedsNoName) {
  View view({.speakers = false});
  EXPECT_EQ(view.Add(Piece(3, "a\nb\n")), "a\nb\n");
}

TEST(LogView, OneAfterAnotherALastLineIsShownBeforeTheNextLog) {
  View view({.one_by_one = true});
  EXPECT_EQ(view.Add(Piece(0, "")) + view.Add(Piece(1, "")), "");
  EXPECT_EQ(view.Add(Piece(0, "no end")), "");
  EXPECT_EQ(view.Add(Piece(1, "x\n")), "[0] no end\n[1] x\n");
}

}  // namespace
}  // namespace muster::history
