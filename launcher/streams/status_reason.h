// Why a call ended, also where gRPC gives only a code.
#ifndef MUSTER_LAUNCHER_STREAMS_STATUS_REASON_H_
#define MUSTER_LAUNCHER_STREAMS_STATUS_REASON_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace muster::streams {

// `status` with words in its message: people are shown nothing else of it.
inline grpc::Status WithReason(const grpc::Status& status) {
  if (status.ok() || !status.error_message().empty()) return status;
  const auto because = [&status](const std::string& text) {
    return grpc::Status(status.error_code(), text, status.error_details());
  };
  switch (status.error_code()) {
    case grpc::StatusCode::CANCELLED:
      return because("the connection was cut");
    case grpc::StatusCode::UNAVAILABLE:
      return because("there is no connection");
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return because("there was no answer in time");
    default:
      return because(absl::StrCat("it gave no reason but gRPC's code ",
                                  status.error_code()));
  }
}

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_STATUS_REASON_H_
