#include "launcher/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace muster::launcher {
namespace {

bool IsIpv4(const std::string& text) {
  in_addr address;
  return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool IsIpv6(const std::string& text) {
  in6_addr address;
  return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

absl::Status Wrong(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, "; must be HOST[:PORT], IPV6 or [IPV6]:PORT"));
}

absl::StatusOr<uint32_t> ParsePort(absl::string_view text) {
  uint32_t port = 0;
  if (text.empty() ||
      !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &port) || port > 65535) {
    return absl::InvalidArgumentError("the port must be 1 to 65535");
  }
  if (port == 0) {
    return absl::InvalidArgumentError(
        "port 0 means any free port, which the other nodes could not know; "
        "the port must be 1 to 65535");
  }
  return port;
}

absl::Status CheckHostName(const std::string& host) {
  if (host.empty()) return Wrong("the host is empty");
  if (host.size() > 253) return Wrong("the host is longer than 253 characters");
  const auto is_name = [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
  };
  if (!std::all_of(host.begin(), host.end(), is_name)) {
    return Wrong("the host holds a character that no host name has");
  }
  const auto is_numeric = [](char c) {
    return absl::ascii_isdigit(c) || c == '.';
  };
  if (std::all_of(host.begin(), host.end(), is_numeric) && !IsIpv4(host)) {
    return Wrong("the host looks like an IPv4 address, but is none");
  }
  return absl::OkStatus();
}

absl::StatusOr<Endpoint> ParseBracketed(absl::string_view text,
                                        uint32_t default_port) {
  const size_t end = text.find(']');
  if (end == absl::string_view::npos) return Wrong("the ] is missing");
  Endpoint endpoint{std::string(text.substr(1, end - 1)), default_port};
  if (!IsIpv6(endpoint.host)) return Wrong("no IPv6 address in the brackets");
  absl::string_view rest = text.substr(end + 1);
  if (rest.empty()) return endpoint;
  if (!absl::ConsumePrefix(&rest, ":")) return Wrong("no : after the ]");
  const absl::StatusOr<uint32_t> port = ParsePort(rest);
  if (!port.ok()) return port.status();
  endpoint.port = *port;
  return endpoint;
}

}  // namespace

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text,
                                       uint32_t default_port) {
  if (text.find("://") != absl::string_view::npos) {
    return Wrong("written like a URL");
  }
  if (!text.empty() && text[0] == '[') {
    return ParseBracketed(text, default_port);
  }
  if (IsIpv6(std::string(text))) {
    return Endpoint{std::string(text), default_port};
  }
  if (std::count(text.begin(), text.end(), ':') > 1) {
    return Wrong("no IPv6 address, and more than one :");
  }
  const size_t colon = text.find(':');
  Endpoint endpoint{std::string(text.substr(0, colon)), default_port};
  if (const absl::Status host = CheckHostName(endpoint.host); !host.ok()) {
    return host;
  }
  if (colon == absl::string_view::npos) return endpoint;
  const absl::StatusOr<uint32_t> port = ParsePort(text.substr(colon + 1));
  if (!port.ok()) return port.status();
  endpoint.port = *port;
  return endpoint;
}

std::string FormatEndpoint(const Endpoint& endpoint) {
  return IsIpv6(endpoint.host)
             ? absl::StrCat("[", endpoint.host, "]:", endpoint.port)
             : absl::StrCat(endpoint.host, ":", endpoint.port);
}

std::string CollectorEndpoint(const JobSpec& spec) {
  if (spec.collector_host().empty()) return "";
  return FormatEndpoint({spec.collector_host(), spec.collector_port()});
}

bool IsNumericAddress(const std::string& text) {
  return IsIpv4(text) || IsIpv6(text);
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" ||
         (IsIpv4(host) && absl::StartsWith(host, "127."));
}

}  // namespace muster::launcher
