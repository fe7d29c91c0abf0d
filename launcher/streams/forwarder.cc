#include "launcher/streams/forwarder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::streams {

void Forwarder::Connect(const LogWelcome& welcome) {
  Disconnect();
  window_ = welcome.window_bytes() == 0 ? kMaxData : welcome.window_bytes();
  max_data_ = std::min<uint64_t>(kMaxData, window_);
  acknowledged_bytes_ = 0;
  for (const StreamPosition& position : welcome.streams()) {
    streams_[FromProto(position.stream())] = {.sent = position.offset(),
                                              .ended = position.ended()};
    acknowledged_bytes_ += position.offset();
  }
}

void Forwarder::Disconnect() {
  streams_.clear();
  reason_.reset();
  queue_.clear();
  in_flight_.clear();
  acknowledged_ = 0;
  cost_in_flight_ = 0;
  releasable_.reset();
}

void Forwarder::Take(Batch batch) {
  for (const Record& record : batch.records) {
    if (record.type == Record::Type::kDamage) {
      reason_ = record.reason;
      continue;
    }
    Stream& stream = streams_[record.stream];
    // The beginning of the log is dropped without a word in it.
    Reach(record.stream, stream, record.offset,
          reason_.value_or(GAP_SPOOL_FULL));
    switch (record.type) {
      case Record::Type::kData:
        TakeData(record, batch);
        break;
      case Record::Type::kLost:
        Reach(record.stream, stream, record.offset + record.length,
              record.reason);
        break;
      case Record::Type::kEnd:
      case Record::Type::kState:
        if (record.how != STREAM_END_UNSPECIFIED) {
          End(record.stream, stream, record.how);
        }
        break;
      case Record::Type::kDamage:
        break;
    }
  }
  growing_.clear();
  if (!queue_.empty()) {
    queue_.back().position = batch.end;
  } else if (!in_flight_.empty()) {
    in_flight_.back().position = batch.end;
  } else {
    releasable_ = batch.end;
  }
}

void Forwarder::TakeData(const Record& record, const Batch& batch) {
  Stream& stream = streams_[record.stream];
  const uint64_t end = record.offset + record.length;
  while (!stream.ended && stream.sent < end) {
    const auto [last, is_first] =
        growing_.try_emplace(record.stream, queue_.size());
    const bool grows = !is_first &&
                       queue_[last->second].message.length < max_data_ &&
                       queue_[last->second].message.offset +
                               queue_[last->second].message.length ==
                           stream.sent;
    if (!grows) {
      last->second = queue_.size();
      queue_.push_back({.message = {.type = LogMessage::Type::kData,
                                    .stream = record.stream,
                                    .offset = stream.sent,
                                    .memory = batch.memory}});
    }
    LogMessage& message = queue_[last->second].message;
    const uint64_t size =
        std::min(end - stream.sent, max_data_ - message.length);
    message.pieces.push_back(
        record.bytes.substr(stream.sent - record.offset, size));
    message.length += size;
    stream.sent += size;
  }
}

void Forwarder::Settle(absl::Span<const StreamState> states) {
  for (const StreamState& state : states) {
    Stream& stream = streams_[state.stream];
    Reach(state.stream, stream, state.offset,
          reason_.value_or(GAP_SPOOL_ERROR));
    if (state.how != STREAM_END_UNSPECIFIED) {
      End(state.stream, stream, state.how);
    }
  }
}

void Forwarder::Finish() {
  queue_.push_back({.message = {.type = LogMessage::Type::kFinish}});
}

void Forwarder::Reach(StreamId id, Stream& stream, uint64_t offset,
                      GapReason reason) {
  if (stream.ended || offset <= stream.sent) return;
  // What was lost piece by piece is one gap.
  if (!queue_.empty()) {
    LogMessage& last = queue_.back().message;
    if (last.type == LogMessage::Type::kGap && last.stream == id &&
        last.reason == reason) {
      last.length += offset - stream.sent;
      stream.sent = offset;
      return;
    }
  }
  queue_.push_back({.message = {.type = LogMessage::Type::kGap,
                                .stream = id,
                                .offset = stream.sent,
                                .length = offset - stream.sent,
                                .reason = reason}});
  stream.sent = offset;
}

void Forwarder::End(StreamId id, Stream& stream, StreamEnd how) {
  if (stream.ended) return;
  queue_.push_back({.message = {.type = LogMessage::Type::kEnd,
                                .stream = id,
                                .offset = stream.sent,
                                .how = how}});
  stream.ended = true;
}

std::optional<LogMessage> Forwarder::Next() {
  if (queue_.empty()) return std::nullopt;
  Queued& next = queue_.front();
  const bool is_data = next.message.type == LogMessage::Type::kData;
  const uint64_t cost = kMessageCost + (is_data ? next.message.length : 0);
  if (!in_flight_.empty() && cost_in_flight_ + cost > window_) {
    return std::nullopt;
  }
  cost_in_flight_ += cost;
  in_flight_.push_back(
      {.cost = cost, .bytes = next.message.length, .position = next.position});
  LogMessage message = std::move(next.message);
  queue_.pop_front();
  return message;
}

absl::Status Forwarder::Acknowledge(uint64_t messages) {
  if (messages < acknowledged_ ||
      messages - acknowledged_ > in_flight_.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the collector acknowledged ", messages, " messages of ",
        acknowledged_ + in_flight_.size(), " after ", acknowledged_));
  }
  for (; acknowledged_ < messages; ++acknowledged_) {
    const InFlight& durable = in_flight_.front();
    cost_in_flight_ -= durable.cost;
    acknowledged_bytes_ += durable.bytes;
    if (durable.position) releasable_ = durable.position;
    in_flight_.pop_front();
  }
  return absl::OkStatus();
}

std::optional<LogPosition> Forwarder::TakeReleasable() {
  return std::exchange(releasable_, std::nullopt);
}

std::vector<StreamState> Forwarder::Streams() const {
  std::vector<StreamState> states;
  for (const auto& [id, stream] : streams_) {
    states.push_back({.stream = id, .offset = stream.sent});
  }
  return states;
}

}  // namespace muster::streams
