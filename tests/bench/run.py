#!/usr/bin/env python3
"""Measures muster beside mpirun, rsync and Gloo, and writes RESULTS.md.

  tests/bench/run.py [--binary build/release/launcher/muster] [--runs 15]
                     [--only output] [--only files] ...

Each pair of numbers comes from alternating runs on the same machine; what is
shown is the median with the smallest and the largest value. Needs root, for
hosts out of network namespaces, and mpirun (Open MPI's) and rsync to compare
with. A goal that is missed is a line in the table and no error: how fast a
shared machine is today proves nothing about a change.
"""

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import time

import fabric
import files
import mpi
import output
import sessions
from hosts import Hosts
from launchers import (DEADLINE, FEW_RUNS, MARK, MPIRUN, Bench, alternate,
                       environment, run_together, survivors, wait_until)

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MEGABYTES = output.OUTPUT_BYTES // 10**6


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


def many_agents(bench, runs, flags=()):
    return alternate(
        runs,
        lambda: bench.local([bench.binary, "sim", *flags, "--nnodes", "64",
                             "--nproc-per-node", "1", "--fabric-check", "off",
                             "--", "true"]))[0]


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
    scale = {"us": 1e6, "ms": 1000, "MB/s": 1e-6}.get(unit, 1)
    digits = 1 if unit in ("MiB", "s") else 0
    median, low, high = (f"{scale * value:.{digits}f}" for value in
                         (statistics.median(values), min(values), max(values)))
    return f"{median} {unit} ({low} to {high})"


def row(what, ours, theirs, unit, goal, limit, ratio_decides):
    """`goal` is the text of the limit, which holds for ratio or median.

    More is better of what is counted in MB/s, else less. Without a limit the
    row is there to be read.
    """
    median = statistics.median(ours)
    ratio = median / statistics.median(theirs) if theirs else None
    value = ratio if ratio_decides else median
    verdict = "-"
    if limit is not None:
        met = value >= limit if unit == "MB/s" else value <= limit
        verdict = "met" if met else "MISSED"
    return [what, shown(ours, unit), shown(theirs, unit) if theirs else "-",
            f"{ratio:.2f}" if theirs else "-", goal, verdict]


def measure_starts(bench):
    yield row("One node, two workers of `true`, until the end",
              *two_workers(bench), "ms", "half of mpirun", 0.5, True)
    with Hosts(4) as hosts:
        yield row("Four hosts, one worker of `true` each, until the last end",
                  *four_hosts(bench, hosts), "ms", "mpirun", 1.0, True)
        yield row("Four hosts, from a worker's death until nothing is left",
                  *failures(bench, hosts), "ms", "200 ms", 0.2, False)
    yield row("64 agents with one worker of `true` each on this machine, until "
              "the last end", many_agents(bench, bench.runs), None, "ms", "3 s",
              3.0, False)


def measure_mpi(bench):
    with Hosts(4) as hosts:
        yield row("Four hosts, `mpirun ... true` on the first, through `muster "
                  "rsh` of a running job",
                  *mpi.through_rsh(bench, hosts), "ms", "1.3 of mpirun", 1.3,
                  True)
        starts, ends, theirs = mpi.whole_jobs(bench, hosts)
        yield row("Four hosts, `--framework mpi` with `true`, "
                  "`durations.start` of the report", starts, theirs, "ms", "-",
                  None, True)
        yield row("The same, from the start of the agents until the last end",
                  ends, theirs, "ms", "-", None, True)
        yield row("With `--framework mpi`, a rank on another host writes "
                  f"{MEGABYTES} MB in lines of 100 bytes, into a file on the "
                  "first",
                  *output.lines(bench, hosts, mpi.MPI), "MB/s",
                  "3 times mpirun", 3.0, True)
    yield row("64 agents with `--framework mpi` and one worker of `true` each",
              many_agents(bench, min(bench.runs, FEW_RUNS), mpi.MPI), None,
              "ms", "5 s", 5.0, False)


def measure_output(bench):
    with Hosts(2) as hosts:
        yield row(f"A rank on another host writes {MEGABYTES} MB in lines of "
                  "100 bytes, until all is durable on the first (mpirun: "
                  "written)",
                  *output.lines(bench, hosts), "MB/s", "3 times mpirun", 3.0,
                  True)
        yield row("A rank that computes and writes 50 MB/s: its own run time, "
                  "beside one that writes to a local file",
                  *output.growth(bench, hosts), "ms", "1.02 of the file", 1.02,
                  True)
        yield row("Memory of agent and keeper on a host whose rank writes as "
                  "fast as it can, peak of the RSS",
                  [output.memory(bench, hosts) for _ in range(3)], None, "MiB",
                  "64 MiB", 64, False)


