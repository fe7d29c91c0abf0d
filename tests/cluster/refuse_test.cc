// Joins that must fail, soon and with a reason, while the job goes unharmed.
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/job.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kEndpoint[] = "10.77.0.1:29400";
constexpr char kOtherToken[] = "a-token-that-nobody-else-of-the-test-has-002";

class Refuse : public JobTest {
 protected:
  // A Python program on that host that has printed "ready".
  Subprocess& Python(int host, const std::string& program) {
    helpers_.push_back(std::make_unique<Subprocess>(
        hosts_->On(host, {.argv = {"/usr/bin/python3", "-u", "-c", program}})));
    EXPECT_TRUE(helpers_.back()->WaitForOutput("ready"))
        << helpers_.back()->Text();
    return *helpers_.back();
  }
  // Accepts connections at the endpoint and says nothing.
  void ListenInSilence(int host) {
    Python(host,
           "import socket\n"
           "s = socket.create_server(('', 29400))\n"
           "print('ready')\n"
           "kept = []\n"
           "while True: kept.append(s.accept())\n");
  }
  // The agent of `host` alone gives up in time with 69, and says why.
  void ExpectNoWayIn(int host, const Flags& flags,
                     const ::testing::Matcher<std::string>& reason) {
    Flags all = flags;
    all["--rdzv-timeout"] = "2s";
    Start(host, Agent(all));
    EXPECT_EQ(agent(host).Wait(), Code(69)) << agent(host).Text();
    EXPECT_GE(agent(host).Age(), absl::Seconds(2));
    EXPECT_LT(agent(host).Age(), absl::Seconds(5));
    EXPECT_THAT(agent(host).Err(), reason);
    EXPECT_EQ(CauseText(ReportOn(host), "kind"), "rendezvous");
    EXPECT_THAT(CauseText(ReportOn(host), "message"), reason);
  }

  std::vector<std::unique_ptr<Subprocess>> helpers_;
};

TEST_F(Refuse, ANameThatNeverResolvesIsSaid) {
  MakeHosts(2);
  hosts_->Forget(1, "host0");
  ExpectNoWayIn(1, {}, AllOf(HasSubstr("name"), HasSubstr("host0")));
}

TEST_F(Refuse, AnAddressWhereNobodyListensIsSaid) {
  MakeHosts(2);
  ExpectNoWayIn(1, {}, AllOf(HasSubstr("TCP"), HasSubstr(kEndpoint)));
}

TEST_F(Refuse, AnAddressThatNeverAnswersIsSaid) {
  MakeHosts(2);
  hosts_->Partition(1);
  ExpectNoWayIn(1, {}, AllOf(HasSubstr("TCP"), HasSubstr(kEndpoint)));
}

TEST_F(Refuse, AListenerThatNeverSpeaksIsSaid) {
  MakeHosts(2);
  ListenInSilence(0);
  ExpectNoWayIn(1, {}, AllOf(HasSubstr("TLS"), HasSubstr(kEndpoint)));
}

TEST_F(Refuse, AServerThatKnowsNoRendezvousIsSaid) {
  MakeHosts(2);
  Python(0,
         "import grpc, threading\n"
         "from concurrent import futures\n"
         "s = grpc.server(futures.ThreadPoolExecutor(2))\n"
         "s.add_insecure_port('0.0.0.0:29400')\n"
         "s.start()\n"
         "print('ready')\n"
         "threading.Event().wait()\n");
  ExpectNoWayIn(1, {{"--insecure", ""}},
                AllOf(HasSubstr("registration"), HasSubstr(kEndpoint)));
}

TEST_F(Refuse, AMissingNodeIsNamedToAll) {
  MakeHosts(3);
  for (int host = 0; host < 2; ++host) {
    Start(host, Agent({{"--node-rank", absl::StrCat(host)},
                       {"--rdzv-timeout", "2s"}}));
  }
  ExpectAllEndWith(Code(69));
  for (int host = 0; host < 2; ++host) {
    EXPECT_LT(agent(host).Age(), absl::Seconds(5));
    EXPECT_THAT(agent(host).Err(),
                AllOf(HasSubstr("2 of 3"), HasSubstr("missing: node rank 2")));
    EXPECT_EQ(CauseText(ReportOn(host), "kind"), "rendezvous");
  }
}

class WrongKey : public Refuse {
 protected:
  // Two of three nodes wait when the third comes with the wrong key. It is
  // told at once, the others are told and wait on, and then it comes with the
  // right one.
  void ExpectRefused(const Command& stranger) {
    Start(0, Agent());
    Start(1, Agent());
    ASSERT_TRUE(agent(1).WaitForOutput("2 of 3")) << agent(1).Text();
    Start(2, stranger);
    EXPECT_EQ(agent(2).Wait(), Code(77)) << agent(2).Text();
    EXPECT_LT(agent(2).Age(), absl::Seconds(2));
    EXPECT_THAT(agent(2).Err(), HasSubstr("token"));
    EXPECT_EQ(CauseText(ReportOn(2), "kind"), "auth");
    EXPECT_EQ(ReportOn(2).value("result", ""), "refused");
    for (int host = 0; host < 2; ++host) {
      EXPECT_TRUE(agent(host).WaitForOutput("turned away"))
          << agent(host).Text();
      EXPECT_EQ(agent(host).Wait(absl::ZeroDuration()), kRunning);
    }
    Start(2, Agent());
    ExpectAllEndWith(Code(0));
  }
};

