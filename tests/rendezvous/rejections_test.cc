#include "rendezvous/rejections.h"

#include <gmock/gmock.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "grpcpp/create_channel.h"
#include "real_server.h"
#include "rendezvous/reach.h"

namespace muster::rendezvous::test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::string_literals;  // NOLINT(build/namespaces)

constexpr char kWrongToken[] = "a peer whose token (or --tls-ca) differs";
constexpr char kWrongName[] =
    "a peer that does not accept the name or dates in our certificate";
constexpr char kNoCertificate[] = "a peer without a certificate";
constexpr char kNoTls[] = "a peer that does not speak TLS";

Credentials Secured(const std::string& token = "correct-horse-battery") {
  return *Credentials::FromToken(Token(token), "node0");
}

// A secured server and all that is said about its rejections.
class Rejections : public ::testing::Test {
 protected:
  // A channel that trusts the server and shows what `options` say.
  std::shared_ptr<grpc::Channel> Trusting(grpc::SslCredentialsOptions options) {
    options.pem_root_certs = Secured().AuthorityPem();
    grpc::ChannelArguments arguments = ChannelSettings(ChannelUse::kBulk);
    arguments.SetSslTargetNameOverride("muster.internal");
    return grpc::CreateCustomChannel(
        "ipv4:127.0.0.1:" + std::to_string(server_.port()),
        grpc::SslCredentials(options), arguments);
  }

  // Whether the server still serves those who may join.
  bool Serves() {
    return Call(Dial("127.0.0.1", server_.port(), Secured(), ChannelUse::kBulk))
        .ok();
  }

  Events reasons_;
  RejectionWatch watch_{[this](const std::string& r) { reasons_.Add(r); }};
  RealServer server_{Secured()};
};

TEST_F(Rejections, NameAProbeWithAnotherToken) {
  EXPECT_TRUE(ProbeEndpoint("127.0.0.1", server_.port(),
                            Secured("another-horse-battery"), kPatience)
                  .wrong_token);
  EXPECT_TRUE(reasons_.WaitForCount(1));
  EXPECT_THAT(reasons_.All(), ElementsAre(kWrongToken));
}

TEST_F(Rejections, NameAClientWithACertificateOfAnotherToken) {
  const Credentials other = Secured("another-horse-battery");
  grpc::SslCredentialsOptions options;
  options.pem_private_key = other.KeyPem();
  options.pem_cert_chain = other.CertificatePem();
  EXPECT_FALSE(Client(Trusting(options)).Finish().ok());
  EXPECT_TRUE(reasons_.WaitFor(kWrongToken));
  EXPECT_THAT(reasons_.All(), Each(kWrongToken));
}

TEST_F(Rejections, NameAProbeThatExpectsAnotherName) {
  char directory[] = "/tmp/muster-rejections-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string base = directory;
  const Credentials own = Secured();
  std::ofstream(base + "/cert") << own.CertificatePem();
  std::ofstream(base + "/key") << own.KeyPem();
  std::ofstream(base + "/ca") << own.AuthorityPem();
  absl::StatusOr<Credentials> files = Credentials::FromFiles(
      {base + "/cert", base + "/key", base + "/ca", "head.cluster"});
  std::filesystem::remove_all(directory);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_TRUE(ProbeEndpoint("127.0.0.1", server_.port(), *files, kPatience)
                  .wrong_token);
  EXPECT_TRUE(reasons_.WaitFor(kWrongName));
  EXPECT_THAT(reasons_.All(), Each(kWrongName));
}

TEST_F(Rejections, NameAClientWithoutACertificate) {
  EXPECT_FALSE(Client(Trusting({})).Finish().ok());
  EXPECT_TRUE(reasons_.WaitFor(kNoCertificate));
  EXPECT_THAT(reasons_.All(), Each(kNoCertificate));
}

TEST_F(Rejections, NameAPlaintextGrpcClient) {
  EXPECT_FALSE(Client(Dial("127.0.0.1", server_.port(), Credentials::Insecure(),
                           ChannelUse::kBulk))
                   .Finish()
                   .ok());
  EXPECT_TRUE(reasons_.WaitFor(kNoTls));
  EXPECT_THAT(reasons_.All(), Each(kNoTls));
  EXPECT_TRUE(Serves());
}

TEST_F(Rejections, NamePeersThatSpeakSomethingElse) {
  const std::string garbage[] = {
      "GET / HTTP/1.1\r\nHost: node0\r\n\r\n",
      "CONNECT node0:443 HTTP/1.1\r\n\r\n",
      "\x80\x13\xff\x00\x44 random bytes of a fuzzer"s,
      "\x7f ELF and much more than the header of a record",
      std::string(20000, '\xff'),
  };
  size_t count = 0;
  for (const std::string& bytes : garbage) {
    RawClient client(server_.port());
    client.Send(bytes);
    client.ReadToEnd();
    EXPECT_TRUE(reasons_.WaitForCount(++count)) << bytes;
  }
  EXPECT_THAT(reasons_.All(), Each(kNoTls));
  EXPECT_TRUE(Serves());
}

TEST_F(Rejections, StayApartFromAClientsOwnFailures) {
  // Both ends live in this process: the client meets a server of another
  // token, which is told nothing of it.
  RealServer stranger(Secured("another-horse-battery"));
  EXPECT_FALSE(
      Client(Dial("127.0.0.1", stranger.port(), Secured(), ChannelUse::kBulk))
          .Finish()
          .ok());
  // A failure that is told shows that the line is open.
  EXPECT_FALSE(Client(Trusting({})).Finish().ok());
  EXPECT_TRUE(reasons_.WaitFor(kNoCertificate));
  EXPECT_THAT(reasons_.All(), Each(kNoCertificate));
}

TEST_F(Rejections, ArePassedOverWhenPeersOnlyComeAndGo) {
  for (int i = 0; i < 200; ++i) RawClient dropped(server_.port());
  EXPECT_TRUE(Serves());
  EXPECT_THAT(reasons_.All(), IsEmpty());
}

TEST_F(Rejections, GoToEveryWatchUntilItEnds) {
  Events second;
  auto watch = std::make_unique<RejectionWatch>(
      [&](const std::string& reason) { second.Add(reason); });
  RawClient(server_.port()).Send("no TLS at all\n");
  EXPECT_TRUE(reasons_.WaitForCount(1));
  EXPECT_TRUE(second.WaitForCount(1));
  watch.reset();
  RawClient(server_.port()).Send("no TLS at all\n");
  EXPECT_TRUE(reasons_.WaitForCount(2));
  EXPECT_THAT(second.All(), SizeIs(1));
}

TEST_F(Rejections, MayMakeGrpcLogAgain) {
  Events logged;
  RejectionWatch loud([&](const std::string&) {
    gpr_log(GPR_ERROR, "from within");
    logged.Add("done");
  });
  RawClient(server_.port()).Send("no TLS at all\n");
  EXPECT_TRUE(logged.WaitForCount(1));
}

TEST(GrpcErrors, GoToTheSinkAndNothingElseDoes) {
  Events lines;
  SetGrpcErrorSink([&](const std::string& line) { lines.Add(line); });
  gpr_log(GPR_ERROR, "too many open files");
  gpr_log(GPR_INFO, "nothing to worry about");
  gpr_log(GPR_DEBUG, "nothing at all");
  SetGrpcErrorSink(nullptr);
  gpr_log(GPR_ERROR, "nobody listens");
  EXPECT_THAT(lines.All(), ElementsAre(HasSubstr("too many open files")));
}

}  // namespace
}  // namespace muster::rendezvous::test
