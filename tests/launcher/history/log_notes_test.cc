#include "launcher/history/log_notes.h"

#include <string>

#include "gtest/gtest.h"

namespace muster::history {
namespace {

TEST(LogNotes, GapsDoNotCountInTheStoredFile) {
  LogNotes notes;
  notes.Add(R"({"offset":100,"length":50,"reason":"spool-full","at":"x"})"
            "\n"
            R"({"offset":200,"length":7,"reason":"corrupt","at":"x"})"
            "\n"
            R"({"offset":300,"end":"agent-died"})"
            "\n");
  ASSERT_EQ(notes.notes().size(), 3u);
  EXPECT_EQ(notes.notes()[0].offset, 100u);
  EXPECT_EQ(notes.notes()[0].note.missing_bytes(), 50u);
  EXPECT_EQ(notes.notes()[1].offset, 150u);
  EXPECT_EQ(notes.notes()[2].offset, 243u);
  EXPECT_EQ(notes.missing_bytes(), 57u);
  EXPECT_EQ(notes.gaps(), 2u);
}

TEST(LogNotes, AreReadInAnyPieces) {
  const std::string text =
      "{\"offset\":1,\"length\":2,\"reason\":\"corrupt\"}\n"
      "{\"offset\":9,\"length\":4,\"reason\":\"corrupt\"}\n";
  for (size_t step = 1; step < text.size(); ++step) {
    LogNotes notes;
    for (size_t at = 0; at < text.size(); at += step) {
      notes.Add(text.substr(at, step));
    }
    EXPECT_EQ(notes.missing_bytes(), 6u) << step;
  }
}

TEST(LogNotes, ALineThatIsNotWholeWaits) {
  LogNotes notes;
  notes.Add("{\"offset\":1,\"length\":2,\"reason\":\"corrupt\"}");
  EXPECT_TRUE(notes.notes().empty());
  notes.Add("\n");
  EXPECT_EQ(notes.notes().size(), 1u);
}

TEST(LogNotes, LinesThatAreNotesOfNothingAreLeftOut) {
  LogNotes notes;
  notes.Add(
      "nonsense\n\n[]\n{}\n{\"offset\":-1,\"length\":2}\n"
      "{\"offset\":\"1\",\"length\":2}\n{\"offset\":1,\"length\":0}\n"
      "{\"offset\":1}\n\xff\xfe\n");
  notes.Add(std::string(1 << 20, 'x') + "\n");
  EXPECT_TRUE(notes.notes().empty());
  notes.Add("{\"offset\":10,\"length\":5}\n{\"offset\":3,\"length\":1}\n");
  EXPECT_EQ(notes.notes().size(), 1u) << "a gap before the last one";
}

TEST(LogNotes, AreExplained) {
  LogNote note;
  note.set_missing_bytes(4096);
  for (const char* reason : {"spool-full", "spool_full", "Spool full"}) {
    note.set_reason(reason);
    EXPECT_EQ(NoteText(note), "4096 bytes missing: the spool was full");
  }
  note.set_missing_bytes(1);
  note.set_reason("\x1b[2J");
  EXPECT_EQ(NoteText(note), "1 byte missing: \\x1b[2J");
  note.clear_missing_bytes();
  note.set_reason("agent-died");
  EXPECT_EQ(NoteText(note), "the node's agent died: there may have been more");
}

}  // namespace
}  // namespace muster::history
