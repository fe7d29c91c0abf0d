"""What --framework mpi costs, beside mpirun alone."""

import contextlib
import glob
import json
import os
import shutil
import signal
import tempfile

from launchers import (alternate, environment, kill_all, run_together,
                       survivors, wait_until)

MPI = ["--framework", "mpi"]


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
