"""What a collector holds for each node that is connected and says nothing.

Each session is a connection of its own with mutual TLS, and on it one open
stream of logs and one of files, as an agent has them.
"""

import contextlib
import hashlib
import hmac
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading

from launchers import DEADLINE, environment, kill_all

SESSIONS = 1000
_RUN = "idle"
_RUN_KEY = bytes(range(32))


# ---- messages, as proto/collector.proto has them ----

def _varint(value):
    out = b""
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _bytes(field, value):
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _introduction(node):
    """Of a node with the one rank of its number, in LogUp or FileUp."""
    text = f"muster node {node} attempt 0 ranks {node}+1 of {SESSIONS}"
    key = hmac.new(_RUN_KEY, text.encode(), hashlib.sha256).digest()
    return _bytes(1, b"".join([
        _bytes(1, _RUN.encode()), _number(2, node), _number(3, node),
        _number(4, 1), _number(5, SESSIONS), _bytes(7, key),
        _bytes(8, f"incarnation{node}".encode())]))


def _make_run():
    """RecordUpdate that does no more than that."""
    return _bytes(1, _RUN.encode()) + _bytes(2, _RUN_KEY)


# ---- the two ends ----

def _certificates(directory):
    """A private authority, and one certificate for everybody."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True,
                       capture_output=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=bench", "-days", "2")
    openssl("req", *curve, "-keyout", "key.pem", "-out", "request",
            "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1")
    openssl("x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-out", "cert.pem", "-days", "2",
            "-copy_extensions", "copy")


@contextlib.contextmanager
def _collector(bench, directory):
    """The process and its port."""
    mark = bench.mark()
    process = subprocess.Popen(
        [bench.binary, "collect", "--dir", "runs", "--listen", "127.0.0.1:0",
         "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-ca",
         "ca.pem"], cwd=directory, env=environment(mark),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline()
        port = line.strip().rpartition(":")[2]
        if not port.isdigit():
            raise RuntimeError(f"muster collect says: {line}")
        yield process, int(port)
    finally:
        kill_all(mark)
        process.wait()
        process.stdout.close()


def _resident(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise RuntimeError("muster collect has ended")


def _raise_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# ---- what is measured ----

def _connect(port, directory):
    """Opens all sessions and waits until each of them is welcome; run as a
    program of its own, so that its memory and threads are nobody's."""
    import grpc  # pylint: disable=import-outside-toplevel
    _raise_limit()
    texts = {}
    for name in ("ca.pem", "key.pem", "cert.pem"):
        with open(os.path.join(directory, name), "rb") as file:
            texts[name] = file.read()
    credentials = grpc.ssl_channel_credentials(
        texts["ca.pem"], texts["key.pem"], texts["cert.pem"])
    held = []

    def open_channel():
        channel = grpc.secure_channel(
            f"127.0.0.1:{port}", credentials,
            [("grpc.use_local_subchannel_pool", 1),
             ("grpc.enable_http_proxy", 0)])
        held.append(channel)
        return channel

    open_channel().unary_unary("/muster.Collector/Record")(
        _make_run(), timeout=DEADLINE)

    def introduced(node):
        yield _introduction(node)
        threading.Event().wait()  # and says nothing more

    for node in range(SESSIONS):
        channel = open_channel()
        for method in ("Logs", "Files"):
            stream = channel.stream_stream(f"/muster.Collector/{method}")(
                introduced(node))
            next(stream)
            held.append(stream)
    print("all are open", flush=True)
    sys.stdin.read()
    os._exit(0)  # a thousand channels take their time to close


def per_session(bench):
    """KiB of the collector's memory for each session."""
    directory = tempfile.mkdtemp(prefix="sessions-")
    try:
        _certificates(directory)
        with _collector(bench, directory) as (process, port):
            before = _resident(process)
            client = subprocess.Popen(
                ["/usr/bin/python3", os.path.abspath(__file__), str(port),
                 directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=environment(bench.mark()))
            try:
                if client.stdout.readline() != b"all are open\n":
                    raise RuntimeError("the sessions could not be opened")
                return (_resident(process) - before) / SESSIONS
            finally:
                client.kill()
                client.wait()
                client.stdin.close()
                client.stdout.close()
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    _connect(int(sys.argv[1]), sys.argv[2])
