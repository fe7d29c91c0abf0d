"""The self-test: how long it takes, and whether its figures are right."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile

from launchers import (FEW_RUNS, Waiting, alternate, environment,
                       run_together)

# Built with the tests, and optimised.
GLOO_BENCH = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))), "build", "dev", "tests", "bench",
    "gloo_bench")

HOSTS = 8
MANY = 4  # times as many runs, of figures that spread
RATE = "5gbit"  # of links that are slower than the processors
SECONDS = 0.2  # for which the self-test reduces, and so does the other
GLOO = ["--fabric-check", "gloo"]


def agents(bench, hosts, flags=(), nodes=None):
    """`muster check` on each host, ready to start; the first one's file."""
    nodes = nodes or len(hosts.names)
    mark = bench.mark()
    waiting = []
    report = os.path.join(hosts.root, f"fabric-{bench.count}.json")
    for host in range(nodes):
        waiting.append(Waiting(
            hosts.enter(host),
            [bench.binary, "check", "--json", "--nnodes", str(nodes),
             "--rdzv-endpoint", hosts.addresses[0], *GLOO, *flags],
            bench.scratch(hosts.directory(host)),
            environment(mark, MUSTER_TOKEN=bench.token),
            report if host == 0 else "/dev/null"))
    return waiting, report


def check(bench, hosts, expected=0):
    return run_together(agents(bench, hosts)[0], expected)


def healthy(bench, hosts):
    return alternate(bench.runs, lambda: check(bench, hosts))[0]


def one_bad(bench, hosts):
    """The last host reaches only the first one, where the nodes meet."""
    bad = len(hosts.names) - 1
    for other in range(1, bad):
        hosts.cut(other, bad)
    return alternate(min(bench.runs, FEW_RUNS),
                     lambda: check(bench, hosts, 75))[0]


def simulated(bench):
    return alternate(
        min(bench.runs, FEW_RUNS),
        lambda: bench.local([bench.binary, "sim", "--nnodes", "64",
                             "--nproc-per-node", "1", *GLOO, "--", "true"]))[0]


def measured(bench, hosts, size):
    """Seconds of a reduction of two hosts, as the self-test says."""
    waiting, report = agents(bench, hosts, ["--size", str(size)], nodes=2)
    run_together(waiting, 0)
    with open(report, encoding="utf-8") as file:
        tests = json.load(file)["tests"]
    if tests[0]["bytes"] != size:
        raise RuntimeError(f"it took {tests[0]['bytes']} bytes, not {size}")
    return tests[0]["seconds"]


def reference(bench, hosts, size):
    """The same, as Gloo's own benchmark measures it."""
    meeting = tempfile.mkdtemp(dir=hosts.root)
    members = [subprocess.Popen(
        [*hosts.enter(rank), GLOO_BENCH, str(rank), "2", hosts.addresses[rank],
         meeting, str(size), str(SECONDS)],
        stdout=subprocess.PIPE, text=True, start_new_session=True)
        for rank in range(2)]
    seconds = [float(member.communicate()[0].split()[1])
               for member in members]
    shutil.rmtree(meeting)
    if any(member.returncode != 0 for member in members):
        raise RuntimeError("gloo_bench failed")
    return max(seconds)  # as the self-test does: by the slowest member


def figures(bench, hosts, rate, size):
    """`rate` limits the links; without, they are as fast as the processors.

    Then all threads of both hosts share these, which spreads the figures: it
    takes more of them.
    """
    if rate:
        for host in range(2):
            hosts.limit(host, rate)
    return alternate(bench.runs if rate else MANY * bench.runs,
                     lambda: measured(bench, hosts, size),
                     lambda: reference(bench, hosts, size))


def apart(ours, theirs):
    """By which part of the other's the medians differ."""
    ratio = statistics.median(ours) / statistics.median(theirs)
    return abs(ratio - 1)
