#include "launcher/mpi/rank_door.h"

#include "absl/strings/str_cat.h"

namespace muster::mpi {

absl::Status RankDoor::Enter(LocalServer::Peer peer, uint32_t rank) {
  if (rank < place_.first_rank || rank - place_.first_rank >= place_.workers) {
    return absl::OutOfRangeError(absl::StrCat(
        "mpirun put rank ", rank, " on node ", place_.node_rank, " (",
        place_.host_name, "), which has ranks ", place_.first_rank, "-",
        place_.first_rank + place_.workers - 1,
        "; leave the mapping out of --mpi-arg"));
  }
  if (closed_) return absl::UnavailableError("the job is being stopped");
  const auto [it, is_new] = ranks_.try_emplace(rank);
  if (!is_new) {
    return absl::AlreadyExistsError(
        absl::StrCat("rank ", rank, " was started before"));
  }
  it->second.peer = peer;
  return absl::OkStatus();
}

std::optional<RankDoor::Answer> RankDoor::Ended(
    uint32_t rank, const muster::RankEnded& status) {
  const auto found = ranks_.find(rank);
  if (found == ranks_.end()) return std::nullopt;
  found->second.ended = status;
  const bool success = status.has_exit_code() && status.exit_code() == 0;
  if (!success && !released_) return std::nullopt;
  return Answer{found->second.peer, status};
}

std::vector<RankDoor::Answer> RankDoor::Release() {
  closed_ = true;
  released_ = true;
  std::vector<Answer> answers;
  for (const auto& [number, rank] : ranks_) {
    if (rank.ended) answers.push_back({rank.peer, *rank.ended});
  }
  return answers;
}

}  // namespace muster::mpi
