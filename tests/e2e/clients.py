"""Clients: curl, many requests at once, and the continuous client that proves that nothing is dropped."""
import http.client
import shutil
import subprocess
import threading
import time

from harness import skip


def curl(platform, host, path="/", *flags, seconds=60):
    """curl's own words and exit code: (exit code, stdout, stderr)."""
    if shutil.which("curl") is None:
        skip("curl is not installed")
    done = subprocess.run(["curl", "-sS", "--max-time", str(seconds), "-H", f"Host: {host}", *map(str, flags),
                           "http://%s:%d%s" % (*platform.http, path)], capture_output=True, timeout=seconds + 10)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def at_once(count, work):
    """Runs `work(number)` in so many threads that begin together; the results in order."""
    results = [None] * count
    gate = threading.Barrier(count)

    def one(number):
        gate.wait()
        try:
            results[number] = work(number)
        except Exception as error:  # the caller compares results; an error is one of them
            results[number] = error

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results


class ContinuousClient:
    """HTTP/1.1 keep-alive, the methods by turns, at a fixed rate, never a retry.

    A failure is anything but 2xx, a reset, a refusal, or more than 5 s. An idle connection that the server
    has closed properly is not used again: that is the client's duty (RFC 9112, 9.3.1), and it is checked
    before sending, as curl and Go do.
    """

    LANES = 10

    def __init__(self, platform, host, rate=100, path="/", seen=None, methods=("POST", "GET")):
        self.platform, self.host, self.path = platform, host, path
        self.pause = self.LANES / rate
        self.methods = methods
        self.failures = []
        self.latencies = []
        self.answers = {}
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.threads = []
        self.seen = seen or (lambda body: body)

    def __enter__(self):
        self.began = time.monotonic()
        for lane in range(self.LANES):
            thread = threading.Thread(target=self._lane, args=(lane,), daemon=True)
            thread.start()
            self.threads.append(thread)
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(15)
        self.took = time.monotonic() - self.began

    def _lane(self, lane):
        connection = None
        due = time.monotonic() + self.pause * lane / self.LANES
        number = lane
        while not self.ended.is_set():
            wait = due - time.monotonic()
            if wait > 0 and self.ended.wait(wait):
                break
            due = max(due + self.pause, time.monotonic() - 1)
            number += 1
            method = self.methods[number % len(self.methods)]
            began = time.monotonic()
            try:
                if connection is not None and was_closed(connection):
                    connection.close()
                    connection = None
                if connection is None:
                    connection = http.client.HTTPConnection(*self.platform.http, timeout=5)
                    connection.connect()
                body = None if method == "GET" else b"x" * 100
                connection.request(method, self.path, body=body, headers={"Host": self.host})
                answer = connection.getresponse()
                body = answer.read()
                took = time.monotonic() - began
                if not 200 <= answer.status < 300:
                    raise AssertionError(f"{answer.status} {answer.getheader('X-Tidemill-Reason')} {body[:300]}")
                if took > 5:
                    raise AssertionError(f"took {took:.2f} s")
                with self.lock:
                    self.latencies.append(took)
                    key = self.seen(body)
                    self.answers[key] = self.answers.get(key, 0) + 1
                if answer.will_close:
                    connection.close()
                    connection = None
            except Exception as error:
                with self.lock:
                    self.failures.append((round(time.monotonic() - self.began, 3), method,
                                          f"{type(error).__name__}: {error}"))
                if connection is not None:
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()

    @property
    def count(self):
        return len(self.latencies)

    def summary(self):
        ordered = sorted(self.latencies) or [0]
        return (f"{len(self.latencies)} answered, {len(self.failures)} failed, "
                f"p50 {ordered[len(ordered) // 2] * 1000:.1f} ms, "
                f"p99 {ordered[int(len(ordered) * 0.99)] * 1000:.1f} ms, worst {ordered[-1] * 1000:.1f} ms")


def was_closed(connection):
    """Whether the server has ended this idle connection."""
    sock = connection.sock
    if sock is None:
        return True
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(5)
