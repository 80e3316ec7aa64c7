"""Nothing is dropped: the continuous client across every change and fault."""
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from cases import SERVING, Api, ApiCase, service
from clients import ContinuousClient
from harness import LONG, Platform, skip, wait_until

SERVICES = SERVING.format("default")


class Continuous(ApiCase):
    def handler(self, word):
        return self.folder(f"say-{word}", {"handler.py": f"def handle(request, context):\n    return '{word}'\n"})

    def test_every_change_while_control_and_agent_die(self):
        """Deploy, traffic, rollback and scale down, with kill -9 of control and agent at random."""
        name, seed = "steady", int(os.environ.get("TIDEMILL_E2E_SEED", random.randrange(1 << 30)))
        print(f"seed {seed} (TIDEMILL_E2E_SEED)", flush=True)
        chance = random.Random(seed)
        self.deploy(self.handler("one"), name, "--window", "6s")
        ended = threading.Event()
        killed = []

        def killer():
            while not ended.wait(chance.uniform(1.5, 4)):
                role = chance.choice(("control", "agent"))
                pid = self.platform.role_pid(role)
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    killed.append((round(time.monotonic() - client.began, 2), role))

        def patiently(*words):
            """A command while control may die under it: it says so, and is given again."""
            end = time.monotonic() + 60
            while True:
                done = self.tidemill(*words, check=False, seconds=90)
                if done.returncode == 0:
                    return done
                self.assertLess(time.monotonic(), end, f"{words}: {done.stderr}")
                time.sleep(0.3)

        thread = threading.Thread(target=killer)
        with ContinuousClient(self.platform, self.host(name)) as client:
            thread.start()
            try:
                for round_number in range(5 if LONG else 1):
                    patiently("deploy", self.handler(f"two{round_number}"), "--name", name)
                    revision = self.get_patiently(name)["status"]["latestReadyRevisionName"]
                    patiently("traffic", name, "--to", f"@latest=50,{name}-00001=50")
                    time.sleep(1)
                    patiently("rollback", name, "--to", f"{name}-00001")
                    patiently("traffic", name, "--to", f"{revision}=100")
                    patiently("traffic", name, "--to", "@latest=100")
                    time.sleep(10)  # the first revision goes down to zero meanwhile
            finally:
                ended.set()
                thread.join(20)
        print(f"{client.summary()}; killed {killed}", flush=True)
        self.assertEqual(client.failures, [], f"killed: {killed}")
        self.assertGreater(len(killed), 2)

    def get_patiently(self, name):
        def found():
            try:
                status, document = self.api.call("GET", f"{SERVICES}/{name}", seconds=10)
                return document if status == 200 else None
            except OSError:
                return None
        return wait_until(found, 20, "the API answers")

    def test_scale_down_of_many_to_one_drops_nothing(self):
        name = "shrink"
        self.deploy(self.app("shrink"), name, "--window", "6s", "--concurrency", "2", "--max-scale", "4")
        revision = f"{name}-00001"
        with ContinuousClient(self.platform, self.host(name), rate=20) as client:
            ended = threading.Event()

            def burst():
                while not ended.is_set():
                    self.platform.request(self.host(name), "/sleep?s=0.3")

            threads = [threading.Thread(target=burst) for _ in range(8)]
            for thread in threads:
                thread.start()
            wait_until(lambda: len(self.platform.instances(revision)) >= 3, 30, "a burst brings instances")
            ended.set()
            for thread in threads:
                thread.join(10)
            # Panic holds for a stable window, then the rest drains.
            wait_until(lambda: len(self.platform.instances(revision)) <= 2, 60, "they go again")
            time.sleep(1)
        self.assertEqual(client.failures, [])

    def test_the_proxy_dies(self):
        name = "back"
        self.deploy(self.handler("one"), name, "--min-scale", "1")
        with ContinuousClient(self.platform, self.host(name)) as client:
            time.sleep(1)
            before = self.platform.role_pid("proxy")
            os.kill(before, signal.SIGKILL)
            killed_at = time.monotonic()
            self.assertEqual(self.platform.request(self.host(name), seconds=5)[0], 200)
            back = time.monotonic() - killed_at
            time.sleep(2)
        self.assertLess(back, 1, "back within a second")
        at = killed_at - client.began
        # Only what was in flight at that instant: one request of each of the client's connections at most.
        self.assertLessEqual(len(client.failures), ContinuousClient.LANES, client.failures)
        for when, _, what in client.failures:
            self.assertLess(abs(when - at), 1, what)

    def test_the_supervisor_dies_and_state_and_instances_are_there_again(self):
        name = "kept"
        self.deploy(self.handler("one"), name, "--min-scale", "1")
        before = self.platform.instances(f"{name}-00001")
        self.assertEqual(len(before), 1)
        uid = self.get(name)["metadata"]["uid"]
        self.platform.kill()
        self.assertTrue(all(Path(f"/proc/{pid}").exists() for pid in before.values()))
        self.platform.start()
        type(self).api = Api(self.platform)
        self.assertEqual(self.ok(self.host(name)), b"one")
        found = self.get(name)
        self.assertEqual((found["metadata"]["uid"], self.condition(found)["status"]), (uid, "True"))
        time.sleep(3)  # longer than a decision of the autoscaler
        self.assertEqual(self.platform.instances(f"{name}-00001"), before)


