"""What a worker's output costs, and how fast it goes to another host."""

import glob
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time

from launchers import (FEW_RUNS, Waiting, alternate, environment,
                       run_together, survivors)

OUTPUT_BYTES = 300_000_000
OFFERED = 50_000_000  # bytes in a second
OFFERED_SECONDS = 4
BLOCK_LINES = 600

# Rank 1 writes lines of 100 bytes. It says itself when it begins, so that no
# launcher's start counts.
_WRITER = """
import os, sys, time
if os.environ.get("RANK", os.environ.get("OMPI_COMM_WORLD_RANK")) == "1":
    block = (b"x" * 99 + b"\\n") * int(sys.argv[3])
    left = int(sys.argv[1])
    with open(sys.argv[2], "w") as file:
        file.write(str(time.time()))
    while left > 0:
        left -= os.write(1, block[:left])
"""

# A worker that computes, and writes what it has computed; argv: bytes, rounds
# of hashing for each block, and where to say how long it took. It is never
# early, so whatever holds it up makes it late.
_COMPUTER = """
import hashlib, os, sys, time
if os.environ.get("RANK", "1") == "1":
    block = (b"x" * 99 + b"\\n") * 600
    begin = time.monotonic()
    for _ in range(int(sys.argv[1]) // len(block)):
        for _ in range(int(sys.argv[2])):
            hashlib.sha256(block).digest()
        left = block
        while left:
            left = left[os.write(1, left):]
    with open(sys.argv[3], "w") as file:
        file.write(str(time.monotonic() - begin))
"""


def _number(path):
    with open(path, encoding="ascii") as file:
        return float(file.read())


def _workers(bench, hosts, directory, worker, flags=()):
    """Two agents, and the second one's worker is on the other host."""
    return bench.agents(
        hosts, worker, bench.mark(),
        [*flags, "--console", "none", "--run-dir", directory], 2)


# ---- as fast as it can ----

def _bytes_per_second(directory, start, log):
    """From the rank's first write until all is durable in the log, and over."""
    began = os.path.join(directory, "began")
    writer = [sys.executable, "-c", _WRITER, str(OUTPUT_BYTES), began,
              str(BLOCK_LINES)]
    run_together(start(writer), 0)
    end = time.time()
    [path] = glob.glob(os.path.join(directory, log))
    if os.path.getsize(path) != OUTPUT_BYTES:
        raise RuntimeError(f"{path}: {os.path.getsize(path)} bytes")
    return OUTPUT_BYTES / (end - _number(began))


def lines(bench, hosts, flags=()):
    """Of muster, which acknowledges what is durable, and of mpirun."""
    def measure(start, log):
        directory = tempfile.mkdtemp(prefix="lines-", dir=hosts.root)
        try:
            return _bytes_per_second(
                directory, lambda writer: start(directory, writer), log)
        finally:
            shutil.rmtree(directory)

    return alternate(
        min(bench.runs, FEW_RUNS),
        lambda: measure(lambda directory, writer: _workers(
            bench, hosts, directory, writer, flags), "*/logs/1.stdout"),
        lambda: measure(lambda directory, writer: bench.mpirun(
            hosts, writer, bench.mark(), nodes=2,
            out=os.path.join(directory, "out")), "out"))


# ---- beside a worker that computes ----

def _rounds_for(hosts):
    """So many of them that the worker writes OFFERED bytes in a second."""
    def seconds(rounds):
        return _into_a_file(hosts, OFFERED, rounds)

    base, more = seconds(0), seconds(8)
    return max(1, round(8 * (1 - base) / max(more - base, 1e-3)))


def _into_a_file(hosts, size, rounds):
    directory = tempfile.mkdtemp(prefix="alone-", dir=hosts.directory(1))
    try:
        took = os.path.join(directory, "took")
        worker = Waiting(
            hosts.enter(1),
            [sys.executable, "-c", _COMPUTER, str(size), str(rounds), took],
            directory, environment("alone"), os.path.join(directory, "out"))
        run_together([worker], 0)
        return _number(took)
    finally:
        shutil.rmtree(directory)


def _through_muster(bench, hosts, size, rounds):
    directory = tempfile.mkdtemp(prefix="beside-", dir=hosts.root)
    try:
        took = os.path.join(directory, "took")
        run_together(_workers(bench, hosts, directory, [
            sys.executable, "-c", _COMPUTER, str(size), str(rounds), took]), 0)
        return _number(took)
    finally:
        shutil.rmtree(directory)


def growth(bench, hosts):
    """The worker's own time through muster, and into a local file."""
    rounds = _rounds_for(hosts)
    size = OFFERED * OFFERED_SECONDS
    ours, alone = alternate(
        min(bench.runs, 2 * FEW_RUNS),
        lambda: _through_muster(bench, hosts, size, rounds),
        lambda: _into_a_file(hosts, size, rounds))
    print(f"# offered: {size / statistics.median(alone) / 1e6:.0f} MB/s",
          flush=True)
    return ours, alone


# ---- memory ----

def _largest_rss(bench, mark, host_pid, over):
    """The sum of the peaks (MiB) of the host's agent and keeper."""
    peaks = {}
    space = os.stat(f"/proc/{host_pid}/ns/net").st_ino
    while not over.is_set():
        for pid in survivors(mark):
            try:
                if (os.path.realpath(f"/proc/{pid}/exe") != bench.binary or
                        os.stat(f"/proc/{pid}/ns/net").st_ino != space):
                    continue
                with open(f"/proc/{pid}/status", encoding="ascii") as file:
                    for line in file:
                        if line.startswith("VmHWM:"):
                            peaks[pid] = int(line.split()[1]) / 1024
            except OSError:
                pass  # it has ended meanwhile
        over.wait(0.02)
    return sum(peaks.values())


def memory(bench, hosts):
    """MiB of agent and keeper on a host whose rank writes all the time."""
    directory = tempfile.mkdtemp(prefix="memory-", dir=hosts.root)
    over = threading.Event()
    found = []
    try:
        agents = _workers(bench, hosts, directory, [
            sys.executable, "-c", _WRITER, str(3 * OUTPUT_BYTES),
            os.path.join(directory, "began"), str(BLOCK_LINES)])
        watcher = threading.Thread(target=lambda: found.append(_largest_rss(
            bench, agents[0].mark, hosts.pid(1), over)))
        watcher.start()
        try:
            run_together(agents, 0)
        finally:
            over.set()
            watcher.join()
        return found[0]
    finally:
        shutil.rmtree(directory)
