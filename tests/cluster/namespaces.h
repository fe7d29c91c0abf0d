// Several hosts on one machine, out of namespaces.
#ifndef MUSTER_TESTS_CLUSTER_NAMESPACES_H_
#define MUSTER_TESTS_CLUSTER_NAMESPACES_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/subprocess.h"

namespace muster::test {

// Hosts that share a kernel and a file system and nothing else that matters
// here: each has a network of its own with one address on a common switch, a
// host name, a hosts file, no name server, and a working directory.
//
// A host lives as long as one process that does nothing ("anchor"); the switch
// is such a process too. Nothing has a name outside of them, so hosts of
// several tests do not meet, and when the test dies, however it dies, its
// anchors die with it and the kernel takes networks, links and mounts away.
class Hosts {
 public:
  // Why hosts cannot be made here, for GTEST_SKIP(); "" when they can.
  static std::string WhyNot();

  // One host for each name, with the addresses 10.77.0.1, 10.77.0.2, ...
  explicit Hosts(const std::vector<std::string>& names);
  // host0, host1, ...
  explicit Hosts(int count);

  int count() const { return static_cast<int>(hosts_.size()); }
  const std::string& Name(int host) const { return hosts_[host].name; }
  const std::string& Address(int host) const { return hosts_[host].address; }
  // Where commands on that host start, on the real file system.
  const std::string& Directory(int host) const {
    return hosts_[host].directory;
  }

  // The command as it has to be given to Subprocess to run on that host.
  // Without a cwd it runs in Directory(host).
  Command On(int host, Command command) const;
  // The same in a PID namespace of its own, where it is PID 1. The process
  // that the test sees is its parent and passes on how it ended; Signal()
  // that one to no avail and FindInFamily() the command instead.
  Command AsPidOne(int host, Command command) const;

  // The cable between host and switch is pulled; both ends still see a link.
  void Partition(int host);
  void Heal(int host);
  // The link between two hosts is cut for good, in silence: both still reach
  // all others.
  void Cut(int host, int other);
  // From now on what `host` sends to `other` goes at so many Mbit/s; and what
  // it sends to anybody.
  void Slow(int host, int other, int mbits);
  void SlowAll(int host, int mbits);

  // From now on `host` does not resolve, or resolves again, that name.
  void Forget(int host, const std::string& name);
  void Learn(int host, const std::string& name);
  // From now on `host` resolves that name to the addresses of the first `count`
  // hosts, as a headless Service's name.
  void Publish(int host, const std::string& name, int count);

 private:
  struct Host {
    std::string name;
    std::string address;
    std::string directory;
    std::string hosts_file;
    std::set<std::string> forgotten;
    std::map<std::string, int> services;  // how many hosts each stands for
    std::unique_ptr<Subprocess> anchor;
  };

  Command Enter(int host, std::vector<std::string> prefix,
                Command command) const;
  void AddHost(const std::string& name);
  void ConnectHosts();
  void WriteHostsFile(const Host& host) const;
  // Runs `ip` with these command lines inside a network.
  void Ip(const Subprocess& anchor, const std::vector<std::string>& lines);
  void Tc(int host, const std::vector<std::string>& lines);

  TempDir root_;
  std::unique_ptr<Subprocess> switch_;
  std::vector<Host> hosts_;
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_CLUSTER_NAMESPACES_H_
