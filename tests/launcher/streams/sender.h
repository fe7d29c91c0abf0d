// A log's way into a ledger without a network: what a link does, step by step.
#ifndef MUSTER_TESTS_LAUNCHER_STREAMS_SENDER_H_
#define MUSTER_TESTS_LAUNCHER_STREAMS_SENDER_H_

#include <grpcpp/impl/codegen/proto_utils.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launcher/streams/forwarder.h"
#include "launcher/streams/log_message.h"
#include "launcher/streams/spool_reader.h"
#include "tests/launcher/streams/ledger.h"

namespace muster::streams {

constexpr int64_t kSomeTime = 1'700'000'000'000;

// The message as the collector reads it.
inline LogUp OverTheWire(const LogMessage& message) {
  grpc::ByteBuffer buffer = EncodeLogMessage(message, kSomeTime);
  LogUp up;
  EXPECT_TRUE(grpc::SerializationTraits<LogUp>::Deserialize(&buffer, &up).ok());
  return up;
}

class Sender {
 public:
  Sender(const Segments& segments, Ledger& ledger, uint64_t window = 4 << 20)
      : ledger_(ledger), window_(window), reader_(segments) {}

  // Opens a connection; an earlier one is broken.
  void Connect() {
    reader_.Rewind();
    forwarder_.Connect(ledger_.Welcome(window_));
    ledger_.MakeDurable();
    sent_ = 0;
  }

  // Sends one message; false when there is none to be sent now.
  bool SendOne() {
    for (;;) {
      const std::optional<LogMessage> message = forwarder_.Next();
      if (message) {
        ++sent_;
        const absl::Status status = ledger_.Take(OverTheWire(*message));
        EXPECT_TRUE(status.ok()) << status;
        return status.ok();
      }
      if (forwarder_.HasQueued()) return false;
      Batch batch = reader_.Read();
      if (batch.records.empty()) return false;
      forwarder_.Take(std::move(batch));
    }
  }

  // The collector has made durable what it has; what the log may let go of.
  std::optional<LogPosition> Acknowledge() {
    ledger_.MakeDurable();
    const absl::Status status = forwarder_.Acknowledge(sent_);
    EXPECT_TRUE(status.ok()) << status;
    return forwarder_.TakeReleasable();
  }

  // Sends all that there is, whatever the window.
  std::optional<LogPosition> SendAll() {
    std::optional<LogPosition> position;
    do {
      while (SendOne()) continue;
      const std::optional<LogPosition> further = Acknowledge();
      if (further) position = further;
    } while (forwarder_.HasQueued());
    return position;
  }

  // Ends what is open, as of a dead agent.
  void SettleAsDead() {
    std::vector<StreamState> states = forwarder_.Streams();
    for (StreamState& state : states) state.how = STREAM_END_AGENT_DIED;
    Settle(states);
  }
  void Settle(const std::vector<StreamState>& states) {
    forwarder_.Settle(states);
    SendAll();
  }

  Forwarder& forwarder() { return forwarder_; }
  SpoolReader& reader() { return reader_; }

 private:
  Ledger& ledger_;
  const uint64_t window_;
  Forwarder forwarder_;
  SpoolReader reader_;
  uint64_t sent_ = 0;
};

// Bytes that differ from place to place and by `seed`.
inline std::string Noise(size_t size, uint64_t seed = 0) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 2 + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

}  // namespace muster::streams

#endif  // MUSTER_TESTS_LAUNCHER_STREAMS_SENDER_H_
