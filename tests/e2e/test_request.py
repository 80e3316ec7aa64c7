"""The way of one request, over fixed routes: hold, start, answer, stop, adopt, replace, refuse."""
import hashlib
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
from pathlib import Path

from clients import ContinuousClient, at_once, curl
from fixed import Routes
from harness import BINARY, LONG, Platform, parse_metrics, skip, wait_until


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def memory_most_kib(pid):
    """The most memory that a process ever had in use."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError("no VmHWM")


class Case(unittest.TestCase):
    """One platform for all tests of a class; `define` says what it serves."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            skip("instances are found by control groups, which needs root")
        cls.routes = Routes()
        cls.addClassCleanup(cls.routes.close)
        cls.define(cls.routes)
        cls.platform = cls.enterClassContext(cls.routes.platform())

    @classmethod
    def define(cls, routes):
        raise NotImplementedError

    def ok(self, host, path="/", **options):
        status, _, body = self.platform.request(host, path, **options)
        self.assertEqual(status, 200, body[:500])
        return body


class Hold(Case):
    @classmethod
    def define(cls, routes):
        cls.native = routes.native("native")
        cls.together = routes.native("together")
        cls.burst = routes.behaviour("burst", concurrency=1, most=3)
        cls.queue = routes.behaviour("queue", concurrency=1, most=1, queue=2)
        cls.lease = routes.native("lease")

    def test_a_request_at_zero_is_held_and_answered(self):
        self.assertEqual(self.platform.instances("native-00001"), {})
        self.assertEqual(self.ok(self.native), b"x" * 11 + b"\n")
        self.assertEqual(len(self.platform.instances("native-00001")), 1)
        line = wait_until(lambda: [l for l in self.platform.access_log() if l.get("host") == self.native], 5, "a log line")[0]
        self.assertGreater(line["held_us"], 0)
        self.assertLessEqual(line["held_us"], line["first_byte_us"])
        self.assertLessEqual(line["first_byte_us"], line["total_us"])

    def test_first_requests_together_share_one_cold_start(self):
        answers = at_once(64, lambda _: self.platform.request(self.together)[0])
        self.assertEqual(answers, [200] * 64)
        self.assertEqual(len(self.platform.instances("together-00001")), 1)

    def test_a_burst_brings_instances_up_to_the_most_and_no_further(self):
        most = 0
        ended = threading.Event()

        def watch():
            nonlocal most
            while not ended.wait(0.05):
                most = max(most, len(self.platform.instances("burst-00001")))

        watcher = threading.Thread(target=watch)
        watcher.start()
        answers = at_once(24, lambda _: self.platform.request(self.burst, "/sleep?s=0.1"))
        ended.set()
        watcher.join()
        self.assertEqual([a[0] if isinstance(a, tuple) else a for a in answers], [200] * 24)
        self.assertEqual(most, 3)
        # Concurrency 1: each of the three answered its share.
        self.assertEqual(len({a[2] for a in answers}), 3)

    def test_a_full_queue_refuses_with_retry_after(self):
        self.ok(self.queue)
        answers = at_once(8, lambda _: self.platform.request(self.queue, "/sleep?s=1"))
        refused = [a for a in answers if a[0] == 503]
        self.assertEqual(sorted({a[0] for a in answers}), [200, 503])
        for _, headers, body in refused:
            self.assertEqual(headers["X-Tidemill-Reason"], "TM-203")
            self.assertIn("Retry-After", headers)
            self.assertEqual(json.loads(body)["code"], "TM-203")
        # One runs and two wait: at most one more may have slipped in between two of these.
        self.assertGreaterEqual(len(refused), 4)

    def test_it_goes_back_to_zero_and_comes_again_without_a_lost_request(self):
        self.ok(self.lease)
        first = self.platform.instances("lease-00001")
        self.assertEqual(len(first), 1)
        with ContinuousClient(self.platform, self.lease, rate=50) as client:
            wait_until(lambda: first.keys().isdisjoint(self.platform.instances("lease-00001")), 25, "the lease ends")
            time.sleep(0.5)
        self.assertEqual(client.failures, [])
        wait_until(lambda: not self.platform.instances("lease-00001"), 25, "zero instances")
        self.ok(self.lease)


