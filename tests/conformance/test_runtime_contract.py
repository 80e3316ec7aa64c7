"""Knative runtime contract, knative/specs specs/serving/runtime-contract.md at 22d54f8: each MUST that is covered.

The docstring of a test says the requirement in our words and the section that it stands in.
"""
import json
import os
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from cases import ApiCase, service  # noqa: E402
from harness import skip, wait_until  # noqa: E402


class RuntimeContract(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.run("deploy", cls.app("contract"), "--name", "contract", "--min-scale", "1", "--memory", "128Mi",
                         "--cpu", "500m", seconds=180)
        cls.view = json.loads(cls.platform.request("contract.default.localhost", "/view")[2])

    def test_port_is_in_the_environment(self):
        """Protocols and Ports, Meta Requests: PORT names the port to listen on."""
        self.assertTrue(1 <= int(self.view["environment"]["PORT"]) <= 65535)

    def test_names_are_in_the_environment(self):
        """Process, Environment: K_SERVICE, K_CONFIGURATION, K_REVISION (SHOULD)."""
        environment = self.view["environment"]
        self.assertEqual((environment["K_SERVICE"], environment["K_CONFIGURATION"], environment["K_REVISION"]),
                         ("contract", "contract", "contract-00001"))

    def test_http_1_1_comes_in(self):
        """Inbound Network Connectivity, Protocols and Ports: HTTP/1.1 MUST be supported."""
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            self.assertEqual(self.platform.request(self.host("contract"), "/", method=method,
                                                   body=b"x" if method in ("POST", "PUT", "PATCH") else None)[0], 200)

    def test_headers(self):
        """Headers: Host and Forwarded MUST be set; X-Forwarded-For, X-Forwarded-Proto and trace headers SHOULD."""
        headers = self.view["headers"]
        self.assertEqual(headers["host"], "contract.default.localhost")
        self.assertRegex(headers["forwarded"], r"for=127\.0\.0\.1.*proto=http")
        self.assertTrue(headers["x-forwarded-for"].endswith("127.0.0.1"))
        self.assertEqual(headers["x-forwarded-proto"], "http")
        self.assertRegex(headers["traceparent"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$")

    def test_headers_of_the_client_are_unchanged(self):
        """Headers: what the client sent reaches the container as it was (SHOULD)."""
        given = {"X-Anything": "some thing, some=more", "Accept-Language": "de", "Cookie": "a=b; c=d", "User-Agent": "e2e"}
        found = {name.lower(): value for name, value in
                 json.loads(self.ok(self.host("contract"), "/headers", headers=given))}
        for name, value in given.items():
            self.assertEqual(found[name.lower()], value)

    def test_tmp_can_be_written(self):
        """Filesystems: /tmp MUST be readable and writable."""
        self.assertTrue(self.view["tmp"])
        self.assertEqual(self.view["tmp_mode"], "0o1777")

    def test_resolver_configuration_is_there(self):
        """Filesystems, DNS: /etc/resolv.conf (SHOULD)."""
        self.assertTrue(self.view["resolv"])

    def test_proc_sys_is_read_only(self):
        """Filesystems: /proc/sys SHOULD be read-only; neither is the host's /usr written, nor the app's folder."""
        self.assertFalse(self.view["proc_sys"])
        self.assertFalse(self.view["usr"])
        self.assertFalse(self.view["app"])

    def test_stdin_is_at_its_end(self):
        """Process, stdio: reading stdin gives end of file (SHOULD)."""
        self.assertTrue(self.view["stdin"])

    def test_no_console_and_only_the_default_devices(self):
        """Linux Runtime, Default Devices: the OCI default devices; no /dev/console (SHOULD)."""
        self.assertFalse(self.view["console"])
        for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "shm"):
            self.assertIn(name, self.view["devices"])
        for name in self.view["devices"]:
            self.assertNotRegex(name, r"^(sd|vd|nvme|loop|kmsg|mem|kvm)")

    def test_it_sees_only_its_own_processes(self):
        """Linux Runtime, Namespaces: the OCI namespaces MUST be there."""
        self.assertLess(self.view["processes"], 10)

    def test_it_does_not_run_as_root(self):
        """Process, User: the platform chooses when nothing is said (SHOULD be the image's user)."""
        self.assertNotEqual(self.view["uid"], 0)

    def test_user_as_declared(self):
        """Process, User: runAsUser, when given, MUST be used."""
        image = self.get("contract")["spec"]["template"]["spec"]["containers"][0]["image"]
        document = service("user", image, annotations={"autoscaling.knative.dev/min-scale": "1"})
        document["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"runAsUser": 65532}
        self.create(document)
        self.wait_ready("user")
        self.assertEqual(json.loads(self.ok(self.host("user"), "/view"))["uid"], 65532)

    def test_limits_are_applied(self):
        """Linux Runtime, Control Groups: the limits that were declared MUST be applied."""
        pid = next(iter(self.platform.instances("contract-00001").values()))
        groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        for line in groups:
            number, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                # The path is the root's as this mount shows it.
                tail = path[path.index("/tidemill/"):]
                found = [limit for limit in Path("/sys/fs/cgroup/memory").glob("**" + tail + "/memory.limit_in_bytes")]
                self.assertEqual(int(found[0].read_text()), 128 << 20)
                break
        else:
            limit = Path("/sys/fs/cgroup" + groups[0].split(":", 2)[2]) / "memory.max"
            if not limit.exists():
                skip("no memory control group can be used on this machine")
            self.assertEqual(int(limit.read_text()), 128 << 20)

    def test_memory_beyond_the_limit_ends_the_container(self):
        """Linux Runtime, Control Groups; conformance TestCustomResourcesLimits."""
        self.deploy(self.app("limits"), "limits", "--min-scale", "1", "--memory", "96Mi")
        self.assertEqual(self.platform.request(self.host("limits"), "/eat?mb=20")[0], 200)
        self.assertNotEqual(self.platform.request(self.host("limits"), "/eat?mb=500")[0], 200)
        wait_until(lambda: self.platform.request(self.host("limits"))[0] == 200, 5, "it is replaced")

    def test_term_comes_first_and_kill_after_the_grace(self):
        """Lifecycle, Shutdown: SIGTERM first, SIGKILL when the time is over."""
        folder = self.folder("ending", {"Procfile": "web: exec python3 -I -S ending.py\n", "ending.py": (
            "import os, signal, sys, time, http.server\n"
            "def leave(*_):\n    print('got SIGTERM', flush=True)\n    time.sleep(0.3)\n"
            "    print('leaving', flush=True)\n    os._exit(0)\n"
            "signal.signal(signal.SIGTERM, leave)\n"
            "class Handler(http.server.BaseHTTPRequestHandler):\n"
            "    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'x')\n"
            "http.server.ThreadingHTTPServer(('0.0.0.0', int(os.environ['PORT'])), Handler).serve_forever()\n")})
        self.deploy(folder, "ending", "--min-scale", "1")
        self.tidemill("delete", "ending")
        wait_until(lambda: not self.platform.instances("ending-00001"), 20, "it is gone")
        text = "".join(path.read_text() for path in (self.platform.data / "logs").glob("ending-00001-*/*.log"))
        self.assertIn("got SIGTERM", text)
        self.assertIn("leaving", text)

    def test_failures_are_logged_where_the_developer_sees_them(self):
        """Lifecycle: process failures MUST be reported where the developer can see them."""
        self.tidemill("deploy", self.app("fails", mode="exit:5"), "--name", "fails", "--wait", "6s", check=False)
        found = self.wait_ready("fails", state="False")
        self.assertRegex(json.dumps(found["status"]), "ExitCode5|exit code 5")
        ready = self.condition(self.get("fails-00001", kind="revisions"))
        self.assertEqual(ready["status"], "False")
        self.assertTrue(ready["reason"] and ready["message"])

    def test_one_port_only(self):
        """Protocols and Ports: at most one containerPort may be declared."""
        image = self.get("contract")["spec"]["template"]["spec"]["containers"][0]["image"]
        document = service("ports", image)
        document["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80}, {"containerPort": 81}]
        status, said = self.api.call("POST", "/apis/serving.knative.dev/v1/namespaces/default/services", document)
        self.assertEqual(status, 400)
        self.assertIn("ports", said["message"])

    def test_a_container_with_a_request_is_active(self):
        """Lifecycle, Scaling: a container that handles a request counts as active and is not stopped."""
        self.deploy(self.app("busy"), "busy", "--window", "6s")
        self.assertEqual(self.platform.request(self.host("busy"), "/sleep?s=14", seconds=30)[0], 200)


if __name__ == "__main__":
    unittest.main()
