#include "launcher/fabric/nccl/meeting.h"

#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace muster::fabric {
namespace {

constexpr char kIdKey[] = "id";
constexpr char kMissing[] = "missing ";

std::string HereKey(uint32_t rank) { return absl::StrCat("here/", rank); }

FabricFailure Missing(const FabricGroup& group, uint32_t peer) {
  FabricFailure failure =
      MakeFailure(FABRIC_FAILURE_MISSING,
                  absl::StrCat("rank ", peer,
                               static_cast<int>(peer) < group.names_size()
                                   ? absl::StrCat(" (", group.names(peer), ")")
                                   : "",
                               " did not come"));
  failure.set_peer(peer);
  return failure;
}

// Why a value did not come; `peer` should have put it.
FabricFailure NoValue(const FabricGroup& group, const CommandInbox& inbox,
                      uint32_t peer) {
  if (inbox.IsStopped(group.id())) {
    return MakeFailure(FABRIC_FAILURE_ABORTED,
                       "stopped: another member had failed");
  }
  return Missing(group, peer);
}

Failed GatherAll(const ProbeTask& task, const NcclLibrary& nccl,
                 CommandInbox& inbox, EventOutbox& outbox, const Watch& watch,
                 ncclUniqueId* id) {
  const FabricGroup& group = task.group();
  const auto members = static_cast<uint32_t>(group.members_size());
  for (uint32_t rank = 1; rank < members; ++rank) {
    outbox.Get(group.id(), task.rank(), HereKey(rank));
  }
  const absl::Duration reserve = absl::Milliseconds(group.connect_ms()) / 10;
  for (uint32_t rank = 1; rank < members; ++rank) {
    if (!inbox.WaitForValue(group.id(), HereKey(rank),
                            watch.Left() - reserve)) {
      FabricFailure failure = NoValue(group, inbox, rank);
      if (failure.kind() == FABRIC_FAILURE_MISSING) {
        outbox.Put(group.id(), task.rank(), kIdKey,
                   absl::StrCat(kMissing, rank));
      }
      return failure;
    }
  }
  const ncclResult_t result = nccl.call().get_unique_id(id);
  if (result != ncclSuccess) {
    FabricFailure failure = MakeFailure(
        FABRIC_FAILURE_ERROR, nccl.Explain("ncclGetUniqueId", result));
    failure.set_code(result);
    return failure;
  }
  outbox.Put(group.id(), task.rank(), kIdKey,
             std::string(id->internal, sizeof id->internal));
  return std::nullopt;
}

}  // namespace

Failed Meet(const ProbeTask& task, const NcclLibrary& nccl, CommandInbox& inbox,
            EventOutbox& outbox, const Watch& watch, ncclUniqueId* id) {
  const FabricGroup& group = task.group();
  if (task.rank() == 0) {
    return GatherAll(task, nccl, inbox, outbox, watch, id);
  }
  outbox.Put(group.id(), task.rank(), HereKey(task.rank()), "");
  outbox.Get(group.id(), task.rank(), kIdKey);
  const std::optional<std::string> value =
      inbox.WaitForValue(group.id(), kIdKey, watch.Left());
  if (!value) return NoValue(group, inbox, 0);
  if (value->size() == sizeof id->internal) {
    memcpy(id->internal, value->data(), value->size());
    return std::nullopt;
  }
  absl::string_view text = *value;
  uint32_t peer = 0;
  if (absl::ConsumePrefix(&text, kMissing) && absl::SimpleAtoi(text, &peer)) {
    return Missing(group, peer);
  }
  return MakeFailure(FABRIC_FAILURE_ERROR,
                     "rank 0 put something else than a unique id");
}

}  // namespace muster::fabric
