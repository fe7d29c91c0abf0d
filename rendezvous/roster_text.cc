// The roster in words: what its nodes are called, who is there, and who is
// missing and why.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rendezvous/roster.h"
#include "rendezvous/some_names.h"

namespace muster::rendezvous {

std::string NodeName(const Member& member) {
  return absl::StrCat("node ", member.assignment.node_rank(), " (",
                      member.facts.host_name(), ")");
}

std::string NodeNameAndAddress(const Member& member) {
  return absl::StrCat("node ", member.assignment.node_rank(), " (",
                      member.facts.host_name(), ", ", member.facts.address(),
                      ")");
}

std::string Roster::Progress() const {
  return absl::StrCat(Joined(), Missing());
}

std::string Roster::Joined() const {
  std::vector<std::string> names;
  for (const auto& [session, node] : joined_) {
    names.push_back(node.host_name());
  }
  std::string out =
      absl::StrCat(joined_.size(), " of ", max_nodes(), " nodes are here");
  if (!names.empty())
    absl::StrAppend(&out, " (", SomeNames(std::move(names)), ")");
  return out;
}

std::string Roster::Missing() const {
  std::string out;
  std::set<uint32_t> known;
  for (const auto& [session, node] : joined_) {
    if (node.has_node_rank()) known.insert(node.node_rank());
  }
  if (!known.empty() && known.size() == joined_.size()) {
    std::vector<std::string> missing;
    for (uint32_t rank = 0; rank < max_nodes(); ++rank) {
      if (!known.contains(rank)) missing.push_back(absl::StrCat(rank));
    }
    absl::StrAppend(&out, "; missing: node rank ",
                    SomeNames(std::move(missing)));
  } else {
    absl::StrAppend(&out, "; missing: ", max_nodes() - joined_.size());
  }
  std::vector<std::string> unable;
  for (const auto& [session, node] : joined_) {
    if (!node.problem().empty()) unable.push_back(node.host_name());
  }
  if (!unable.empty()) {
    absl::StrAppend(&out, "; can't take part: ", SomeNames(std::move(unable)));
  }
  std::vector<std::string> mute;
  for (const auto& [session, peer] : silent_) mute.push_back(peer);
  if (!mute.empty()) {
    absl::StrAppend(&out, "; authenticated but not registered: ",
                    SomeNames(std::move(mute)));
  }
  if (!refused_.empty()) {
    absl::StrAppend(&out,
                    "; refused for other settings: ", SomeNames(refused_));
  }
  for (const auto& [reason, count] : rejections_) {
    absl::StrAppend(&out, "; connected but not authenticated: ", reason, " (",
                    count, count == 1 ? " time)" : " times)");
  }
  if (silent_.empty() && refused_.empty() && rejections_.empty()) {
    absl::StrAppend(&out, "; nobody else has connected");
  }
  return out;
}

}  // namespace muster::rendezvous
