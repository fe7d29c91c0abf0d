#include "launcher/mpi/probe.h"

#include <fcntl.h>

#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "launcher/process/spawn.h"

namespace muster::mpi {
namespace {

// Before any service of a job.
constexpr uint32_t kProbeId = kFirstServiceId - 1;

}  // namespace

Probe::Probe(asio::io_context& loop, ServiceKeeper keeper,
             Environment environment, OnDone on_done)
    : loop_(loop),
      keeper_(std::move(keeper)),
      environment_(std::move(environment)),
      on_done_(std::move(on_done)),
      patience_(loop),
      command_(
          loop, keeper_, kProbeId,
          {.on_reply = [this](const RemoteReply& reply) { GotReply(reply); },
           .on_exited = [](pid_t, process::ExitStatus,
                           const std::string&) {}}) {}

Probe::~Probe() { *alive_ = false; }

void Probe::Start(std::chrono::milliseconds patience) {
  if (absl::Status found = Find("mpirun"); !found.ok()) return Done(found);
  process::SpawnRequest request;
  request.argv = {"mpirun", "--version"};
  request.env.assign(environment_.begin(), environment_.end());
  command_.Start(std::move(request));
  patience_.expires_after(patience);
  patience_.async_wait([this, alive = alive_](asio::error_code error) {
    if (*alive && !error) keeper_.signal(kProbeId, SIGKILL);
  });
}

void Probe::GotReply(const RemoteReply& reply) {
  if (reply.has_output()) output_ += reply.output().data();
  if (!reply.has_end()) return;
  patience_.cancel();
  Done(Judge(reply.end()));
}

absl::StatusOr<Version> Probe::Judge(const RemoteEnd& end) const {
  if (end.has_signal()) {
    return absl::DeadlineExceededError(
        "`mpirun --version` did not answer; try it on this node");
  }
  absl::StatusOr<Version> version = ParseVersion(output_);
  if (!version.ok()) return version;
  if (absl::Status found = Find(version->daemon()); !found.ok()) return found;
  return version;
}

absl::Status Probe::Find(const std::string& program) const {
  const auto entry = environment_.find("PATH");
  const std::string path = entry == environment_.end() ? "" : entry->second;
  if (process::FindProgram(program, path, AT_FDCWD).error == 0) {
    return absl::OkStatus();
  }
  return absl::NotFoundError(
      absl::StrCat(program, " was not found in PATH (", path,
                   "); install Open MPI, or add its bin directory"));
}

void Probe::Done(absl::StatusOr<Version> result) {
  asio::post(loop_, [this, alive = alive_, result = std::move(result)] {
    if (*alive) on_done_(result);
  });
}

}  // namespace muster::mpi
