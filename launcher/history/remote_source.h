// Runs that a collector holds, by its History service.
#ifndef MUSTER_LAUNCHER_HISTORY_REMOTE_SOURCE_H_
#define MUSTER_LAUNCHER_HISTORY_REMOTE_SOURCE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "launcher/history/run_source.h"
#include "rendezvous/credentials.h"

namespace muster::history {

struct RemoteOptions {
  std::string where;  // HOST:PORT, for people
  // A line for people: the collector went away, or is back.
  std::function<void(const std::string& line)> on_notice;
};

// The runs behind a channel. What breaks is tried again: a feed that follows,
// for ever; everything else five times without progress.
std::unique_ptr<RunSource> MakeRemoteRuns(
    std::shared_ptr<grpc::Channel> channel, RemoteOptions options);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_REMOTE_SOURCE_H_
