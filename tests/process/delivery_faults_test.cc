// An agent's output on its way to muster collect, whatever breaks in between:
// what is stored and what is missing is what was written.
#include <signal.h>

#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/streams/outflow.h"
#include "rendezvous/credentials.h"
#include "rendezvous/transport.h"
#include "tests/launcher/collector/logs_client.h"
#include "tests/launcher/streams/loop.h"
#include "tests/support/fault_proxy/fault_proxy.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/records/log_check.h"
#include "tests/support/records/log_pattern.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using streams::Outflow;
using streams::OutflowResult;
using streams::SpoolFull;
using ::testing::IsEmpty;

// muster collect on a port of its own, which can be killed and comes back.
class Collector {
 public:
  explicit Collector(const std::string& directory)
      : directory_(directory), port_(FreePort()) {
    Start();
  }

  void Start() {
    process_ = std::make_unique<Subprocess>(
        Command{.argv = {MusterBinary(), "collect", "--dir", directory_,
                         "--listen", absl::StrCat("127.0.0.1:", port_)}});
    EXPECT_TRUE(process_->WaitForOutput("listening on ")) << process_->Text();
  }
  void Kill() {
    process_->Signal(SIGKILL);
    EXPECT_EQ(process_->Wait(), Killed(SIGKILL)) << process_->Text();
  }

  uint16_t port() const { return port_; }

 private:
  const std::string directory_;
  const uint16_t port_;
  std::unique_ptr<Subprocess> process_;
};

struct WrittenStream {
  streams::StreamId id;
  std::string path;
  LogPattern pattern;
  uint64_t written = 0;
};

class DeliveryFaults : public ::testing::Test {
 protected:
  DeliveryFaults()
      : collector_(dir_.Dir("runs")), proxy_({.port = collector_.port()}) {
    EXPECT_TRUE(
        collector::Record(collector::OpenChannel(collector_.port()), "run")
            .ok());
    for (const StreamKind kind : {STREAM_STDOUT, STREAM_STDERR}) {
      const int fd = kind == STREAM_STDERR ? 2 : 1;
      streams_.push_back({{kind, 0},
                          dir_.File(fd == 2 ? "runs/run/logs/0.stderr"
                                            : "runs/run/logs/0.stdout"),
                          LogPattern({.rank = 0, .fd = fd})});
    }
  }

  void Open(uint64_t bound, SpoolFull full) {
    streams::OutflowOptions options{
        .spool = {.base = dir_.File("spool"), .bound = bound, .full = full},
        .introduction = collector::IntroductionOf({}),
        .collector = absl::StrCat("127.0.0.1:", proxy_.port()),
        .host_name = "here"};
    auto opened = Outflow::Open(
        loop_.context(), options,
        rendezvous::Dial("127.0.0.1", proxy_.port(),
                         rendezvous::Credentials::Insecure(),
                         rendezvous::ChannelUse::kBulk),
        {.on_pause = [this](bool paused) { is_paused_ = paused; },
         .on_notice =
             [this](const std::string& line) {
               absl::StrAppend(&notices_, line, "\n");
             },
         .on_done = [this](const OutflowResult& result) { result_ = result; }});
    ASSERT_TRUE(opened.ok()) << opened.status();
    outflow_ = *std::move(opened);
  }

  // So many bytes of each stream. False when the agent would have to let the
  // workers wait for too long.
  bool Write(uint64_t size) {
    constexpr uint64_t kBlock = 40'000;
    std::string block;
    for (uint64_t done = 0; done < size; done += kBlock) {
      for (WrittenStream& stream : streams_) {
        block.resize(kBlock);
        stream.pattern.Fill(stream.written, block.data(), block.size());
        outflow_->Append(stream.id, block);
        stream.written += block.size();
      }
      loop_.context().poll();
      if (is_paused_ && !loop_.RunUntil([this] { return !is_paused_; })) {
        return false;
      }
    }
    return true;
  }

  // The loop sleeps until something happens, and what a test waits for may be
  // none of its events.
  void Wake() {
    timer_.expires_after(std::chrono::milliseconds(5));
    timer_.async_wait([](const std::error_code&) {});
  }

  // Runs the agent's loop until so much of what was written is acknowledged.
  bool AwaitAcknowledged(uint64_t bytes) {
    return loop_.RunUntil([&] {
      Wake();
      return outflow_->progress().acknowledged_bytes >= bytes;
    });
  }

  uint64_t Written() const {
    uint64_t all = 0;
    for (const WrittenStream& stream : streams_) all += stream.written;
    return all;
  }

  void Finish() {
    for (const WrittenStream& stream : streams_) {
      outflow_->End(stream.id, STREAM_END_CLOSED);
    }
    outflow_->Finish();
    ASSERT_TRUE(loop_.RunUntil([this] { return result_.has_value(); }))
        << notices_;
    ASSERT_EQ(result_->problem, "") << notices_;
    ASSERT_TRUE(result_->done.has_value());
  }

  // Of both streams together.
  LogCheck CheckAll(bool to_the_end) {
    LogCheck sum;
    for (const WrittenStream& stream : streams_) {
      const std::optional<uint64_t> total =
          to_the_end ? std::optional<uint64_t>(stream.written) : std::nullopt;
      const LogCheck check = CheckLog(stream.pattern, stream.path, total);
      if (!check.problem.empty()) sum.problem = check.problem;
      sum.stored += check.stored;
      sum.missing += check.missing;
    }
    return sum;
  }

