"""What a person does: from a folder to a URL, versions and traffic, and the questions that one asks."""
import json
import os
import re
import shutil
import subprocess
import threading
import time
import unittest

from cases import EXAMPLES, SERVING, Api, ApiCase, registry_is_there, service
from clients import ContinuousClient, at_once, curl
from harness import BINARY, LONG, skip, wait_until

SERVICES = SERVING.format("default")


class Examples(ApiCase):
    """Every kind of folder: detected, built, at a URL, and from zero."""

    def example(self, folder, name, *flags):
        began = time.monotonic()
        done = self.tidemill("deploy", EXAMPLES / folder, "--name", name, "--window", "6s", *flags, seconds=240)
        took = time.monotonic() - began
        lines = done.stdout.strip().splitlines()
        self.assertRegex(lines[-1], rf"^http://{name}\.default\.localhost(:\d+)?$")
        # The plan says what it is and why; the last word is a line to copy.
        self.assertRegex(done.stderr, "(?i)because|plan")
        self.assertRegex(done.stderr, rf"curl -H 'Host: {name}\.default\.localhost' http://")
        ready = self.condition(self.get(name))
        self.assertEqual(ready["status"], "True")
        return took

    def answers(self, name, path, want, *flags):
        code, out, err = curl(self.platform, self.host(name), path, "--fail-with-body", *flags)
        self.assertEqual(code, 0, err + out.decode(errors="replace")[:500])
        self.assertRegex(out.decode(), want)

    def test_python_function(self):
        took = self.example("hello-python", "python")
        self.answers("python", "/?name=Ada", "Hello Ada from python-00001")
        print(f"deploy of hello-python: {took:.2f} s", flush=True)

    def test_node_function(self):
        if not shutil.which("node"):
            skip("node is not installed")
        self.example("hello-node", "node")
        self.answers("node", "/?name=Ada", "Hello Ada from node-00001")

    def test_many_functions_in_one_project(self):
        self.example("shop", "shop")
        self.answers("shop", "/orders", '"tea"', "-d", '{"item": "tea"}')
        self.answers("shop", "/stock", '"bread"')
        self.answers("shop", "/stock/report", "tea +")

    def test_procfile(self):
        self.example("procfile-app", "procfile")
        self.answers("procfile", "/", r"^\d\d:\d\d:\d\d UTC\n$")

    def test_native_program(self):
        if not shutil.which("cmake"):
            skip("cmake is not installed")
        self.example("native-cmake", "native")
        self.answers("native", "/", "You are visitor 1\n")

    def test_static_site(self):
        self.example("static-site", "static")
        self.answers("static", "/", "The mill is open")
        self.answers("static", "/tides/", "High water")
        status, headers, body = self.platform.request(self.host("static"), "/nothing")
        self.assertEqual((status, b"No such page" in body), (404, True))
        self.assertEqual(self.platform.request(self.host("static"), "/../../etc/passwd")[0] // 100, 4)

    def test_python_app_with_packages(self):
        if not registry_is_there("pip"):
            skip("no Python package registry is reachable")
        self.example("flask-app", "flask")
        self.answers("flask", "/guests", "Ada", "-H", "Content-Type: application/json", "-d", '{"name": "Ada"}')

    def test_node_app_with_packages(self):
        if not shutil.which("npm") or not registry_is_there("npm"):
            skip("no npm, or no Node package registry is reachable")
        self.example("node-app", "uptime")
        self.answers("uptime", "/", r"^Up for \d+ (ms|seconds?)\n$")

    def test_one_executable(self):
        folder = self.scratch / "executable"
        folder.mkdir()
        from fixed import native_backend
        native_backend(folder)
        self.deploy(folder, "executable")
        self.assertEqual(self.ok(self.host("executable")), b"x" * 11 + b"\n")

    def test_same_source_same_image_and_a_new_deploy_of_it_makes_no_revision(self):
        folder = self.folder("twice", {"handler.py": "def handle(request, context):\n    return 'same'\n"})
        self.deploy(folder, "twice")
        first = self.get("twice")
        os.utime(folder / "handler.py", (1, 1))
        self.deploy(folder, "twice")
        again = self.get("twice")
        self.assertEqual(again["spec"]["template"]["spec"]["containers"][0]["image"],
                         first["spec"]["template"]["spec"]["containers"][0]["image"])
        self.assertEqual(again["status"]["latestReadyRevisionName"], "twice-00001")

    def test_zz_window_and_grace_later_they_are_at_zero_and_come_again(self):
        names = ["python", "procfile", "static", "shop"]
        present = [name for name in names if self.api.call("GET", f"{SERVICES}/{name}")[0] == 200]
        if not present:
            self.example("hello-python", "python")
            present = ["python"]
        wait_until(lambda: not any(self.platform.instances(f"{name}-00001") for name in present), 60,
                   "window and grace are over and the instances are gone")
        for name in present:
            self.assertEqual(self.condition(self.get(name))["status"], "True", "Ready at zero")
            path = "/stock" if name == "shop" else "/"
            self.assertEqual(self.platform.request(self.host(name), path)[0], 200)
            self.assertTrue(self.platform.instances(f"{name}-00001"))

    def test_zz_an_idle_instance_is_frozen_no_replica_and_thawed_with_its_state(self):
        name = "counting"
        folder = self.folder(name, {"handler.py": "count = 0\n\n\ndef handle(request, context):\n"
                                                  "    global count\n    count += 1\n    return str(count)\n"})
        self.deploy(folder, name, "--window", "6s")
        revision = f"{name}-00001"
        self.assertEqual(self.platform.request(self.host(name), "/")[2], b"1")
        wait_until(lambda: self.platform.instances(revision, frozen=True), 60, "it is frozen")
        before = self.platform.instances(revision, frozen=True)
        self.assertEqual(self.api.call("GET", "/api/v1/namespaces/default/pods?labelSelector="
                                       f"serving.knative.dev/revision={revision}")[1]["items"], [], "no Pod")
        self.assertEqual(self.platform.request(self.host(name), "/")[2], b"2", "the same instance, its memory kept")
        self.assertEqual(self.platform.instances(revision), before)
        self.assertIn(": thaw", self.tidemill("explain", name).stdout)

    def test_zzz_cold_start_waterfall_sums_to_what_the_client_saw(self):
        name = "waterfall"
        self.example("hello-python", name)
        revision = f"{name}-00001"
        wait_until(lambda: not self.platform.instances(revision), 60, "zero")
        code, out, err = curl(self.platform, self.host(name), "/", "-o", "/dev/null", "-w",
                              "%{time_pretransfer} %{time_starttransfer}")
        self.assertEqual(code, 0, err)
        connected, first_byte = map(float, out.split())
        seen = (first_byte - connected) * 1000

        def told():
            explained = json.loads(self.tidemill("explain", name, "-o", "json").stdout)
            (one,) = [each for each in explained["revisions"] if each["name"] == revision]
            return one if one["heldRequests"] else None

        one = wait_until(told, 10, "explain knows the held request")
        held = one["heldRequests"][-1]
        stages = held["stages"]
        at = 0
        for stage in stages:
            self.assertAlmostEqual(stage["atMilliseconds"], at, delta=0.01, msg="no gap and no overlap")
            at += stage["tookMilliseconds"]
        self.assertAlmostEqual(at, held["totalMilliseconds"], delta=0.01)
        # Between curl's clock and the proxy's lies one loopback write and curl's own wake-up.
        self.assertLess(held["totalMilliseconds"], seen + 1)
        self.assertGreater(held["totalMilliseconds"], seen - (1 if not LONG else 5) - 5 * os.getloadavg()[0] / os.cpu_count())
        start = [each for each in one["coldStarts"] if each["instance"] == held["instance"]][-1]
        at = 0
        for stage in start["stages"]:
            self.assertAlmostEqual(stage["atMilliseconds"], at, delta=0.01)
            at += stage["tookMilliseconds"]
        self.assertLessEqual(at, held["totalMilliseconds"] + 1)
        text = self.tidemill("explain", name).stdout
        for stage in start["stages"] + stages:
            self.assertIn(stage["name"], text)


class Versions(ApiCase):
    """Two versions of one service."""

    def handler(self, word):
        """A function that says its word; another word is another version."""
        return self.folder(f"say-{word}", {"handler.py": f"def handle(request, context):\n    return '{word}'\n"})

    def traffic(self, name):
        return [(each.get("revisionName"), each.get("percent"), each.get("tag"))
                for each in self.get(name)["status"]["traffic"]]

    def share(self, name, count=400):
        """How many of so many requests each version answered."""
        found = {}
        for answers in at_once(8, lambda _: [self.ok(self.host(name)) for _ in range(count // 8)]):
            self.assertIsInstance(answers, list, answers)
            for answer in answers:
                found[answer] = found.get(answer, 0) + 1
        return found

    def test_the_way_of_a_service(self):
        name = "say"
        url = self.deploy(self.handler("one"), name)
        self.assertEqual(self.ok(self.host(name)), b"one")
        with ContinuousClient(self.platform, self.host(name)) as client:
            self.assertEqual(self.deploy(self.handler("two"), name), url)
            wait_until(lambda: self.ok(self.host(name)) == b"two", 10, "the new version serves")
        self.assertEqual(client.failures, [])
        self.assertEqual(set(client.answers), {b"one", b"two"})

        # Split, and measured: 400 requests at 25 % are 100 with a standard deviation of 8.7.
        done = self.tidemill("traffic", name, "--to", "@latest=25,say-00001=75")
        self.assertIn("25%", done.stdout)
        found = self.share(name)
        self.assertTrue(57 <= found.get(b"two", 0) <= 143, found)
        self.assertEqual(sum(found.values()), 400)

        # A tag has its host at 0 %.
        self.tidemill("traffic", name, "--to", "say-00001=100", "--tag", "canary=say-00002")
        self.assertEqual(self.share(name, 80), {b"one": 80})
        self.assertEqual(self.ok(f"canary-{self.host(name)}"), b"two")
        self.assertEqual(self.tidemill("invoke", name, "--tag", "canary", "--proxy", "%s:%d" % self.platform.http).stdout, "two")
        self.tidemill("traffic", name, "--untag", "canary")
        wait_until(lambda: self.platform.request(f"canary-{self.host(name)}")[0] == 404, 5, "the tag's host is gone")

        # Back and forth without a failure.
        self.tidemill("traffic", name, "--to", "@latest=100")
        wait_until(lambda: self.ok(self.host(name)) == b"two", 5, "all to the latest")
        with ContinuousClient(self.platform, self.host(name)) as client:
            done = self.tidemill("rollback", name)
            self.assertIn("say-00002 -> say-00001", done.stdout)
            wait_until(lambda: self.ok(self.host(name)) == b"one", 5, "rolled back")
            self.tidemill("rollback", name, "--to", "say-00002")
            wait_until(lambda: self.ok(self.host(name)) == b"two", 5, "and forth")
        self.assertEqual(client.failures, [])

        rows = self.tidemill("revisions", name).stdout
        self.assertRegex(rows, r"(?m)^say-00001 ")
        self.assertRegex(rows, r"(?m)^say-00002 +say +100%")

        # A version that does not work takes nothing away.
        broken = self.folder("say-broken", {"handler.py": "raise RuntimeError('no')\n\ndef handle(request, context):\n    pass\n"})
        self.tidemill("traffic", name, "--to", "@latest=100")
        with ContinuousClient(self.platform, self.host(name)) as client:
            done = self.tidemill("deploy", broken, "--name", name, "--wait", "8s", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("RuntimeError", done.stderr)
        self.assertEqual(client.failures, [])
        self.assertEqual(set(client.answers), {b"two"})

        self.assertEqual(self.tidemill("delete", name, "--wait").returncode, 0)
        self.assertEqual(self.platform.request(self.host(name))[0], 404)
        for kind in ("services", "routes", "configurations"):
            self.assertEqual(self.api.call("GET", f"/apis/serving.knative.dev/v1/namespaces/default/{kind}/{name}")[0], 404)
        wait_until(lambda: not self.platform.instances(name), 15, "the instances are gone")

    def test_percentages_that_do_not_sum_to_100_are_refused(self):
        self.deploy(self.handler("one"), "sums")
        before = self.traffic("sums")
        done = self.tidemill("traffic", "sums", "--to", "@latest=90", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("100", done.stderr)
        self.assertEqual(self.traffic("sums"), before)
        done = self.tidemill("traffic", "sums", "--to", "sums-00009=100", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("sums-00009", done.stderr)

    def test_a_deploy_that_gets_no_traffic_yet(self):
        self.deploy(self.handler("one"), "quiet")
        self.deploy(self.handler("two"), "quiet", "--no-traffic")
        self.assertEqual(self.share("quiet", 40), {b"one": 40})
        self.tidemill("traffic", "quiet", "--to", "@latest=100")
        wait_until(lambda: self.ok(self.host("quiet")) == b"two", 5, "all to the latest")


class Looking(ApiCase):
    """Commands that look, over a service that runs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.run("deploy", cls.app("app"), "--name", "app", "--env", "COLOUR=red", "--min-scale", "1",
                         "--window", "6s", "--concurrency", "5", "--max-scale", "4", seconds=180)

    def proxy(self):
        return ["--proxy", "%s:%d" % self.platform.http]

    def test_ls(self):
        text = self.tidemill("ls").stdout
        self.assertRegex(text, r"(?m)^NAME +URL")
        self.assertRegex(text, r"(?m)^app +http://app\.default\.localhost")
        self.assertIn("app", self.tidemill("ls", "-A").stdout)

    def test_describe(self):
        text = self.tidemill("describe", "app").stdout
        for part in ("app", "app-00001", "http://app.default.localhost", "Ready"):
            self.assertIn(part, text)

    def test_get_in_every_form(self):
        document = json.loads(self.tidemill("get", "ksvc", "app", "-o", "json").stdout)
        self.assertEqual((document["kind"], document["metadata"]["name"]), ("Service", "app"))
        text = self.tidemill("get", "ksvc", "app", "-o", "yaml").stdout
        self.assertIn("kind: Service", text)
        try:
            import yaml
            self.assertEqual(yaml.safe_load(text)["metadata"]["uid"], document["metadata"]["uid"])
        except ImportError:
            pass
        self.assertEqual(self.tidemill("get", "ksvc", "app", "-o", "name").stdout.strip(), "service.serving.knative.dev/app")
        self.assertRegex(self.tidemill("get", "ksvc", "-o", "wide").stdout, r"(?m)^NAME +URL")
        self.assertEqual(self.tidemill("get", "ksvc", "app", "-o", "jsonpath={.status.url}").stdout.strip(),
                         "http://app.default.localhost")
        listed = json.loads(self.tidemill("get", "revisions", "-l", "serving.knative.dev/service=app", "-o", "json").stdout)
        self.assertEqual([each["metadata"]["name"] for each in listed["items"]], ["app-00001"])
        self.assertIn("app-00001", self.tidemill("get", "pods").stdout)

    def test_get_watches(self):
        process = subprocess.Popen([str(BINARY), "get", "configmaps", "-w"], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "TIDEMILL_DATA": str(self.platform.data)})
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(iter(process.stdout.readline, "")), daemon=True)
        reader.start()
        try:
            time.sleep(1)
            self.api.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "seen"}})
            wait_until(lambda: any(line.startswith("seen") for line in seen), 5, "the watch shows it")
        finally:
            process.terminate()
            process.wait(10)
            reader.join(5)
            process.stdout.close()

    def test_invoke(self):
        done = self.tidemill("invoke", "app", *self.proxy())
        self.assertEqual(done.stdout, "hello 0\n")
        done = self.tidemill("invoke", "app", "-d", "12345", *self.proxy())
        self.assertEqual(done.stdout, "hello 5\n")
        done = self.tidemill("invoke", "app", "-d", "-", *self.proxy(), input="from stdin")
        self.assertEqual(done.stdout, "hello 10\n")
        done = self.tidemill("invoke", "app", "--path", "/status?code=503", "-i", *self.proxy(), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("HTTP/1.1 503", done.stdout)

    def test_invoke_finds_the_proxy_by_itself(self):
        self.assertEqual(self.tidemill("invoke", "app").stdout, "hello 0\n")

    def test_environment_and_flags_of_deploy_have_their_effect(self):
        view = json.loads(self.ok(self.host("app"), "/view"))
        self.assertEqual(view["environment"]["COLOUR"], "red")
        found = self.get("app")["spec"]["template"]
        self.assertEqual(found["spec"]["containerConcurrency"], 5)
        self.assertEqual(found["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"], "4")

    def test_logs_and_follow(self):
        self.ok(self.host("app"), "/print?text=first-line")
        wait_until(lambda: "first-line" in self.tidemill("logs", "app").stdout, 5, "the line is in the log")
        self.assertIn("first-line (stderr)", self.tidemill("logs", "app").stdout)
        process = subprocess.Popen([str(BINARY), "logs", "app", "-f", "--tail", "1"], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "TIDEMILL_DATA": str(self.platform.data)})
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(iter(process.stdout.readline, "")), daemon=True)
        reader.start()
        try:
            wait_until(lambda: seen, 10, "the tail")
            self.ok(self.host("app"), "/print?text=while-following")
            wait_until(lambda: any("while-following" in line for line in seen), 5, "the new line")
        finally:
            process.terminate()
            process.wait(10)
            reader.join(5)
            process.stdout.close()

    def test_doctor(self):
        found = json.loads(self.tidemill("doctor", "-o", "json", check=False).stdout)["findings"]
        self.assertIn("API", {each["subject"] for each in found})
        for each in found:
            self.assertIn(each["verdict"], ("good", "weaker", "missing"))
            if each["verdict"] != "good":
                self.assertTrue(each.get("fix"), each)
        self.assertEqual([each["verdict"] for each in found if each["subject"] == "API"], ["good"])

    def test_tokens(self):
        done = self.tidemill("token", "create", "--user", "ada", "--role", "viewer")
        token = done.stdout.strip().splitlines()[-1]
        eyes = Api(self.platform, token)
        self.assertEqual(eyes.call("GET", SERVICES)[0], 200)
        self.assertEqual(eyes.call("GET", "/api/v1/namespaces/default/secrets")[0], 403)
        self.assertEqual(eyes.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "no"}})[0], 403)
        out = subprocess.run(["curl", "-sS", "-k", "-H", f"Authorization: Bearer {token}", "--max-time", "10",
                              "https://%s:%d%s" % (*self.platform.api, "/version")], capture_output=True, text=True)
        self.assertIn("gitVersion", out.stdout, out.stderr)
        rows = self.tidemill("token", "ls").stdout
        name = re.search(r"(?m)^(\S+) +ada ", rows).group(1)
        self.tidemill("token", "revoke", name)
        self.assertEqual(eyes.call("GET", SERVICES)[0], 401)
        # Only its digest was ever kept.
        found = subprocess.run(["grep", "-rl", token, str(self.platform.data)], capture_output=True, text=True)
        self.assertEqual(found.stdout, "")

    def test_secrets_are_encrypted_at_rest(self):
        word = "c2VjcmV0LXdvcmQtb2YtZTJl"  # base64 of what must not be found
        status, made = self.api.call("POST", "/api/v1/namespaces/default/secrets",
                                     {"metadata": {"name": "hidden"}, "data": {"key": word}})
        self.assertEqual(status, 201, made)
        self.assertEqual(self.api.call("GET", "/api/v1/namespaces/default/secrets/hidden")[1]["data"], {"key": word})
        for text in (word, "secret-word-of-e2e"):
            found = subprocess.run(["grep", "-rl", text, str(self.platform.data)], capture_output=True, text=True)
            self.assertEqual(found.stdout, "", "no file of DATA holds it")

    def test_every_change_leaves_an_audit_record(self):
        self.api.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "audited"}, "data": {"a": "1"}})
        lines = [json.loads(line) for line in (self.platform.data / "audit.log").read_text().splitlines()]
        self.assertTrue(any("audited" in json.dumps(line) and "admin" in json.dumps(line) for line in lines))

    def test_version(self):
        self.assertRegex(self.tidemill("version").stdout, r"client \S+\nserver \S+\n")
        self.assertEqual(set(json.loads(self.tidemill("version", "-o", "json").stdout)), {"client", "server"})

    def test_help_of_everything(self):
        text = self.tidemill("help").stdout
        commands = re.findall(r"(?m)^  ([a-z]+)  ", text)
        for name in ("deploy", "traffic", "rollback", "revisions", "ls", "describe", "logs", "invoke", "delete", "apply",
                     "get", "explain", "doctor", "token", "version", "up"):
            self.assertIn(name, commands)
        for name in commands:
            with self.subTest(name):
                self.assertTrue(self.tidemill(name, "--help").stdout)

    def test_bash_completes_what_is_there(self):
        def complete(*line):
            script = (f'source <("{BINARY}" completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tidemill; '
                      'printf "%s\\n" "${COMPREPLY[@]}"')
            done = subprocess.run(["bash", "-c", script, "bash", str(BINARY), *line], capture_output=True, text=True,
                                  timeout=20, env={**os.environ, "TIDEMILL_DATA": str(self.platform.data)})
            self.assertEqual(done.stderr, "")
            return done.stdout.split()
        self.assertEqual(complete("rev"), ["revisions"])
        self.assertIn("app", complete("logs", ""))
        self.assertIn("app-00001", complete("get", "revisions", "app-"))
        self.assertIn("ksvc/app", complete("get", "ksvc/ap"))
        self.assertIn("default", complete("ls", "-n", "d"))

    def test_several_kinds_at_once(self):
        text = self.tidemill("get", "ksvc,routes").stdout
        self.assertRegex(text, r"(?m)^service\.serving\.knative\.dev/app ")
        self.assertRegex(text, r"(?m)^route\.serving\.knative\.dev/app ")
        done = self.tidemill("get", "ksvc/app", "revision/app-00001", "-o", "name").stdout
        self.assertEqual(done, "service.serving.knative.dev/app\nrevision.serving.knative.dev/app-00001\n")

    def test_apply(self):
        image = self.get("app")["spec"]["template"]["spec"]["containers"][0]["image"]
        document = service("applied", image)
        text = json.dumps(document)
        self.tidemill("apply", "-f", "-", input=text)
        self.wait_ready("applied")
        self.assertEqual(self.ok(self.host("applied")), b"hello 0\n")
        before = self.get("applied")["metadata"]["resourceVersion"]
        time.sleep(1)
        self.tidemill("apply", "-f", "-", input=text)
        self.assertEqual(self.get("applied")["metadata"]["generation"], 1)
        document["spec"]["template"]["spec"]["timeoutSeconds"] = 60
        self.tidemill("apply", "-f", "-", "--dry-run", input=json.dumps(document))
        self.assertEqual(self.get("applied")["metadata"]["generation"], 1)
        self.assertTrue(before)


class Explained(ApiCase):
    """Decisions of the autoscaler, computed again from their recorded inputs as Knative's rules say."""

    def recomputed(self, inputs):
        """Desired scale and excess burst capacity: knative/serving pkg/autoscaler/scaling/autoscaler.go."""
        import math
        spec, ready = inputs["spec"], max(1, inputs["ready"])
        up = math.ceil(spec["scaleUpRateMax"] * ready)
        down = math.floor(ready / spec["scaleDownRateMax"]) if spec["reachable"] else 0
        wanted_stable = math.ceil(inputs["stableValue"] / spec["targetValue"])
        wanted_panic = math.ceil(inputs["panicValue"] / spec["targetValue"])

        def bounded(wanted):
            value = min(max(wanted, down), up)
            return max(value, spec["activationScale"]) if spec["activationScale"] > 1 and wanted > 0 else value

        stable, panic = bounded(wanted_stable), bounded(wanted_panic)
        over = wanted_panic / ready >= spec["panicThreshold"]
        since, most = inputs["panic"]["since"], inputs["panic"]["instancesMax"]
        if over:
            since = inputs["now"]
        elif since is not None and since + spec["stableWindow"] < inputs["now"]:
            since, most = None, 0
        desired = stable
        if since is not None:
            most = max(most, stable, panic)
            desired = most
        if spec["reachable"] and spec["scaleDownDelay"] > 0 and inputs["delayedMax"] is not None:
            desired = max(desired, inputs["delayedMax"])
        burst = spec["burstCapacity"]
        excess = burst if burst in (0, -1) else math.floor(inputs["ready"] * spec["totalValue"] - burst - inputs["panicValue"])
        return desired, excess, since

    def test_every_decision_can_be_computed_again(self):
        self.deploy(self.app("load"), "load", "--window", "6s", "--concurrency", "2", "--max-scale", "3")
        at_once(12, lambda _: [self.platform.request(self.host("load"), "/sleep?s=0.5") for _ in range(8)])

        def decisions():
            explained = json.loads(self.tidemill("explain", "load", "-o", "json").stdout)
            (one,) = [each for each in explained["revisions"] if each["name"] == "load-00001"]
            return one["decisions"]

        found = wait_until(lambda: len(decisions()) >= 3 and decisions(), 20, "some decisions")
        computed = 0
        for decision in found:
            record = decision.get("record", decision)
            self.assertTrue(decision["text"])
            scale, scaler = record["scale"], record["scaler"]
            if scale is not None:
                desired, excess, since = self.recomputed(scale["inputs"])
                self.assertEqual((scale["desired"], scale["excessBurstCapacity"], scale["panic"]["since"]),
                                 (desired, excess, since), scale)
                self.assertEqual(scaler["inputs"]["desired"], desired)
                computed += 1
            self.assertLessEqual(scaler["wanted"], 3)
            spec = scaler["inputs"]["spec"]
            if scaler["inputs"]["desired"] > 0:
                low = spec["scaleMin"]
                if spec["initialScale"] > 1 and not scaler["inputs"]["initialized"]:
                    low = max(low, spec["initialScale"])
                want = max(scaler["inputs"]["desired"], low)
                want = min(want, spec["scaleMax"]) if spec["scaleMax"] and want != low else want
                self.assertEqual(scaler["wanted"], want, scaler)
        self.assertGreater(computed, 0)
        self.assertGreater(max(each.get("record", each)["scaler"]["wanted"] for each in found), 1, "the load was seen")
        text = self.tidemill("explain", "load").stdout
        self.assertIn("load-00001", text)
        self.assertIn("Traffic", text)


if __name__ == "__main__":
    unittest.main()
