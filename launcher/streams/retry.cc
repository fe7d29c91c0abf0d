#include "launcher/streams/retry.h"

#include <algorithm>

namespace muster::streams {

bool IsWorthRetrying(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::NOT_FOUND:  // of a run that is about to be made
    case grpc::StatusCode::DATA_LOSS:  // until it has another disk
    case grpc::StatusCode::UNKNOWN:    // from the transport only
      return true;
    default:
      return false;
  }
}

Backoff::Milliseconds Backoff::Next(grpc::StatusCode why) {
  is_for_a_run_ = why == grpc::StatusCode::NOT_FOUND && tries_ < kTriesForARun;
  Milliseconds full = kForARun;
  if (is_for_a_run_) {
    ++tries_;
  } else {
    full = pause_;
    pause_ = std::min(2 * pause_, kLast);
  }
  return Milliseconds(std::uniform_int_distribution<int64_t>(
      full.count() / 2, full.count())(random_));
}

}  // namespace muster::streams
