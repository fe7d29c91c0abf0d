#include "launcher/streams/outflow.h"

#include <chrono>
#include <utility>

#include "launcher/streams/outflow_worker.h"

namespace muster::streams {
namespace {

constexpr StreamId kAgent = {.kind = STREAM_AGENT};

SpoolManifest ManifestOf(const OutflowOptions& options) {
  SpoolManifest manifest;
  *manifest.mutable_introduction() = options.introduction;
  manifest.set_collector(options.collector);
  manifest.set_host_name(options.host_name);
  manifest.set_created_unix_ms(
      std::chrono::duration_cast<std::chrono::milliseconds>(
          std::chrono::system_clock::now().time_since_epoch())
          .count());
  manifest.set_muster_version(MUSTER_VERSION);
  return manifest;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Outflow>> Outflow::Open(
    asio::io_context& loop, const OutflowOptions& options,
    std::shared_ptr<grpc::Channel> channel, OutflowCallbacks callbacks) {
  absl::StatusOr<std::unique_ptr<Spool>> spool =
      Spool::Create(options.spool, ManifestOf(options));
  if (!spool.ok()) return spool.status();
  std::unique_ptr<Outflow> outflow(new Outflow);
  outflow->worker_ =
      std::make_unique<Worker>(loop, options, *std::move(spool),
                               std::move(channel), std::move(callbacks));
  return outflow;
}

Outflow::~Outflow() = default;

void Outflow::Append(StreamId stream, absl::string_view bytes) {
  Progress& progress = streams_[stream];
  if (progress.ended) return;
  worker_->CountAppended(bytes.size());
  worker_->handover().AddData(stream, progress.offset, bytes);
  progress.offset += bytes.size();
}

void Outflow::End(StreamId stream, StreamEnd how) {
  Progress& progress = streams_[stream];
  if (std::exchange(progress.ended, true)) return;
  worker_->handover().AddEnd(stream, progress.offset, how);
}

void Outflow::AppendAgentLog(absl::string_view bytes) {
  if (!finished_) Append(kAgent, bytes);
}

void Outflow::Finish() {
  if (std::exchange(finished_, true)) return;
  End(kAgent, STREAM_END_CLOSED);
  for (const auto& [stream, progress] : streams_) {
    End(stream, STREAM_END_ABANDONED);
  }
  worker_->Finish();
}

void Outflow::Abandon(const std::string& why) {
  Finish();
  worker_->Abandon(why);
}

OutflowProgress Outflow::progress() const { return worker_->progress(); }

const std::string& Outflow::spool_path() const { return worker_->spool_path(); }

}  // namespace muster::streams