TEST_F(WrongKey, AWrongTokenIsRefusedAndTheJobGoesOn) {
  MakeHosts(3);
  Command stranger = Agent();
  stranger.env["MUSTER_TOKEN"] = kOtherToken;
  ExpectRefused(stranger);
}

TEST_F(WrongKey, AnAgentWithoutATokenIsRefusedAndTheJobGoesOn) {
  MakeHosts(3);
  Command stranger = Agent({{"--insecure", ""}});
  stranger.env.erase("MUSTER_TOKEN");
  ExpectRefused(stranger);
}

struct Difference {
  std::string name;
  Flags flags;
  std::vector<std::string> command;
  std::string said;

  // What CTest shows of it.
  friend void PrintTo(const Difference& difference, std::ostream* out) {
    *out << difference.name;
  }
};

class OtherSettings : public Refuse,
                      public ::testing::WithParamInterface<Difference> {};

TEST_P(OtherSettings, AreRefusedWithTheDifference) {
  MakeHosts(2);
  Start(0, Agent());
  ASSERT_TRUE(agent(0).WaitForOutput("1 of 2")) << agent(0).Text();
  Start(1, Agent(GetParam().flags, GetParam().command));
  EXPECT_EQ(agent(1).Wait(), Code(78)) << agent(1).Text();
  EXPECT_LT(agent(1).Age(), absl::Seconds(2));
  EXPECT_THAT(agent(1).Err(), AllOf(HasSubstr(GetParam().said),
                                    HasSubstr("host0"), HasSubstr("host1")));
  EXPECT_EQ(CauseText(ReportOn(1), "kind"), "config");
  EXPECT_EQ(ReportOn(1).value("result", ""), "refused");
  EXPECT_TRUE(agent(0).WaitForOutput(GetParam().said)) << agent(0).Text();
  Start(1, Agent());
  ExpectAllEndWith(Code(0));
}

INSTANTIATE_TEST_SUITE_P(
    All, OtherSettings,
    ::testing::Values(
        Difference{"Nodes", {{"--nnodes", "3"}}, {"true"}, "--nnodes"},
        Difference{
            "Framework", {{"--framework", "plain"}}, {"true"}, "--framework"},
        Difference{"JobId", {{"--rdzv-id", "another"}}, {"true"}, "--rdzv-id"},
        Difference{"InitMethod",
                   {{"--init-method", "file:///tmp"}},
                   {"true"},
                   "--init-method"},
        Difference{"Command", {}, {"false"}, "command"}),
    [](const auto& param_info) { return param_info.param.name; });

TEST_F(Refuse, ANodeRankThatIsTakenIsRefused) {
  MakeHosts(3);
  Start(0, Agent({{"--node-rank", "0"}}));
  ASSERT_TRUE(agent(0).WaitForOutput("1 of 3")) << agent(0).Text();
  Start(1, Agent({{"--node-rank", "1"}}));
  ASSERT_TRUE(agent(0).WaitForOutput("2 of 3")) << agent(0).Text();
  Start(2, Agent({{"--node-rank", "1"}}));
  EXPECT_EQ(agent(2).Wait(), Code(78)) << agent(2).Text();
  EXPECT_THAT(agent(2).Err(), AllOf(HasSubstr("--node-rank 1"),
                                    HasSubstr("host1"), HasSubstr("host2")));
  Start(2, Agent({{"--node-rank", "2"}}));
  ExpectAllEndWith(Code(0));
}

