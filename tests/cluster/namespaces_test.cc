#include "tests/cluster/namespaces.h"

#include <signal.h>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace muster::test {
namespace {

class HostsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = Hosts::WhyNot();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  static std::string Shell(const Hosts& hosts, int host,
                           const std::string& script) {
    return MustRun(hosts.On(host, {.argv = {"/bin/sh", "-c", script}}));
  }
};

TEST_F(HostsTest, HaveNamesAddressesAndDirectoriesOfTheirOwn) {
  const Hosts hosts({"host2", "host10"});
  EXPECT_EQ(Shell(hosts, 0, "hostname"), "host2\n");
  EXPECT_EQ(Shell(hosts, 1, "hostname"), "host10\n");
  EXPECT_EQ(Shell(hosts, 1, "pwd"), hosts.Directory(1) + "\n");
  EXPECT_NE(Shell(hosts, 1, "ip -4 addr show eth0").find("10.77.0.2/16"),
            std::string::npos);
  EXPECT_EQ(Shell(hosts, 0, "getent ahostsv4 host10 | head -n 1 | cut -c 1-9"),
            "10.77.0.2\n");
}

TEST_F(HostsTest, ReachEachOtherUntilTheCableIsPulled) {
  Hosts hosts(2);
  const Command server = {.argv = {"/usr/bin/python3", "-c",
                                   "import socket\n"
                                   "s = socket.create_server(('', 5000))\n"
                                   "print('listening', flush=True)\n"
                                   "while True: s.accept()[0].close()\n"}};
  const Command client = {
      .argv = {"/usr/bin/python3", "-c",
               "import socket\n"
               "socket.create_connection(('host0', 5000), timeout=0.5)\n"}};
  Subprocess listener(hosts.On(0, server));
  ASSERT_TRUE(listener.WaitForOutput("listening")) << listener.Text();
  EXPECT_EQ(Subprocess(hosts.On(1, client)).Wait(), Code(0));
  hosts.Partition(1);
  EXPECT_EQ(Subprocess(hosts.On(1, client)).Wait(), Code(1));
  hosts.Heal(1);
  EXPECT_EQ(Subprocess(hosts.On(1, client)).Wait(), Code(0));
}

TEST_F(HostsTest, ForgetAndLearnNames) {
  Hosts hosts(2);
  const Command lookup = {.argv = {"getent", "hosts", "host1"}};
  hosts.Forget(0, "host1");
  EXPECT_EQ(Subprocess(hosts.On(0, lookup)).Wait(), Code(2));
  EXPECT_EQ(Subprocess(hosts.On(1, lookup)).Wait(), Code(0));
  hosts.Learn(0, "host1");
  EXPECT_EQ(Subprocess(hosts.On(0, lookup)).Wait(), Code(0));
}

TEST_F(HostsTest, RunACommandAsPidOne) {
  const Hosts hosts(1);
  Subprocess child(hosts.AsPidOne(
      0, {.argv = {"/bin/sh", "-c", "echo $$; hostname; ls /proc; exit 5"}}));
  EXPECT_EQ(child.Wait(), Code(5));
  EXPECT_EQ(child.Out().substr(0, 8), "1\nhost0\n") << child.Text();
  EXPECT_EQ(child.Out().find(absl::StrCat("\n", getpid(), "\n")),
            std::string::npos);
}

TEST_F(HostsTest, VanishWithTheTestThatMadeThem) {
  std::string network;
  {
    const Hosts hosts(1);
    network = Shell(hosts, 0, "readlink /proc/self/ns/net");
  }
  Subprocess search(
      {.argv = {"/bin/sh", "-c", "readlink /proc/[0-9]*/ns/net; true"}});
  EXPECT_EQ(search.Wait(), Code(0));
  EXPECT_EQ(search.Out().find(network), std::string::npos);
}

}  // namespace
}  // namespace muster::test
