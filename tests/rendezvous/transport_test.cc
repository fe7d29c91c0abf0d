#include "rendezvous/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "grpcpp/create_channel.h"
#include "real_server.h"

namespace muster::rendezvous::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Values;
using namespace std::chrono_literals;  // NOLINT(build/namespaces)

Credentials Secured(const std::string& token = "correct-horse-battery") {
  return *Credentials::FromToken(Token(token), "node0");
}

const Credentials kPlain = Credentials::Insecure();

// An address that no host has (RFC 5737).
constexpr char kNobodys[] = "192.0.2.1";

bool HasIpv6() {
  EchoService service;
  return Listen("::1", 0, kPlain, {&service}).ok();
}

TEST(TransportSettings, HaveTheValuesThatTheCommentsPromise) {
  const TransportSettings settings;
  EXPECT_EQ(settings.client_keepalive_time, 10s);
  EXPECT_EQ(settings.client_keepalive_timeout, 5s);
  EXPECT_EQ(settings.server_keepalive_time, 20s);
  EXPECT_EQ(settings.server_keepalive_timeout, 10s);
  EXPECT_EQ(settings.min_ping_interval, 5s);
  EXPECT_EQ(settings.first_backoff, 200ms);
  EXPECT_EQ(settings.last_backoff, 10s);
  EXPECT_EQ(settings.connect_timeout, 5s);
  EXPECT_EQ(settings.handshake_timeout, 10s);
  EXPECT_EQ(settings.max_message_bytes, 4 * 1024 * 1024);
  EXPECT_EQ(settings.max_metadata_bytes, 8 * 1024);
  EXPECT_EQ(settings.max_streams, 16);
}

// ---- the process ----

TEST(PrepareProcessDeathTest, RaisesTheLimitOfOpenFiles) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = 64;
        setrlimit(RLIMIT_NOFILE, &limit);
        const bool ok = PrepareProcess().ok();
        getrlimit(RLIMIT_NOFILE, &limit);
        _exit(ok && limit.rlim_cur == limit.rlim_max && limit.rlim_cur > 64
                  ? 0
                  : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(PrepareProcessDeathTest, KeepsGrpcOffStderr) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("GRPC_VERBOSITY", "DEBUG", 1);
        (void)PrepareProcess();
        { Call(Dial("127.0.0.1", 1, kPlain, ChannelUse::kSession), 100ms); }
        _exit(0);
      },
      ::testing::ExitedWithCode(0), "^$");
}

// ---- listening ----

class EitherWay : public ::testing::TestWithParam<bool> {
 protected:
  const Credentials credentials_ = GetParam() ? Secured() : kPlain;
};

INSTANTIATE_TEST_SUITE_P(Security, EitherWay, Values(false, true),
                         [](const ::testing::TestParamInfo<bool>& way) {
                           return way.param ? "WithTls" : "Plaintext";
                         });

TEST_P(EitherWay, ASecondServerOnThePortFailsAndNamesIt) {
  RealServer first(credentials_);
  EchoService service;
  absl::StatusOr<ListeningServer> second =
      Listen("127.0.0.1", first.port(), credentials_, {&service});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr("127.0.0.1:" + std::to_string(first.port())),
                    HasSubstr("in use"), HasSubstr("--rdzv-endpoint")));
  EXPECT_TRUE(
      Call(Dial("127.0.0.1", first.port(), credentials_, ChannelUse::kSession))
          .ok());
}

TEST(Listen, CollidesOnWildcardsToo) {
  RealServer first(kPlain);
  EchoService service;
  for (const char* all : {"0.0.0.0", "::"}) {
    EXPECT_EQ(Listen(all, first.port(), kPlain, {&service}).status().code(),
              absl::StatusCode::kAlreadyExists)
        << all;
  }
}

TEST(Listen, TakesThePortAgainOnceTheServerIsGone) {
  int port = 0;
  {
    RealServer first(kPlain);
    port = first.port();
    EXPECT_TRUE(
        Call(Dial("127.0.0.1", port, kPlain, ChannelUse::kSession)).ok());
  }
  RealServer second(kPlain, {}, "127.0.0.1", port);
  EXPECT_EQ(second.port(), port);
}

