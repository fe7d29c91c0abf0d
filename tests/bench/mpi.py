"""What --framework mpi costs, beside mpirun alone."""

import contextlib
import glob
import json
import os
import shutil
import signal
import sys
import tempfile
import time

from launchers import (alternate, environment, kill_all, run_together,
                       survivors, wait_until)

MPI = ["--framework", "mpi"]
OUTPUT_BYTES = 300_000_000
FEW_RUNS = 5  # of what takes seconds

# The rank itself says when it begins, so that no launcher's start counts.
_WRITER = """
import os, sys, time
if os.environ["OMPI_COMM_WORLD_RANK"] == "1":
    block = (b"x" * 99 + b"\\n") * 600
    left = int(sys.argv[1])
    with open(sys.argv[2], "w") as file:
        file.write(str(time.time()))
    while left > 0:
        left -= os.write(1, block[:left])
"""


# ---- mpirun through the agents of a running job ----

def _variable_of(pid, name):
    with open(f"/proc/{pid}/environ", "rb") as file:
        for entry in file.read().split(b"\0"):
            if entry.startswith(name.encode() + b"="):
                return entry.partition(b"=")[2].decode()
    return None


def _socket(mark):
    """The agent's of the host on which the marked job's mpirun runs."""
    for pid in survivors(mark):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read() == "mpirun\n":
                    return _variable_of(pid, "MUSTER_AGENT_SOCKET")
    raise RuntimeError("the job has no mpirun")


@contextlib.contextmanager
def _running_job(bench, hosts):
    """The socket of the first host's agent, while ranks hold the job."""
    shared = tempfile.mkdtemp(prefix="holding-", dir=hosts.root)
    mark = bench.mark()
    agents = bench.agents(hosts, [
        "sh", "-c", f"touch {shared}/$RANK; exec sleep 1000"], mark, MPI)
    try:
        for agent in agents:
            agent.start()
        wait_until(lambda: len(os.listdir(shared)) == len(hosts.names),
                   "the start of all ranks")
        yield _socket(mark)
        agents[0].process.send_signal(signal.SIGTERM)
        for agent in agents:
            agent.end(128 + signal.SIGTERM)
    finally:
        kill_all(mark)


def through_rsh(bench, hosts):
    with _running_job(bench, hosts) as socket:
        return alternate(
            bench.runs,
            lambda: run_together(bench.mpirun(
                hosts, ["true"], bench.mark(), f"{bench.binary} rsh",
                {"MUSTER_AGENT_SOCKET": socket}), 0),
            lambda: run_together(
                bench.mpirun(hosts, ["true"], bench.mark()), 0))


# ---- whole jobs ----

def whole_jobs(bench, hosts):
    """Seconds of the start as reported, of all of it, and of mpirun."""
    def job():
        with tempfile.TemporaryDirectory(dir=hosts.root) as run:
            seconds = run_together(bench.agents(
                hosts, ["true"], bench.mark(), [*MPI, "--run-dir", run]), 0)
            [report] = glob.glob(f"{run}/*/report.json")
            with open(report, encoding="utf-8") as file:
                return json.load(file)["durations"]["start"], seconds

    ours, theirs = alternate(
        bench.runs, job,
        lambda: run_together(bench.mpirun(hosts, ["true"], bench.mark()), 0))
    starts, ends = zip(*ours)
    return starts, ends, theirs


# ---- output ----

def _bytes_per_second(directory, start, log):
    """From the rank's first write until everything is in the log, and over."""
    began = os.path.join(directory, "began")
    writer = [sys.executable, "-c", _WRITER, str(OUTPUT_BYTES), began]
    run_together(start(writer), 0)
    end = time.time()
    [path] = glob.glob(os.path.join(directory, log))
    if os.path.getsize(path) != OUTPUT_BYTES:
        raise RuntimeError(f"{path}: {os.path.getsize(path)} bytes")
    with open(began, encoding="ascii") as file:
        return OUTPUT_BYTES / (end - float(file.read()))


def outputs(bench, hosts):
    def measure(start, log):
        directory = tempfile.mkdtemp(prefix="output-", dir=hosts.root)
        try:
            return _bytes_per_second(
                directory, lambda writer: start(directory, writer), log)
        finally:
            shutil.rmtree(directory)

    return alternate(
        min(bench.runs, FEW_RUNS),
        lambda: measure(lambda directory, writer: bench.agents(
            hosts, writer, bench.mark(),
            [*MPI, "--console", "none", "--run-dir", directory], 2),
                        "*/logs/1.stdout"),
        lambda: measure(lambda directory, writer: bench.mpirun(
            hosts, writer, bench.mark(), nodes=2,
            out=os.path.join(directory, "out")), "out"))
