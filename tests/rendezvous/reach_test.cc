#include "rendezvous/reach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "real_server.h"

namespace muster::rendezvous::test {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;  // NOLINT(build/namespaces)

Credentials Secured(const std::string& token = "correct-horse-battery") {
  return *Credentials::FromToken(Token(token), "node0");
}

const Credentials kPlain = Credentials::Insecure();

Reach Probe(int port, const Credentials& credentials,
            Duration timeout = kPatience) {
  return ProbeEndpoint("127.0.0.1", port, credentials, timeout);
}

// ---- names ----

TEST(Resolve, LeavesNumericAddressesAsTheyAre) {
  EXPECT_THAT(*Resolve("127.0.0.1", 29400), ElementsAre("127.0.0.1"));
  EXPECT_THAT(*Resolve("::1", 29400), ElementsAre("::1"));
  EXPECT_THAT(*Resolve("0:0::0:1", 29400), ElementsAre("::1"));
}

TEST(Resolve, GivesEachAddressOfANameOnce) {
  absl::StatusOr<std::vector<std::string>> found = Resolve("localhost", 29400);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, Contains(AnyOf("127.0.0.1", "::1")));
  EXPECT_EQ(std::set<std::string>(found->begin(), found->end()).size(),
            found->size());
}

TEST(Resolve, NamesTheHostThatDoesNotResolve) {
  // Reserved never to exist (RFC 6761). Without a name server the answer is
  // that there is none.
  absl::Status status = Resolve("no-such-node.invalid", 29400).status();
  EXPECT_THAT(status.code(), AnyOf(absl::StatusCode::kNotFound,
                                   absl::StatusCode::kUnavailable));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("no-such-node.invalid:29400"));
}

// ---- TCP ----

TEST(ProbeEndpoint, SaysThatNobodyListens) {
  const int port = RawListener().port();  // free again at once
  const Reach reach = Probe(port, Secured());
  EXPECT_EQ(reach.stage, Stage::kResolved);
  EXPECT_EQ(reach.text,
            "127.0.0.1:" + std::to_string(port) +
                ": TCP: connection refused (nothing listens there yet?)");
}

// A full backlog makes the kernel drop SYNs, as a firewall would.
TEST(ProbeEndpoint, SaysThatNoAnswerComes) {
  RawListener listener(0);
  std::vector<std::unique_ptr<RawClient>> queue;
  queue.push_back(std::make_unique<RawClient>(listener.port()));
  const Reach reach = Probe(listener.port(), Secured(), 300ms);
  EXPECT_EQ(reach.stage, Stage::kResolved);
  EXPECT_THAT(reach.text, HasSubstr("TCP: no answer within 0.3s"));
}

TEST(ProbeEndpoint, SaysThatAnAddressIsNotNumeric) {
  const Reach reach = ProbeEndpoint("localhost", 29400, kPlain, 1s);
  EXPECT_EQ(reach.stage, Stage::kNone);
  EXPECT_THAT(reach.text, HasSubstr("not a numeric address"));
}

TEST(ProbeEndpoint, EndsAfterTcpWithoutCertificates) {
  RawListener listener;
  const Reach reach = Probe(listener.port(), kPlain);
  EXPECT_EQ(reach.stage, Stage::kConnected);
  EXPECT_FALSE(reach.not_tls);
}

// ---- TLS ----

TEST(ProbeEndpoint, ReachesACoordinatorWithTheSameToken) {
  RealServer server(Secured());
  const Reach reach = Probe(server.port(), Secured());
  EXPECT_EQ(reach.stage, Stage::kAuthenticated) << reach.text;
  EXPECT_FALSE(reach.wrong_token);
  EXPECT_FALSE(reach.not_tls);
}

TEST(ProbeEndpoint, BlamesTheToken) {
  RealServer server(Secured());
  const Reach reach = Probe(server.port(), Secured("another-horse-battery"));
  EXPECT_EQ(reach.stage, Stage::kConnected);
  EXPECT_TRUE(reach.wrong_token);
  EXPECT_FALSE(reach.not_tls);
  EXPECT_EQ(reach.text,
            "127.0.0.1:" + std::to_string(server.port()) +
                ": TLS: the coordinator's token differs from this agent's");
}

TEST(ProbeEndpoint, RecognisesAPlaintextCoordinator) {
  RealServer server(kPlain);
  const Reach reach = Probe(server.port(), Secured());
  EXPECT_EQ(reach.stage, Stage::kConnected);
  EXPECT_TRUE(reach.not_tls);
  EXPECT_FALSE(reach.wrong_token);
  EXPECT_THAT(reach.text, HasSubstr("--insecure"));
}

