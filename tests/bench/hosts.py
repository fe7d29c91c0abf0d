"""Hosts out of network namespaces, for the benchmark.

The same construction as tests/cluster/namespaces.h: each host lives as long as
one process that does nothing, and so does the switch between them.
"""

import os
import shutil
import subprocess
import tempfile

# Reno, whose window nothing on a lossless switch closes: BBR, where it is the
# machine's default, goes by estimates that differ from connection to connection.
_HOST = ('set -e; hostname "$1"; ip link set lo up; mount --bind "$2" '
         '/etc/hosts; echo reno > /proc/sys/net/ipv4/tcp_congestion_control; '
         'echo ready; exec sleep infinity')
_SWITCH = ('set -e; ip link add br0 type bridge forward_delay 0; '
           'ip link set br0 up; echo ready; exec sleep infinity')


class Hosts:
    """host0, host1, ... with the addresses 10.77.0.1, 10.77.0.2, ..."""

    def __init__(self, count):
        self.root = tempfile.mkdtemp(prefix="muster-bench-")
        self.names = [f"host{i}" for i in range(count)]
        self.addresses = [f"10.77.0.{i + 1}" for i in range(count)]
        self.anchors = []
        hosts_file = os.path.join(self.root, "hosts")
        with open(hosts_file, "w", encoding="ascii") as file:
            file.write("127.0.0.1 localhost\n")
            for name, address in zip(self.names, self.addresses):
                file.write(f"{address} {name}\n")
        try:
            self._switch = self._anchor(["--net"], _SWITCH)
            for i, name in enumerate(self.names):
                anchor = self._anchor(["--net", "--mount", "--uts"], _HOST,
                                      name, hosts_file)
                self._connect(i, anchor)
                os.mkdir(self.directory(i))
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for anchor in self.anchors:
            anchor.kill()
            anchor.wait()
            anchor.stdout.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def pid(self, host):
        """The process whose namespaces are the host."""
        return self.anchors[host + 1].pid

    def directory(self, host):
        return os.path.join(self.root, self.names[host])

    def enter(self, host):
        """What to put before a command to run it on that host."""
        return ["nsenter", f"--target={self.pid(host)}", "--net", "--mount",
                "--uts", f"--wd={self.directory(host)}", "--"]

    def cut(self, host, other):
        """The link between the two is silent from now on."""
        for here, there in ((host, other), (other, host)):
            subprocess.run([*self.enter(here), "ip", "neigh", "replace",
                            self.addresses[there], "lladdr",
                            "02:00:00:00:00:01", "dev", "eth0", "nud",
                            "permanent"], check=True)

    def limit(self, host, rate):
        """What the host sends goes no faster from now on; as tc says it."""
        subprocess.run([*self.enter(host), "tc", "qdisc", "add", "dev", "eth0",
                        "root", "tbf", "rate", rate, "burst", "256kb",
                        "latency", "50ms"], check=True)

    def _anchor(self, kinds, script, *arguments):
        anchor = subprocess.Popen(
            ["unshare", *kinds, "setpriv", "--pdeathsig", "KILL",
             "sh", "-c", script, "sh", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.anchors.append(anchor)
        if anchor.stdout.readline() != b"ready\n":
            raise RuntimeError("cannot make hosts here (root is needed, and "
                               "the packages iproute2 and util-linux)")
        return anchor

    def _connect(self, host, anchor):
        def ip(process, *words):
            subprocess.run(["nsenter", f"--target={process.pid}", "--net",
                            "ip", *words], check=True)
        ip(self._switch, "link", "add", f"port{host}", "type", "veth", "peer",
           "name", "eth0", "netns", str(anchor.pid))
        ip(self._switch, "link", "set", f"port{host}", "master", "br0", "up")
        ip(anchor, "addr", "add", f"{self.addresses[host]}/16", "dev", "eth0")
        ip(anchor, "link", "set", "eth0", "up")
