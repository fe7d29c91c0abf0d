"""Files on their way to another host, beside an rsync daemon.

What muster reports as stored is on the disk of the other host; so is what
rsync --fsync has sent, which is why the goal is against that. Plain rsync only
hands it to the kernel. The daemon's connection is not encrypted.
"""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time

from launchers import (DEADLINE, alternate, environment, run_together)

LARGE_BYTES = 4 << 30
SMALL_FILES = 100_000
SMALL_BYTES = 1024
FEW_RUNS = 3  # of what takes many seconds

_PORT = 8730


def make_large(directory):
    block = os.urandom(1 << 20)
    with open(os.path.join(directory, "large"), "wb") as file:
        for number in range(LARGE_BYTES // len(block)):
            file.write(number.to_bytes(8, "little") + block[8:])
    return LARGE_BYTES


def make_small(directory):
    for number in range(SMALL_FILES):
        below = os.path.join(directory, f"{number // 1000:03}")
        if number % 1000 == 0:
            os.mkdir(below)
        with open(os.path.join(below, f"{number % 1000:03}"), "wb") as file:
            file.write(number.to_bytes(8, "little") * (SMALL_BYTES // 8))
    return SMALL_FILES * SMALL_BYTES


class Daemon:
    """rsync --daemon on the first host, which takes files into a directory."""

    def __init__(self, bench, hosts):
        self.directory = tempfile.mkdtemp(prefix="rsync-", dir=hosts.root)
        self.url = f"rsync://{hosts.addresses[0]}:{_PORT}/files/"
        config = os.path.join(self.directory, "config")
        with open(config, "w", encoding="ascii") as file:
            file.write("use chroot = no\nuid = 0\ngid = 0\nlog file = /dev/null"
                       f"\n[files]\npath = {self.directory}/files\n"
                       "read only = no\n")
        os.mkdir(os.path.join(self.directory, "files"))
        self.process = subprocess.Popen(
            [*hosts.enter(0), "rsync", "--daemon", "--no-detach",
             f"--port={_PORT}", f"--config={config}"],
            stdin=subprocess.DEVNULL, env=environment(bench.mark()))
        self._wait(hosts)

    def _wait(self, hosts):
        end = time.monotonic() + DEADLINE
        while subprocess.run([*hosts.enter(1), "rsync", "-q", self.url],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL,
                             check=False).returncode != 0:
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("rsync --daemon does not listen")
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory)

    def clear(self):
        shutil.rmtree(os.path.join(self.directory, "files"))
        os.mkdir(os.path.join(self.directory, "files"))


def _bytes_below(directory):
    return sum(os.path.getsize(os.path.join(path, name))
               for path, _, names in os.walk(directory) for name in names)


def _settle():
    os.sync()  # nobody pays for another one's pages


def _by_rsync(hosts, daemon, source, size, *flags):
    daemon.clear()
    _settle()
    begin = time.monotonic()
    subprocess.run([*hosts.enter(1), "rsync", "-a", *flags, f"{source}/",
                    daemon.url], check=True, timeout=10 * DEADLINE)
    seconds = time.monotonic() - begin
    if _bytes_below(os.path.join(daemon.directory, "files")) != size:
        raise RuntimeError("rsync has not sent everything")
    return seconds


def _by_muster(bench, hosts, source, size):
    """A whole job: from the start of the agents until the last one's end."""
    directory = tempfile.mkdtemp(prefix="files-", dir=hosts.root)
    try:
        agents = bench.agents(
            hosts, ["true"], bench.mark(),
            ["--console", "none", "--run-dir", directory], 2)
        # The second host's agent finds them in its working directory.
        outputs = os.path.join(hosts.directory(1), "outputs")
        os.rename(source, outputs)
        _settle()
        try:
            seconds = run_together(agents, 0)
        finally:
            os.rename(outputs, source)
        [stored] = glob.glob(os.path.join(directory, "*/nodes/node1/outputs"))
        if _bytes_below(stored) != size:
            raise RuntimeError("muster has not sent everything")
        return seconds
    finally:
        shutil.rmtree(directory)


def beside_rsync(bench, hosts, make):
    """Seconds of muster, of rsync --fsync, and of plain rsync."""
    source = tempfile.mkdtemp(prefix="source-", dir=hosts.directory(1))
    try:
        size = make(source)
        with Daemon(bench, hosts) as daemon:
            return alternate(
                min(bench.runs, FEW_RUNS),
                lambda: _by_muster(bench, hosts, source, size),
                lambda: _by_rsync(hosts, daemon, source, size, "--fsync"),
                lambda: _by_rsync(hosts, daemon, source, size))
    finally:
        shutil.rmtree(source)
