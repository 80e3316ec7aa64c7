"""What becomes of instances: their deaths, their ports, their logs, and what is left of them."""
import os
import signal
import time
import unittest

from clients import ContinuousClient
from test_request import Case


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


if __name__ == "__main__":
    unittest.main()