class FullDisk(unittest.TestCase):
    """DATA on a small file system that fills up."""

    def setUp(self):
        if os.geteuid() != 0:
            skip("a file system of its own needs root")
        self.mount = Path(tempfile.mkdtemp(prefix="tidemill-e2e-disk-"))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=420m,mode=0755", "tidemill-e2e", str(self.mount)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.mount.rmdir()
            skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        self.addCleanup(self.unmount)

    def unmount(self):
        subprocess.run(["umount", "-l", str(self.mount)], check=False)
        self.mount.rmdir()

    def fill(self):
        """Takes every last block."""
        with open(self.mount / "filler", "ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                block = b"x" * size
                try:
                    while True:
                        file.write(block)
                except OSError:
                    pass

    def test_writes_are_refused_traffic_goes_on_deletes_work_and_it_recovers(self):
        with tempfile.TemporaryDirectory(prefix="tidemill-e2e-src-") as folder, \
                Platform(data=self.mount / "data") as platform:
            (Path(folder) / "handler.py").write_text("def handle(request, context):\n    return 'here'\n")
            platform.run("deploy", folder, "--name", "shop", "--min-scale", "1", seconds=120)
            api = Api(platform)
            path = "/api/v1/namespaces/default/configmaps"
            for number in range(3):
                self.assertEqual(api.call("POST", path, {"metadata": {"name": f"before-{number}"}})[0], 201)
            with ContinuousClient(platform, "shop.default.localhost", rate=50) as client:
                self.fill()
                refused = None
                for number in range(200):
                    # The filler takes back what a checkpoint of the store gives free meanwhile.
                    status, said = api.call("POST", path, {"metadata": {"name": f"full-{number}"},
                                                           "data": {"a": "x" * 200_000}})
                    if status != 201:
                        refused = status, said
                        break
                    self.fill()
                self.assertIsNotNone(refused, "a full disk refuses a write")
                status, said = refused
                self.assertIn(status, (500, 503, 507), said)
                self.assertRegex(said["message"], "(?i)space|full|disk")
                self.assertEqual(api.call("GET", f"{path}/full-{number}")[0], 404, "what was refused is not there")
                for each in range(number):
                    self.assertEqual(api.call("GET", f"{path}/full-{each}")[0], 200, "what was said to be kept is")
                for each in range(3):
                    status, said = api.call("DELETE", f"{path}/before-{each}")
                    self.assertEqual(status, 200, said)
                time.sleep(1)
                (self.mount / "filler").unlink()
                wait_until(lambda: api.call("POST", path, {"metadata": {"name": "after"}})[0] == 201, 10, "it recovers")
            self.assertEqual(client.failures, [])
            self.assertEqual(platform.stop(), 0)
            platform.start()
            self.assertEqual(Api(platform).call("GET", f"{path}/after")[0], 200)
            self.assertEqual(Api(platform).call("GET", f"{path}/before-0")[0], 404)
            self.assertEqual(platform.request("shop.default.localhost")[0], 200)


if __name__ == "__main__":
    unittest.main()
