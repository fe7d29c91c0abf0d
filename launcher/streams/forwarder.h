// What to tell the collector next. Pure: no file, no socket, no clock.
#ifndef MUSTER_LAUNCHER_STREAMS_FORWARDER_H_
#define MUSTER_LAUNCHER_STREAMS_FORWARDER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "launcher/streams/record.h"
#include "launcher/streams/segments.h"
#include "launcher/streams/spool_reader.h"
#include "proto/collector.pb.h"

namespace muster::streams {

// One message of LogUp after the introduction.
struct LogMessage {
  enum class Type { kData, kGap, kEnd, kFinish };
  Type type = Type::kData;
  StreamId stream;
  uint64_t offset = 0;
  uint64_t length = 0;  // of data or gap
  StreamEnd how = STREAM_END_UNSPECIFIED;
  GapReason reason = GAP_UNSPECIFIED;
  // The data, one piece after the other, and what they lie in.
  std::vector<absl::string_view> pieces;
  std::shared_ptr<const char[]> memory;
};

// Job: turn the log of a spool into messages of one connection: what the
// collector has is left out, small pieces of a stream become one message, what
// is missing becomes a gap; and say what may be removed from the spool.
//
//   disconnected --Connect--> connected --(Take, Next, Acknowledge)*-->
//        ^-------------------Disconnect----------------------/
//
// Life cycle: each connection begins with the log's beginning, from which the
// welcome says what to leave out.
// Threads: one.
class Forwarder {
 public:
  static constexpr size_t kMaxData = 256 * 1024;
  // What a message costs of the window beside its data, so that many small
  // ones are bounded as well.
  static constexpr uint64_t kMessageCost = 64;

  void Connect(const LogWelcome& welcome);
  void Disconnect();

  // The next part of the log. What was taken before must be sent (!HasQueued).
  void Take(Batch batch);
  // The log holds no more, but streams have come so far: what the log lacks is
  // lost, and an end that it lacks is sent. Of a stream that the collector has
  // more of, only the end counts.
  void Settle(absl::Span<const StreamState> states);
  // Nothing comes after what was taken.
  void Finish();

  bool HasQueued() const { return !queue_.empty(); }
  // What to send now; none when nothing is queued or the window is used up.
  std::optional<LogMessage> Next();

  // So many messages of this connection are durable.
  // Errors: InvalidArgument when that can't be.
  absl::Status Acknowledge(uint64_t messages);

  // Up to where the log is acknowledged since the last call; none when it has
  // not come further.
  std::optional<LogPosition> TakeReleasable();

  // Messages of this connection.
  uint64_t acknowledged() const { return acknowledged_; }
  // Bytes of all streams that the collector has or knows to be missing.
  uint64_t acknowledged_bytes() const { return acknowledged_bytes_; }
  // Every stream that was seen, at the offset that the collector will be at
  // when it has what was taken.
  std::vector<StreamState> Streams() const;

 private:
  struct Stream {
    uint64_t sent = 0;  // queued counts as sent
    bool ended = false;
  };
  struct Queued {
    LogMessage message;
    // The log is sent up to here when this message is.
    std::optional<LogPosition> position;
  };
  struct InFlight {
    uint64_t cost = 0;
    uint64_t bytes = 0;
    std::optional<LogPosition> position;
  };

  void TakeData(const Record& record, const Batch& batch);
  // The stream goes on at `offset`: what lies between was lost.
  void Reach(StreamId id, Stream& stream, uint64_t offset, GapReason reason);
  void End(StreamId id, Stream& stream, StreamEnd how);

  std::map<StreamId, Stream> streams_;
  // Why something is missing here, if the log said so.
  std::optional<GapReason> reason_;
  uint64_t window_ = 0;
  uint64_t max_data_ = kMaxData;
  std::deque<Queued> queue_;
  // Where in the queue the last data of a stream is, which can still grow,
  // while a batch is being taken.
  std::map<StreamId, size_t> growing_;
  std::deque<InFlight> in_flight_;
  uint64_t acknowledged_ = 0;  // messages of this connection
  uint64_t cost_in_flight_ = 0;
  uint64_t acknowledged_bytes_ = 0;
  std::optional<LogPosition> releasable_;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_FORWARDER_H_
