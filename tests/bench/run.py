#!/usr/bin/env python3
"""Measures muster side by side with mpirun and writes RESULTS.md.

  tests/bench/run.py [--binary build/release/launcher/muster] [--runs 15]

Each pair of numbers comes from alternating runs on the same machine; what is
shown is the median with the smallest and the largest value. Needs root, for
hosts out of network namespaces, and Open MPI's mpirun to compare with. A goal
that is missed is a line in the table and no error: how fast a shared machine
is today proves nothing about a change.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from hosts import Hosts

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MARK = "BENCH_FAMILY"  # variable that all processes of a measured job carry
DEADLINE = 120

MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe"]


# ---- small things ----

def environment(mark, **more):
    keep = {name: value for name, value in os.environ.items()
            if not name.startswith("MUSTER_")}
    return {**keep, MARK: mark, **more}


def survivors(mark):
    """Pids of live processes that carry the mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                carries = wanted in file.read().split(b"\0")
            with open(f"/proc/{name}/stat", "rb") as file:
                zombie = file.read().rpartition(b")")[2].split()[0] == b"Z"
        except OSError:
            continue
        if carries and not zombie:
            found.append(int(name))
    return found


def kill_all(mark):
    while survivors(mark):
        for pid in survivors(mark):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not happen in {DEADLINE} s")
        time.sleep(0.002)


def alternate(runs, *measures):
    """One list of values for each measure, after one run to warm up."""
    values = [[] for _ in measures]
    for run in range(runs + 1):
        for kept, measure in zip(values, measures):
            value = measure()
            if run > 0:
                kept.append(value)
    return values


