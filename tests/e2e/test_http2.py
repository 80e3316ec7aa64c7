"""HTTP/2 and gRPC through the proxy, with clients and servers that we did not write."""
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from clients import at_once
from fixed import APPS, Routes
from harness import skip, wait_until


def tool(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/bin")
    if path is None:
        skip(f"{name} is not installed (Debian nghttp2-client, nghttp2-server)")
    return path


def run(*words, seconds=60, input=None):
    return subprocess.run(list(map(str, words)), capture_output=True, timeout=seconds, input=input)


class Case(unittest.TestCase):
    """One platform for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            skip("instances are found by control groups, which needs root")
        cls.routes = Routes()
        cls.addClassCleanup(cls.routes.close)
        cls.define(cls.routes)
        cls.platform = cls.enterClassContext(cls.routes.platform())

    def url(self, path="/"):
        return f"http://{self.platform.http[0]}:{self.platform.http[1]}{path}"

    def curl(self, host, *flags, path="/", input=None):
        """(status, version of HTTP, body)."""
        done = run("curl", "-sS", "--max-time", "30", "-H", f"Host: {host}", "-w", "\n%{http_code} %{http_version}",
                   *flags, self.url(path), input=input)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        body, _, last = done.stdout.rpartition(b"\n")
        status, version = last.decode().split()
        return int(status), version, body


class Downstream(Case):
    """HTTP/2 by prior knowledge to instances that speak HTTP/1.1."""

    @classmethod
    def define(cls, routes):
        cls.native = routes.native("native")
        cls.large = routes.native("large", body_bytes=1_000_000)
        cls.app = routes.behaviour("app")

    def test_curl_is_held_at_zero_and_answered_in_http2(self):
        self.assertEqual(self.platform.instances("native-00001"), {})
        status, version, body = self.curl(self.native, "--http2-prior-knowledge")
        self.assertEqual((status, version, body), (200, "2", b"x" * 11 + b"\n"))
        line = wait_until(lambda: [l for l in self.platform.access_log() if l.get("host") == self.native], 5, "a log line")[0]
        self.assertEqual(line["status"], 200)
        self.assertEqual(self.curl(self.native)[1], "1.1")

    def test_many_streams_of_many_connections_are_all_answered(self):
        done = run(tool("h2load"), "-n", 2000, "-c", 4, "-m", 50, "-H", f":authority: {self.native}", self.url())
        text = done.stdout.decode()
        self.assertRegex(text, r"2000 succeeded, 0 failed, 0 errored, 0 timeout", done.stderr.decode())
        self.assertRegex(text, r"status codes: 2000 2xx", text)

    def test_large_bodies_cross_both_ways(self):
        status, version, body = self.curl(self.large, "--http2-prior-knowledge")
        self.assertEqual((status, version, len(body)), (200, "2", 1_000_000))
        sent = os.urandom(2_000_000)
        import hashlib
        status, version, body = self.curl(self.app, "--http2-prior-knowledge", "-X", "POST", "--data-binary", "@-",
                                          path="/digest", input=sent)
        self.assertEqual((status, version), (200, "2"), body[:300])
        self.assertIn(hashlib.sha256(sent).hexdigest().encode(), body)

    def test_nghttp_reads_several_answers_of_one_connection(self):
        done = run(tool("nghttp"), "-v", "-H", f":authority: {self.native}", self.url("/1"), self.url("/2"), self.url("/3"))
        text = done.stdout.decode(errors="replace")
        self.assertEqual(done.returncode, 0, text[-2000:])
        self.assertEqual(len(re.findall(r":status: 200", text)), 3, text[-2000:])
        self.assertNotIn("RST_STREAM", text)

    def test_an_unknown_host_is_answered_on_its_stream(self):
        status, version, body = self.curl("nobody.default.localhost", "--http2-prior-knowledge")
        self.assertEqual((status, version), (404, "2"))
        self.assertEqual(json.loads(body)["code"], "TM-202")


class Upstream(Case):
    """Instances that speak HTTP/2 only: nghttpd."""

    @classmethod
    def define(cls, routes):
        nghttpd = tool("nghttpd")
        (routes.app / "index.html").write_text("hello from nghttpd\n")
        (routes.app / "large").write_bytes(b"y" * 3_000_000)
        command = ["/bin/sh", "-c", f"exec {nghttpd} --no-tls --address=127.0.0.1 -d /app --trailer 'x-sum: 7' --echo-upload $PORT"]
        cls.host = routes.add("nghttpd", command, protocol="h2c")
        cls.wrong = routes.behaviour("wrong", protocol="h2c")

    def test_clients_of_both_versions_are_answered(self):
        for flag, version in (("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")):
            with self.subTest(flag):
                self.assertEqual(self.curl(self.host, flag, path="/index.html"),
                                 (200, version, b"hello from nghttpd\n"))
                self.assertEqual(len(self.curl(self.host, flag, path="/large")[2]), 3_000_000)
                self.assertEqual(self.curl(self.host, flag, path="/nothing")[0], 404)

    def test_bodies_come_back_as_they_were_sent(self):
        sent = os.urandom(1_000_000)
        for flag in ("--http1.1", "--http2-prior-knowledge"):
            with self.subTest(flag):
                status, _, body = self.curl(self.host, flag, "-X", "POST", "--data-binary", "@-", path="/echo", input=sent)
                self.assertEqual(status, 200)
                self.assertTrue(body == sent)

    def test_trailers_reach_clients_of_both_versions(self):
        done = run(tool("nghttp"), "-v", "-H", f":authority: {self.host}", self.url("/index.html"))
        self.assertIn(b"x-sum: 7", done.stdout)
        answer = self.platform.raw(f"GET /index.html HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n".encode())
        self.assertTrue(answer.endswith(b"0\r\nx-sum: 7\r\n\r\n"), answer[-200:])

    def test_requests_share_connections(self):
        before = self.platform.scrape()
        done = run(tool("h2load"), "-n", 2000, "-c", 4, "-m", 20, "-H", f":authority: {self.host}", self.url("/index.html"))
        self.assertRegex(done.stdout.decode(), r"2000 succeeded, 0 failed, 0 errored, 0 timeout")

        def connects(text):
            return sum(float(line.split()[-1]) for line in text.splitlines() if "upstream_connect" in line and line[0] != "#")
        self.assertLess(connects(self.platform.scrape()) - connects(before), 20)

    def test_an_instance_that_does_not_speak_http2_is_named(self):
        status, _, body = self.curl(self.wrong)
        self.assertEqual(status, 502)
        self.assertEqual(json.loads(body)["code"], "TM-207")
        self.assertIn("h2c", json.loads(body)["evidence"])


class Grpc(Case):
    """grpcio on both ends, installed for this run."""

    @classmethod
    def define(cls, routes):
        packages = routes.app / "packages"
        done = run(sys.executable, "-m", "pip", "install", "-q", "--target", packages, "grpcio", seconds=300)
        if done.returncode != 0:
            skip(f"grpcio cannot be installed with pip: {done.stderr.decode()[-300:]}")
        sys.path.insert(0, str(packages))
        import grpc
        cls.grpc = grpc
        shutil.copy(APPS / "grpc_app.py", routes.app)
        cls.host = routes.add("grpc", ["/usr/bin/python3", "-I", "/app/grpc_app.py"],
                              environment={"GRPC_PACKAGES": "/app/packages", "HOME": "/tmp"}, protocol="h2c")
        cls.never = routes.add("never", ["/bin/sh", "-c", "sleep 100"], protocol="h2c")

    def channel(self, host=None):
        address = f"{self.platform.http[0]}:{self.platform.http[1]}"
        channel = self.grpc.insecure_channel(address, options=[
            ("grpc.default_authority", host or self.host), ("grpc.max_receive_message_length", -1),
            ("grpc.enable_http_proxy", 0)])
        self.addCleanup(channel.close)
        return channel

    def test_unary_with_metadata_and_trailers(self):
        call = self.channel().unary_unary("/test.App/Echo")
        answer, context = call.with_call(b"hello", timeout=30, metadata=(("x-mine", "yours"),))
        self.assertEqual(answer, b"hello")
        trailers = dict(context.trailing_metadata())
        self.assertEqual(trailers["x-saw"], "yours")
        self.assertLess(float(trailers["x-left"]), 30.5)  # the deadline went along; clients round it up

    def test_messages_of_many_megabytes(self):
        sent = os.urandom(8_000_000)
        self.assertTrue(self.channel().unary_unary("/test.App/Echo")(sent, timeout=60) == sent)

    def test_a_status_of_the_service_arrives_as_it_is(self):
        with self.assertRaises(self.grpc.RpcError) as caught:
            self.channel().unary_unary("/test.App/Fails")(b"", timeout=30)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(caught.exception.details(), "not today, 100 % sure")
        with self.assertRaises(self.grpc.RpcError) as caught:
            self.channel().unary_unary("/test.App/Nothing")(b"", timeout=30)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.UNIMPLEMENTED)

    def test_streams_of_all_kinds(self):
        channel = self.channel()
        counted = list(channel.unary_stream("/test.App/Counts")(b"500", timeout=30))
        self.assertEqual(counted, [str(i).encode() for i in range(500)])
        numbers = (str(i).encode() for i in range(500))
        self.assertEqual(channel.stream_unary("/test.App/Adds")(numbers, timeout=30), b"124750")

    def test_both_sides_speak_in_turn(self):
        import queue
        say = queue.Queue()
        talk = self.channel().stream_stream("/test.App/Talks")(iter(say.get, None), timeout=30)
        for i in range(20):
            say.put(str(i).encode())
            self.assertEqual(next(talk), f"you said {i}".encode())  # before the next is said
        say.put(None)
        self.assertEqual(list(talk), [])

    def test_many_calls_at_once(self):
        call = self.channel().unary_unary("/test.App/Echo")
        self.assertEqual(at_once(64, lambda i: call(str(i).encode(), timeout=60)), [str(i).encode() for i in range(64)])

    def test_a_deadline_and_a_cancel_reach_the_service(self):
        channel = self.channel()
        channel.unary_unary("/test.App/Echo")(b"awake", timeout=30)
        with self.assertRaises(self.grpc.RpcError) as caught:
            channel.unary_unary("/test.App/Waits")(b"", timeout=0.5)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertEqual(channel.unary_unary("/test.App/WasCancelled")(b"", timeout=30), b"yes")

    def test_what_the_proxy_says_itself_is_a_grpc_status(self):
        with self.assertRaises(self.grpc.RpcError) as caught:
            self.channel("nobody.default.localhost").unary_unary("/test.App/Echo")(b"", timeout=10)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("no route for this host", caught.exception.details())
        self.assertIn(("x-tidemill-reason", "TM-202"), tuple(caught.exception.initial_metadata() or ()) +
                      tuple(caught.exception.trailing_metadata() or ()))
        with self.assertRaises(self.grpc.RpcError) as caught:
            self.channel(self.never).unary_unary("/test.App/Echo")(b"", timeout=1)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.DEADLINE_EXCEEDED)


if __name__ == "__main__":
    unittest.main()