TEST(Listen, NamesAnAddressThatIsNotThisHosts) {
  const absl::Status status = Listen(kNobodys, 29400, kPlain, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("192.0.2.1:29400"), HasSubstr("no such address")));
}

TEST(Listen, RefusesWhatIsNoAddressOrPort) {
  EchoService service;
  for (const char* address : {"localhost", "", "1.2.3", "[::1]"}) {
    EXPECT_EQ(Listen(address, 0, kPlain, {&service}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << address;
  }
  for (int port : {-1, 65536}) {
    EXPECT_EQ(Listen("127.0.0.1", port, kPlain, {&service}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << port;
  }
}

// In a network namespace of its own, since containers often allow every port
// to everybody.
TEST(ListenDeathTest, SaysThatAPortIsPrivileged) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        if (geteuid() == 0) {
          (void)unshare(CLONE_NEWNET);
          if (seteuid(65534) != 0) _exit(2);
        }
        const absl::Status status = Listen("0.0.0.0", 80, kPlain, {}).status();
        fprintf(stderr, "%s\n", status.ToString().c_str());
        _exit(status.code() == absl::StatusCode::kPermissionDenied ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "0\\.0\\.0\\.0:80.*above 1023");
}

TEST(Listen, OnAWildcardServesBothFamilies) {
  for (const char* all : {"0.0.0.0", "::"}) {
    if (!HasIpv6() && std::string(all) == "::") continue;
    RealServer server(kPlain, {}, all);
    EXPECT_GT(server.port(), 0);
    EXPECT_TRUE(
        Call(Dial("127.0.0.1", server.port(), kPlain, ChannelUse::kSession))
            .ok())
        << all;
    if (!HasIpv6()) continue;
    EXPECT_TRUE(
        Call(Dial("::1", server.port(), kPlain, ChannelUse::kSession)).ok())
        << all;
  }
}

TEST_P(EitherWay, IPv6AddressesWork) {
  if (!HasIpv6()) GTEST_SKIP() << "this host has no IPv6";
  RealServer server(credentials_, {}, "::1");
  EXPECT_TRUE(
      Call(Dial("::1", server.port(), credentials_, ChannelUse::kSession))
          .ok());
}

// ---- who may join ----

TEST(Tokens, LetInThoseWhoHaveTheSameAndNobodyElse) {
  RealServer server(Secured());
  const auto call = [&](const Credentials& who) {
    return Client(Dial("127.0.0.1", server.port(), who, ChannelUse::kBulk))
        .Finish();
  };
  EXPECT_TRUE(call(Secured()).ok());
  EXPECT_EQ(call(Secured("another-horse-battery")).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(call(kPlain).error_code(), grpc::StatusCode::UNAVAILABLE);
  // The server hears of the end a little later than the client.
  EXPECT_TRUE(server.service().ended().WaitForCount(1));
  EXPECT_EQ(server.service().ended().All().size(), 1u);
}

TEST(Tokens, DoNotLetATlsClientIntoAPlaintextServer) {
  RealServer server(kPlain);
  EXPECT_FALSE(
      Client(Dial("127.0.0.1", server.port(), Secured(), ChannelUse::kSession))
          .Finish()
          .ok());
}

TEST(Files, AreHeldToTheExpectedName) {
  char directory[] = "/tmp/muster-transport-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const Credentials own = Secured();
  const std::string base = directory;
  std::ofstream(base + "/cert") << own.CertificatePem();
  std::ofstream(base + "/key") << own.KeyPem();
  std::ofstream(base + "/ca") << own.AuthorityPem();
  RealServer server(own);
  const auto call = [&](const std::string& name) {
    return Client(Dial("127.0.0.1", server.port(),
                       *Credentials::FromFiles(
                           {base + "/cert", base + "/key", base + "/ca", name}),
                       ChannelUse::kBulk))
        .Finish()
        .ok();
  };
  EXPECT_TRUE(call("muster.internal"));
  EXPECT_FALSE(call("head.cluster"));
  EXPECT_FALSE(call(""));  // the certificate is not for 127.0.0.1
  for (const char* name : {"/cert", "/key", "/ca", ""}) {
    remove((base + name).c_str());
  }
}

// ---- channels ----

class ProxyVariables : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kNames) setenv(name, "http://127.0.0.1:1", 1);
  }
  void TearDown() override {
    for (const char* name : kNames) unsetenv(name);
  }
  static constexpr const char* kNames[] = {"http_proxy", "https_proxy",
                                           "grpc_proxy"};
};

TEST_F(ProxyVariables, DoNotMatter) {
  RealServer server(kPlain);
  EXPECT_TRUE(
      Call(Dial("127.0.0.1", server.port(), kPlain, ChannelUse::kBulk)).ok());
  // A channel made elsewhere shows that the variables are of force.
  EXPECT_FALSE(Client(grpc::CreateChannel(
                          "ipv4:127.0.0.1:" + std::to_string(server.port()),
                          grpc::InsecureChannelCredentials()))
                   .Finish()
                   .ok());
}

TEST_P(EitherWay, BulkHasAConnectionOfItsOwn) {
  RealServer server(credentials_);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  const auto peer = [&](ChannelUse use) {
    channels.push_back(Dial("127.0.0.1", server.port(), credentials_, use));
    return Client(channels.back()).Echo();
  };
  const std::string session = peer(ChannelUse::kSession);
  const std::string bulk = peer(ChannelUse::kBulk);
  EXPECT_NE(session, "");
  EXPECT_NE(bulk, "");
  EXPECT_NE(session, bulk);
  EXPECT_NE(bulk, peer(ChannelUse::kBulk));
}

AgentMessage MessageOf(size_t bytes) {
  AgentMessage message;
  message.mutable_exited()->set_stderr_tail(std::string(bytes, 'x'));
  return message;
}

TEST(Limits, RefuseAMessageOver4MiBOnBothSides) {
  constexpr size_t kLimit = 4 << 20;
  RealServer server(kPlain);
  TransportSettings boundless;
  boundless.max_message_bytes = 64 << 20;
  const auto send = [&](const TransportSettings& settings, size_t bytes) {
    Client client(
        Dial("127.0.0.1", server.port(), kPlain, ChannelUse::kBulk, settings));
    client.Echo(MessageOf(bytes));
    return client.Finish().error_code();
  };
  EXPECT_EQ(send({}, kLimit - 64), grpc::StatusCode::OK);
  // Stopped by the sender, then by the receiver.
  EXPECT_EQ(send({}, kLimit + 64), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(send(boundless, kLimit + 64), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(Limits, RefuseMetadataOverTheSize) {
  TransportSettings settings;
  settings.max_metadata_bytes = 1 << 10;  // 8 KiB is also gRPC's default
  RealServer server(kPlain, settings);
  Client client(Dial("127.0.0.1", server.port(), kPlain, ChannelUse::kBulk));
  client.context().AddMetadata("key", std::string(2 << 10, 'x'));
  EXPECT_EQ(client.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // A connection of its own: gRPC may close the one that carried too much.
  EXPECT_TRUE(
      Call(Dial("127.0.0.1", server.port(), kPlain, ChannelUse::kBulk)).ok());
}

TEST(Limits, HoldBackStreamsOverTheCount) {
  TransportSettings settings;
  settings.max_streams = 2;
  RealServer server(kPlain, settings);
  const auto channel =
      Dial("127.0.0.1", server.port(), kPlain, ChannelUse::kSession);
  Client first(channel);
  auto second = std::make_unique<Client>(channel);
  EXPECT_NE(first.Echo(), "");
  EXPECT_NE(second->Echo(), "");
  EXPECT_EQ(Client(channel, 300ms).Finish().error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  second.reset();
  EXPECT_TRUE(Call(channel).ok());
}

TEST(Limits, DoNotUnpackCompressedMessages) {
  RealServer server(kPlain);
  const auto channel =
      Dial("127.0.0.1", server.port(), kPlain, ChannelUse::kSession);
  Client plain(channel);
  EXPECT_NE(plain.Echo(MessageOf(1 << 20)), "");
  Client packed(channel);
  packed.context().set_compression_algorithm(GRPC_COMPRESS_GZIP);
  EXPECT_EQ(packed.Echo(MessageOf(1 << 20)), "");
}

TEST_P(EitherWay, AConnectionThatSaysNothingIsDropped) {
  TransportSettings settings;
  settings.handshake_timeout = 200ms;
  RealServer server(credentials_, settings);
  RawClient(server.port()).ReadToEnd();
}

// ---- time ----

TEST(Reconnecting, IsSoonHoweverLongTheServerWasAway) {
  TransportSettings settings;
  settings.last_backoff = 300ms;
  auto listener = std::make_unique<RawListener>();
  const int port = listener->port();
  Client client(
      Dial("127.0.0.1", port, kPlain, ChannelUse::kSession, settings));
  client.context().set_wait_for_ready(true);
  std::thread call([&] { EXPECT_NE(client.Echo(), ""); });
  // Without the bound the pause would be over 8 s after that many failures.
  for (int failures = 0; failures < 8; ++failures) {
    EXPECT_TRUE(listener->AcceptAndClose());
  }
  listener.reset();
  RealServer server(kPlain, {}, "127.0.0.1", port);
  const auto start = std::chrono::steady_clock::now();
  call.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
}

TEST(Keepalive, TellsTheClientOfASilentServer) {
  RealServer server(kPlain);
  Proxy proxy(server.port());
  TransportSettings settings;
  settings.client_keepalive_time = 200ms;
  settings.client_keepalive_timeout = 200ms;
  Client client(
      Dial("127.0.0.1", proxy.port(), kPlain, ChannelUse::kSession, settings));
  EXPECT_NE(client.Echo(), "");
  proxy.FallSilent();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(client.Echo(), "");
  EXPECT_EQ(client.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST(Keepalive, TellsTheClientEvenWithoutACall) {
  RealServer server(kPlain);
  Proxy proxy(server.port());
  TransportSettings settings;
  settings.client_keepalive_time = 200ms;
  settings.client_keepalive_timeout = 200ms;
  const auto channel =
      Dial("127.0.0.1", proxy.port(), kPlain, ChannelUse::kSession, settings);
  EXPECT_TRUE(Call(channel).ok());
  proxy.FallSilent();
  EXPECT_TRUE(channel->WaitForStateChange(
      GRPC_CHANNEL_READY, std::chrono::system_clock::now() + kPatience));
}

TEST(Keepalive, TellsTheServerOfASilentClient) {
  TransportSettings settings;
  settings.server_keepalive_time = 200ms;
  settings.server_keepalive_timeout = 200ms;
  RealServer server(kPlain, settings);
  Proxy proxy(server.port());
  // The server knows the call's deadline: it must not be what ends the call.
  Client client(Dial("127.0.0.1", proxy.port(), kPlain, ChannelUse::kSession),
                100 * kPatience);
  const std::string peer = client.Echo();
  EXPECT_NE(peer, "");
  proxy.FallSilent();
  EXPECT_TRUE(server.service().ended().WaitFor(peer));
}

TEST(Keepalive, IsNoReasonForTheServerToHangUp) {
  RealServer server(kPlain);
  Proxy proxy(server.port());
  TransportSettings settings;
  settings.client_keepalive_time = 50ms;
  Client client(
      Dial("127.0.0.1", proxy.port(), kPlain, ChannelUse::kSession, settings));
  EXPECT_NE(client.Echo(), "");
  // By default the third ping, one a second, would be answered by GOAWAY.
  constexpr size_t kPingFrame = 17;
  ASSERT_TRUE(proxy.WaitForBytesUp(proxy.bytes_up() + 8 * kPingFrame));
  EXPECT_NE(client.Echo(), "");
  EXPECT_TRUE(client.Finish().ok());
}

}  // namespace
}  // namespace muster::rendezvous::test