class Faults(Case):
    @classmethod
    def define(cls, routes):
        cls.host = routes.native("kept", instances=1)
        cls.slow = routes.behaviour("slow", instances=1)
        cls.fallen = routes.native("fallen", instances=1)
        cls.frozen = routes.native("frozen", instances=1)

    def kept(self):
        return wait_until(lambda: self.platform.instances("kept-00001"), 10, "the instance runs")

    def test_control_and_agent_die_and_nothing_fails(self):
        self.ok(self.host)
        before = self.kept()
        with ContinuousClient(self.platform, self.host) as client:
            for role in ("control", "agent", "control", "agent"):
                self.platform.kill_role(role)
                time.sleep(0.7)
        self.assertEqual(client.failures, [])
        self.assertGreater(client.count, 100)
        self.assertEqual(self.kept(), before)

    def test_the_proxy_dies_and_is_back_within_a_second(self):
        self.ok(self.host)
        before = self.kept()
        in_flight = []
        thread = threading.Thread(target=lambda: in_flight.append(at_once(
            1, lambda _: self.platform.request(self.slow, "/sleep?s=5"))[0]))
        self.ok(self.slow)
        thread.start()
        time.sleep(0.3)
        pid = self.platform.role_pid("proxy")
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        # A connection made while it is away waits in the backlog: nothing is refused.
        self.assertEqual(self.platform.request(self.host, seconds=5)[0], 200)
        self.assertLess(time.monotonic() - began, 1)
        thread.join(15)
        self.assertNotIsInstance(in_flight[0], tuple, "the request in flight cannot have been answered")
        self.assertEqual(self.kept(), before)

    def test_all_roles_die_at_once(self):
        self.ok(self.host)
        before = self.kept()
        pids = [self.platform.role_pid(role) for role in ("control", "agent", "proxy")]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.platform.request(self.host, seconds=10)[0], 200)
        self.assertEqual(self.kept(), before)

    def test_the_supervisor_dies_and_the_next_one_adopts_what_runs(self):
        self.ok(self.host)
        before = self.kept()
        roles = [self.platform.role_pid(role) for role in ("control", "agent", "proxy")]
        self.platform.kill()
        wait_until(lambda: not any(map(alive, roles)), 5, "the roles die with their supervisor")
        self.assertTrue(all(map(alive, before.values())))
        self.platform.start()
        self.ok(self.host)
        self.assertEqual(self.kept(), before)
        time.sleep(0.5)
        self.assertEqual(self.kept(), before)

    def replaced(self, host, revision, number):
        self.ok(host)
        (name, pid), = self.platform.instances(revision).items()
        os.kill(pid, number)
        began = time.monotonic()

        def served_by_another():
            return name not in self.platform.instances(revision) and self.platform.instances(revision)

        # Requests meanwhile are held or answered by the new one; the one that was killed answered none.
        self.assertEqual(self.platform.request(host, seconds=10)[0], 200)
        took = time.monotonic() - began
        self.assertLess(took, 1, "answered by a replacement")
        wait_until(served_by_another, 2, "the old instance is gone")

    def test_a_killed_instance_is_replaced_within_a_second(self):
        self.replaced(self.fallen, "fallen-00001", signal.SIGKILL)

    def test_a_stopped_instance_is_replaced_within_a_second(self):
        self.replaced(self.frozen, "frozen-00001", signal.SIGSTOP)


