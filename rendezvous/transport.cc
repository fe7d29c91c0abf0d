#include "rendezvous/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/resource_quota.h"
#include "rendezvous/host_port.h"
#include "rendezvous/rejections.h"

namespace muster::rendezvous {
namespace {

int Ms(std::chrono::milliseconds duration) {
  return static_cast<int>(duration.count());
}

// ---- the bind that tells why ----

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;
};

absl::StatusOr<SocketAddress> Parse(const std::string& address, int port) {
  SocketAddress result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
  if (inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    result.size = sizeof(sockaddr_in);
  } else if (inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    result.size = sizeof(sockaddr_in6);
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot listen on ", address, ": not a numeric address"));
  }
  return result;
}

// 0, or why nobody can listen there now.
int BindError(const SocketAddress& address) {
  const auto* generic = reinterpret_cast<const sockaddr*>(&address.storage);
  const int fd = socket(generic->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  absl::Cleanup close_fd = [fd] { close(fd); };
  // As gRPC does: connections of an earlier server, not yet forgotten by the
  // kernel, are no obstacle.
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd, generic, address.size) != 0 || listen(fd, 1) != 0) return errno;
  return 0;
}

absl::Status ListenError(int error, const std::string& address, int port) {
  const std::string where =
      absl::StrCat("cannot listen on ", HostPort(address, port), ": ");
  switch (error) {
    case EADDRINUSE:
      return absl::AlreadyExistsError(absl::StrCat(
          where,
          "the port is in use; end the process that listens there (`ss "
          "-ltnp` names it) or give all nodes another port in "
          "--rdzv-endpoint"));
    case EADDRNOTAVAIL:
      return absl::FailedPreconditionError(absl::StrCat(
          where,
          "this host has no such address (`ip address` lists what it "
          "has); correct --rdzv-endpoint"));
    case EACCES:
      return absl::PermissionDeniedError(
          absl::StrCat(where,
                       "this user may not use that port; give all nodes "
                       "a port above 1023 in --rdzv-endpoint"));
    default:
      return absl::InternalError(absl::StrCat(where, strerror(error)));
  }
}

absl::Status CheckBind(const std::string& address, int port) {
  absl::StatusOr<SocketAddress> wanted = Parse(address, port);
  if (!wanted.ok()) return wanted.status();
  // For all addresses of either family gRPC binds those of both, if the
  // kernel has IPv6.
  if (address == "0.0.0.0") {
    absl::StatusOr<SocketAddress> both = Parse("::", port);
    const int error = BindError(*both);
    if (error != EAFNOSUPPORT && error != EADDRNOTAVAIL) wanted = both;
  }
  const int error = BindError(*wanted);
  return error == 0 ? absl::OkStatus() : ListenError(error, address, port);
}

}  // namespace

absl::Status PrepareProcess() {
  // Names are resolved by getaddrinfo only, like everywhere else on the host;
  // and no fork handlers, since no thread of the agent forks.
  setenv("GRPC_DNS_RESOLVER", "native", 1);
  setenv("GRPC_ENABLE_FORK_SUPPORT", "0", 1);
  TakeOverGrpcLog();

  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    if (limit.rlim_cur == limit.rlim_max) return absl::OkStatus();
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return absl::OkStatus();
  }
  return absl::ErrnoToStatus(
      errno, "cannot raise the limit of open files (`ulimit -n`)");
}

grpc::ChannelArguments ChannelSettings(ChannelUse use,
                                       const TransportSettings& settings) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                   Ms(settings.client_keepalive_time));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   Ms(settings.client_keepalive_timeout));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   Ms(settings.first_backoff));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   Ms(settings.connect_timeout));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   Ms(settings.last_backoff));
  arguments.SetMaxReceiveMessageSize(settings.max_message_bytes);
  arguments.SetMaxSendMessageSize(settings.max_message_bytes);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, settings.max_metadata_bytes);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  // Clusters export http_proxy for their package installers.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (use == ChannelUse::kBulk) {
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  }
  return arguments;
}

std::shared_ptr<grpc::Channel> Dial(const std::string& numeric_address,
                                    int port, const Credentials& credentials,
                                    ChannelUse use,
                                    const TransportSettings& settings) {
  grpc::ChannelArguments arguments = ChannelSettings(use, settings);
  if (credentials.secure()) {
    arguments.SetSslTargetNameOverride(credentials.ServerName().empty()
                                           ? numeric_address
                                           : credentials.ServerName());
  }
  // The target is a URI: the % of a scoped address (fe80::1%eth0) is escaped.
  const std::string target = absl::StrReplaceAll(
      absl::StrCat(IsIpv6(numeric_address) ? "ipv6:" : "ipv4:",
                   HostPort(numeric_address, port)),
      {{"%", "%25"}});
  return grpc::CreateCustomChannel(target, credentials.ChannelCredentials(),
                                   arguments);
}

void Configure(grpc::ServerBuilder& builder,
               const TransportSettings& settings) {
  // With port sharing, which is gRPC's default, a second coordinator would
  // start without an error and get half of the agents.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             Ms(settings.server_keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Ms(settings.server_keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      Ms(settings.min_ping_interval));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             Ms(settings.handshake_timeout));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE,
                             settings.max_metadata_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             settings.max_streams);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.SetMaxReceiveMessageSize(settings.max_message_bytes);
  builder.SetMaxSendMessageSize(settings.max_message_bytes);
  grpc::ResourceQuota quota("muster");
  quota.Resize(settings.server_memory_bytes);
  builder.SetResourceQuota(quota);
}

absl::StatusOr<ListeningServer> Listen(
    const std::string& address, int port, const Credentials& credentials,
    const std::vector<grpc::Service*>& services,
    const TransportSettings& settings) {
  if (port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot listen on port ", port, ": ports are 0 to 65535"));
  }
  // gRPC says only that it failed, so the reason is found out first.
  absl::Status status = CheckBind(address, port);
  if (!status.ok()) return status;

  grpc::ServerBuilder builder;
  Configure(builder, settings);
  ListeningServer result;
  builder.AddListeningPort(HostPort(address, port),
                           credentials.ServerCredentials(), &result.port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  result.server = builder.BuildAndStart();
  if (result.server == nullptr || result.port == 0) {
    // Somebody was faster, or the reason is one of gRPC's own.
    status = CheckBind(address, port);
    if (!status.ok()) return status;
    return absl::InternalError(
        absl::StrCat("cannot listen on ", HostPort(address, port),
                     ": gRPC could not start a server with these settings"));
  }
  return result;
}

}  // namespace muster::rendezvous
