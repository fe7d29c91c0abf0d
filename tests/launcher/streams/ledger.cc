#include "tests/launcher/streams/ledger.h"

#include <ostream>

#include "absl/strings/str_cat.h"

namespace muster::streams {

void PrintTo(const Gap& gap, std::ostream* out) {
  *out << GapReason_Name(gap.reason) << " at " << gap.offset << ": "
       << gap.length << " bytes";
}

uint64_t Stored::GapBytes() const {
  uint64_t sum = 0;
  for (const Gap& gap : gaps) sum += gap.length;
  return sum;
}

std::string ComparePrefix(const std::string& written, const Stored& stored) {
  uint64_t at = 0;  // in what was written
  uint64_t stored_at = 0;
  const auto same_until = [&](uint64_t end) {
    if (end < at || end > written.size()) return false;
    const uint64_t length = end - at;
    const bool same =
        stored_at + length <= stored.bytes.size() &&
        written.compare(at, length, stored.bytes, stored_at, length) == 0;
    at = end;
    stored_at += length;
    return same;
  };
  for (const Gap& gap : stored.gaps) {
    if (!same_until(gap.offset)) {
      return absl::StrCat("the bytes before the gap at ", gap.offset);
    }
    at += gap.length;
  }
  if (!same_until(stored.offset)) {
    return absl::StrCat("the bytes before ", stored.offset);
  }
  if (stored_at != stored.bytes.size()) {
    return absl::StrCat(stored.bytes.size() - stored_at, " bytes too many");
  }
  return "";
}

std::string Compare(const std::string& written, const Stored& stored) {
  const std::string difference = ComparePrefix(written, stored);
  if (!difference.empty() || stored.offset == written.size()) {
    return difference;
  }
  return absl::StrCat("it is ", stored.offset, " bytes long, not ",
                      written.size());
}

LogWelcome Ledger::Welcome(uint64_t window_bytes) const {
  LogWelcome welcome;
  welcome.set_window_bytes(window_bytes);
  for (const auto& [id, stored] : streams_) {
    StreamPosition& position = *welcome.add_streams();
    *position.mutable_stream() = ToProto(id);
    position.set_offset(stored.offset);
    position.set_ended(stored.how != STREAM_END_UNSPECIFIED);
  }
  return welcome;
}

absl::Status Ledger::Take(const LogUp& message) {
  Stored* stored = nullptr;
  absl::Status status;
  switch (message.body_case()) {
    case LogUp::kData: {
      const LogData& data = message.data();
      if (data.data().empty() || data.data().size() > 256 * 1024) {
        return absl::InvalidArgumentError(
            absl::StrCat("data of ", data.data().size(), " bytes"));
      }
      status = Store(data.stream(), data.offset(), data.data().size(), &stored);
      if (status.ok() && keep_) stored->bytes += data.data();
      return status;
    }
    case LogUp::kGap: {
      const LogGap& gap = message.gap();
      if (gap.length() == 0 || gap.reason() == GAP_UNSPECIFIED ||
          gap.at_unix_ms() == 0) {
        return absl::InvalidArgumentError(gap.ShortDebugString());
      }
      status = Store(gap.stream(), gap.offset(), gap.length(), &stored);
      if (status.ok()) {
        stored->gaps.push_back({gap.offset(), gap.length(), gap.reason()});
      }
      return status;
    }
    case LogUp::kEnd:
      if (message.end().how() == STREAM_END_UNSPECIFIED) {
        return absl::InvalidArgumentError(message.end().ShortDebugString());
      }
      status =
          Store(message.end().stream(), message.end().offset(), 0, &stored);
      if (status.ok()) stored->how = message.end().how();
      return status;
    case LogUp::kFinish:
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError("what is that?");
  }
}

absl::Status Ledger::Store(const StreamName& name, uint64_t offset,
                           uint64_t length, Stored** stored) {
  *stored = &streams_[FromProto(name)];
  if ((*stored)->offset != offset || (*stored)->how != STREAM_END_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        absl::StrCat(name.ShortDebugString(), " at ", offset, " instead of ",
                     (*stored)->offset, " or after its end"));
  }
  (*stored)->offset += length;
  return absl::OkStatus();
}

void Ledger::MakeDurable() {
  for (const auto& [id, stored] : streams_) {
    durable_[id] = {.bytes = stored.bytes.size(),
                    .gaps = stored.gaps.size(),
                    .offset = stored.offset,
                    .how = stored.how};
  }
}

void Ledger::Forget() {
  std::erase_if(streams_, [this](const auto& entry) {
    return !durable_.contains(entry.first);
  });
  for (auto& [id, stored] : streams_) {
    const Durable& durable = durable_[id];
    stored.bytes.resize(durable.bytes);
    stored.gaps.resize(durable.gaps);
    stored.offset = durable.offset;
    stored.how = durable.how;
  }
}

LogDone Ledger::Done() const {
  LogDone done;
  for (const auto& [id, stored] : streams_) {
    if (id.kind == STREAM_AGENT) continue;
    done.set_stored_bytes(done.stored_bytes() + stored.offset -
                          stored.GapBytes());
    done.set_gap_bytes(done.gap_bytes() + stored.GapBytes());
  }
  return done;
}

Stored Ledger::Get(StreamId stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? Stored() : found->second;
}

}  // namespace muster::streams
