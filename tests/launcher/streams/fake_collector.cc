#include "tests/launcher/streams/fake_collector.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::streams {

class FakeCollector::Call final
    : public grpc::ServerBidiReactor<LogUp, LogDown> {
 public:
  explicit Call(FakeCollector& collector) : collector_(collector) {}

  void Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(collector_.mutex_) {
    collector_.calls_.insert(this);
    StartRead(&up_);
  }

  void OnReadDone(bool ok) override {
    absl::MutexLock lock(&collector_.mutex_);
    if (closed_) return;
    if (!ok) return Close(grpc::Status::CANCELLED);
    if (!collector_.refusal_.ok()) return Close(collector_.refusal_);
    if (up_.has_introduction()) {
      collector_.introductions_.push_back(up_.introduction());
      introduced_ = true;
    } else if (!introduced_) {
      return Close(
          grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "who is there?"));
    } else {
      const absl::Status status = collector_.Take(up_);
      if (!status.ok()) {
        return Close(grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                                  std::string(status.message())));
      }
      ++taken_;
      finishing_ = up_.has_finish();
      if (collector_.break_after_ > 0 && --collector_.break_after_ == 0) {
        return Close(collector_.break_with_);
      }
    }
    Flush();
    if (!closed_ && !finishing_) StartRead(&up_);
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&collector_.mutex_);
    writing_ = false;
    if (ok) Flush();
  }

  void OnCancel() override {
    absl::MutexLock lock(&collector_.mutex_);
    Close(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    {
      absl::MutexLock lock(&collector_.mutex_);
      collector_.calls_.erase(this);
    }
    delete this;
  }

  void Close(const grpc::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(collector_.mutex_) {
    if (std::exchange(closed_, true)) return;
    Finish(status);
  }

  // Writes what there is to say.
  void Flush() ABSL_EXCLUSIVE_LOCKS_REQUIRED(collector_.mutex_) {
    if (writing_ || closed_ || !introduced_) return;
    down_.Clear();
    if (!std::exchange(welcomed_, true)) {
      LogWelcome& welcome = *down_.mutable_welcome();
      welcome.set_window_bytes(collector_.window_);
      for (const auto& [id, stored] : collector_.streams_) {
        StreamPosition& position = *welcome.add_streams();
        *position.mutable_stream() = ToProto(id);
        position.set_offset(stored.offset);
        position.set_ended(stored.how != STREAM_END_UNSPECIFIED);
      }
      // What it says is durable.
      collector_.MakeDurable();
    } else if (collector_.hold_) {
      return;
    } else if (acknowledged_ < taken_) {
      collector_.MakeDurable();
      acknowledged_ = taken_;
      down_.mutable_progress()->set_messages(acknowledged_);
    } else if (finishing_) {
      LogDone& done = *down_.mutable_done();
      for (const auto& [id, stored] : collector_.streams_) {
        if (id.kind == STREAM_AGENT) continue;
        uint64_t gaps = 0;
        for (const Gap& gap : stored.gaps) gaps += gap.length;
        done.set_stored_bytes(done.stored_bytes() + stored.offset - gaps);
        done.set_gap_bytes(done.gap_bytes() + gaps);
      }
      collector_.done_ = done;
      closed_ = true;
      StartWriteAndFinish(&down_, grpc::WriteOptions(), grpc::Status::OK);
      return;
    } else {
      return;
    }
    writing_ = true;
    StartWrite(&down_);
  }

 private:
  FakeCollector& collector_;
  LogUp up_;
  LogDown down_;
  bool introduced_ = false;
  bool welcomed_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool closed_ = false;
  uint64_t taken_ = 0;
  uint64_t acknowledged_ = 0;
};

grpc::ServerBidiReactor<LogUp, LogDown>* FakeCollector::Logs(
    grpc::CallbackServerContext* /*context*/) {
  auto* const call = new Call(*this);
  absl::MutexLock lock(&mutex_);
  call->Start();
  return call;
}

absl::Status FakeCollector::Take(const LogUp& message) {
  const auto out_of_order = [](const StreamName& name, uint64_t offset,
                               const Stored& stored) {
    return absl::InvalidArgumentError(
        absl::StrCat(name.ShortDebugString(), " at ", offset, " instead of ",
                     stored.offset));
  };
  ++messages_;
  if (message.has_data()) {
    const LogData& data = message.data();
    Stored& stored = streams_[FromProto(data.stream())];
    if (data.data().size() > 256 * 1024) {
      return absl::InvalidArgumentError("too large");
    }
    if (data.data().empty() || data.offset() != stored.offset ||
        stored.how != STREAM_END_UNSPECIFIED) {
      return out_of_order(data.stream(), data.offset(), stored);
    }
    if (!discard_) stored.bytes += data.data();
    stored.offset += data.data().size();
    bytes_ += data.data().size();
    unacknowledged_ += data.data().size();
    most_unacknowledged_ = std::max(most_unacknowledged_, unacknowledged_);
  } else if (message.has_gap()) {
    const LogGap& gap = message.gap();
    Stored& stored = streams_[FromProto(gap.stream())];
    if (gap.length() == 0 || gap.offset() != stored.offset ||
        stored.how != STREAM_END_UNSPECIFIED) {
      return out_of_order(gap.stream(), gap.offset(), stored);
    }
    stored.gaps.push_back({gap.offset(), gap.length(), gap.reason()});
    stored.offset += gap.length();
  } else if (message.has_end()) {
    const LogEnd& end = message.end();
    Stored& stored = streams_[FromProto(end.stream())];
    if (end.offset() != stored.offset || stored.how != STREAM_END_UNSPECIFIED) {
      return out_of_order(end.stream(), end.offset(), stored);
    }
    stored.how = end.how();
  } else if (!message.has_finish()) {
    return absl::InvalidArgumentError("what is that?");
  }
  return absl::OkStatus();
}

void FakeCollector::MakeDurable() {
  unacknowledged_ = 0;
  for (const auto& [id, stored] : streams_) {
    durable_[id] = {.bytes = stored.bytes.size(),
                    .gaps = stored.gaps.size(),
                    .offset = stored.offset,
                    .how = stored.how};
  }
}

std::map<StreamId, Stored> FakeCollector::Streams() {
  absl::MutexLock lock(&mutex_);
  return streams_;
}

std::vector<Introduction> FakeCollector::Introductions() {
  absl::MutexLock lock(&mutex_);
  return introductions_;
}

uint64_t FakeCollector::messages() {
  absl::MutexLock lock(&mutex_);
  return messages_;
}

uint64_t FakeCollector::bytes() {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

uint64_t FakeCollector::most_unacknowledged() {
  absl::MutexLock lock(&mutex_);
  return most_unacknowledged_;
}

std::optional<LogDone> FakeCollector::done() {
  absl::MutexLock lock(&mutex_);
  return done_;
}

bool FakeCollector::WaitUntil(
    const std::function<bool(FakeCollector&)>& holds) {
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (!holds(*this)) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

void FakeCollector::SetWindow(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  window_ = bytes;
}

void FakeCollector::Discard() {
  absl::MutexLock lock(&mutex_);
  discard_ = true;
}

void FakeCollector::HoldAcks(bool hold) {
  absl::MutexLock lock(&mutex_);
  hold_ = hold;
  if (!hold) {
    for (Call* const call : calls_) call->Flush();
  }
}

void FakeCollector::Refuse(const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  refusal_ = status;
}

void FakeCollector::BreakAfter(uint64_t messages, const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  break_after_ = messages;
  break_with_ = status;
}

void FakeCollector::Crash() {
  absl::MutexLock lock(&mutex_);
  for (Call* const call : calls_) {
    call->Close(grpc::Status(grpc::StatusCode::UNAVAILABLE, "crashed"));
  }
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
  unacknowledged_ = 0;
}

void CollectorServer::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

void CollectorServer::Start() {
  rendezvous::ListeningServer listening =
      *rendezvous::Listen("127.0.0.1", port_, credentials_, {&collector_});
  server_ = std::move(listening.server);
  port_ = listening.port;
}

std::string Compare(const std::string& written, const Stored& stored) {
  uint64_t at = 0;  // in what was written
  size_t stored_at = 0;
  const auto same_until = [&](uint64_t end) {
    const uint64_t length = end - at;
    const bool same =
        end >= at && end <= written.size() &&
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
  if (stored.offset != written.size()) {
    return absl::StrCat("it is ", stored.offset, " bytes long, not ",
                        written.size());
  }
  return "";
}

}  // namespace muster::streams