class Waiting:
    """A command that is ready to start: a warm shell that waits for a byte."""

    def __init__(self, prefix, command, cwd, env):
        self.mark = env[MARK]
        self.process = subprocess.Popen(
            [*prefix, "sh", "-c",
             'echo ready; read go; exec "$@" </dev/null >/dev/null 2>"$LOG"',
             "sh", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd,
            env={**env, "LOG": os.path.join(cwd, "stderr")})
        self.log = os.path.join(cwd, "stderr")
        self.process.stdout.readline()

    def start(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self, expected):
        try:
            code = self.process.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            code = "the deadline"
            kill_all(self.mark)
        self.process.stdin.close()
        self.process.stdout.close()
        if code != expected:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                raise RuntimeError(f"ended with {code}:\n{file.read()}")


def run_together(waiting, expected):
    """Seconds from the common start to the last end."""
    begin = time.monotonic()
    for one in waiting:
        one.start()
    for one in waiting:
        one.end(expected)
    return time.monotonic() - begin


# ---- the two launchers ----

class Bench:
    def __init__(self, binary, runs):
        self.binary = binary
        self.runs = runs
        self.count = 0
        self.token = subprocess.run([binary, "token"], check=True, text=True,
                                    capture_output=True).stdout.strip()

    def scratch(self, parent=None):
        return tempfile.mkdtemp(prefix="run-", dir=parent)

    def mark(self):
        self.count += 1
        return f"{os.getpid()}.{self.count}"

    def local(self, command, expected=0):
        """Seconds of one command in a fresh directory."""
        directory = self.scratch()
        try:
            waiting = Waiting([], command, directory, environment(self.mark()))
            return run_together([waiting], expected)
        finally:
            shutil.rmtree(directory)

    def agents(self, hosts, worker, mark):
        """One agent for each host, ready to start."""
        waiting = []
        for host in range(len(hosts.names)):
            directory = self.scratch(hosts.directory(host))
            command = [self.binary, "run", "--nnodes", str(len(hosts.names)),
                       "--nproc-per-node", "1", "--rdzv-endpoint",
                       hosts.addresses[0], "--fabric-check", "off",
                       "--", *worker]
            waiting.append(Waiting(
                hosts.enter(host), command, directory,
                environment(mark, MUSTER_TOKEN=self.token)))
        return waiting

    def mpirun(self, hosts, worker, mark):
        """mpirun over the same hosts, started remotely without ssh."""
        agent = os.path.join(hosts.root, "rsh")
        with open(agent, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nhost=$1; shift\ncase $host in\n")
            for host, address in enumerate(hosts.addresses):
                file.write(f"{address}) pid={hosts.pid(host)};;\n")
            file.write("esac\nexec nsenter --target=$pid --net --mount --uts "
                       '-- sh -c "$*"\n')
        os.chmod(agent, 0o755)
        command = [*MPIRUN, "--mca", "plm_rsh_agent", agent,
                   "--mca", "plm_rsh_no_tree_spawn", "1",
                   "--mca", "oob_tcp_if_include", "10.77.0.0/16",
                   "--mca", "btl_tcp_if_include", "10.77.0.0/16",
                   "--host", ",".join(f"{a}:1" for a in hosts.addresses),
                   "-x", MARK, *worker]
        directory = self.scratch(hosts.directory(0))
        return [Waiting(hosts.enter(0), command, directory, environment(mark))]


# ---- what is measured ----

def two_workers(bench):
    return alternate(
        bench.runs,
        lambda: bench.local([bench.binary, "run", "--nproc-per-node", "2",
                             "--", "true"]),
        lambda: bench.local([*MPIRUN, "-np", "2", "true"]))


def four_hosts(bench, hosts):
    return alternate(
        bench.runs,
        lambda: run_together(bench.agents(hosts, ["true"], bench.mark()), 0),
        lambda: run_together(bench.mpirun(hosts, ["true"], bench.mark()), 0))


def many_agents(bench):
    return alternate(
        bench.runs,
        lambda: bench.local([bench.binary, "sim", "--nnodes", "64",
                             "--nproc-per-node", "1", "--", "true"]))[0]


def failure(hosts, start, mark):
    """Seconds from a worker's death on the last host until all is over."""
    shared = tempfile.mkdtemp(prefix="failure-", dir=hosts.root)
    worker = ["sh", "-c",
              f"cd {shared}; rank=${{RANK:-$OMPI_COMM_WORLD_RANK}};"
              f"if [ $rank = {len(hosts.names) - 1} ]; then mkfifo go;"
              "  touch up.$rank; read go <go; date +%s.%N >died; exit 9; fi;"
              "touch up.$rank; exec sleep 1000"]
    waiting = start(hosts, worker, mark)
    for one in waiting:
        one.start()
    wait_until(lambda: len([name for name in os.listdir(shared)
                            if name.startswith("up.")]) == len(hosts.names),
               "the start of all workers")
    with open(os.path.join(shared, "go"), "w", encoding="ascii") as file:
        file.write("go\n")
    for one in waiting:
        one.end(9)
    wait_until(lambda: not survivors(mark), "the end of all processes")
    end = time.time()
    with open(os.path.join(shared, "died"), encoding="ascii") as file:
        return end - float(file.read())


def failures(bench, hosts):
    return alternate(
        bench.runs,
        lambda: failure(hosts, bench.agents, bench.mark()),
        lambda: failure(hosts, bench.mpirun, bench.mark()))


def resident(bench):
    """(RSS, PSS) in MiB of agent and keeper while a worker runs."""
    directory = bench.scratch()
    mark = bench.mark()
    agent = subprocess.Popen(
        [bench.binary, "run", "--nproc-per-node", "1", "--", "sh", "-c",
         "echo up; exec sleep 1000"], cwd=directory, env=environment(mark),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    try:
        for line in agent.stdout:
            if b"up" in line:
                break
        totals = {"Rss": 0, "Pss": 0}
        for pid in survivors(mark):
            if os.path.realpath(f"/proc/{pid}/exe") != bench.binary:
                continue
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                for line in file:
                    name = line.partition(":")[0]
                    if name in totals:
                        totals[name] += int(line.split()[1])
        return totals["Rss"] / 1024, totals["Pss"] / 1024
    finally:
        agent.terminate()
        agent.wait(timeout=DEADLINE)
        agent.stdout.close()
        shutil.rmtree(directory)


# ---- the table ----

def shown(values, unit):
    scale, digits = (1000, 0) if unit == "ms" else (1, 1)
    median, low, high = (f"{scale * value:.{digits}f}" for value in
                         (statistics.median(values), min(values), max(values)))
    return f"{median} {unit} ({low} to {high})"


def row(what, ours, theirs, unit, goal, limit, ratio_decides):
    """`goal` is the text of the limit, which holds for ratio or median."""
    median = statistics.median(ours)
    ratio = median / statistics.median(theirs) if theirs else None
    value = ratio if ratio_decides else median
    return [what, shown(ours, unit), shown(theirs, unit) if theirs else "-",
            f"{ratio:.2f}" if theirs else "-", goal,
            "met" if value <= limit else "MISSED"]


def measure_all(bench):
    yield row("One node, two workers of `true`, until the end",
              *two_workers(bench), "ms", "half of mpirun", 0.5, True)
    with Hosts(4) as hosts:
        yield row("Four hosts, one worker of `true` each, until the last end",
                  *four_hosts(bench, hosts), "ms", "mpirun", 1.0, True)
        yield row("Four hosts, from a worker's death until nothing is left",
                  *failures(bench, hosts), "ms", "200 ms", 0.2, False)
    yield row("64 agents with one worker of `true` each on this machine, until "
              "the last end", many_agents(bench), None, "ms", "3 s", 3.0, False)
    memory = [resident(bench) for _ in range(3)]
    yield row("Memory of agent and keeper, RSS", [rss for rss, _ in memory],
              None, "MiB", "20 MiB", 20, False)
    yield row("Memory of agent and keeper, PSS", [pss for _, pss in memory],
              None, "MiB", "20 MiB", 20, False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=os.path.join(
        ROOT, "build", "release", "launcher", "muster"))
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--out", default=os.path.join(HERE, "RESULTS.md"))
    args = parser.parse_args()

    header = ["What", "muster", "mpirun", "ratio", "goal", "verdict"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    print(lines[0], lines[1], sep="\n", flush=True)
    bench = Bench(os.path.realpath(args.binary), args.runs)
    for cells in measure_all(bench):
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)

    version = subprocess.run(["mpirun", "--version"], capture_output=True,
                             text=True, check=True).stdout.splitlines()[0]
    with open(args.out, "w", encoding="ascii") as file:
        file.write(
            "# Measured\n\nWritten by `tests/bench/run.py`; do not edit.\n\n" +
            "\n".join(lines) +
            f"\n\nMedian (smallest to largest) of {args.runs} runs, muster "
            f"and mpirun in turn, on {os.cpu_count()} cores; {version}. The "
            "hosts are network namespaces of this machine, and mpirun starts "
            "its daemons on them directly instead of over ssh. Memory is the "
            "median of 3 runs.\n")


if __name__ == "__main__":
    main()
