#include "tests/cluster/namespaces.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace muster::test {
namespace {

// What makes a new network and mount table a host: $1 name, $2 hosts file,
// $3 a resolver configuration without a server.
constexpr char kBecomeHost[] =
    "set -e; hostname \"$1\"; ip link set lo up;"
    "mount --bind \"$2\" /etc/hosts; mount --bind \"$3\" /etc/resolv.conf;"
    "echo ready; exec sleep infinity";

constexpr char kBecomeSwitch[] =
    "set -e; ip link add br0 type bridge forward_delay 0;"
    "ip link set br0 up; echo ready; exec sleep infinity";

std::vector<std::string> NumberedNames(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(absl::StrCat("host", i));
  return names;
}

std::unique_ptr<Subprocess> StartAnchor(std::vector<std::string> argv) {
  auto anchor = std::make_unique<Subprocess>(Command{.argv = std::move(argv)});
  if (!anchor->WaitForOutput("ready\n")) {
    std::fprintf(stderr, "cannot make a host:%s", anchor->Text().c_str());
    std::abort();
  }
  return anchor;
}

}  // namespace

std::string Hosts::WhyNot() {
  if (geteuid() != 0) return "namespaces need root";
  Subprocess trial(
      {.argv = {"unshare", "--net", "--mount", "--uts", "/bin/sh", "-c",
                "hostname trial && ip link add br0 type bridge && "
                "ip link add v0 type veth peer name v1"}});
  if (trial.Wait() == Code(0)) return "";
  return absl::StrCat("no network namespaces here:", trial.Text());
}

Hosts::Hosts(int count) : Hosts(NumberedNames(count)) {}

Hosts::Hosts(const std::vector<std::string>& names) {
  WriteFile(root_.File("resolv.conf"), "# no server\n");
  switch_ =
      StartAnchor({"unshare", "--net", "/bin/sh", "-c", kBecomeSwitch, "sh"});
  for (const std::string& name : names) AddHost(name);
  for (const Host& host : hosts_) WriteHostsFile(host);
  ConnectHosts();
}

void Hosts::AddHost(const std::string& name) {
  Host host;
  host.name = name;
  host.address = absl::StrCat("10.77.0.", hosts_.size() + 1);
  host.directory = root_.Dir(name);
  host.hosts_file = root_.File(absl::StrCat("hosts-", hosts_.size()));
  WriteFile(host.hosts_file, "");
  host.anchor = StartAnchor({"unshare", "--net", "--mount", "--uts", "/bin/sh",
                             "-c", kBecomeHost, "sh", name, host.hosts_file,
                             root_.File("resolv.conf")});
  hosts_.push_back(std::move(host));
}

void Hosts::ConnectHosts() {
  std::vector<std::string> ports;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    ports.push_back(absl::StrCat("link add port", i,
                                 " type veth peer name eth0 netns ",
                                 hosts_[i].anchor->pid()));
    ports.push_back(absl::StrCat("link set port", i, " master br0 up"));
  }
  Ip(*switch_, ports);
  for (const Host& host : hosts_) {
    Ip(*host.anchor, {absl::StrCat("addr add ", host.address, "/16 dev eth0"),
                      "link set eth0 up"});
  }
}

void Hosts::Ip(const Subprocess& anchor,
               const std::vector<std::string>& lines) {
  const std::string batch = root_.File("ip.batch");
  WriteFile(batch, absl::StrJoin(lines, "\n") + "\n");
  MustRun({.argv = {"nsenter", absl::StrCat("--target=", anchor.pid()), "--net",
                    "ip", "-batch", batch}});
}

Command Hosts::Enter(int host, std::vector<std::string> prefix,
                     Command command) const {
  std::vector<std::string> argv = {
      "nsenter", absl::StrCat("--target=", hosts_[host].anchor->pid()), "--net",
      "--mount", "--uts"};
  // Entering a mount table leads to its root directory.
  const std::string cwd =
      command.cwd.empty() ? hosts_[host].directory : command.cwd;
  argv.push_back(absl::StrCat("--wd=", cwd));
  argv.push_back("--");
  argv.insert(argv.end(), prefix.begin(), prefix.end());
  argv.insert(argv.end(), command.argv.begin(), command.argv.end());
  command.argv = std::move(argv);
  command.cwd.clear();
  return command;
}

Command Hosts::On(int host, Command command) const {
  return Enter(host, {}, std::move(command));
}

Command Hosts::AsPidOne(int host, Command command) const {
  return Enter(
      host,
      {"unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"},
      std::move(command));
}

void Hosts::Partition(int host) {
  Ip(*switch_, {absl::StrCat("link set port", host, " nomaster")});
}

void Hosts::Heal(int host) {
  Ip(*switch_, {absl::StrCat("link set port", host, " master br0")});
}

void Hosts::Cut(int host, int other) {
  const auto forget = [this](int here, int there) {
    Ip(*hosts_[here].anchor,
       {absl::StrCat("neigh replace ", hosts_[there].address,
                     " lladdr 02:00:00:00:00:01 dev eth0 nud permanent")});
  };
  forget(host, other);
  forget(other, host);
}

void Hosts::Slow(int host, int other, int mbits) {
  Tc(host, {"qdisc replace dev eth0 root handle 1: htb",
            absl::StrCat("class replace dev eth0 parent 1: classid 1:1 htb "
                         "quantum 60000 rate ",
                         mbits, "mbit"),
            absl::StrCat("filter replace dev eth0 parent 1: prio 1 protocol ip "
                         "u32 match ip dst ",
                         hosts_[other].address, " flowid 1:1")});
}

void Hosts::SlowAll(int host, int mbits) {
  Tc(host, {absl::StrCat("qdisc replace dev eth0 root tbf burst 64k latency "
                         "200ms rate ",
                         mbits, "mbit")});
}

void Hosts::Tc(int host, const std::vector<std::string>& lines) {
  const std::string batch = root_.File("tc.batch");
  WriteFile(batch, absl::StrJoin(lines, "\n") + "\n");
  MustRun(On(host, {.argv = {"tc", "-batch", batch}}));
}

void Hosts::Forget(int host, const std::string& name) {
  hosts_[host].forgotten.insert(name);
  WriteHostsFile(hosts_[host]);
}

void Hosts::Learn(int host, const std::string& name) {
  hosts_[host].forgotten.erase(name);
  WriteHostsFile(hosts_[host]);
}

void Hosts::Publish(int host, const std::string& name, int count) {
  hosts_[host].services[name] = count;
  WriteHostsFile(hosts_[host]);
}

void Hosts::WriteHostsFile(const Host& host) const {
  std::string text = "127.0.0.1 localhost\n::1 localhost\n";
  for (const Host& other : hosts_) {
    if (host.forgotten.count(other.name) != 0) continue;
    absl::StrAppend(&text, other.address, " ", other.name, "\n");
  }
  for (const auto& [name, count] : host.services) {
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(&text, hosts_[i].address, " ", name, "\n");
    }
  }
  WriteFile(host.hosts_file, text);  // in place: the file is mounted
}

}  // namespace muster::test
