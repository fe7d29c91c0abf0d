// Lists of hosts, whoever wrote them.
#ifndef MUSTER_ENV_SCHEDULERS_HOSTS_H_
#define MUSTER_ENV_SCHEDULERS_HOSTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "env/schedulers/inputs.h"

namespace muster::env {

// As many nodes as a job may have.
inline constexpr size_t kMaxHosts = 65536;
// As long as a host's name may be.
inline constexpr size_t kMaxHostBytes = 253;

// Whether `text` is an IPv4 or IPv6 address in digits.
bool IsNumericHost(const std::string& text);

// Whether `host` can be a host's name or numeric address.
//
// Errors:
//   InvalidArgument  empty, longer than 253 characters, or with a character
//                    that no name has; the text shows it.
absl::Status CheckHost(absl::string_view host);

// Whether every node of a job can be one of `hosts`.
//
// Errors:
//   InvalidArgument  none, more than kMaxHosts, one of them wrong or there
//                    twice; the text shows which.
absl::Status CheckHosts(const std::vector<std::string>& hosts);

// `hosts` without repetitions, in order of first appearance: one line for each
// slot becomes one entry for each host.
std::vector<std::string> EachOnce(const std::vector<std::string>& hosts);

struct HostPort {
  std::string host;
  std::optional<uint32_t> port;
};

// HOST, HOST:PORT, [IPV6]:PORT, [IPV6] or a bare IPV6.
//
// Errors:
//   InvalidArgument  none of these; the text shows it.
absl::StatusOr<HostPort> SplitHostPort(absl::string_view text);

// Where `node` stands in `hosts`: by name, whole or up to the first dot, or by
// numeric address; the surest identity that is there counts. None where the
// node is not there.
//
// Errors:
//   InvalidArgument  one identity is two of the hosts; the text names them.
absl::StatusOr<std::optional<size_t>> PlaceAmong(
    const std::vector<std::string>& hosts, const NodeIdentity& node);

// "tux1, 10.0.0.4": for errors that tell people who a node thought it was.
std::string IdentityText(const NodeIdentity& node);

// A port for the coordinator that two jobs on one host hardly share, below the
// range from which systems take ports by themselves. `job_id` is read up to
// its first character that is no digit; none where it has no digits in front.
std::optional<uint32_t> PortOfJob(absl::string_view job_id, uint32_t step = 0);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_HOSTS_H_
