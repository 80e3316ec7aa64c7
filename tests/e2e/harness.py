"""Starts the built binary and clients that we did not write, on loopback, and ends what it started.

A Platform owns one `tidemill up` with its own data directory and ports. Everything is bounded in time;
processes are killed by the process id that was started here.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("TIDEMILL_BINARY", ROOT / "build/release/tidemill"))
# The long forms of tests, for ./dev soak and nights; the short forms keep ./dev test short.
LONG = bool(os.environ.get("TIDEMILL_E2E_LONG"))


def skip(reason):
    """Says loudly that a test did not run here, in the form that scripts/test.sh counts."""
    print(f"SKIP: {reason}", flush=True)
    raise unittest.SkipTest(reason)


def wait_until(check, seconds, what):
    """Polls `check` until it gives something true; fails with `what` when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def is_frozen(groups):
    """Whether a process whose /proc/PID/cgroup says `groups` is kept from running."""
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        for mount, file in ((f"/sys/fs/cgroup/{controllers}", "freezer.self_freezing"),
                            ("/sys/fs/cgroup", "cgroup.freeze"), ("/sys/fs/cgroup/unified", "cgroup.freeze")):
            try:
                if Path(f"{mount}{path}/{file}").read_text().startswith("1"):
                    return True
            except OSError:
                pass
    return False


class Platform:
    """One `tidemill up`. Use as a context manager."""

    def __init__(self, data=None, arguments=(), environment=None, user=None, binary=None):
        self.user = user  # a number: whom root starts it as
        self.binary = binary or BINARY
        self.own_data = data is None
        self.data = Path(data or tempfile.mkdtemp(prefix="tidemill-e2e-"))
        self.arguments = list(arguments)
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.log_path = self.data.parent / (self.data.name + ".log")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is not None:
            print(f"--- end of the platform's log ({self.log_path})")
            print("\n".join(self.log().splitlines()[-60:]))
        if self.own_data:
            shutil.rmtree(self.data, ignore_errors=True)
            self.log_path.unlink(missing_ok=True)

    def start(self, seconds=30):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [str(self.binary), "up", "--data", str(self.data), "--http", "127.0.0.1:0", "--api", "127.0.0.1:0",
             "--metrics", "127.0.0.1:0", *self.arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self.environment,
            **({} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}))
        log.close()
        os.set_blocking(self.process.stdout.fileno(), False)
        text = b""
        end = time.monotonic() + seconds
        while b"\n" not in text:
            text += self.process.stdout.read() or b""
            if self.process.poll() is not None:
                raise AssertionError(f"tidemill up ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > end:
                raise AssertionError(f"tidemill up was not ready within {seconds} s:\n{self.log()}")
            time.sleep(0.005)
        fields = dict(word.split("=", 1) for word in text.decode().split()[1:])
        self.http = self._address(fields["http"])
        self.api = self._address(fields["api"])
        self.metrics = self._address(fields["metrics"])

    @staticmethod
    def _address(text):
        host, port = text.split(",")[0].rsplit(":", 1)
        return host, int(port)

    def stop(self, seconds=40):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"tidemill up did not stop within {seconds} s")
        self.process.stdout.close()
        code, self.process = self.process.returncode, None
        return code

    def kill(self):
        """kill -9 of the supervisor: roles die with it, instances live on."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def role_pid(self, role):
        """The process of a role: a child of the supervisor whose arguments say so."""
        for pid in self._children(self.process.pid):
            words = self._words(pid)
            if words[1:3] == ["role", role]:
                return pid
        return None

    @staticmethod
    def _words(pid):
        try:
            return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except OSError:
            return []

    @staticmethod
    def _children(parent):
        found = []
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(word) for word in task.read_text().split()]
            except OSError:
                pass
        return found

    def kill_role(self, role):
        pid = wait_until(lambda: self.role_pid(role), 10, f"role {role} runs")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.role_pid(role) not in (None, pid), 10, f"role {role} runs again")

    def instances(self, revision=None, frozen=False):
        """What runs (or what is frozen): {instance: process id of its program}, found by the control groups
        of this DATA."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                groups = (entry / "cgroup").read_text()
                match = re.search(rf"/tidemill/{self.data_hash()}/([^/\n]+)", groups)
                # Each instance has an init of the launcher's beside the program.
                if match is None or "memfd:" in os.readlink(entry / "exe"):
                    continue
            except OSError:
                continue
            if is_frozen(groups) != frozen:
                continue
            name, pid = match.group(1), int(entry.name)
            if revision is None or name.startswith(revision + "-"):
                found[name] = min(pid, found.get(name, pid))
        return found

    def data_hash(self):
        """The name under which the platform keeps what belongs to this boot: FNV-1a of DATA."""
        value = 0xCBF29CE484222325
        for byte in str(self.data).encode():
            value = (value ^ byte) * 0x100000001B3 % (1 << 64)
        return f"{value:016x}"

    def access_log(self):
        """The lines of the access log, parsed."""
        path = self.data / "logs/access.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def scrape(self):
        connection = http.client.HTTPConnection(*self.metrics, timeout=10)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise AssertionError(f"/metrics: {answer.status} {text[:200]}")
            return text
        finally:
            connection.close()

    def run(self, *words, input=None, seconds=120, check=True, binary=None):
        """One command of the CLI against this platform."""
        done = subprocess.run([str(binary or BINARY), *map(str, words)], input=input, text=True,
                              capture_output=True, timeout=seconds,
                              env={**self.environment, "TIDEMILL_DATA": str(self.data)})
        if check and done.returncode != 0:
            raise AssertionError(f"tidemill {' '.join(map(str, words))}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def request(self, host, path="/", method="GET", body=None, headers=None, seconds=30):
        """One request on a connection of its own, through Python's own client: (status, headers, body)."""
        connection = http.client.HTTPConnection(*self.http, timeout=seconds)
        try:
            connection.request(method, path, body=body, headers={"Host": host, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def raw(self, data, seconds=10):
        """Sends bytes as they are and reads until the proxy closes or falls silent."""
        with socket.create_connection(self.http, timeout=seconds) as s:
            s.sendall(data)
            answer = b""
            try:
                while chunk := s.recv(65536):
                    answer += chunk
            except (socket.timeout, ConnectionResetError):
                pass  # a reset is how an answer that is not whole ends
            return answer

    def get(self, kind, name, namespace="default"):
        return json.loads(self.run("get", kind, name, "-n", namespace, "-o", "json").stdout)


def parse_metrics(text):
    """Prometheus text to {name{labels}: value}; strict enough to notice nonsense."""
    values = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (\S+)', line)
        if match is None:
            raise AssertionError(f"not a line of metrics: {line!r}")
        values[match.group(1)] = float(match.group(2))
    return values