TEST_F(Refuse, StrangersAtThePortDoNoHarm) {
  MakeHosts(2);
  Start(0, Agent());
  ASSERT_TRUE(agent(0).WaitForOutput("1 of 2")) << agent(0).Text();
  // Each stranger speaks until it is turned away.
  Subprocess& strangers =
      Python(1,
             "import http.client, os, socket, ssl, grpc\n"
             "def connect():\n"
             "    s = socket.create_connection(('host0', 29400), timeout=10)\n"
             "    return s\n"
             "for size in (1, 100, 100000):\n"
             "    try:\n"
             "        s = connect()\n"
             "        s.sendall(os.urandom(size))\n"
             "        s.shutdown(socket.SHUT_WR)\n"
             "        while s.recv(4096): pass\n"
             "    except OSError: pass\n"
             "try:\n"
             "    h = http.client.HTTPConnection('host0', 29400, timeout=10)\n"
             "    h.request('GET', '/')\n"
             "    assert h.getresponse().status >= 400\n"
             "except (http.client.HTTPException, OSError): pass\n"
             "c = ssl.create_default_context()\n"
             "c.check_hostname, c.verify_mode = False, ssl.CERT_NONE\n"
             "try:\n"
             "    s = c.wrap_socket(connect())\n"
             "    s.send(b'x')\n"
             "    assert not s.recv(1)\n"
             "except (OSError): pass\n"
             "channel = grpc.insecure_channel('host0:29400')\n"
             "join = channel.stream_stream('/muster.Rendezvous/Join')\n"
             "try:\n"
             "    list(join(iter([b'']), timeout=3))\n"
             "    raise SystemExit('the gRPC client was let in')\n"
             "except grpc.RpcError as e: print('refused:', e.code())\n"
             "print('ready')\n");
  EXPECT_EQ(strangers.Wait(), Code(0)) << strangers.Text();
  EXPECT_THAT(strangers.Out(), HasSubstr("refused:"));
  EXPECT_TRUE(agent(0).WaitForOutput("does not speak TLS")) << agent(0).Text();
  EXPECT_TRUE(agent(0).WaitForOutput("without a certificate"))
      << agent(0).Text();
  Start(1, Agent());
  ExpectAllEndWith(Code(0));
}

TEST_F(Refuse, IdleConnectionsDoNoHarm) {
  MakeHosts(2);
  Start(0, Agent());
  ASSERT_TRUE(agent(0).WaitForOutput("1 of 2")) << agent(0).Text();
  Python(1,
         "import socket, threading\n"
         "kept = [socket.create_connection(('host0', 29400))\n"
         "        for _ in range(200)]\n"
         "print('ready')\n"
         "threading.Event().wait()\n");
  Start(1, Agent());
  ExpectAllEndWith(Code(0));
}

TEST_F(Refuse, AnEndpointPortThatIsTakenIsNamedAtOnce) {
  MakeHosts(2);
  ListenInSilence(0);
  Start(0, Agent({{"--node-rank", "0"}}));
  const ExitStatus status = agent(0).Wait();
  EXPECT_EQ(status.kind, ExitStatus::Kind::kCode);
  EXPECT_NE(status, Code(0));
  EXPECT_LT(agent(0).Age(), absl::Seconds(2));
  EXPECT_THAT(agent(0).Err(), HasSubstr("29400"));
}

TEST_F(Refuse, AnotherProgramAtTheEndpointIsNamedAtOnce) {
  MakeHosts(2);
  // Answers whatever comes with words that are not TLS.
  Python(0,
         "import http.server\n"
         "s = http.server.ThreadingHTTPServer(('', 29400),\n"
         "    http.server.BaseHTTPRequestHandler)\n"
         "print('ready')\n"
         "s.serve_forever()\n");
  Start(0, Agent());
  EXPECT_EQ(agent(0).Wait(), Code(69)) << agent(0).Text();
  EXPECT_LT(agent(0).Age(), absl::Seconds(2));
  EXPECT_THAT(agent(0).Err(),
              AllOf(HasSubstr("29400"), HasSubstr("another program")));
}

TEST_F(Refuse, ACoordinatorOfAnotherJobOnThePortIsNamedAtOnce) {
  MakeHosts(2);
  Start(0, Agent());
  ASSERT_TRUE(agent(0).WaitForOutput("1 of 2")) << agent(0).Text();
  Command other = Agent({{"--rdzv-id", "other"}});
  other.env["MUSTER_TOKEN"] = kOtherToken;
  Subprocess second(hosts_->On(0, other));
  EXPECT_EQ(second.Wait(), Code(77)) << second.Text();
  EXPECT_LT(second.Age(), absl::Seconds(2));
  EXPECT_THAT(second.Err(), HasSubstr("29400"));
  Start(1, Agent());
  ExpectAllEndWith(Code(0));
}

TEST_F(Refuse, ANodeWithoutItsInputEndsTheJobOnAllOfThem) {
  MakeHosts(3);
  for (const int host : {0, 2}) {
    MustRun({.argv = {"mkdir", hosts_->Directory(host) + "/data"}});
  }
  const Command command =
      Agent({{"--input", "DATA=data"}}, {"touch", "started"});
  Start(1, command);
  ASSERT_TRUE(agent(1).WaitForOutput("--input DATA=")) << agent(1).Text();
  Start(0, command);
  ASSERT_TRUE(agent(0).WaitForOutput("host1 can't take part: --input"))
      << agent(0).Text();
  Start(2, command);
  ExpectAllEndWith(Code(64), absl::Seconds(10));
  for (int host = 0; host < 3; ++host) {
    const nlohmann::json report = ReportOn(host);
    EXPECT_EQ(CauseText(report, "kind"), "config");
    EXPECT_EQ(CauseText(report, "host"), "host1");
    EXPECT_THAT(agent(host).Err(),
                AllOf(HasSubstr("host1 can't take part"),
                      HasSubstr("/data: No such file or directory")));
    EXPECT_FALSE(Exists(hosts_->Directory(host) + "/started"));
  }
}

}  // namespace
}  // namespace muster::test
