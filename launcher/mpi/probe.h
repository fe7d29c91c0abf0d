// Which Open MPI a node has.
#ifndef MUSTER_LAUNCHER_MPI_PROBE_H_
#define MUSTER_LAUNCHER_MPI_PROBE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "launcher/mpi/mpirun.h"
#include "launcher/mpi/service_command.h"
#include "launcher/mpi/services.h"

namespace muster::mpi {

// Job: asks the mpirun that is first in PATH for its version, and looks for the
// daemon that belongs to it.
// Life cycle: construct, Start once; on_done comes once, unless this is
// destroyed before. Threads: the loop's only; on_done is never called inside a
// call, and may destroy this. Ownership: the loop must outlive this.
class Probe {
 public:
  // Errors, whose text is for the user:
  //   NotFound            mpirun or its daemon is not in PATH
  //   DeadlineExceeded    mpirun did not answer
  //   others              those of ParseVersion()
  using OnDone = std::function<void(absl::StatusOr<Version>)>;

  // `environment` is that of mpirun, with the PATH that counts.
  Probe(asio::io_context& loop, ServiceKeeper keeper, Environment environment,
        OnDone on_done);
  ~Probe();

  // A file system that hangs would keep mpirun for ever: after `patience` it is
  // killed.
  void Start(std::chrono::milliseconds patience);

 private:
  void GotReply(const RemoteReply& reply);
  absl::StatusOr<Version> Judge(const RemoteEnd& end) const;
  absl::Status Find(const std::string& program) const;
  void Done(absl::StatusOr<Version> result);

  asio::io_context& loop_;
  const ServiceKeeper keeper_;
  const Environment environment_;
  const OnDone on_done_;
  asio::steady_timer patience_;
  std::string output_;
  ServiceCommand command_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_PROBE_H_
