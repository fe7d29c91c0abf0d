#include "launcher/collector/intake.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace muster::collector {

Intake::~Intake() {
  if (!introduction_) return;
  const uint32_t first = introduction_->first_rank();
  for (uint32_t i = 0; i < introduction_->workers(); ++i) {
    shelf_.console.End(first + i, false);
    shelf_.console.End(first + i, true);
  }
  shelf_.directory.End(introduction_->node_rank());
  shelf_.delivering.erase(introduction_->node_rank());
}

std::optional<uint32_t> Intake::node_rank() const {
  if (!introduction_) return std::nullopt;
  return introduction_->node_rank();
}

absl::Status Intake::Take(const Delivery& message) {
  if (message.has_introduction()) return Introduce(message.introduction());
  if (!introduction_) {
    return absl::InvalidArgumentError(
        "the first message of a delivery is not its introduction");
  }
  switch (message.body_case()) {
    case Delivery::kLog:
      return TakeLog(message.log());
    case Delivery::kFile:
      return TakeFile(message.file());
    case Delivery::kAgentLog:
      return shelf_.directory.AppendAgentLog(introduction_->node_rank(),
                                             message.agent_log().data());
    case Delivery::kFinish:
      finished_ = true;
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(
          "a message without a body; are the nodes' versions of muster the "
          "same?");
  }
}

absl::Status Intake::Introduce(const Introduction& introduction) {
  const uint32_t node = introduction.node_rank();
  if (introduction.run_id() != shelf_.directory.run_id()) {
    return absl::NotFoundError(absl::StrCat(
        "node ", node, " delivers for run ", ShowPath(introduction.run_id()),
        ", but this collector keeps run ", shelf_.directory.run_id()));
  }
  if (introduction_) {
    return absl::InvalidArgumentError(
        absl::StrCat("node ", node, " introduces itself twice"));
  }
  if (shelf_.delivering.count(node) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("node ", node, " delivers on another stream already"));
  }
  const absl::Status begun = shelf_.directory.Begin(introduction);
  if (!begun.ok()) return begun;
  introduction_ = introduction;
  shelf_.delivering.insert(node);
  return absl::OkStatus();
}

absl::Status Intake::TakeLog(const LogChunk& chunk) {
  // Ranks below first_rank wrap around and are too large.
  if (chunk.rank() - introduction_->first_rank() >= introduction_->workers()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rank ", chunk.rank(), " is not of node ", introduction_->node_rank()));
  }
  const absl::Status written =
      shelf_.directory.AppendLog(introduction_->attempt(), chunk);
  if (!written.ok()) return written;
  receipt_.set_log_bytes(receipt_.log_bytes() + chunk.data().size());
  shelf_.console.Write(chunk.rank(), chunk.is_stderr(), chunk.data());
  if (chunk.end()) shelf_.console.End(chunk.rank(), chunk.is_stderr());
  return absl::OkStatus();
}

absl::Status Intake::TakeFile(const FileChunk& chunk) {
  const absl::Status written =
      shelf_.directory.WriteFile(introduction_->node_rank(), chunk);
  if (!written.ok() || !chunk.last()) return written;
  const uint64_t size = chunk.offset() + chunk.data().size();
  if (absl::StartsWith(chunk.path(), "logs/")) {
    receipt_.set_log_bytes(receipt_.log_bytes() + size);
  } else {
    receipt_.set_output_bytes(receipt_.output_bytes() + size);
  }
  return absl::OkStatus();
}

}  // namespace muster::collector
