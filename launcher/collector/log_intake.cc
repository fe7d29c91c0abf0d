#include "launcher/collector/log_intake.h"

#include <utility>

namespace muster::collector {

absl::Status LogIntake::Take(const LogUp& message) {
  if (message.has_introduction()) return Introduce(message.introduction());
  if (!is_introduced()) {
    return absl::InvalidArgumentError(
        "the first message of a stream is not its introduction");
  }
  if (finished_) {
    return absl::InvalidArgumentError("a message after LogFinish");
  }
  absl::Status status;
  switch (message.body_case()) {
    case LogUp::kData:
      status = TakeData(message.data());
      break;
    case LogUp::kGap:
      status = admitted_.run->logs().AddGap(admitted_.node, message.gap());
      break;
    case LogUp::kEnd:
      status = TakeEnd(message.end());
      break;
    case LogUp::kFinish:
      finished_ = true;
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(
          "a message without a body; are the nodes' versions of muster the "
          "same?");
  }
  if (status.ok()) ++taken_;
  return status;
}

absl::Status LogIntake::Introduce(const Introduction& introduction) {
  if (is_introduced()) {
    return absl::InvalidArgumentError("a second introduction");
  }
  absl::StatusOr<Admitted> admitted = admit_(introduction);
  if (!admitted.ok()) return admitted.status();
  admitted_ = *std::move(admitted);
  return absl::OkStatus();
}

absl::Status LogIntake::TakeData(const LogData& data) {
  const absl::Status written =
      admitted_.run->logs().Append(admitted_.node, data);
  if (written.ok() && admitted_.console != nullptr &&
      data.stream().kind() != STREAM_AGENT) {
    admitted_.console->Write(data.stream().rank(),
                             data.stream().kind() == STREAM_STDERR,
                             data.data());
  }
  return written;
}

absl::Status LogIntake::TakeEnd(const LogEnd& end) {
  const absl::Status ended = admitted_.run->logs().End(admitted_.node, end);
  if (ended.ok() && admitted_.console != nullptr &&
      end.stream().kind() != STREAM_AGENT) {
    admitted_.console->End(end.stream().rank(),
                           end.stream().kind() == STREAM_STDERR);
  }
  return ended;
}

LogWelcome LogIntake::Welcome(uint64_t window_bytes) const {
  LogWelcome welcome;
  welcome.set_window_bytes(window_bytes);
  for (StreamPosition& position :
       admitted_.run->logs().Positions(admitted_.node)) {
    *welcome.add_streams() = std::move(position);
  }
  return welcome;
}

LogDone LogIntake::Done() const {
  const LogTotals totals = admitted_.run->logs().Totals(admitted_.node);
  LogDone done;
  done.set_stored_bytes(totals.stored);
  done.set_gap_bytes(totals.gaps);
  return done;
}

}  // namespace muster::collector