def measure_files(bench):
    with Hosts(2) as hosts:
        ours, fsync, plain = files.beside_rsync(bench, hosts, files.make_large)
        what = "`./outputs` of another host with one file of 4 GiB"
        yield row(f"{what}, beside rsync --fsync to a daemon", ours, fsync, "s",
                  "rsync --fsync", 1.0, True)
        yield row("The same, beside plain rsync", ours, plain, "s", "-", None,
                  True)
        ours, fsync, plain = files.beside_rsync(bench, hosts, files.make_small)
        what = "`./outputs` with 100,000 files of 1 KiB"
        yield row(f"{what}, beside rsync --fsync to a daemon", ours, fsync, "s",
                  "rsync --fsync", 1.0, True)
        yield row("The same, beside plain rsync", ours, plain, "s", "-", None,
                  True)
        yield row("The same, alone", ours, None, "s", "60 s", 60.0, False)


def figure_row(bench, hosts, rate, megabytes):
    ours, theirs = fabric.figures(bench, hosts, rate, megabytes << 20)
    links = f"links of {rate}" if rate else "links as fast as the processors"
    cells = row(f"What it measures of two hosts, {links}, {megabytes} MiB, "
                "beside Gloo's own benchmark", ours, theirs, "us",
                "within 5 %", None, True)
    met = fabric.apart(ours, theirs) <= 0.05
    return cells[:-1] + ["met" if met else "MISSED"]


def measure_fabric(bench):
    with Hosts(fabric.HOSTS) as hosts:
        yield row(f"`muster check` of {fabric.HOSTS} hosts with Gloo, until the "
                  "last end", fabric.healthy(bench, hosts), None, "ms", "5 s",
                  5.0, False)
        yield row(f"`muster check` of {fabric.HOSTS} hosts, one of which "
                  "reaches none but the first", fabric.one_bad(bench, hosts),
                  None, "ms", "10 s", 10.0, False)
    for rate, megabytes in itertools.product((fabric.RATE, ""), (4, 16)):
        with Hosts(2) as hosts:
            yield figure_row(bench, hosts, rate, megabytes)
    yield row("64 agents on this machine, with the self-test before a worker "
              "of `true` each", fabric.simulated(bench), None, "ms", "20 s",
              20.0, False)


def measure_memory(bench):
    memory = [resident(bench) for _ in range(3)]
    yield row("Memory of agent and keeper, RSS", [rss for rss, _ in memory],
              None, "MiB", "20 MiB", 20, False)
    yield row("Memory of agent and keeper, PSS", [pss for _, pss in memory],
              None, "MiB", "20 MiB", 20, False)
    yield row(f"Memory of an idle collector for each of {sessions.SESSIONS} "
              "open sessions, mutual TLS",
              [sessions.per_session(bench) for _ in range(3)], None, "KiB",
              "200 KiB", 200, False)


GROUPS = {"starts": measure_starts, "mpi": measure_mpi,
          "output": measure_output, "files": measure_files,
          "fabric": measure_fabric, "memory": measure_memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=os.path.join(
        ROOT, "build", "release", "launcher", "muster"))
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--out", default=os.path.join(HERE, "RESULTS.md"))
    parser.add_argument("--only", choices=GROUPS, action="append",
                        help="measure these and write no file")
    args = parser.parse_args()

    header = ["What", "muster", "the other", "ratio", "goal", "verdict"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    print(lines[0], lines[1], sep="\n", flush=True)
    bench = Bench(os.path.realpath(args.binary), args.runs)
    for name in args.only or GROUPS:
        for cells in GROUPS[name](bench):
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    if args.only:
        return

    version = subprocess.run(["mpirun", "--version"], capture_output=True,
                             text=True, check=True).stdout.splitlines()[0]
    with open(args.out, "w", encoding="ascii") as file:
        file.write(
            "# Measured\n\nWritten by `tests/bench/run.py`; do not edit.\n\n" +
            "\n".join(lines) +
            f"\n\nMedian (smallest to largest) of {args.runs} runs, muster "
            "and mpirun, rsync or Gloo's benchmark in turn, on "
            f"{os.cpu_count()} cores; {version}. The hosts are network "
            "namespaces of this machine, and "
            "mpirun starts its daemons on them directly instead of over ssh. "
            "What a rank writes, 64 nodes with mpi or the self-test, and the "
            "self-test with a bad host are the median of "
            f"{min(args.runs, FEW_RUNS)} runs, a rank's run time of "
            f"{min(args.runs, 2 * FEW_RUNS)}, files and memory of "
            f"{min(args.runs, files.FEW_RUNS)}, what the self-test measures "
            "over links as fast as the processors of "
            f"{fabric.MANY * args.runs}. muster encrypts and says when "
            "all is durable; mpirun and the rsync daemon do not encrypt, and "
            "without --fsync neither waits for the disk.\n")


if __name__ == "__main__":
    main()
