"""What becomes of instances: their deaths, their ports, their logs, and what is left of them."""
import os
import shutil
import signal
import threading
import time
import unittest
from pathlib import Path

from clients import ContinuousClient
from fixed import SECOND
from harness import Platform, wait_until
from test_request import Case, alive


class Deaths(Case):
    """kill -9 of the only instance, again and again, under GETs that nobody repeats but the proxy."""

    @classmethod
    def define(cls, routes):
        cls.quick = routes.native("quick", instances=1, most=1)
        cls.slow = routes.behaviour("slow", instances=1, most=1)
        cls.narrow = routes.behaviour("narrow", instances=1, most=1, concurrency=1)

    def killed_under(self, host, name, path="/", rate=200):
        self.ok(host)
        killed = 0
        with ContinuousClient(self.platform, host, rate=rate, path=path, methods=("GET",)) as client:
            for _ in range(5):
                time.sleep(0.7)
                for pid in self.platform.instances(f"{name}-00001").values():
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            time.sleep(1)
        print(client.summary(), flush=True)
        self.assertEqual(client.failures, [])
        self.assertEqual(killed, 5)
        again = sum(line.get("attempts", 1) > 1 for line in self.platform.access_log() if line.get("revision", "").endswith(
            f"/{name}-00001"))
        print(f"{again} requests needed more than one attempt", flush=True)
        return again

    def test_an_instance_that_answers_at_once(self):
        self.killed_under(self.quick, "quick")

    def test_an_instance_with_requests_in_flight(self):
        self.assertGreater(self.killed_under(self.slow, "slow", "/sleep?s=0.04"), 0)

    def test_an_instance_that_takes_one_at_a_time(self):
        self.assertGreater(self.killed_under(self.narrow, "narrow", "/sleep?s=0.02", rate=40), 0)


class Leftovers(Case):
    """Nothing stays behind: no zombie, no control group, no directory of the boot."""

    @classmethod
    def define(cls, routes):
        cls.host = routes.native("kept", instances=1, most=1)

    def setUp(self):
        if self.platform.process is None:
            self.platform.start()
        self.ok(self.host)

    def tearDown(self):
        if self.platform.process is not None:
            self.platform.stop()

    def left(self):
        """What there is of this DATA outside of it."""
        name = self.platform.data_hash()
        groups = [path for path, names, _ in os.walk("/sys/fs/cgroup") for each in names
                  if each in (name, f"{name}-builds")]
        run = [str(path) for path in (Path("/run/tidemill") / name, Path(os.environ.get(
            "XDG_RUNTIME_DIR") or "/nowhere") / f"tidemill-{name}") if path.exists()]
        return groups + run

    def launchers(self):
        """The launcher programs of all roles."""
        supervisor = self.platform.process.pid
        roles = Platform._children(supervisor)
        return [pid for parent in [supervisor, *roles] for pid in Platform._children(parent)
                if comm(pid) == "tidemill-launch"]

    def init(self):
        (pid,) = self.platform.instances("kept-00001").values()
        return parent(pid)

    def zombies(self):
        return [pid for pid in Platform._children(self.platform.process.pid) if not alive(pid)]

    def test_after_a_stop_in_order(self):
        self.assertNotEqual(self.left(), [])
        self.assertEqual(self.platform.stop(), 0)
        self.assertEqual(self.left(), [])

    def test_after_everything_was_killed_at_least_once(self):
        supervisor = self.platform.process.pid
        init = self.init()
        for launcher in self.launchers():
            os.kill(launcher, signal.SIGKILL)
        wait_until(lambda: parent(init) == supervisor, 5, "the instance is the supervisor's")
        self.platform.kill_role("agent")
        self.platform.kill_role("control")
        self.ok(self.host)
        self.assertEqual(self.init(), init, "the instance went on")
        wait_until(lambda: len(self.launchers()) == 1, 5, "the launchers of the dead have ended")
        wait_until(lambda: not self.zombies(), 5, "the dead are reaped")
        # Its end is seen, told and reaped by those that did not start it.
        os.kill(init, signal.SIGKILL)
        self.ok(self.host)
        wait_until(lambda: not Path(f"/proc/{init}").exists(), 5, "a dead orphan is reaped")
        wait_until(lambda: not self.zombies(), 5, "the dead are reaped")
        self.assertEqual(self.platform.stop(), 0)
        self.assertEqual(self.left(), [])

    def test_after_a_dead_platform(self):
        init = self.init()
        self.platform.kill()
        self.assertTrue(alive(init), "the instance went on")
        # As if the machine's tmpfs had been emptied: nobody can know of what runs.
        for path in self.left():
            if path.startswith("/run/"):
                shutil.rmtree(path)
        self.platform.start()
        wait_until(lambda: not alive(init), 5, "what nobody knows of is ended")
        self.ok(self.host)
        self.assertEqual(self.platform.stop(), 0)
        self.assertEqual(self.left(), [])


class Hangs(Case):
    """A process that lives and does nothing is told from a busy one by its declared probe alone."""

    @classmethod
    def define(cls, routes):
        cls.watched = routes.behaviour("watched", instances=1, most=1, liveness={
            "kind": "http", "path": "/", "period": SECOND, "timeout": SECOND, "failureThreshold": 1})

    def test_a_declared_liveness_probe_replaces_it(self):
        before = self.ok(self.watched, "/who")
        began = time.monotonic()
        hung = []
        thread = threading.Thread(target=lambda: hung.append(self.platform.request(self.watched, "/hang", method="POST",
                                                                                   body=b"")))
        thread.start()
        time.sleep(0.2)
        # Sent to the one that hangs, and again to its replacement.
        after = self.ok(self.watched, "/who", seconds=10)
        took = time.monotonic() - began
        thread.join(10)
        self.assertNotEqual(after, before)
        # A period until it is asked, a timeout until that has failed, and less than a second for the rest.
        self.assertLess(took, 1 + 1 + 1)
        self.assertEqual((hung[0][0], hung[0][1].get("X-Tidemill-Reason")), (502, "TM-206"))


class InstanceLogs(Case):
    LIMIT = 16 << 20

    @classmethod
    def define(cls, routes):
        cls.loud = routes.behaviour("loud", instances=1, most=1)

    def test_a_flood_stays_within_its_limit_and_keeps_the_end(self):
        self.ok(self.loud)
        (name,) = self.platform.instances("loud-00001")
        folder = self.platform.data / "logs" / name
        ended, most = threading.Event(), [0]

        def size():
            return sum(path.stat().st_size for path in folder.glob("*.log"))

        def watch():
            while not ended.wait(0.01):
                most[0] = max(most[0], size())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            self.assertEqual(self.ok(self.loud, "/flood?mb=100", seconds=120), b"flooded\n")
        finally:
            ended.set()
            thread.join(10)
        self.assertLessEqual(max(most[0], size()), self.LIMIT)
        self.assertGreater(size(), self.LIMIT // 4, "what fits is kept")

        def text():
            return "".join(path.read_text() for path in sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime))

        wait_until(lambda: text().endswith("F after the flood\n"), 5, "the last line is kept")
        # After its death too.
        os.kill(self.platform.instances("loud-00001")[name], signal.SIGKILL)
        self.ok(self.loud)
        wait_until(lambda: name not in self.platform.instances("loud-00001"), 5, "it is gone")
        self.assertTrue(text().endswith("F after the flood\n"))


def comm(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


if __name__ == "__main__":
    unittest.main()