class BadApps(Case):
    @classmethod
    def define(cls, routes):
        cls.exits = routes.behaviour("exits", {"MODE": "exit:7"}, timeout=3)
        cls.never = routes.behaviour("never", {"MODE": "never"}, timeout=3)
        cls.wrong = routes.behaviour("wrong", {"MODE": "wrongport"}, timeout=3)
        cls.eats = routes.behaviour("eats", {"MODE": "eat"}, timeout=4, memory=64)
        cls.fine = routes.behaviour("fine", memory=96)
        cls.missing = routes.add("missing", ["/app/nothing"], timeout=3)

    def held_too_long(self, host):
        began = time.monotonic()
        status, headers, body = self.platform.request(host)
        self.assertEqual((status, headers.get("X-Tidemill-Reason")), (504, "TM-204"), body)
        self.assertLess(time.monotonic() - began, 6)
        said = json.loads(body)
        self.assertEqual(set(said), {"code", "message", "evidence", "advice", "requestId"})
        self.assertIn("tidemill", said["advice"])
        self.ok(self.fine)

    def logs(self, revision):
        return "".join(path.read_text(errors="replace")
                       for path in sorted((self.platform.data / "logs").glob(f"{revision}-*/*.log")))

    def test_an_app_that_exits(self):
        self.held_too_long(self.exits)
        self.assertIn("I cannot go on", self.logs("exits-00001"))
        # Restarted with back-off, not in a busy loop.
        self.assertLess(len(list((self.platform.data / "logs").glob("exits-00001-*"))), 20)

    def test_an_app_that_never_listens(self):
        self.held_too_long(self.never)

    def test_an_app_that_listens_on_another_port(self):
        self.held_too_long(self.wrong)

    def test_an_app_whose_program_is_missing(self):
        self.held_too_long(self.missing)

    def test_an_app_that_eats_its_memory_harms_nobody(self):
        self.held_too_long(self.eats)
        self.ok(self.fine)

    def test_an_instance_that_outgrows_its_memory_is_replaced(self):
        before = self.ok(self.fine, "/who")
        status, headers, _ = self.platform.request(self.fine, "/eat?mb=400")
        self.assertEqual((status, headers.get("X-Tidemill-Reason")), (502, "TM-206"))
        self.assertNotEqual(self.ok(self.fine, "/who"), before)

    def test_an_app_that_exits_in_a_request(self):
        status, headers, body = self.platform.request(self.fine, "/exit", method="POST", body=b"x")
        self.assertEqual((status, headers.get("X-Tidemill-Reason")), (502, "TM-206"), body)
        # For an instant a dying process still accepts; then everybody is held for the next one.
        wait_until(lambda: self.platform.request(self.fine)[0] == 200, 1, "another serves")

    def test_an_answer_that_servers_read_differently_is_not_passed_on(self):
        status, headers, body = self.platform.request(self.fine, "/garbage")
        self.assertEqual((status, headers.get("X-Tidemill-Reason")), (502, "TM-207"), body)


MALFORMED = {
    "no method": b"\r\n\r\nGARBAGE\r\n\r\n",
    "a word alone": b"GARBAGE\r\n\r\n",
    "no version": b"GET /\r\nHost: a\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "folded field": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "control in a name": b"GET / HTTP/1.1\r\nHost: a\r\nX\x01: a\r\n\r\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "length and chunked": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "hex length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
    "endless length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40 + b"\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment in the target": b"GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
}
BAD_CHUNKS = {
    "size that is no number": b"xyz\r\nabc\r\n",
    "negative size": b"-1\r\n\r\n",
    "endless size": b"fffffffffffffffff\r\nabc\r\n",
    "no end of line behind the data": b"3\r\nabcX\r\n",
    "bare line feed": b"3\nabc\n0\n\n",
}


