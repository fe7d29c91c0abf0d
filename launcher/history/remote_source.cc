#include "launcher/history/remote_source.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "launcher/history/log_names.h"
#include "launcher/history/remote_call.h"
#include "proto/history.grpc.pb.h"

namespace muster::history {
namespace {

constexpr int kTries = 5;
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLastPause = absl::Seconds(1);

bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

// Job: how long to wait, and when to give up. Life cycle: Progress and Failed
// in turns. Threads: one. Pure.
class Patience {
 public:
  void Progress() { failures_ = 0; }
  // How long to wait before the next try.
  absl::Duration Failed() {
    ++failures_;
    absl::Duration pause = kFirstPause;
    for (int i = 1; i < failures_ && pause < kLastPause; ++i) pause *= 2;
    return std::min(pause, kLastPause);
  }
  int failures() const { return failures_; }
  bool is_over() const { return failures_ >= kTries; }

 private:
  int failures_ = 0;
};

absl::Status From(const std::string& where, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(where, ": ", status.message()));
}

// Job: the pieces of one call of Logs, and of those that follow it when it
// breaks: each goes on where the last one was.
class RemoteFeed final : public LogFeed {
 public:
  RemoteFeed(History::Stub* stub, const RemoteOptions* options,
             LogsRequest request)
      : stub_(stub), options_(options), request_(std::move(request)) {
    Open();
  }

  absl::StatusOr<Step> Next(LogPiece* piece) override {
    if (!call_) {
      if (absl::Now() < retry_at_) return Step::kNothing;
      Open();
    }
    absl::StatusOr<Step> step = call_->Next(piece);
    if (!step.ok()) return Broken(step.status());
    if (*step != Step::kReply) return step;
    if (patience_.failures() > 0) {
      Notice(" is back");
      patience_.Progress();
    }
    Remember(*piece);
    return step;
  }
  int fd() const override { return call_ ? call_->fd() : -1; }
  absl::Time next_look() const override {
    return call_ ? absl::InfiniteFuture() : retry_at_;
  }

 private:
  void Open() {
    if (!positions_.empty()) {
      request_.clear_tail_lines();
      request_.clear_from();
      for (const auto& [key, position] : positions_) {
        *request_.add_from() = position;
      }
    }
    call_ = std::make_unique<RemoteCall<LogPiece>>();
    call_->Start([this](grpc::ClientContext* context,
                        grpc::ClientReadReactor<LogPiece>* reactor) {
      stub_->async()->Logs(context, &request_, reactor);
    });
  }

  absl::StatusOr<Step> Broken(const absl::Status& why) {
    call_.reset();
    if (patience_.failures() == 0 && request_.follow() && MayPass(why)) {
      Notice(absl::StrCat(" is away (", why.message(), "); trying again"));
    }
    retry_at_ = absl::Now() + patience_.Failed();
    const bool gives_up = !request_.follow() && patience_.is_over();
    if (!MayPass(why) || gives_up) return From(options_->where, why);
    return Step::kNothing;
  }

  void Notice(const std::string& what) {
    if (options_->on_notice) {
      options_->on_notice(
          absl::StrCat("the collector at ", options_->where, what));
    }
  }

  void Remember(const LogPiece& piece) {
    LogPosition& position = positions_[ToKey(piece.log())];
    *position.mutable_log() = piece.log();
    position.set_offset(piece.offset() + piece.data().size());
    if (piece.has_note()) position.set_notes(position.notes() + 1);
  }

  History::Stub* const stub_;
  const RemoteOptions* const options_;
  LogsRequest request_;
  std::map<LogKey, LogPosition> positions_;
  std::unique_ptr<RemoteCall<LogPiece>> call_;
  Patience patience_;
  absl::Time retry_at_;
};

class RemoteSource final : public RunSource {
 public:
  RemoteSource(std::shared_ptr<grpc::Channel> channel, RemoteOptions options)
      : stub_(History::NewStub(std::move(channel))),
        options_(std::move(options)) {}

  std::string Where() const override { return options_.where; }
  std::string PathOf(const std::string&, const std::string&) const override {
    return "";
  }

  absl::StatusOr<std::vector<RunSummary>> ListRuns(
      const ListRunsRequest& request) override {
    std::vector<RunSummary> runs;
    absl::Status status = Persist([&](Patience*) {
      runs.clear();
      return Call<RunSummary>(
          [&](auto* context, auto* reactor) {
            stub_->async()->ListRuns(context, &request, reactor);
          },
          [&](RunSummary& run) {
            runs.push_back(std::move(run));
            return absl::OkStatus();
          });
    });
    if (!status.ok()) return status;
    return runs;
  }

  absl::StatusOr<std::vector<FileEntry>> ListFiles(
      const ListFilesRequest& request) override {
    std::vector<FileEntry> files;
    absl::Status status = Persist([&](Patience*) {
      files.clear();
      return Call<FileList>(
          [&](auto* context, auto* reactor) {
            stub_->async()->ListFiles(context, &request, reactor);
          },
          [&](FileList& list) {
            for (FileEntry& file : *list.mutable_files()) {
              files.push_back(std::move(file));
            }
            return absl::OkStatus();
          });
    });
    if (!status.ok()) return status;
    return files;
  }

  absl::Status Read(const ReadRequest& request, TakeChunk take) override {
    ReadRequest rest = request;
    bool begun = false;
    absl::Status refused;
    const absl::Status status = Persist([&](Patience* patience) {
      const absl::Status read = Call<ReadChunk>(
          [&](auto* context, auto* reactor) {
            stub_->async()->Read(context, &rest, reactor);
          },
          [&](const ReadChunk& chunk) {
            patience->Progress();
            // From here on only the rest of this very file will do.
            if (chunk.has_file()) {
              rest.set_if_mtime_ns(chunk.file().mtime_ns());
              if (std::exchange(begun, true)) return absl::OkStatus();
            }
            rest.set_offset(chunk.offset() + chunk.data().size());
            refused = take(chunk);
            return refused;
          });
      return refused.ok() ? read : absl::OkStatus();
    });
    return refused.ok() ? status : refused;
  }

  absl::StatusOr<std::unique_ptr<LogFeed>> Logs(
      const LogsRequest& request) override {
    return std::make_unique<RemoteFeed>(stub_.get(), &options_, request);
  }

 private:
  // Again while it may help.
  absl::Status Persist(absl::FunctionRef<absl::Status(Patience*)> work) {
    Patience patience;
    while (true) {
      const absl::Status status = work(&patience);
      if (status.ok()) return status;
      const absl::Duration pause = patience.Failed();
      if (!MayPass(status) || patience.is_over()) {
        return From(options_.where, status);
      }
      absl::SleepFor(pause);
    }
  }

  template <typename Reply, typename Begin, typename Take>
  static absl::Status Call(Begin begin, Take take) {
    RemoteCall<Reply> call;
    call.Start(begin);
    while (true) {
      Reply reply;
      const absl::StatusOr<Step> step = call.Wait(&reply);
      if (!step.ok()) return step.status();
      if (*step == Step::kOver) return absl::OkStatus();
      if (absl::Status taken = take(reply); !taken.ok()) return taken;
    }
  }

  const std::unique_ptr<History::Stub> stub_;
  const RemoteOptions options_;
};

}  // namespace

std::unique_ptr<RunSource> MakeRemoteRuns(
    std::shared_ptr<grpc::Channel> channel, RemoteOptions options) {
  return std::make_unique<RemoteSource>(std::move(channel), std::move(options));
}

}  // namespace muster::history
