"""kubectl as it is: the machine's own and Debian's 1.20, with the Knative YAML of public documentation."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from cases import SERVING, ApiCase
from harness import skip, wait_until

# The first service of Knative's documentation (knative.dev/docs/getting-started/first-service), its traffic
# example (.../first-traffic-split) and its autoscaling example, with our image in place of theirs.
HELLO = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {name}
spec:
  template:
    spec:
      containers:
        - image: {image}
          ports:
            - containerPort: 8080
          env:
            - name: TARGET
              value: "World"
"""
SPLIT = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {name}
spec:
  template:
    spec:
      containers:
        - image: {image}
          ports:
            - containerPort: 8080
          env:
            - name: TARGET
              value: "Knative"
  traffic:
  - latestRevision: true
    percent: 50
  - latestRevision: false
    percent: 50
    revisionName: {name}-00001
"""
AUTOSCALED = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {name}
  namespace: default
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/target: "10"
        autoscaling.knative.dev/max-scale: "3"
        autoscaling.knative.dev/initial-scale: "1"
    spec:
      containerConcurrency: 50
      containers:
        - image: {image}
"""


class Kubectl:
    """The tests; each subclass says which kubectl."""

    program = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = Path(tempfile.mkdtemp(prefix="tidemill-e2e-home-"))
        cls.addClassCleanup(shutil.rmtree, cls.home, True)
        cls.prefix = cls.__name__.lower()[:8]

    def k(self, *words, input=None, check=True, seconds=60):
        done = subprocess.run([str(self.program), "--kubeconfig", str(self.platform.data / "kubeconfig"),
                               "--cache-dir", str(self.home / "cache"), *map(str, words)], input=input,
                              capture_output=True, text=True, timeout=seconds, env={**os.environ, "HOME": str(self.home)})
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def apply(self, text, name, **options):
        return self.k("apply", "-f", "-", input=text.format(name=name, image=self.image()), **options)

    def ready(self, name):
        return self.k("wait", "--for=condition=Ready", f"ksvc/{name}", "--timeout=30s")

    def test_version_and_discovery(self):
        self.assertIn("Server Version", self.k("version").stdout)
        text = self.k("api-resources").stdout
        for word in ("ksvc", "revisions", "routes", "configurations", "configmaps", "secrets", "namespaces", "pods"):
            self.assertIn(word, text)
        self.assertIn("serving.knative.dev/v1", self.k("api-versions").stdout)

    def test_the_life_of_a_service(self):
        name = "hello"
        self.assertIn("created", self.apply(HELLO, name).stdout)
        self.assertIn("condition met", self.ready(name).stdout)
        self.assertEqual(self.ok(self.host(name)), b"hello 0\n")
        # As with Knative: the defaults in the stored list of containers make a patch, which changes nothing.
        self.assertRegex(self.apply(HELLO, name).stdout, "unchanged|configured")
        self.assertEqual(self.get(name)["metadata"]["generation"], 1)
        rows = self.k("get", "ksvc").stdout
        self.assertRegex(rows, r"(?m)^NAME +URL +LATESTCREATED +LATESTREADY +READY +REASON")
        self.assertRegex(rows, rf"(?m)^{name} +http://{name}\.default\.localhost +{name}-00001 +{name}-00001 +True")
        self.assertEqual(self.k("get", "ksvc", name, "-o", "jsonpath={.status.url}").stdout, f"http://{name}.default.localhost")
        self.assertEqual(json.loads(self.k("get", "ksvc", name, "-o", "json").stdout)["metadata"]["generation"], 1)
        self.assertIn("kind: Service", self.k("get", "ksvc", name, "-o", "yaml").stdout)
        self.assertEqual(self.k("get", "ksvc", name, "-o", "name").stdout.strip(), f"service.serving.knative.dev/{name}")
        for kind, child in (("configuration", name), ("route", name), ("revision", f"{name}-00001")):
            self.assertIn(child, self.k("get", kind, child).stdout)
        self.assertIn("Ready", self.k("describe", "ksvc", name).stdout)
        self.assertIn(f"{name}-00001", self.k("describe", "revision", f"{name}-00001").stdout)

        self.assertIn("configured", self.apply(SPLIT, name).stdout)
        self.ready(name)
        traffic = self.get(name)["status"]["traffic"]
        self.assertEqual(sorted((each["revisionName"], each["percent"]) for each in traffic),
                         [(f"{name}-00001", 50), (f"{name}-00002", 50)])
        self.assertIn("deleted", self.k("delete", "ksvc", name).stdout)
        done = self.k("get", "ksvc", name, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'services.serving.knative.dev "{name}" not found', done.stderr)
        self.assertEqual(self.platform.request(self.host(name))[0], 404)

    def test_patch_label_annotate(self):
        name = "patched"
        self.apply(AUTOSCALED, name)
        self.ready(name)
        self.k("label", "ksvc", name, "team=mill")
        self.k("annotate", "ksvc", name, "example.com/why=because")
        found = self.get(name)
        self.assertEqual((found["metadata"]["labels"]["team"], found["metadata"]["annotations"]["example.com/why"]),
                         ("mill", "because"))
        self.assertEqual(found["metadata"]["generation"], 1, "labels are no new generation")
        self.k("patch", "ksvc", name, "--type", "merge", "-p", json.dumps(
            {"spec": {"template": {"spec": {"timeoutSeconds": 42}}}}))
        self.ready(name)
        self.assertEqual(self.get(name)["status"]["latestReadyRevisionName"], f"{name}-00002")
        self.k("patch", "ksvc", name, "--type", "json", "-p", json.dumps(
            [{"op": "replace", "path": "/spec/template/spec/timeoutSeconds", "value": 43}]))
        self.assertEqual(self.get(name)["spec"]["template"]["spec"]["timeoutSeconds"], 43)
        self.assertIn(name, self.k("get", "ksvc", "-l", "team=mill", "-o", "name").stdout)
        self.assertNotIn(name, self.k("get", "ksvc", "-l", "team!=mill", "-o", "name").stdout)
        self.k("label", "ksvc", name, "team-")
        self.assertNotIn("team", self.get(name)["metadata"].get("labels", {}))

    def test_dry_run_diff_and_server_side_apply(self):
        name = "trial"
        self.apply(HELLO, name)
        self.ready(name)
        changed = HELLO.replace("World", "Mars").format(name=name, image=self.image())
        done = self.k("apply", "--dry-run=server", "-f", "-", input=changed)
        self.assertIn("server dry run", done.stdout, done.stderr)
        self.assertEqual(self.get(name)["metadata"]["generation"], 1)
        done = self.k("diff", "-f", "-", input=changed, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("+value:Mars", done.stdout.replace(" ", ""))
        fresh = HELLO.format(name="never", image=self.image())
        self.assertIn("server dry run", self.k("create", "--dry-run=server", "-f", "-", input=fresh).stdout)
        self.assertEqual(self.k("diff", "-f", "-", input=fresh, check=False).returncode, 1)
        self.assertEqual(self.api.call("GET", SERVING.format("default") + "/never")[0], 404)
        self.k("delete", "ksvc", name, "--dry-run=server")
        self.assertEqual(self.get(name)["metadata"]["generation"], 1)
        done = self.k("apply", "--server-side", "--force-conflicts", "-f", "-", input=changed)
        self.assertIn("serverside-applied", done.stdout)
        self.assertEqual(self.get(name)["spec"]["template"]["spec"]["containers"][0]["env"],
                         [{"name": "TARGET", "value": "Mars"}])

    def test_watch(self):
        process = subprocess.Popen([str(self.program), "--kubeconfig", str(self.platform.data / "kubeconfig"),
                                    "--cache-dir", str(self.home / "cache"), "get", "ksvc", "-w"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, env={**os.environ, "HOME": str(self.home)})
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(iter(process.stdout.readline, "")), daemon=True)
        reader.start()
        try:
            time.sleep(1)
            self.apply(HELLO, "watched")
            wait_until(lambda: any(line.startswith("watched") and " True" in line for line in seen), 20, "the watch saw Ready")
        finally:
            process.terminate()
            process.wait(10)
            reader.join(5)
            process.stdout.close()

    def test_core_kinds(self):
        space = "space-" + self.prefix
        self.assertIn("created", self.k("create", "namespace", space).stdout)
        self.k("create", "configmap", "settings", "--from-literal=a=1", "-n", space)
        self.k("create", "secret", "generic", "keys", "--from-literal=k=word", "-n", space)
        self.assertEqual(self.k("get", "configmap", "settings", "-n", space, "-o", "jsonpath={.data.a}").stdout, "1")
        self.assertEqual(self.k("get", "secret", "keys", "-n", space, "-o", "jsonpath={.data.k}").stdout, "d29yZA==")
        self.assertNotIn("d29yZA==", self.k("describe", "secret", "keys", "-n", space).stdout)
        self.assertIn("settings", self.k("get", "cm", "-A").stdout)
        text = HELLO.format(name="inside", image=self.image())
        self.k("apply", "-n", space, "-f", "-", input=text)
        self.k("wait", "-n", space, "--for=condition=Ready", "ksvc/inside", "--timeout=30s")
        self.assertEqual(self.ok(f"inside.{space}.localhost"), b"hello 0\n")
        self.k("delete", "namespace", space, seconds=90)
        self.assertEqual(self.platform.request(f"inside.{space}.localhost")[0], 404)
        self.assertEqual(self.api.call("GET", SERVING.format(space) + "/inside")[0], 404)

    def test_pods_logs_and_events(self):
        name = "logged"
        self.apply(AUTOSCALED.replace('target: "10"', 'min-scale: "1"'), name)
        self.ready(name)
        self.ok(self.host(name), "/print?text=to-kubectl")
        selector = f"serving.knative.dev/service={name}"
        pods = self.k("get", "pods", "-l", selector, "-o", "name").stdout.split()
        self.assertEqual(len(pods), 1)
        wait_until(lambda: "to-kubectl" in self.k("logs", pods[0]).stdout, 5, "the line")
        self.assertIn("to-kubectl", self.k("logs", "-l", selector).stdout)
        self.assertRegex(self.k("get", "pods", "-l", selector).stdout, r"1/1 +Running|2/2 +Running")
        self.assertIn("user-container", self.k("describe", pods[0]).stdout)
        self.assertRegex(self.k("get", "deployment", f"{name}-00001-deployment").stdout, "1/1")
        self.k("get", "events")
        process = subprocess.Popen([str(self.program), "--kubeconfig", str(self.platform.data / "kubeconfig"),
                                    "--cache-dir", str(self.home / "cache"), "logs", "-f", pods[0]], stdout=subprocess.PIPE,
                                   text=True, env={**os.environ, "HOME": str(self.home)})
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(iter(process.stdout.readline, "")), daemon=True)
        reader.start()
        try:
            wait_until(lambda: seen, 10, "what was written before")
            self.ok(self.host(name), "/print?text=followed")
            wait_until(lambda: any("followed" in line for line in seen), 5, "the new line")
        finally:
            process.terminate()
            process.wait(10)
            reader.join(5)
            process.stdout.close()
        refused = self.k("logs", "--previous", pods[0], check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("none has ended", refused.stderr)
        (instance,) = self.platform.instances(f"{name}-00001").values()
        os.kill(instance, signal.SIGKILL)

        def replaced():
            there = self.k("get", "pods", "-l", selector, "-o", "name").stdout.split()
            return there if len(there) == 1 and there != pods else None

        (pod,) = wait_until(replaced, 10, "another pod")
        self.assertNotIn("to-kubectl", self.k("logs", pod).stdout)
        self.assertIn("to-kubectl", self.k("logs", "--previous", pod).stdout)

    def test_mistakes_in_the_words_of_kubernetes(self):
        image = self.image()
        rows = [
            (HELLO.replace("ports:", "portz:"), "portz"),
            (HELLO.replace('value: "World"', "value: [1]"), "env"),
            (HELLO.replace("containerPort: 8080", "containerPort: eighty"), "containerPort|port"),
            (SPLIT.replace("percent: 50", "percent: 40"), "100"),
            (HELLO.replace("name: TARGET", "name: K_SERVICE"), "K_SERVICE"),
            (HELLO.replace("name: {name}", "name: Not_A_Name"), "Not_A_Name"),
            (HELLO.replace("kind: Service", "kind: Sorcery"), 'no matches for kind "Sorcery"'),
        ]
        for text, part in rows:
            with self.subTest(part):
                done = self.k("apply", "-f", "-", input=text.format(name="wrong", image=image), check=False)
                self.assertRegex(done.stderr, part)
                if part == "portz" and "Warning" in done.stderr:
                    # kubectl before 1.25 does not ask for strictness: it is warned by name, as Kubernetes does.
                    self.k("delete", "ksvc", "wrong")
                    continue
                self.assertNotEqual(done.returncode, 0)
                self.assertEqual(self.api.call("GET", SERVING.format("default") + "/wrong")[0], 404)
        done = self.k("apply", "-f", "-", input=SPLIT.replace("percent: 50", "percent: 40").format(name="wrong", image=image),
                      check=False)
        self.assertIn('admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: '
                      "Traffic targets sum to 80, want 100: spec.traffic", done.stderr)
        done = self.k("create", "-f", "-", input=HELLO.format(name="there", image=image))
        done = self.k("create", "-f", "-", input=HELLO.format(name="there", image=image), check=False)
        self.assertIn('services.serving.knative.dev "there" already exists', done.stderr)
        done = self.k("get", "ksvc", "nobody", check=False)
        self.assertIn('Error from server (NotFound): services.serving.knative.dev "nobody" not found', done.stderr)
        done = self.k("get", "unicorns", check=False)
        self.assertIn("the server doesn't have a resource type", done.stderr)

    def test_explain_knows_the_fields(self):
        rows = [
            ("ksvc", ("Service", "spec", "status", "requests are split")),
            ("ksvc.spec.template.spec", ("containerConcurrency", "timeoutSeconds", "containers", "required")),
            ("ksvc.spec.template.spec.containers.env", ("valueFrom", "variable")),
            ("ksvc.spec.template.spec.containers.lifecycle", ("Refused: hooks are not run",)),
            ("revision.status", ("desiredReplicas", "How many instances should run")),
            ("configuration.spec", ("template",)),
            ("route.spec.traffic", ("percent", "configurationName")),
            ("configmap", ("binaryData", "immutable")),
            ("secret.metadata", ("labels", "resourceVersion")),
            ("namespace", ("KIND", "Namespace")),
        ]
        for words, parts in rows:
            with self.subTest(words):
                text = self.k("explain", words).stdout
                for part in parts:
                    # Sentences are wrapped.
                    self.assertIn(part, " ".join(text.split()))
        tree = self.k("explain", "ksvc", "--recursive").stdout
        self.assertIn("responseStartTimeoutSeconds", tree)
        done = self.k("explain", "ksvc.spec.colour", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('field "colour" does not exist', done.stderr)

    def test_unknown_fields_of_core_kinds(self):
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: misspelt\ndaat:\n  a: b\n"
        done = self.k("create", "-f", "-", input=text, check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn('unknown field "daat"', done.stderr)
        done = self.k("create", "--validate=false", "-f", "-", input=text)
        self.assertIn("created", done.stdout)
        self.assertNotIn("daat", self.k("get", "configmap", "misspelt", "-o", "json").stdout)
        self.k("delete", "configmap", "misspelt")


class Newest(Kubectl, ApiCase):
    """The kubectl of this machine."""

    @classmethod
    def setUpClass(cls):
        cls.program = shutil.which("kubectl")
        if cls.program is None:
            skip("no kubectl on this machine")
        super().setUpClass()


class Debian(Kubectl, ApiCase):
    """Debian 12's kubectl 1.20, unpacked privately."""

    @classmethod
    def setUpClass(cls):
        cls.unpacked = Path(tempfile.mkdtemp(prefix="tidemill-e2e-kubectl-"))
        cls.addClassCleanup(shutil.rmtree, cls.unpacked, True)
        cls.unpacked.chmod(0o777)  # apt fetches as its own user
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            skip("Debian's kubectl 1.20 is not here: no apt-get or dpkg-deb")
        try:
            done = subprocess.run(["apt-get", "download", "kubernetes-client"], cwd=cls.unpacked, capture_output=True,
                                  text=True, timeout=120)
        except subprocess.TimeoutExpired:
            skip("Debian's kubectl 1.20 cannot be had: the download took over 120 s")
        packages = list(cls.unpacked.glob("kubernetes-client_*.deb"))
        if done.returncode != 0 or not packages:
            skip(f"Debian's kubectl 1.20 cannot be had: {done.stderr.strip().splitlines()[-1:]}")
        subprocess.run(["dpkg-deb", "-x", packages[0], cls.unpacked / "root"], check=True, timeout=60)
        cls.program = cls.unpacked / "root/usr/bin/kubectl"
        super().setUpClass()


if __name__ == "__main__":
    unittest.main()