class Http(Case):
    @classmethod
    def define(cls, routes):
        cls.host = routes.behaviour("app", instances=1)
        cls.native = routes.native("plain", instances=1)
        cls.timed = routes.behaviour("timed", instances=1, timeout=2)
        cls.idle = routes.behaviour("idle", instances=1, timeout=30, idle=1)

    def test_malformed_heads_are_answered_400_and_closed(self):
        accepted = {b"400", b"501", b"505"}
        for what, data in MALFORMED.items():
            with self.subTest(what):
                answer = self.platform.raw(data, seconds=5)
                status = answer.split(b" ", 2)[1:2]
                self.assertTrue(status and status[0] in accepted, answer[:300])
                if status[0] != b"400":
                    self.assertIn(what, ("chunked twice", "chunked not last"))
                self.assertIn(b"X-Tidemill-Reason: TM-201", answer)
                self.assertIn(b"Connection: close", answer)
                self.assertTrue(json.loads(answer.partition(b"\r\n\r\n")[2])["evidence"])
        self.ok(self.host)

    def test_malformed_chunks_are_answered_400_and_closed(self):
        for what, data in BAD_CHUNKS.items():
            with self.subTest(what):
                head = f"POST /digest HTTP/1.1\r\nHost: {self.host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
                answer = self.platform.raw(head + data, seconds=5)
                self.assertIn(b" 400 ", answer.split(b"\r\n")[0] + b" ", answer[:300])
                self.assertIn(b"X-Tidemill-Reason: TM-210", answer)
        self.ok(self.host)

    def test_nothing_smuggled_reaches_the_app(self):
        """Whatever follows a refused head on the connection is not read as a request."""
        data = (f"POST /print?text=smuggled-1 HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: 4\r\n"
                f"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /print?text=smuggled-2 HTTP/1.1\r\n"
                f"Host: {self.host}\r\n\r\n").encode()
        answer = self.platform.raw(data, seconds=5)
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
        time.sleep(0.3)
        logs = "".join(p.read_text() for p in (self.platform.data / "logs").glob("app-*/*.log"))
        self.assertNotIn("smuggled", logs)

    def test_unknown_host(self):
        status, headers, body = self.platform.request("nobody.default.localhost")
        self.assertEqual((status, headers["X-Tidemill-Reason"]), (404, "TM-202"))
        self.assertIn("nobody.default.localhost", json.loads(body)["evidence"])

    def test_host_is_compared_without_case_port_and_final_dot(self):
        for host in (self.host.upper(), self.host + ":8080", self.host + "."):
            with self.subTest(host):
                self.assertEqual(self.platform.request(host)[0], 200)

    def test_a_head_that_is_too_large(self):
        head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Long: " + b"y" * (1 << 20) + b"\r\n\r\n"
        try:
            answer = self.platform.raw(head, seconds=5)
        except ConnectionError:
            return  # it was closed while we still sent: as good
        self.assertIn(b" 431 ", answer[:40])

    def test_keep_alive_and_pipelining(self):
        request = f"GET / HTTP/1.1\r\nHost: {self.native}\r\n\r\n".encode()
        with socket.create_connection(self.platform.http, timeout=10) as s:
            for _ in range(3):
                s.sendall(request)
                answer = b""
                while answer.count(b"x\n") < 1:
                    answer += s.recv(65536)
                self.assertTrue(answer.startswith(b"HTTP/1.1 200"))
            s.sendall(request * 5)
            answer = b""
            while answer.count(b"x\n") < 5:
                got = s.recv(65536)
                self.assertTrue(got, answer)
                answer += got
            self.assertEqual(answer.count(b"HTTP/1.1 200"), 5)

    def test_http_1_0_is_answered_and_closed(self):
        answer = self.platform.raw(f"GET /stream?pause=0 HTTP/1.0\r\nHost: {self.host}\r\n\r\n".encode(), seconds=5)
        self.assertIn(b" 200 ", answer[:20])
        self.assertNotIn(b"chunked", answer.lower())
        self.assertTrue(answer.endswith(b"piece 0\npiece 1\npiece 2\n"), answer)

    def test_chunked_both_ways(self):
        code, out, err = curl(self.platform, self.host, "/echo", "-X", "POST", "-H", "Transfer-Encoding: chunked",
                              "--data-binary", "hello in chunks")
        self.assertEqual((code, out), (0, b"hello in chunks"), err)

    def test_pieces_are_passed_on_as_they_come(self):
        with socket.create_connection(self.platform.http, timeout=10) as s:
            s.sendall(f"GET /stream?pieces=3&pause=0.5 HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
            began, answer, arrived = time.monotonic(), b"", []
            while b"0\r\n\r\n" not in answer:
                got = s.recv(65536)
                self.assertTrue(got)
                answer += got
                if answer.count(b"piece") > len(arrived):
                    arrived.append(time.monotonic() - began)
        self.assertLess(arrived[0], 0.45)
        self.assertGreater(arrived[-1], 0.9)

    def test_head_has_no_body(self):
        code, out, err = curl(self.platform, self.host, "/big?bytes=1000", "--head")
        self.assertEqual(code, 0, err)
        self.assertIn(b"content-length: 1000", out.lower())

    def test_expect_continue(self):
        with socket.create_connection(self.platform.http, timeout=10) as s:
            s.sendall(f"POST /digest HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: 5\r\n"
                      "Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
            first = s.recv(65536)
            self.assertTrue(first.startswith(b"HTTP/1.1 100 "), first)
            s.sendall(b"hello")
            rest = first.partition(b"\r\n\r\n")[2]
            while got := s.recv(65536):
                rest += got
        self.assertTrue(rest.startswith(b"HTTP/1.1 200"), rest)
        self.assertIn(hashlib.sha256(b"hello").hexdigest().encode(), rest)

    def test_large_bodies_both_ways_in_bounded_memory(self):
        proxy = self.platform.role_pid("proxy")
        size = 50 << 20
        with tempfile.NamedTemporaryFile() as file:
            block = os.urandom(1 << 20)
            digest = hashlib.sha256()
            for _ in range(size >> 20):
                file.write(block)
                digest.update(block)
            file.flush()
            self.ok(self.host)
            before = memory_most_kib(proxy)
            code, out, err = curl(self.platform, self.host, "/digest", "-X", "POST", "-T", file.name)
            self.assertEqual((code, out.decode()), (0, f"{digest.hexdigest()} {size}"), err)
            code, out, err = curl(self.platform, self.host, "/digest", "-X", "POST", "-T", file.name, "-H",
                                  "Transfer-Encoding: chunked")
            self.assertEqual((code, out.decode()), (0, f"{digest.hexdigest()} {size}"), err)
        code, out, err = curl(self.platform, self.host, f"/big?bytes={size}", "-o", "/dev/null", "-w", "%{size_download}")
        self.assertEqual((code, int(out)), (0, size), err)
        self.assertLess(memory_most_kib(proxy) - before, 16 << 10)

    def test_a_slow_reader_holds_nobody_up_and_costs_little(self):
        proxy = self.platform.role_pid("proxy")
        self.ok(self.host)
        before = memory_most_kib(proxy)
        with socket.create_connection(self.platform.http, timeout=20) as s:
            s.sendall(f"GET /big?bytes={40 << 20} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
            time.sleep(0.5)
            for _ in range(20):
                began = time.monotonic()
                self.ok(self.native)
                self.assertLess(time.monotonic() - began, 1)
            self.assertLess(memory_most_kib(proxy) - before, 8 << 10)
            got = 0
            while got < 40 << 20:
                data = s.recv(1 << 20)
                self.assertTrue(data, got)
                got += len(data)

    def test_upgrade_becomes_a_tunnel(self):
        with socket.create_connection(self.platform.http, timeout=10) as s:
            s.sendall(f"GET / HTTP/1.1\r\nHost: {self.host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n".encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += s.recv(65536)
            self.assertTrue(answer.startswith(b"HTTP/1.1 101"), answer)
            self.assertIn(b"upgrade: echo", answer.lower())
            for size in (1, 1000, 300_000):
                data = os.urandom(size)
                sender = threading.Thread(target=s.sendall, args=(data,))
                sender.start()
                back = b""
                while len(back) < size:
                    got = s.recv(65536)
                    self.assertTrue(got)
                    back += got
                sender.join()
                self.assertEqual(back, data)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(s.recv(1), b"")

    def test_timeouts_of_the_revision(self):
        began = time.monotonic()
        status, headers, body = self.platform.request(self.timed, "/sleep?s=10")
        self.assertEqual((status, headers.get("X-Tidemill-Reason")), (504, "TM-205"), body)
        self.assertTrue(1.9 < time.monotonic() - began < 4)
        # What has begun to answer keeps its status and is cut.
        answer = self.platform.raw(f"GET /stream?pieces=9&pause=0.5 HTTP/1.1\r\nHost: {self.timed}\r\n\r\n".encode())
        self.assertIn(b" 200 ", answer[:20])
        self.assertNotIn(b"0\r\n\r\n", answer)
        self.assertNotIn(b"piece 8", answer)

    def test_idle_timeout_cuts_a_silent_answer(self):
        began = time.monotonic()
        answer = self.platform.raw(f"GET /stream?pieces=3&pause=5 HTTP/1.1\r\nHost: {self.idle}\r\n\r\n".encode())
        self.assertNotIn(b"piece 2", answer)
        self.assertLess(time.monotonic() - began, 4)

    def test_a_client_that_drips_its_head_is_sent_away(self):
        if not LONG:
            skip("a head may take ten seconds: TIDEMILL_E2E_LONG=1 waits for it")
        with socket.create_connection(self.platform.http, timeout=20) as s:
            began, answer = time.monotonic(), b""
            for byte in b"GET / HTTP/1.1\r\nHost: " + b"a" * 40:
                try:
                    s.sendall(bytes([byte]))
                    s.settimeout(0.5)
                    answer += s.recv(65536)
                    break
                except socket.timeout:
                    pass
            self.assertIn(b" 408 ", answer[:40])
            self.assertLess(time.monotonic() - began, 13)

    def test_what_a_request_leaves_behind(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        before = parse_metrics(self.platform.scrape())
        body = self.ok(self.host, "/headers", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01",
                                                       "X-Mine": "kept", "X-Forwarded-For": "10.0.0.9"})
        seen = {}
        for name, value in json.loads(body):
            seen.setdefault(name.lower(), []).append(value)
        self.assertEqual(seen["host"], [self.host])
        self.assertEqual(seen["x-mine"], ["kept"])
        self.assertEqual(len(seen["traceparent"]), 1)
        self.assertEqual(seen["traceparent"][0].split("-")[1], trace)
        self.assertNotEqual(seen["traceparent"][0].split("-")[2], "00f067aa0ba902b7")
        self.assertTrue(", ".join(seen["x-forwarded-for"]).endswith("127.0.0.1"))
        self.assertEqual(seen["x-forwarded-proto"], ["http"])
        self.assertIn("for=127.0.0.1", seen["forwarded"][-1])
        identity = seen["x-request-id"][0]
        line = wait_until(lambda: [l for l in self.platform.access_log() if l["request_id"] == identity], 5, "the line")[0]
        self.assertEqual((line["trace_id"], line["method"], line["host"], line["path"], line["status"]),
                         (trace, "GET", self.host, "/headers", 200))
        self.assertEqual(line["revision"], "default/app-00001")
        self.assertIn(line["instance"], self.platform.instances("app-00001"))
        after = parse_metrics(self.platform.scrape())
        key = 'tidemill_proxy_requests_total{revision="default/app-00001",service="default/app",class="2xx"}'
        self.assertEqual(after[key] - before.get(key, 0), 1)

    def test_every_request_has_its_line_and_is_counted(self):
        key = 'tidemill_proxy_requests_total{revision="default/plain-00001",service="default/plain",class="2xx"}'
        before = parse_metrics(self.platform.scrape()).get(key, 0)
        lines = sum(l.get("host") == self.native for l in self.platform.access_log())
        with ContinuousClient(self.platform, self.native, rate=200) as client:
            time.sleep(1.5)
        self.assertEqual(client.failures, [])
        self.assertEqual(parse_metrics(self.platform.scrape())[key] - before, client.count)
        wait_until(lambda: sum(l.get("host") == self.native for l in self.platform.access_log()) - lines >= client.count, 5,
                   "a line for each")
        identities = [l["request_id"] for l in self.platform.access_log()]
        self.assertEqual(len(identities), len(set(identities)))

    def test_metrics_are_well_formed(self):
        self.ok(self.native)
        text = self.platform.scrape()
        values = parse_metrics(text)
        self.assertTrue(values)
        families = {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}
        for name in values:
            base = name.partition("{")[0]
            self.assertTrue(any(base in (family, family + "_bucket", family + "_sum", family + "_count")
                                for family in families), name)
        for name, kind in families.items():
            if kind == "histogram":
                for labels in {k.partition("{")[2] for k in values if k.startswith(name + "_count")}:
                    buckets = [v for k, v in values.items() if k.startswith(name + "_bucket{" + labels.rstrip("}"))]
                    self.assertEqual(buckets, sorted(buckets), name)
                    self.assertEqual(buckets[-1], values[f"{name}_count{{{labels}"])


class UpAndDown(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            skip("instances are found by control groups, which needs root")
        self.routes = Routes()
        self.addCleanup(self.routes.close)

    def up(self, data, *arguments, seconds=20, **options):
        """An `up` that is expected to end by itself."""
        return subprocess.run([str(BINARY), "up", "--data", str(data), "--http", "127.0.0.1:0", "--api", "127.0.0.1:0",
                               "--metrics", "127.0.0.1:0", *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds, **options)

    def scratch(self):
        folder = tempfile.mkdtemp(prefix="tidemill-e2e-")
        self.addCleanup(shutil.rmtree, folder, True)
        return Path(folder)

    def test_a_graceful_stop_ends_instances_and_what_runs(self):
        host = self.routes.behaviour("app", {"GRACEFUL": "1"}, instances=1)
        platform = self.routes.platform()
        with platform:
            self.assertEqual(platform.request(host)[0], 200)
            pids = list(platform.instances().values())
            self.assertEqual(len(pids), 1)
            running = []
            thread = threading.Thread(target=lambda: running.extend(at_once(
                1, lambda _: platform.request(host, "/sleep?s=1"))))
            thread.start()
            time.sleep(0.3)
            self.assertEqual(platform.stop(), 0)
            thread.join(10)
            self.assertEqual(running[0][0], 200, "what ran was finished first")
            self.assertFalse(any(map(alive, pids)))
            self.assertEqual(platform.instances(), {})

    def test_ctrl_c_stops_everything_too(self):
        host = self.routes.native("app", instances=1)
        platform = self.routes.platform()
        with platform:
            self.assertEqual(platform.request(host)[0], 200)
            pids = list(platform.instances().values())
            platform.process.send_signal(signal.SIGINT)
            self.assertEqual(platform.process.wait(20), 0)
            self.assertFalse(any(map(alive, pids)))

    def test_without_root_it_runs_and_says_what_is_missing(self):
        folder = self.scratch()
        folder.chmod(0o755)
        shutil.copy(BINARY, folder / "tidemill")
        for name in ("data", "run"):
            (folder / name).mkdir()
            os.chown(folder / name, 65534, 65534)
        host = self.routes.native("app")
        platform = self.routes.platform(data=folder / "data", user=65534, binary=folder / "tidemill",
                                        environment={"XDG_RUNTIME_DIR": str(folder / "run"), "HOME": "/tmp"})
        with platform:
            status, _, body = platform.request(host)
            self.assertEqual((status, body), (200, b"x" * 11 + b"\n"))
            self.assertIn("not root", platform.log())
            self.assertRegex(platform.log(), "(?i)limits")
            self.assertEqual(platform.stop(), 0)
        platform.log_path.unlink(missing_ok=True)

    def test_two_on_one_data_directory(self):
        with self.routes.platform() as platform:
            done = self.up(platform.data)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("TM-101", done.stderr)
            self.assertIn(str(platform.data), done.stderr)
            self.assertIn(str(platform.process.pid), done.stderr)
            self.assertEqual(done.stdout, "")
            self.assertIsNone(platform.process.poll())

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            for flag in ("--http", "--api", "--metrics"):
                with self.subTest(flag):
                    done = self.up(self.scratch(), flag, address)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn(address, done.stderr)
                    self.assertIn("in use", done.stderr)
                    # Who has it: the process that has to go, or the flag that has to change.
                    self.assertIn(str(os.getpid()), done.stderr)

    def test_a_data_directory_that_cannot_be_written(self):
        folder = self.scratch()
        folder.chmod(0o755)
        program = folder / "tidemill"
        shutil.copy(BINARY, program)
        done = subprocess.run([str(program), "up", "--data", str(folder / "data"), "--http", "127.0.0.1:0", "--api",
                               "127.0.0.1:0", "--metrics", "127.0.0.1:0"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=20, user=65534, group=65534)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(folder / "data"), done.stderr)
        self.assertRegex(done.stderr, "(?i)permission denied")
        self.assertNotIn("ERROR: AddressSanitizer", done.stderr)

    def test_words_that_are_wrong(self):
        rows = {
            ("--htp", "127.0.0.1:0"): "--http",
            ("--http", "nonsense"): "nonsense",
            ("--http", "0.0.0.0:0"): "--public",
            ("--http",): "wants a value",
            ("--fixed-routes", "/nowhere/routes"): "/nowhere/routes",
            ("--log-format", "xml"): "human or json",
            ("--data", ""): "--data",
        }
        for words, part in rows.items():
            with self.subTest(words=words):
                try:
                    done = self.up(self.scratch(), *words)
                except subprocess.TimeoutExpired as error:
                    self.fail(f"still running: {error.stderr}")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(part, done.stderr)

    def test_a_routes_file_with_a_mistake_names_its_line(self):
        self.routes.native("fine")
        path = self.routes.file()
        path.write_text(path.read_text() + '{"type": "HostRoute", "host": 5}\n')
        done = self.up(self.scratch(), "--fixed-routes", str(path))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"{path}:5", done.stderr)


if __name__ == "__main__":
    unittest.main()
