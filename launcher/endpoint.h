// HOST[:PORT] as people write it.
#ifndef MUSTER_LAUNCHER_ENDPOINT_H_
#define MUSTER_LAUNCHER_ENDPOINT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/job.pb.h"

namespace muster::launcher {

// Where a coordinator listens unless something says otherwise.
inline constexpr uint32_t kDefaultPort = 29400;
// The same for a collector of its own.
inline constexpr uint32_t kDefaultCollectorPort = 29401;

struct Endpoint {
  std::string host;  // a name or a numeric address, without brackets
  uint32_t port = 0;
};

// Reads HOST, HOST:PORT, [IPV6]:PORT, [IPV6] or a bare IPV6; `default_port`
// where none is given.
//
// Errors: InvalidArgument when `text` is none of these, the port is not in
// 1..65535, or the host cannot be a name or an address; the message says which.
absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text,
                                       uint32_t default_port);

// What ParseEndpoint reads, with brackets where they are needed.
std::string FormatEndpoint(const Endpoint& endpoint);

// --collector as FormatEndpoint writes it; "" for the one in the coordinator's
// process, and for none.
std::string CollectorEndpoint(const JobSpec& spec);

// True for an IPv4 or IPv6 address in digits (no name, no brackets).
bool IsNumericAddress(const std::string& text);

// True for what never leaves this host: 127.0.0.0/8, ::1 and "localhost".
bool IsLoopback(const std::string& host);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_ENDPOINT_H_
