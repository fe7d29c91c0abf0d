#include "env/schedulers/hosts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/schedulers/number.h"

namespace muster::env {
namespace {

std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", text.substr(0, kMaxHostBytes),
                      text.size() > kMaxHostBytes ? "..." : "", "'");
}

bool InHostName(char c) {
  return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
}

absl::string_view FirstLabel(absl::string_view name) {
  return name.substr(0, name.find('.'));
}

// The places for which `matches` holds.
template <typename Matches>
std::vector<size_t> Places(const std::vector<std::string>& hosts,
                           Matches matches) {
  std::vector<size_t> places;
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (matches(hosts[i])) places.push_back(i);
  }
  return places;
}

absl::StatusOr<std::optional<size_t>> OnlyPlace(
    const std::vector<std::string>& hosts, const std::vector<size_t>& places,
    absl::string_view identity) {
  if (places.empty()) return std::nullopt;
  if (places.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "this node, ", identity, ", may be ", hosts[places[0]], " or ",
        hosts[places[1]], "; give --node-rank or a --host-name that is one"));
  }
  return places[0];
}

absl::StatusOr<uint32_t> Port(absl::string_view text) {
  uint32_t port = 0;
  if (!ParseNumber(text, &port) || port < 1 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("the port ", Quoted(text), " is not in 1 to 65535"));
  }
  return port;
}

}  // namespace

bool IsNumericHost(const std::string& text) {
  in6_addr buffer;
  // inet_pton() reads up to a NUL, and files and JSON can hold one.
  if (text.find('\0') != std::string::npos) return false;
  return inet_pton(AF_INET, text.c_str(), &buffer) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &buffer) == 1;
}

absl::Status CheckHost(absl::string_view host) {
  if (host.empty()) return absl::InvalidArgumentError("a host has no name");
  if (host.size() > kMaxHostBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the host ", Quoted(host), " is longer than 253 characters"));
  }
  if (!std::all_of(host.begin(), host.end(), InHostName) &&
      !IsNumericHost(std::string(host))) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(host), " is no host's name or address"));
  }
  return absl::OkStatus();
}

absl::Status CheckHosts(const std::vector<std::string>& hosts) {
  if (hosts.empty()) return absl::InvalidArgumentError("it names no host");
  if (hosts.size() > kMaxHosts) {
    return absl::InvalidArgumentError(absl::StrCat("it names ", hosts.size(),
                                                   " hosts; a job has at most ",
                                                   kMaxHosts, " nodes"));
  }
  std::set<absl::string_view> seen;
  for (const std::string& host : hosts) {
    if (absl::Status status = CheckHost(host); !status.ok()) return status;
    if (!seen.insert(host).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("it names the host ", host, " twice"));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> EachOnce(const std::vector<std::string>& hosts) {
  std::set<absl::string_view> seen;
  std::vector<std::string> once;
  for (const std::string& host : hosts) {
    if (seen.insert(host).second) once.push_back(host);
  }
  return once;
}

absl::StatusOr<HostPort> SplitHostPort(absl::string_view text) {
  HostPort result;
  absl::string_view port;
  bool has_port = false;
  if (absl::StartsWith(text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("the ] of ", Quoted(text), " is missing"));
    }
    result.host = std::string(text.substr(1, end - 1));
    const absl::string_view rest = text.substr(end + 1);
    has_port = !rest.empty();
    if (has_port && rest[0] != ':') {
      return absl::InvalidArgumentError(
          absl::StrCat("no : after the ] of ", Quoted(text)));
    }
    if (has_port) port = rest.substr(1);
  } else if (IsNumericHost(std::string(text))) {
    result.host = std::string(text);
  } else {
    const size_t colon = text.find(':');
    has_port = colon != absl::string_view::npos;
    result.host = std::string(text.substr(0, colon));
    if (has_port) port = text.substr(colon + 1);
  }
  if (absl::Status status = CheckHost(result.host); !status.ok()) {
    return status;
  }
  if (has_port) {
    const absl::StatusOr<uint32_t> number = Port(port);
    if (!number.ok()) return number.status();
    result.port = *number;
  }
  return result;
}

absl::StatusOr<std::optional<size_t>> PlaceAmong(
    const std::vector<std::string>& hosts, const NodeIdentity& node) {
  for (const bool whole : {true, false}) {
    for (const std::string& name : node.names) {
      // An address has dots, but no labels.
      if (!whole && IsNumericHost(name)) continue;
      const std::vector<size_t> places =
          Places(hosts, [&](const std::string& host) {
            if (whole) return absl::EqualsIgnoreCase(host, name);
            // One of them is short: hosts of two domains are two hosts.
            return !IsNumericHost(host) &&
                   (FirstLabel(host) == host || FirstLabel(name) == name) &&
                   absl::EqualsIgnoreCase(FirstLabel(host), FirstLabel(name));
          });
      absl::StatusOr<std::optional<size_t>> place =
          OnlyPlace(hosts, places, name);
      if (!place.ok() || place->has_value()) return place;
    }
  }
  for (const std::string& address : node.addresses) {
    absl::StatusOr<std::optional<size_t>> place = OnlyPlace(
        hosts,
        Places(hosts, [&](const std::string& host) { return host == address; }),
        address);
    if (!place.ok() || place->has_value()) return place;
  }
  return std::nullopt;
}

std::string IdentityText(const NodeIdentity& node) {
  std::vector<std::string> all = node.names;
  all.insert(all.end(), node.addresses.begin(), node.addresses.end());
  return absl::StrJoin(EachOnce(all), ", ");
}

std::optional<uint32_t> PortOfJob(absl::string_view job_id, uint32_t step) {
  const size_t digits = static_cast<size_t>(
      std::find_if_not(job_id.begin(), job_id.end(), absl::ascii_isdigit) -
      job_id.begin());
  uint64_t number = 0;
  if (!ParseNumber(job_id.substr(0, digits), &number)) return std::nullopt;
  constexpr uint64_t kFirst = 20000;
  constexpr uint64_t kPorts = 10000;
  return static_cast<uint32_t>(kFirst + (number % kPorts * 10 + step) % kPorts);
}

}  // namespace muster::env
