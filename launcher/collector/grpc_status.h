// A status on its way to the peer.
#ifndef MUSTER_LAUNCHER_COLLECTOR_GRPC_STATUS_H_
#define MUSTER_LAUNCHER_COLLECTOR_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace muster::collector {

// Their codes are the same.
inline grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message()));
}

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_GRPC_STATUS_H_
