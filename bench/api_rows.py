"""Rows of the API: durable writes and watches, beside etcd over its HTTP gateway where Debian's is to be had.

Both are spoken to in plain HTTP/1.1 on loopback by the same client, one kept connection per writer.
"""
import base64
import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

OBJECT_BYTES = 2048


class OverSocket(http.client.HTTPConnection):
    """HTTP over the local API's Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


def call(connection, method, path, body):
    connection.request(method, path, body=json.dumps(body), headers={"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status < 300, (answer.status, text[:300])
    return json.loads(text)


def config_map(name, marker):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"},
            "data": {"text": f"{marker:016d}".ljust(OBJECT_BYTES, "x")}}


MAPS = "/api/v1/namespaces/default/configmaps"


class Tidemill:
    def __init__(self, platform):
        self.socket = platform.data / "api.sock"
        self.uids = {}

    def connection(self):
        return OverSocket(self.socket)

    def first(self, connection, name):
        self.uids[name] = call(connection, "POST", MAPS, config_map(name, 0))["metadata"]["uid"]

    def write(self, connection, name, marker):
        document = config_map(name, marker)
        document["metadata"]["uid"] = self.uids[name]
        call(connection, "PUT", f"{MAPS}/{name}", document)


class Etcd:
    def __init__(self, address):
        self.address = address

    def connection(self):
        return http.client.HTTPConnection(*self.address, timeout=30)

    @staticmethod
    def first(connection, name):
        Etcd.write(connection, name, 0)

    @staticmethod
    def write(connection, name, marker):
        encode = lambda text: base64.b64encode(text.encode()).decode()  # noqa: E731
        call(connection, "POST", "/v3/kv/put",
             {"key": encode(name), "value": encode(json.dumps(config_map(name, marker)))})


def etcd_program(directory):
    """Debian's etcd, installed or unpacked privately; None where it is not to be had."""
    if found := shutil.which("etcd"):
        return found
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return None
    Path(directory).chmod(0o777)  # apt fetches as its own user
    try:
        done = subprocess.run(["apt-get", "download", "etcd-server"], cwd=directory, capture_output=True,
                              timeout=120)
    except subprocess.TimeoutExpired:
        return None
    packages = list(Path(directory).glob("etcd-server_*.deb"))
    if done.returncode != 0 or not packages:
        return None
    subprocess.run(["dpkg-deb", "-x", packages[0], directory], check=True)
    return str(Path(directory) / "usr/bin/etcd")


class EtcdServer:
    """One etcd with its shipped defaults on ports of its own."""

    def __init__(self, program, directory, ports):
        client, peer = (f"http://127.0.0.1:{port}" for port in ports)
        self.address = ("127.0.0.1", ports[0])
        self.process = subprocess.Popen(
            [program, "--data-dir", f"{directory}/data", "--listen-client-urls", client,
             "--advertise-client-urls", client, "--listen-peer-urls", peer,
             "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        end = time.monotonic() + 20
        while True:
            try:
                Etcd.write(Etcd(self.address).connection(), "ready", 1)
                return self
            except (OSError, AssertionError, http.client.HTTPException):
                assert self.process.poll() is None and time.monotonic() < end, "etcd does not answer"
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def write_time(server, writers, writes, tag):
    """Microseconds per write, with so many writers at once."""
    failures = []
    barrier = threading.Barrier(writers + 1)

    def work(number):
        name = f"bench-{tag}-{number}"
        connection = server.connection()
        try:
            server.first(connection, name)
            barrier.wait()
            for marker in range(1, writes + 1):
                server.write(connection, name, marker)
        except Exception as error:  # to the one who waits
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    try:
        barrier.wait()
        began = time.monotonic()
    except threading.BrokenBarrierError:
        began = time.monotonic()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return (time.monotonic() - began) / (writers * writes) * 1e6


def watch_times(server, writes):
    """Seconds from the sending of a write to the watcher's line of it, for each write."""
    writer = server.connection()
    server.first(writer, "bench-watched")
    seen = {}
    ready = threading.Event()

    def watch():
        connection = server.connection()
        connection.request("GET", f"{MAPS}?watch=1&fieldSelector=metadata.name%3Dbench-watched")
        answer = connection.getresponse()
        while len(seen) <= writes:
            line = answer.readline()
            now = time.monotonic()
            seen[int(json.loads(line)["object"]["data"]["text"].rstrip("x"))] = now
            ready.set()

    thread = threading.Thread(target=watch)
    thread.start()
    assert ready.wait(10), "the watch begins with the object"
    sent = {}
    for marker in range(1, writes + 1):
        sent[marker] = time.monotonic()
        server.write(writer, "bench-watched", marker)
    thread.join(30)
    return [seen[marker] - sent[marker] for marker in sent]


def bench_api(platform, row, say, quantile, free_port):
    say("api: durable writes of 2 KB, and their lines at a watcher")
    ours = Tidemill(platform)
    sizes = {"c1": (1, 300), "c32": (32, 60)}
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-etcd-") as directory:
        program = etcd_program(directory)
        if program is None:
            say("  SKIP: etcd-server is neither installed nor to be downloaded: api.write has no peer")
            for name, (writers, writes) in sizes.items():
                row(f"api.write.{name}", "us", write_time(ours, writers, writes, name))
        else:
            with EtcdServer(program, directory, (free_port(), free_port())) as etcd:
                for name, (writers, writes) in sizes.items():
                    mine, theirs = [], []
                    for turn in range(3):
                        mine.append(write_time(ours, writers, writes, f"{name}-{turn}"))
                        theirs.append(write_time(Etcd(etcd.address), writers, writes, f"{name}-{turn}"))
                    row(f"api.write.{name}", "us", sorted(mine)[1], "etcd", sorted(theirs)[1])
    times = [seconds * 1000 for seconds in watch_times(ours, 500)]
    for q in (0.5, 0.99):
        row(f"api.watch.p{round(q * 100)}", "ms", quantile(times, q))