TEST(ProbeEndpoint, SaysThatAPeerIsSilent) {
  RawListener listener;
  const Reach reach = Probe(listener.port(), Secured(), 300ms);
  EXPECT_EQ(reach.stage, Stage::kConnected);
  EXPECT_FALSE(reach.not_tls);
  EXPECT_THAT(reach.text, HasSubstr("TLS: no answer within 0.3s"));
}

// A port forwarder whose target is not there yet does this, so it is no proof
// of anything.
TEST(ProbeEndpoint, SaysThatThePeerHangsUp) {
  RawListener listener;
  std::thread peer([&] { EXPECT_TRUE(listener.AcceptAndClose()); });
  const Reach reach = Probe(listener.port(), Secured());
  peer.join();
  EXPECT_EQ(reach.stage, Stage::kConnected);
  EXPECT_FALSE(reach.not_tls || reach.wrong_token);
  EXPECT_THAT(reach.text, HasSubstr("closed the connection"));
}

TEST(ProbeEndpoint, RecognisesAnotherProtocol) {
  RawListener listener;
  std::thread peer([&] {
    const int connection = accept(listener.fd(), nullptr, nullptr);
    EXPECT_EQ(send(connection, "SSH-2.0-x\r\n", 11, MSG_NOSIGNAL), 11);
    char bytes[1024];
    EXPECT_GT(recv(connection, bytes, sizeof(bytes), 0), 0);
    close(connection);
  });
  const Reach reach = Probe(listener.port(), Secured());
  peer.join();
  EXPECT_TRUE(reach.not_tls) << reach.text;
}

TEST(ProbeEndpoint, MeetsItsDeadlineEvenWithAPeerThatTrickles) {
  RawListener listener;
  std::thread peer([&] {
    const int connection = accept(listener.fd(), nullptr, nullptr);
    // A record announced with 16 KiB, and then a byte now and then.
    std::string bytes("\x16\x03\x03\x40\x00\x02", 6);
    while (send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
      bytes = "\x01";
      poll(nullptr, 0, 5);
    }
    close(connection);
  });
  const auto start = std::chrono::steady_clock::now();
  const Reach reach = Probe(listener.port(), Secured(), 300ms);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  peer.join();
  EXPECT_THAT(reach.text, HasSubstr("TLS: no answer within 0.3s"));
}

// ---- the user's own certificates ----

class WithFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(directory_), nullptr);
    const Credentials own = Secured();
    const Credentials stranger = Secured("another-horse-battery");
    Write("cert", own.CertificatePem());
    Write("key", own.KeyPem());
    Write("ca", own.AuthorityPem());
    Write("cert2", stranger.CertificatePem());
    Write("key2", stranger.KeyPem());
  }
  void TearDown() override {
    for (const char* name : {"cert", "key", "ca", "cert2", "key2", ""}) {
      remove(Path(name).c_str());
    }
  }
  std::string Path(const std::string& name) const {
    return std::string(directory_) + "/" + name;
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }
  // The certificate and key with `suffix`, always the first authority.
  Credentials Files(const std::string& suffix, const std::string& name) const {
    return *Credentials::FromFiles(
        {Path("cert" + suffix), Path("key" + suffix), Path("ca"), name});
  }

  char directory_[32] = "/tmp/muster-reach-XXXXXX";
};

TEST_F(WithFiles, AProbeReachesTheCoordinator) {
  RealServer server(Files("", ""));
  EXPECT_EQ(Probe(server.port(), Files("", "muster.internal")).stage,
            Stage::kAuthenticated);
}

TEST_F(WithFiles, AProbeFindsThatTheNameIsWrong) {
  RealServer server(Files("", ""));
  for (const char* name : {"head.cluster", ""}) {
    const Reach reach = Probe(server.port(), Files("", name));
    EXPECT_EQ(reach.stage, Stage::kConnected);
    EXPECT_TRUE(reach.wrong_token);
    EXPECT_THAT(reach.text,
                AllOf(HasSubstr("--tls-ca"), HasSubstr("mismatch")));
  }
}

// In TLS 1.3 the client's handshake is over when the server refuses.
TEST_F(WithFiles, AProbeFindsThatTheCoordinatorRefusesItsCertificate) {
  RealServer server(Files("", ""));
  const Reach reach = Probe(server.port(), Files("2", "muster.internal"));
  EXPECT_EQ(reach.stage, Stage::kConnected);
  EXPECT_TRUE(reach.wrong_token) << reach.text;
  EXPECT_THAT(reach.text, HasSubstr("--tls-cert"));
}

}  // namespace
}  // namespace muster::rendezvous::test
