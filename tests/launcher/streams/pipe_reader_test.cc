#include "launcher/streams/pipe_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/launcher/streams/loop.h"

namespace muster::streams {
namespace {

class PipeReaderTest : public testing::Test {
 protected:
  PipeReaderTest() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    writing_ = ends[1];
    reader_ = std::make_unique<PipeReader>(
        loop_.context(), buffer_, ends[0],
        PipeReader::Callbacks{
            [this](absl::string_view bytes) { got_ += std::string(bytes); },
            [this] { ++ends_; }});
  }
  ~PipeReaderTest() override { CloseWriter(); }

  void CloseWriter() {
    if (writing_ >= 0) close(writing_);
    writing_ = -1;
  }
  void Write(const std::string& bytes) {
    ASSERT_EQ(write(writing_, bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }

  Loop loop_;
  ReadBuffer buffer_;
  int writing_ = -1;
  std::string got_;
  int ends_ = 0;
  std::unique_ptr<PipeReader> reader_;
};

TEST_F(PipeReaderTest, HandsOverEveryByteAndThenTheEnd) {
  std::string sent("\0\xff\xfe\r\n", 5);
  for (int i = 0; i < 300'000; ++i) sent += static_cast<char>(i * 7);
  std::thread writer([&] {
    Write(sent.substr(0, 1));
    for (size_t at = 1; at < sent.size(); at += 4096) {
      Write(sent.substr(at, 4096));
    }
    CloseWriter();
  });
  EXPECT_TRUE(loop_.RunUntil([&] { return ends_ > 0; }));
  writer.join();
  EXPECT_TRUE(got_ == sent);
  loop_.context().poll();
  EXPECT_EQ(ends_, 1);
}

TEST_F(PipeReaderTest, ReadsNothingWhilePaused) {
  Write("one");
  EXPECT_TRUE(loop_.RunUntil([&] { return got_ == "one"; }));
  reader_->Pause();
  Write("two");
  CloseWriter();
  loop_.context().poll();
  EXPECT_EQ(got_, "one");
  EXPECT_EQ(ends_, 0);
  reader_->Resume();
  EXPECT_TRUE(loop_.RunUntil([&] { return ends_ > 0; }));
  EXPECT_EQ(got_, "onetwo");
}

TEST_F(PipeReaderTest, MakesTheWriterWaitWhilePaused) {
  reader_->Pause();
  ASSERT_EQ(fcntl(writing_, F_SETFL, O_NONBLOCK), 0);
  const std::string page(4096, 'x');
  size_t taken = 0;
  while (write(writing_, page.data(), page.size()) > 0) {
    taken += page.size();
    loop_.context().poll();
  }
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(taken, static_cast<size_t>(fcntl(writing_, F_GETPIPE_SZ)));
  EXPECT_EQ(got_, "");
  reader_->Resume();
  EXPECT_TRUE(loop_.RunUntil([&] { return got_.size() == taken; }));
}

TEST_F(PipeReaderTest, CanBePausedAndResumedAtAnyMoment) {
  std::string sent;
  for (int i = 0; i < 200; ++i) {
    reader_->Pause();
    Write("x");
    sent += "x";
    loop_.context().poll();
    reader_->Resume();
    reader_->Resume();
    loop_.context().poll();
  }
  EXPECT_TRUE(loop_.RunUntil([&] { return got_ == sent; }));
}

TEST_F(PipeReaderTest, DrainsWhatIsThereWithoutWaiting) {
  reader_->Pause();
  reader_->DrainNow();
  EXPECT_EQ(got_, "");
  const std::string sent(64 * 1024, 'x');
  Write(sent);
  reader_->DrainNow();
  EXPECT_EQ(got_, sent);
  EXPECT_EQ(ends_, 0);
  Write("last words");
  CloseWriter();
  reader_->DrainNow();
  EXPECT_EQ(got_, sent + "last words");
  EXPECT_EQ(ends_, 1);
  reader_->DrainNow();
  loop_.context().poll();
  EXPECT_EQ(ends_, 1);
}

TEST_F(PipeReaderTest, GivesUpAPipeThatSomebodyKeepsOpen) {
  Write("before");
  reader_->Abandon();
  EXPECT_EQ(got_, "before");
  EXPECT_EQ(ends_, 1);
  signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(write(writing_, "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  reader_->Abandon();
  loop_.context().poll();
  EXPECT_EQ(ends_, 1);
}

TEST_F(PipeReaderTest, CallsNobodyAfterItIsDestroyed) {
  Write("x");
  reader_.reset();
  CloseWriter();
  loop_.context().poll();
  EXPECT_EQ(got_, "");
  EXPECT_EQ(ends_, 0);
}

TEST(PipeReader, MayBeDestroyedInItsCallbacks) {
  for (const bool at_end : {false, true}) {
    for (const bool drained : {false, true}) {
      Loop loop;
      ReadBuffer buffer;
      int ends[2];
      ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
      std::unique_ptr<PipeReader> reader;
      int calls = 0;
      const auto destroy = [&](bool now) {
        ++calls;
        if (now) reader.reset();
      };
      reader = std::make_unique<PipeReader>(
          loop.context(), buffer, ends[0],
          PipeReader::Callbacks{[&](absl::string_view) { destroy(!at_end); },
                                [&] { destroy(true); }});
      ASSERT_EQ(write(ends[1], "x", 1), 1);
      close(ends[1]);
      if (drained) reader->DrainNow();
      EXPECT_TRUE(loop.RunUntil([&] { return reader == nullptr; }));
      loop.context().poll();
      EXPECT_EQ(calls, at_end ? 2 : 1);
    }
  }
}

}  // namespace
}  // namespace muster::streams
