"""What every language's shim must do (runtimes/README.md), as tests over real Unix sockets.

A language supplies a command and a probe bundle: a function with the routes that the tests below call.
Its test file holds a class Contract(contract.Contract) and adds what is particular to the language.
"""
import base64
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

PATIENCE_SECONDS = 20
READY_PATH = "/.well-known/tidemill/ready"


class Client(http.client.HTTPConnection):
    """An HTTP client that we did not write, over a Unix socket."""

    def __init__(self, path):
        super().__init__("shim", timeout=PATIENCE_SECONDS)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, method, target, body=None, headers=None, **options):
        self.request(method, target, body=body, headers=headers or {}, **options)
        response = self.getresponse()
        response.content = response.read()
        return response

    def get(self, target, headers=None):
        return self.call("GET", target, headers=headers)


class Shim:
    """A running server with its listening socket made before it, so that no start needs waiting for."""

    def __init__(self, command, bundle, environment=None, listen="descriptor"):
        self.folder = tempfile.mkdtemp(prefix="shim.")
        self.path = self.folder + "/socket"
        self.clients = []
        inherited = []
        settings = {"PATH": os.environ["PATH"], "K_SERVICE": "shop", "K_REVISION": "shop-00001",
                    "K_CONFIGURATION": "shop"}
        if listen == "descriptor":
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.path)
            listener.listen(512)
            inherited.append(listener.fileno())
            settings["TIDEMILL_LISTEN_FD"] = str(listener.fileno())
        elif listen == "path":
            settings["TIDEMILL_SOCKET"] = self.path
        settings.update(environment or {})
        self.stdout = open(self.folder + "/stdout", "w+b")
        self.stderr = open(self.folder + "/stderr", "w+b")
        self.process = subprocess.Popen(command, cwd=bundle, env=settings, pass_fds=inherited,
                                        stdin=subprocess.DEVNULL, stdout=self.stdout, stderr=self.stderr)
        if inherited:
            listener.close()

    def client(self):
        self.clients.append(Client(self.path))
        return self.clients[-1]

    def raw(self):
        made = socket.socket(socket.AF_UNIX)
        self.clients.append(made)
        made.settimeout(PATIENCE_SECONDS)
        made.connect(self.path)
        return made

    def wait_for_path(self):
        return until(lambda: connects(self.path))

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        return self.process.wait(PATIENCE_SECONDS)

    def out(self):
        with open(self.folder + "/stdout", "rb") as file:
            return file.read().decode()

    def err(self):
        with open(self.folder + "/stderr", "rb") as file:
            return file.read().decode()

    def close(self):
        for client in self.clients:
            client.close()
        self.process.kill()
        self.process.wait()
        self.stdout.close()
        self.stderr.close()
        shutil.rmtree(self.folder)