  void ExpectAllStored() {
    const LogCheck check = CheckAll(true);
    EXPECT_EQ(check.problem, "");
    EXPECT_EQ(check.missing, 0);
    EXPECT_EQ(result_->done->stored_bytes(), Written());
    EXPECT_THAT(FilesBelow(dir_.File("spool")), IsEmpty());
  }

  const TempDir dir_;
  Collector collector_;
  FaultProxy proxy_;
  std::vector<WrittenStream> streams_;
  streams::Loop loop_;
  asio::steady_timer timer_{loop_.context()};
  std::unique_ptr<Outflow> outflow_;
  bool is_paused_ = false;
  std::string notices_;
  std::optional<OutflowResult> result_;
};

constexpr uint64_t kPlenty = uint64_t{1} << 30;

TEST_F(DeliveryFaults, CutsLoseNothingAndDoubleNothing) {
  Open(kPlenty, SpoolFull::kDrop);
  std::mt19937_64 dice(1);
  for (int cut = 0; cut < 12; ++cut) {
    // Answers are few and small.
    const bool cuts_answers = cut % 5 == 4;
    const uint64_t connections = proxy_.counts().connections;
    proxy_.CutAfter(dice() % (cuts_answers ? 100 : 600'000) + 1,
                    cuts_answers ? Direction::kDown : Direction::kUp,
                    cut % 2 == 0 ? Cut::kReset : Cut::kClose);
    ASSERT_TRUE(Write(400'000));
    ASSERT_TRUE(loop_.RunUntil([&] {
      Wake();
      return proxy_.counts().connections > connections;
    })) << "cut "
        << cut << "\n"
        << notices_;
  }
  Finish();
  ExpectAllStored();
}

TEST_F(DeliveryFaults, ACollectorThatIsKilledAgainAndAgainLosesNothing) {
  Open(kPlenty, SpoolFull::kDrop);
  uint64_t acknowledged = 0;
  for (int kill = 0; kill < 6; ++kill) {
    ASSERT_TRUE(Write(1'000'000));
    ASSERT_TRUE(AwaitAcknowledged(acknowledged + 300'000)) << notices_;
    collector_.Kill();
    // What was acknowledged is there, and what is there is exact.
    acknowledged = outflow_->progress().acknowledged_bytes;
    const LogCheck check = CheckAll(false);
    EXPECT_EQ(check.problem, "");
    EXPECT_GE(check.stored, acknowledged);
    ASSERT_TRUE(Write(200'000));
    collector_.Start();
  }
  Finish();
  ExpectAllStored();
}

TEST_F(DeliveryFaults, ASlowAndSlicedConnectionAltersNothing) {
  proxy_.Set({.delay = absl::Milliseconds(20), .slice = 37});
  Open(kPlenty, SpoolFull::kDrop);
  ASSERT_TRUE(Write(200'000));
  Finish();
  ExpectAllStored();
}

TEST_F(DeliveryFaults, ACollectorThatRefusesForAWhileGetsAllLater) {
  proxy_.Refuse(true);
  Open(kPlenty, SpoolFull::kDrop);
  ASSERT_TRUE(Write(2'000'000));
  EXPECT_EQ(outflow_->progress().acknowledged_bytes, 0);
  proxy_.Refuse(false);
  Finish();
  ExpectAllStored();
}

TEST_F(DeliveryFaults, AStalledCollectorHoldsNobodyUpAndTheGapsAreExact) {
  Open(uint64_t{4} << 20, SpoolFull::kDrop);
  ASSERT_TRUE(Write(500'000));
  ASSERT_TRUE(AwaitAcknowledged(Written()));
  proxy_.Set({.stalls_up = true, .stalls_down = true});
  ASSERT_TRUE(Write(30'000'000)) << "the workers had to wait";
  proxy_.Set({});
  ASSERT_TRUE(Write(300'000));
  Finish();
  const LogCheck check = CheckAll(true);
  EXPECT_EQ(check.problem, "");
  EXPECT_GT(check.missing, 10'000'000);
  EXPECT_EQ(result_->done->stored_bytes(), check.stored);
  EXPECT_EQ(result_->done->gap_bytes(), check.missing);
}

TEST_F(DeliveryFaults, WithBlockTheWorkersWaitAndNothingIsMissing) {
  Open(uint64_t{2} << 20, SpoolFull::kBlock);
  ASSERT_TRUE(Write(200'000));
  ASSERT_TRUE(AwaitAcknowledged(Written()));
  proxy_.Set({.stalls_up = true, .stalls_down = true});
  constexpr uint64_t kBlock = 40'000;
  std::string block(kBlock, '\0');
  WrittenStream& stream = streams_[0];
  // More than the spool and what is on its way to it hold.
  while (!is_paused_ && stream.written < 40'000'000) {
    stream.pattern.Fill(stream.written, block.data(), block.size());
    outflow_->Append(stream.id, block);
    stream.written += block.size();
    loop_.context().poll();
  }
  EXPECT_TRUE(is_paused_);
  proxy_.Set({});
  EXPECT_TRUE(loop_.RunUntil([this] { return !is_paused_; })) << notices_;
  ASSERT_TRUE(Write(500'000));
  Finish();
  ExpectAllStored();
}

}  // namespace
}  // namespace muster::test
