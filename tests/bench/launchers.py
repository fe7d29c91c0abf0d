"""The two launchers as the benchmark starts them: muster and mpirun."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

MARK = "BENCH_FAMILY"  # variable that all processes of a measured job carry
DEADLINE = 120
FEW_RUNS = 5  # of what takes seconds

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

    def __init__(self, prefix, command, cwd, env, out="/dev/null"):
        self.mark = env[MARK]
        self.process = subprocess.Popen(
            [*prefix, "sh", "-c",
             'echo ready; read go; exec "$@" </dev/null >"$OUT" 2>"$LOG"',
             "sh", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd,
            env={**env, "OUT": out, "LOG": os.path.join(cwd, "stderr")})
        self.log = os.path.join(cwd, "stderr")
        self.process.stdout.readline()

    def start(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self, expected):
        # Popen.wait with a limit would look after 31, 63, 113 ms and so on.
        process = os.pidfd_open(self.process.pid)
        ended, _, _ = select.select([process], [], [], DEADLINE)
        os.close(process)
        if ended:
            code = self.process.wait()
        else:
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

    def agents(self, hosts, worker, mark, flags=(), nodes=None):
        """One agent for each host (or the first `nodes`), ready to start."""
        nodes = nodes or len(hosts.names)
        waiting = []
        for host in range(nodes):
            directory = self.scratch(hosts.directory(host))
            command = [self.binary, "run", "--nnodes", str(nodes),
                       "--nproc-per-node", "1", "--rdzv-endpoint",
                       hosts.addresses[0], "--fabric-check", "off", *flags,
                       "--", *worker]
            waiting.append(Waiting(
                hosts.enter(host), command, directory,
                environment(mark, MUSTER_TOKEN=self.token)))
        return waiting

    def direct_agent(self, hosts):
        """What starts a command on a host without ssh: for plm_rsh_agent."""
        agent = os.path.join(hosts.root, "rsh")
        with open(agent, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nhost=$1; shift\ncase $host in\n")
            for host, address in enumerate(hosts.addresses):
                file.write(f"{address}) pid={hosts.pid(host)};;\n")
            file.write("esac\nexec nsenter --target=$pid --net --mount --uts "
                       '-- sh -c "$*"\n')
        os.chmod(agent, 0o755)
        return agent

    def mpirun(self, hosts, worker, mark, agent=None, env=None, nodes=None,
               out="/dev/null"):
        """mpirun over the same hosts, which starts its daemons by `agent`."""
        command = [*MPIRUN, "--mca", "plm_rsh_agent",
                   agent or self.direct_agent(hosts),
                   "--mca", "plm_rsh_no_tree_spawn", "1",
                   "--mca", "oob_tcp_if_include", "10.77.0.0/16",
                   "--mca", "btl_tcp_if_include", "10.77.0.0/16",
                   "--host",
                   ",".join(f"{a}:1" for a in hosts.addresses[:nodes]),
                   "-x", MARK, *worker]
        directory = self.scratch(hosts.directory(0))
        return [Waiting(hosts.enter(0), command, directory,
                        environment(mark, **(env or {})), out)]