def connects(path):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def until(condition):
    """Waits for what the process does on its own; the bound only ends a run that has failed."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.005)
    return True


def exchange(raw, data):
    """Sends bytes and reads until the server closes."""
    raw.sendall(data)
    return read_all(raw)


def read_all(raw):
    got = b""
    try:
        while True:
            part = raw.recv(65536)
            if not part:
                return got
            got += part
    except ConnectionResetError:
        return got


def bundle_of(test, files):
    """A bundle with these files (name to text), removed after the test."""
    folder = tempfile.mkdtemp(prefix="bundle.")
    test.addCleanup(shutil.rmtree, folder)
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    return folder


HEAD = b"Host: shim\r\n"

# Bytes that two parsers could read in two ways, or no parser at all. Each must end in a 400 and a close.
MALFORMED = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a bare line feed after the request line": b"GET / HTTP/1.1\nHost: shim\n\n",
    "a bare line feed after a header": b"GET / HTTP/1.1\r\nHost: shim\nX: y\r\n\r\n",
    "a bare carriage return in a value": b"GET / HTTP/1.1\r\nHost: shim\r\nX: a\rb\r\n\r\n",
    "a NUL in a value": b"GET / HTTP/1.1\r\nHost: shim\r\nX: a\0b\r\n\r\n",
    "a NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: shim\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : shim\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nHost: shim\r\nX: a\r\n b\r\n\r\n",
    "an empty header name": b"GET / HTTP/1.1\r\nHost: shim\r\n: a\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: shim\r\nX\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: shim\r\n\r\n",
    "an empty line first": b"\r\nGET / HTTP/1.1\r\nHost: shim\r\n\r\n",
    "an absolute target": b"GET http://shim/ HTTP/1.1\r\nHost: shim\r\n\r\n",
    "CONNECT": b"CONNECT shim:80 HTTP/1.1\r\nHost: shim\r\n\r\n",
    "version HTTP/1.32": b"GET / HTTP/1.32\r\nHost: shim\r\n\r\n",
    "version in lower case": b"GET / http/1.1\r\nHost: shim\r\n\r\n",
    "a method that is no token": b"G(T / HTTP/1.1\r\nHost: shim\r\n\r\n",
    "length and coding": b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two different lengths": b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "a list of lengths": b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 4, 4\r\n\r\nabcd",
    "a length with a sign": b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: +4\r\n\r\nabcd",
    "a length in hexadecimal": b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 0x4\r\n\r\nabcd",
    "an empty length": b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length:\r\n\r\n",
    "a length beyond 2^63": b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a coding that is not chunked": b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "the coding twice": b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding in HTTP/1.0": b"POST / HTTP/1.0\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}
MALFORMED_CHUNKS = {
    "an empty chunk size": b"\r\nabc\r\n0\r\n\r\n",
    "a chunk size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "a chunk size with a sign": b"-3\r\nabc\r\n0\r\n\r\n",
    "a chunk size of 17 digits": b"00000000000000003\r\nabc\r\n0\r\n\r\n",
    "a chunk longer than it says": b"3\r\nabcd\r\n0\r\n\r\n",
    "a bare line feed after a size": b"3\nabc\r\n0\r\n\r\n",
    "a carriage return in an extension": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "a trailer that is no header": b"3\r\nabc\r\n0\r\nnot a header\r\n\r\n",
}


class Case(unittest.TestCase):
    """Starts shims of one language; all of them end with the test."""

    command = None  # how to start the shim
    probe = None  # folder of the probe bundle

    def start(self, environment=None, bundle=None, listen="descriptor"):
        shim = Shim(self.command, bundle or self.probe, environment, listen)
        self.addCleanup(shim.close)
        return shim

    def serve(self, files, environment=None):
        return self.start(environment, bundle_of(self, files))

    def get(self, files, target="/", environment=None):
        response = self.serve(files, environment).client().get(target)
        return response.status, response.content

    def assert_cannot_start(self, status, *words, environment=None, files=None, listen="descriptor"):
        bundle = self.probe if files is None else bundle_of(self, files)
        shim = self.start(environment, bundle, listen)
        self.assertEqual(shim.wait(), status, shim.err())
        self.assertIn("tidemill: cannot start: ", shim.err())
        for word in words:
            self.assertIn(word, shim.err())


class Contract(Case):
    """The promises. A language subclasses it and sets command, probe and error_type, the name of what its
    probe throws at /fail."""

    error_type = None

    # Requests and answers

    def test_a_text_is_answered_as_text(self):
        response = self.start().client().get("/hello?name=a%20b%2Bc+d")
        self.assertEqual((response.status, response.content), (200, b"Hello a b+c d"))
        self.assertEqual(response.headers["content-type"], "text/plain; charset=utf-8")

    def test_every_part_of_a_request_reaches_the_function(self):
        response = self.start().client().call("PUT", "/echo/a%2Fb?x=1&x=2&y=%C3%A9", b"body\xff",
                                              {"X-Mixed-Case": "v", "Cookie": "a=b"})
        self.assertEqual(json.loads(response.content), {
            "method": "PUT", "path": "/echo/a%2Fb", "query_string": "x=1&x=2&y=%C3%A9", "x": ["1", "2"],
            "y": "\u00e9", "header": "v", "body": base64.b64encode(b"body\xff").decode()})

    def test_repeated_headers_are_joined(self):
        raw = self.start().raw()
        answer = exchange(raw, b"GET /header HTTP/1.1\r\n" + HEAD + b"X-Many: a\r\nX-Many: b\r\nConnection: close\r\n\r\n")
        self.assertTrue(answer.endswith(b"a, b"), answer)

    def test_bytes_objects_numbers_and_nothing_are_answered_as_such(self):
        client = self.start().client()
        for target, status, content_type, content in (
                ("/bytes", 200, "application/octet-stream", b"\x00\xff"),
                ("/object", 200, "application/json", b'{"a":[1,null,"\\u00e9"]}'),
                ("/nothing", 204, None, b"")):
            response = client.get(target)
            got = response.content
            if target == "/object":
                got = json.dumps(json.loads(got), separators=(",", ":")).encode()
            self.assertEqual((response.status, response.headers["content-type"], got),
                             (status, content_type, content), target)

    def test_status_and_headers_can_be_set(self):
        response = self.start().client().get("/created")
        self.assertEqual((response.status, response.content), (201, b"made"))
        self.assertEqual(response.headers.get_all("set-cookie"), ["a=1", "b=2"])
        self.assertEqual(response.headers.get_all("content-type"), ["text/custom"])

    def test_a_json_body_is_decoded_and_a_broken_one_is_the_callers_fault(self):
        client = self.start().client()
        self.assertEqual(json.loads(client.call("POST", "/json", b' {"a": [1, 2.5, "\xc3\xa9"]} ').content),
                         {"a": [1, 2.5, "\u00e9"]})
        for broken in (b"", b"{", b"[1,]", b"1 2", b"\xff"):
            response = client.call("POST", "/json", broken)
            self.assertEqual((response.status, json.loads(response.content)["type"]), (400, "BadInput"), broken)

    def test_head_has_the_length_and_no_body(self):
        client = self.start().client()
        for _ in range(2):
            response = client.call("HEAD", "/hello?name=x")
            self.assertEqual((response.headers["content-length"], response.content), ("7", b""))

    def test_a_connection_serves_many_calls(self):
        client = self.start().client()
        client.connect()
        descriptor = client.sock
        for i in range(50):
            self.assertEqual(client.get("/hello?name=%d" % i).content, b"Hello %d" % i)
        self.assertIs(client.sock, descriptor)

    def test_connection_close_is_obeyed(self):
        answer = exchange(self.start().raw(), b"GET /hello HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")
        self.assertIn(b"\r\nConnection: close\r\n", answer)

    def test_http_1_0_closes_and_streams_without_chunks(self):
        answer = exchange(self.start().raw(), b"GET /stream?pieces=3 HTTP/1.0\r\n\r\n")
        self.assertNotIn(b"chunked", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\npiece 0\npiece 1\npiece 2\n"), answer)

    def test_pipelined_requests_are_answered_in_order(self):
        names = [b"%d" % i for i in range(20)]
        data = b"".join(b"GET /hello?name=%b HTTP/1.1\r\n" % name + HEAD + b"\r\n" for name in names[:-1])
        data += b"GET /hello?name=19 HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n"
        answer = exchange(self.start().raw(), data)
        self.assertEqual([part.split(b"\r\n\r\n")[1].split(b"HTTP")[0] for part in answer.split(b"HTTP/1.1 ")[1:]],
                         [b"Hello " + name for name in names])

    def test_a_request_may_come_byte_by_byte(self):
        raw = self.start().raw()
        for byte in b"POST /body HTTP/1.1\r\n" + HEAD + b"Content-Length: 3\r\nConnection: close\r\n\r\nabc":
            raw.sendall(bytes([byte]))
        self.assertTrue(read_all(raw).endswith(b"\r\n\r\nabc"))

    def test_a_chunked_body_is_put_together(self):
        raw = self.start().raw()
        answer = exchange(raw, b"POST /body HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                          b"3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n")
        self.assertTrue(answer.endswith(b"\r\n\r\nabc0123456789"), answer)

    def test_a_big_body_goes_in_and_out_unchanged(self):
        body = os.urandom(1024 * 1024) * 32
        client = self.start().client()
        self.assertEqual(hashlib.sha256(client.call("POST", "/body", body).content).digest(),
                         hashlib.sha256(body).digest())
        pieces = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]
        response = client.call("POST", "/body", iter(pieces), encode_chunked=True,
                               headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(hashlib.sha256(response.content).digest(), hashlib.sha256(body).digest())

    def test_a_client_that_expects_100_gets_it(self):
        raw = self.start().raw()
        raw.sendall(b"POST /body HTTP/1.1\r\n" + HEAD + b"Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        self.assertEqual(raw.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertTrue(exchange(raw, b"abc").endswith(b"\r\n\r\nabc"))

    def test_another_expectation_is_refused(self):
        answer = exchange(self.start().raw(), b"POST /body HTTP/1.1\r\n" + HEAD + b"Content-Length: 3\r\nExpect: more\r\n\r\nabc")
        self.assertTrue(answer.startswith(b"HTTP/1.1 417 "), answer)

    # Streams

    def test_a_stream_arrives_in_chunks_and_the_connection_goes_on(self):
        client = self.start().client()
        for _ in range(2):
            response = client.get("/stream?pieces=4")
            self.assertEqual(response.headers["transfer-encoding"], "chunked")
            self.assertEqual(response.content, b"piece 0\npiece 1\npiece 2\npiece 3\n")

    def test_an_empty_stream_is_an_empty_body(self):
        client = self.start().client()
        for _ in range(2):
            self.assertEqual(client.get("/stream?pieces=0").content, b"")

    def test_pieces_are_sent_when_they_are_made(self):
        shim = self.start()
        client = shim.client()
        client.request("GET", "/stream-held")
        response = client.getresponse()
        self.assertEqual(response.read(6), b"first\n")
        self.assertEqual(shim.client().get("/release").content, b"released")
        self.assertEqual(response.read(), b"second\n")

    def test_a_big_stream_passes_a_slow_reader(self):
        client = self.start().client()
        client.request("GET", "/stream-big?megabytes=32")
        response = client.getresponse()
        time.sleep(0.2)  # the reader's slowness, not a wait for something
        self.assertEqual(len(response.read()), 32 * 1024 * 1024)

    def test_a_stream_that_fails_is_cut_short(self):
        shim = self.start()
        client = shim.client()
        with self.assertRaises((http.client.IncompleteRead, ConnectionResetError)):
            client.get("/stream-fails")
        self.assertIn("no more pieces", shim.err())
        self.assertEqual(shim.client().get("/hello").status, 200)

    def test_a_stream_that_fails_at_once_is_a_500(self):
        response = self.start().client().get("/stream-fails-at-once")
        self.assertEqual((response.status, json.loads(response.content)["error"]), (500, "no piece at all"))

    def test_a_client_that_leaves_a_stream_closes_it(self):
        shim = self.start()
        client = shim.client()
        client.request("GET", "/stream-endless")
        client.getresponse().read(10)
        client.close()
        self.assertTrue(until(lambda: "endless stream closed" in shim.out()), shim.out() + shim.err())

    # Failures

    def test_an_exception_is_a_500_whose_stack_stays_here(self):
        shim = self.start()
        client = shim.client()
        response = client.get("/fail")
        self.assertEqual(response.status, 500)
        self.assertEqual(json.loads(response.content), {"error": "it broke", "type": self.error_type})
        self.assertNotIn(b"handler", response.content)
        self.assertTrue(until(lambda: "it broke" in shim.err()))
        self.assertRegex(shim.err(), r"(handler\.py|index\.js)")
        self.assertEqual(client.get("/hello").status, 200)

    def test_a_return_value_that_cannot_be_sent_is_a_500(self):
        client = self.start().client()
        for target in ("/bad-return", "/bad-header", "/bad-status", "/bad-framing"):
            response = client.get(target)
            self.assertEqual(response.status, 500, target)
            self.assertGreater(len(json.loads(response.content)["error"]), 20, target)

    def test_malformed_requests_are_refused_and_the_connection_closed(self):
        shim = self.start()
        for name, data in MALFORMED.items():
            with self.subTest(name):
                answer = exchange(shim.raw(), data)
                self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1)
        for name, data in MALFORMED_CHUNKS.items():
            with self.subTest(name):
                answer = exchange(shim.raw(), b"POST /body HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + data)
                self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)

    def test_what_is_too_large_is_refused(self):
        shim = self.start()
        for status, data in (
                (b"431", b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * 70_000 + b"\r\n\r\n"),
                (b"431", b"GET / HTTP/1.1\r\n" + HEAD + b"X: y\r\n" * 300 + b"\r\n"),
                (b"413", b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 999999999999\r\n\r\n"),
                (b"413", b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n"),
                (b"505", b"GET / HTTP/2.0\r\n" + HEAD + b"\r\n")):
            self.assertEqual(exchange(shim.raw(), data)[9:12], status, data[:80])

    # Context, state, hooks

    def test_the_context_says_where_and_for_whom(self):
        deadline = time.time() + 30
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        headers = {"X-Request-Id": "r-1", "X-Request-Deadline": "%.3f" % deadline, "traceparent": parent}
        client = self.start().client()
        got = json.loads(client.get("/context", headers).content)
        self.assertTrue(25 < got.pop("remaining_seconds") <= 30)
        self.assertEqual(got, {"service": "shop", "revision": "shop-00001", "configuration": "shop",
                               "request_id": "r-1", "trace": {
                                   "traceparent": parent, "x-request-id": "r-1",
                                   "x-request-deadline": "%.3f" % deadline}})
        without = json.loads(client.get("/context").content)
        self.assertIsNone(without["remaining_seconds"])
        self.assertEqual(len(without["request_id"]), 16)
        self.assertEqual(client.get("/context", {"X-Request-Deadline": "soon"}).status, 400)

    def test_the_log_is_one_object_per_line_with_the_request_id(self):
        shim = self.start()
        shim.client().get("/log", {"X-Request-Id": "r-2"})
        line = json.loads(shim.err().splitlines()[0])
        self.assertEqual((line["level"], line["message"], line["request_id"], line["basket"], line["service"]),
                         ("info", "sold", "r-2", 7, "shop"))

    def test_output_is_not_held_back(self):
        shim = self.start()
        shim.client().get("/print")
        self.assertIn("a printed line\n", shim.out())

    def test_state_is_kept_between_calls(self):
        shim = self.start()
        self.assertEqual([shim.client().get("/count").content for _ in range(3)], [b"1", b"2", b"3"])

    def test_hooks_run_in_order_around_the_calls(self):
        shim = self.start()
        client = shim.client()
        self.assertEqual(client.get("/hooks").content, b"loaded,init,after_fork")
        shim.terminate()
        self.assertEqual(shim.wait(), 0)
        self.assertEqual(shim.out().splitlines()[-1], "shutdown hook ran")

    # Concurrency and the end

    def test_calls_run_at_the_same_time_when_nothing_limits_them(self):
        self.assertEqual(self.most_at_once({}, 24), 24)

    def test_concurrency_1_never_overlaps(self):
        self.assertEqual(self.most_at_once({"TIDEMILL_CONCURRENCY": "1"}, 8), 1)

    def test_concurrency_3_is_reached_and_kept(self):
        self.assertEqual(self.most_at_once({"TIDEMILL_CONCURRENCY": "3"}, 12), 3)

    def most_at_once(self, environment, callers):
        shim = self.start(environment)
        answers = []

        def call():
            client = shim.client()
            for _ in range(2):
                answers.append(client.get("/overlap").status)

        threads = [threading.Thread(target=call) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [200] * callers * 2)
        return int(shim.client().get("/most").content)

    def test_many_connections_at_once_are_all_served(self):
        shim = self.start()
        clients = [shim.raw() for _ in range(300)]
        for client in clients:
            client.sendall(b"GET /hello?name=n HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")
        self.assertEqual([read_all(client)[-7:] for client in clients], [b"Hello n"] * 300)
        for client in clients:
            client.close()

    def test_sigterm_finishes_what_runs_and_then_ends(self):
        shim = self.start()
        idle = shim.client()
        idle.get("/hello")
        held = shim.client()
        held.request("GET", "/wait")  # waits for /release
        self.assertTrue(until(lambda: shim.client().get("/waiting").content == b"1"))
        late = shim.client()
        late.get("/hello")
        late.request("GET", "/release-after-drain")  # releases when the shim is about to stop
        self.assertTrue(until(lambda: "releasing soon" in shim.out()))
        shim.terminate()
        self.assertEqual(held.getresponse().read(), b"waited")
        self.assertEqual(late.getresponse().read(), b"released")
        self.assertEqual(shim.wait(), 0)
        self.assertEqual(idle.sock.recv(1), b"")
        self.assertFalse(connects(shim.path))

    def test_sigterm_during_init_still_runs_shutdown(self):
        shim = self.start({"PROBE_SLOW_INIT": "1"})
        self.assertTrue(until(lambda: "init began" in shim.out()))
        shim.terminate()
        self.assertEqual(shim.wait(), 0)
        self.assertIn("shutdown hook ran", shim.out())

    def test_a_shutdown_hook_that_fails_ends_with_77(self):
        shim = self.start({"PROBE_FAIL": "shutdown"})
        shim.client().get("/hello")
        shim.terminate()
        self.assertEqual(shim.wait(), 77)
        self.assertIn("shutdown hook failed", shim.err())

    # Listening

    def test_ready_is_answered_by_the_shim(self):
        response = self.start().client().get(READY_PATH)
        self.assertEqual((response.status, response.content), (200, b"ready\n"))

    def test_ready_is_answered_while_calls_fill_the_limit(self):
        shim = self.start({"TIDEMILL_CONCURRENCY": "2"})
        held = [shim.client() for _ in range(3)]
        for client in held:
            client.request("GET", "/slow?milliseconds=600")
        self.assertEqual(shim.client().get(READY_PATH).status, 200)
        self.assertEqual([client.getresponse().status for client in held], [200] * 3)

    def test_a_socket_path_appears_only_when_the_function_is_ready(self):
        shim = self.start({"PROBE_SLOW_INIT": "1"}, listen="path")
        self.assertTrue(until(lambda: "init began" in shim.out()))
        self.assertFalse(connects(shim.path))
        self.assertTrue(shim.wait_for_path())
        self.assertEqual(shim.client().get("/hello").status, 200)

    def test_a_stale_socket_file_is_replaced(self):
        shim = self.start(listen="path")
        self.assertTrue(shim.wait_for_path())
        shim.process.kill()
        shim.wait()
        again = self.start({"TIDEMILL_SOCKET": shim.path}, listen="none")
        self.assertTrue(shim.wait_for_path())
        self.assertEqual(shim.client().get("/hello").status, 200)
        self.assertIsNone(again.process.poll())

    def test_without_a_socket_the_port_is_served(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        shim = self.start({"PORT": str(port)}, listen="none")

        def answers():
            try:
                with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as raw:
                    return exchange(raw, b"GET /hello HTTP/1.0\r\n\r\n").endswith(b"Hello world")
            except ConnectionRefusedError:
                return False

        self.assertTrue(until(answers), shim.err())

    # Starts that fail: each has an exit status of its own and says what was found and how to mend it

    def test_nowhere_to_listen_ends_with_76(self):
        self.assert_cannot_start(76, "TIDEMILL_SOCKET", "PORT=8080", listen="none")

    def test_an_environment_that_is_no_number_ends_with_76(self):
        self.assert_cannot_start(76, "TIDEMILL_CONCURRENCY", "many", environment={"TIDEMILL_CONCURRENCY": "many"})
        self.assert_cannot_start(76, "PORT", "99999", environment={"PORT": "99999"}, listen="none")

    def test_a_handler_outside_the_bundle_ends_with_76(self):
        for handler in ("/etc/handler.py:handle", "../handler.py:handle", ":handle", "handler.py:"):
            self.assert_cannot_start(76, "inside the bundle", environment={"TIDEMILL_HANDLER": handler})

    def test_a_broken_table_of_functions_ends_with_76(self):
        for table in ("{", "[]", "{}", '{"a":"b:c"}', '{"/a":1}'):
            self.assert_cannot_start(76, "TIDEMILL_FUNCTIONS", environment={"TIDEMILL_FUNCTIONS": table})

    def test_a_place_that_cannot_be_listened_on_ends_with_75(self):
        self.assert_cannot_start(75, "/nowhere/socket", environment={"TIDEMILL_SOCKET": "/nowhere/socket"}, listen="none")

    def test_an_empty_bundle_ends_with_70(self):
        self.assert_cannot_start(70, "The bundle is empty", files={})

    def test_a_bundle_without_a_handler_file_ends_with_70_and_lists_it(self):
        self.assert_cannot_start(70, "The bundle holds: notes.txt", files={"notes.txt": ""})

    def test_a_handler_file_that_is_missing_ends_with_70(self):
        self.assert_cannot_start(70, "orders", environment={"TIDEMILL_HANDLER": "orders:handle"})

    def test_an_init_hook_that_fails_ends_with_74(self):
        self.assert_cannot_start(74, "init hook failed", "no database", environment={"PROBE_FAIL": "init"})

    def test_an_after_fork_hook_that_fails_ends_with_74(self):
        self.assert_cannot_start(74, "after_fork hook failed", environment={"PROBE_FAIL": "after_fork"})
