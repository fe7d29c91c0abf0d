// The one place for gRPC's settings. Every channel and every server of muster
// is made here.
#ifndef MUSTER_RENDEZVOUS_TRANSPORT_H_
#define MUSTER_RENDEZVOUS_TRANSPORT_H_

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/channel_arguments.h"
#include "rendezvous/credentials.h"

namespace muster::rendezvous {

// What gRPC is told, where its own default would hurt.
struct TransportSettings {
  using Milliseconds = std::chrono::milliseconds;

  // A silent peer is given up `timeout` after a ping that went out `time`
  // after the last sign of life. gRPC's default is to wait for ever.
  Milliseconds client_keepalive_time{10'000};
  Milliseconds client_keepalive_timeout{5'000};
  Milliseconds server_keepalive_time{20'000};
  Milliseconds server_keepalive_timeout{10'000};
  // Pings may come this often before the server minds, which it never shows.
  Milliseconds min_ping_interval{5'000};

  // Pause after the first failed connect; grows to the last. gRPC's default
  // ends at two minutes, in which a job could have been running.
  Milliseconds first_backoff{200};
  Milliseconds last_backoff{10'000};
  // One connect, TLS included, may take this long at least. (gRPC calls it
  // the minimal backoff.) Enough for SYNs that are sent again and for a
  // coordinator that is shaking a thousand hands.
  Milliseconds connect_timeout{5'000};
  // A peer that connects and does not finish TLS is dropped.
  Milliseconds handshake_timeout{10'000};

  int max_message_bytes = 4 << 20;  // sent and received
  int max_metadata_bytes = 8 << 10;
  int max_streams = 16;  // on each connection
  size_t server_memory_bytes = size_t{1} << 30;
};

static_assert(TransportSettings{}.min_ping_interval <
              TransportSettings{}.client_keepalive_time);
static_assert(TransportSettings{}.first_backoff <
              TransportSettings{}.last_backoff);

enum class ChannelUse {
  kSession,  // may share a connection with other session channels
  kBulk,     // has a connection of its own, so that logs delay no heartbeat
};

// Prepares this process for gRPC; to be called before anything else of gRPC,
// and after the keeper was forked, since workers keep the limits they came
// with. Raises the limit of open files as far as allowed: gRPC 1.51 never
// accepts another connection after one "too many open files".
// Errors: PermissionDenied, Internal when the limit cannot be raised; the
// process can go on all the same.
absl::Status PrepareProcess();

// A channel to a numeric address, never to a name: resolving is reach.h's job.
// Connects when first used.
std::shared_ptr<grpc::Channel> Dial(const std::string& numeric_address,
                                    int port, const Credentials& credentials,
                                    ChannelUse use,
                                    const TransportSettings& settings = {});

grpc::ChannelArguments ChannelSettings(ChannelUse use,
                                       const TransportSettings& settings = {});

void Configure(grpc::ServerBuilder& builder,
               const TransportSettings& settings = {});

struct ListeningServer {
  std::unique_ptr<grpc::Server> server;
  int port = 0;  // the chosen one when 0 was asked for
};

// Starts a server with `services`, which must outlive it. `address` is numeric;
// "0.0.0.0" and "::" both mean all addresses of this host, of both families.
//
// Errors, which name address and port and say what to do:
//   AlreadyExists       another process listens there.
//   FailedPrecondition  the address is not one of this host's.
//   PermissionDenied    the port is privileged.
//   InvalidArgument     the address is not numeric or the port out of range.
//   Internal            anything else.
absl::StatusOr<ListeningServer> Listen(
    const std::string& address, int port, const Credentials& credentials,
    const std::vector<grpc::Service*>& services,
    const TransportSettings& settings = {});

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_TRANSPORT_H_
