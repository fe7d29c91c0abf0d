#include "env/schedulers/reading.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/number.h"

namespace muster::env {

absl::Status WrongValue(const Evidence& evidence, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(evidence.Text(), ": ", what));
}

absl::Status WrongValue(const Evidence& evidence, const absl::Status& why) {
  return WrongValue(evidence, why.message());
}

const std::string* Reading::Find(absl::string_view name) const {
  const auto found = inputs_.variables.find(std::string(name));
  if (found == inputs_.variables.end() || found->second.empty()) {
    return nullptr;
  }
  return &found->second;
}

Evidence Reading::Get(absl::string_view name) const {
  const std::string* value = Find(name);
  return {std::string(name), value == nullptr ? "" : *value};
}

std::optional<Fact<std::string>> Reading::Text(absl::string_view name) const {
  if (!Has(name)) return std::nullopt;
  return Fact<std::string>{*Find(name), {Get(name)}};
}

std::optional<Fact<uint32_t>> Reading::Number(absl::string_view name,
                                              uint32_t least, uint32_t most) {
  const std::string* text = Find(name);
  if (text == nullptr) return std::nullopt;
  uint32_t number = 0;
  if (!ParseNumber(*text, &number) || number < least || number > most) {
    Fail(WrongValue(Get(name), absl::StrCat("must be a number from ", least,
                                            " to ", most)));
    return std::nullopt;
  }
  return Fact<uint32_t>{number, {Get(name)}};
}

std::optional<Fact<NodeCount>> Reading::Nodes(absl::string_view name) {
  const std::optional<Fact<uint32_t>> count = Number(name, 1, kMaxHosts);
  if (!count) return std::nullopt;
  return Fact<NodeCount>{{count->value, count->value}, count->evidence};
}

std::optional<Fact<uint32_t>> Reading::Rank(absl::string_view name) {
  return Number(name, 0, kMaxHosts - 1);
}

std::optional<Fact<std::string>> Reading::Host(absl::string_view name) {
  const std::string* text = Find(name);
  if (text == nullptr) return std::nullopt;
  const absl::StatusOr<HostPort> split = SplitHostPort(*text);
  if (!split.ok()) {
    Fail(WrongValue(Get(name), split.status()));
    return std::nullopt;
  }
  return Fact<std::string>{split->host, {Get(name)}};
}

std::optional<Fact<uint32_t>> Reading::Port(absl::string_view name) {
  return Number(name, 1, 65535);
}

void Reading::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void SetHosts(const std::vector<std::string>& hosts, const Evidence& evidence,
              Discovery* discovery) {
  const auto count = static_cast<uint32_t>(hosts.size());
  discovery->nodes = {{count, count}, {evidence}};
  discovery->rendezvous_host = {hosts[0], {evidence}};
  discovery->hosts = {hosts, {evidence}};
}

absl::Status SetOwnPlace(const NodeIdentity& node, Discovery* discovery) {
  const Fact<std::vector<std::string>>& hosts = *discovery->hosts;
  const absl::StatusOr<std::optional<size_t>> place =
      PlaceAmong(hosts.value, node);
  if (!place.ok()) return WrongValue(hosts.evidence[0], place.status());
  if (!place->has_value()) {
    return WrongValue(
        hosts.evidence[0],
        absl::StrCat("this node is not there; it is ", IdentityText(node),
                     "; give its name there with --host-name, or its index "
                     "with --node-rank"));
  }
  discovery->node_rank = {static_cast<uint32_t>(**place), hosts.evidence};
  return absl::OkStatus();
}

absl::Status CheckRank(const Discovery& discovery) {
  if (!discovery.nodes || !discovery.node_rank ||
      discovery.node_rank->value < discovery.nodes->value.max) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      discovery.title, " says that this is node ", discovery.node_rank->value,
      " (", EvidenceText(discovery.node_rank->evidence), ") of ",
      CountText(discovery.nodes->value), " (",
      EvidenceText(discovery.nodes->evidence),
      "): the index is out of range, since it counts from 0"));
}

std::string EvidenceText(const std::vector<Evidence>& evidence) {
  return absl::StrJoin(evidence, ", ",
                       [](std::string* out, const Evidence& one) {
                         absl::StrAppend(out, one.Text());
                       });
}

}  // namespace muster::env
