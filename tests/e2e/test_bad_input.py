"""Bad input: each gives a clear error with evidence and the fix, and nothing stored changes."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

from cases import SERVING, Api, ApiCase, service
from harness import BINARY, Platform, skip, wait_until

IMAGE = "dev.local/default/x@sha256:" + "0" * 64
SERVICES = SERVING.format("default")


def good(**changes):
    document = service("bad", IMAGE)
    document["spec"].update(changes)
    return document


def with_container(**changes):
    document = service("bad", IMAGE)
    document["spec"]["template"]["spec"]["containers"][0].update(changes)
    return document


def named(name):
    document = service("bad", IMAGE)
    document["metadata"]["name"] = name
    return document


def annotated(key, value):
    return service("bad", IMAGE, annotations={key: value})


def deep(levels):
    return '{"a":' * levels + "1" + "}" * levels


def bomb():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 12):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(lines) + "\n"


LATEST = {"latestRevision": True}
JSON = "application/json"
YAML = "application/yaml"
# what: (content type, body, statuses, parts that the message names)
DOCUMENTS = {
    # Named by the issue.
    "not JSON": (JSON, "this is not JSON", (400,), ("JSON",)),
    "not YAML": (YAML, "a: [1, 2\nb: }", (400,), ("YAML",)),
    "nothing": (JSON, "", (400,), ()),
    "half a document": (JSON, json.dumps(good())[:-20], (400,), ("JSON",)),
    "an unknown field": (JSON, good(colour="red"), (400, 422), ("colour",)),
    "an unknown field, deep": (JSON, with_container(colour="red"), (400, 422), ("colour",)),
    "a wrong type": (JSON, good(template=7), (400, 422), ("template",)),
    "a number as text": (JSON, with_container(ports=[{"containerPort": "eighty"}]), (400, 422), ("containerPort",)),
    "text as a number": (JSON, with_container(image=7), (400, 422), ("image",)),
    "a list for an object": (JSON, good(template=[]), (400, 422), ("template",)),
    "duplicate keys in JSON": (JSON, '{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{"name":"bad"},'
                               '"spec":{},"spec":{}}', (400,), ("spec",)),
    "duplicate keys in YAML": (YAML, "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: bad}\n"
                               "spec: {}\nspec: {}\n", (400,), ("spec",)),
    "percentages below 100": (JSON, good(traffic=[{**LATEST, "percent": 99}]), (400,), ("99", "100", "spec.traffic")),
    "percentages above 100": (JSON, good(traffic=[{**LATEST, "percent": 60}, {"revisionName": "bad-00001", "percent": 60}]),
                              (400,), ("120", "100")),
    "a negative percentage": (JSON, good(traffic=[{**LATEST, "percent": 110}, {"revisionName": "bad-00001", "percent": -10}]),
                              (400,), ("-10", "percent")),
    "a duplicate tag": (JSON, good(traffic=[{**LATEST, "percent": 100, "tag": "a"},
                                            {"revisionName": "bad-00001", "percent": 0, "tag": "a"}]), (400,), ("tag",)),
    "a tag that is no label": (JSON, good(traffic=[{**LATEST, "percent": 100, "tag": "A_b"}]), (400,), ("label", "spec.traffic.tag[0]")),
    "a name that is no label": (JSON, named("Not_A_Label"), (400, 422), ("Not_A_Label",)),
    "a name that is too long": (JSON, named("a" * 64), (400, 422), ("63",)),
    "a name that begins with a digit": (JSON, named("1abc"), (400, 422), ("metadata.name",)),
    "no name": (JSON, named(""), (400, 422), ("name",)),
    **{f"the reserved name {name}": (JSON, with_container(env=[{"name": name, "value": "x"}]), (400,), (name,))
       for name in ("PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION")},
    "a YAML bomb": (YAML, bomb(), (400, 413), ("YAML",)),
    "deep JSON": (JSON, deep(5000), (400,), ("JSON",)),
    "deep YAML": (YAML, "[" * 5000 + "]" * 5000, (400,), ("YAML",)),
    # And more that the issue does not list.
    "the kind of another resource": (JSON, {**good(), "kind": "Route"}, (400,), ("Route",)),
    "another group": (JSON, {**good(), "apiVersion": "serving.knative.dev/v9"}, (400,), ("v9",)),
    "a namespace that is not the path's": (JSON, service("bad", IMAGE, space="other"), (400,), ("namespace",)),
    "a body that is a list": (JSON, [good()], (400,), ()),
    "a body that is null": (JSON, "null", (400,), ()),
    "two YAML documents": (YAML, "a: 1\n---\nb: 2\n", (400,), ("2",)),
    "invalid UTF-8": (JSON, b'{"metadata":{"name":"\xff\xfe"}}', (400,), ("JSON",)),
    "a media type that nobody knows": ("text/csv", "a,b", (415,), ("text/csv",)),
    "no container": (JSON, good(template={"spec": {"containers": []}}), (400, 422), ("containers",)),
    "no image": (JSON, good(template={"spec": {"containers": [{}]}}), (400, 422), ("containers[0]",)),
    "two ports": (JSON, with_container(ports=[{"containerPort": 80}, {"containerPort": 81}]), (400,), ("ports",)),
    "a reserved port": (JSON, with_container(ports=[{"containerPort": 8012}]), (400,), ("8012",)),
    "a port out of range": (JSON, with_container(ports=[{"containerPort": 70000}]), (400, 422), ("70000",)),
    "timeoutSeconds above the most": (JSON, service("bad", IMAGE, timeoutSeconds=601), (400,), ("601", "600")),
    "negative concurrency": (JSON, service("bad", IMAGE, containerConcurrency=-1), (400,), ("-1",)),
    "a lifecycle hook": (JSON, with_container(lifecycle={"preStop": {"exec": {"command": ["a"]}}}), (400, 422),
                         ("lifecycle",)),
    "hostNetwork": (JSON, service("bad", IMAGE, hostNetwork=True), (400, 422), ("hostNetwork",)),
    "memory that is no quantity": (JSON, with_container(resources={"limits": {"memory": "lots"}}), (400, 422), ("lots",)),
    "a window that is too short": (JSON, annotated("autoscaling.knative.dev/window", "1s"), (400,), ("window",)),
    "a scale that is no number": (JSON, annotated("autoscaling.knative.dev/min-scale", "many"), (400,), ("min-scale",)),
    "min above max": (JSON, service("bad", IMAGE, annotations={"autoscaling.knative.dev/min-scale": "3",
                                                               "autoscaling.knative.dev/max-scale": "2"}), (400,),
                      ("max-scale",)),
    "a revision name without the service's": (
        JSON, good(template={"metadata": {"name": "other-1"}, "spec": {"containers": [{"image": IMAGE}]}}), (400,),
        ("other-1",)),
}


class Objects(ApiCase):
    """Documents that the API refuses."""

    def stored(self):
        """All that could have changed, with its version."""
        found = {}
        for path in (SERVICES, "/apis/serving.knative.dev/v1/routes", "/apis/serving.knative.dev/v1/configurations",
                     "/apis/serving.knative.dev/v1/revisions", "/api/v1/configmaps", "/api/v1/secrets", "/api/v1/namespaces"):
            status, listed = self.api.call("GET", path)
            self.assertEqual(status, 200, listed)
            for item in listed["items"]:
                metadata = item["metadata"]
                found[path, metadata.get("namespace"), metadata["name"]] = metadata["resourceVersion"]
        return found

    def refused(self, answer, statuses, parts):
        status, said = answer
        self.assertIn(status, statuses, said)
        self.assertIsInstance(said, dict, said)
        self.assertEqual((said["kind"], said["status"], said["code"]), ("Status", "Failure", status))
        self.assertTrue(said["reason"] and said["message"])
        for part in parts:
            self.assertIn(part, json.dumps(said, ensure_ascii=False))
        self.assertLess(len(said["message"]), 8000)

    def test_each_document_is_refused_whole(self):
        before = self.stored()
        for what, (kind, body, statuses, parts) in DOCUMENTS.items():
            with self.subTest(what):
                self.refused(self.api.call("POST", SERVICES + "?fieldValidation=Strict", body, kind), statuses, parts)
        self.assertEqual(self.stored(), before)

    def test_a_stale_version_is_a_conflict_and_the_winner_stays(self):
        path = "/api/v1/namespaces/default/configmaps"
        status, made = self.api.call("POST", path, {"metadata": {"name": "stale"}, "data": {"a": "1"}})
        self.assertEqual(status, 201, made)
        status, winner = self.api.call("PUT", path + "/stale", {**made, "data": {"a": "2"}})
        self.assertEqual(status, 200, winner)
        status, said = self.api.call("PUT", path + "/stale", {**made, "data": {"a": "3"}})
        self.assertEqual((status, said["reason"]), (409, "Conflict"))
        self.assertIn("the object has been modified", said["message"])
        self.assertEqual(self.api.call("GET", path + "/stale")[1]["data"], {"a": "2"})

    def test_a_body_of_100_mb_is_refused_early(self):
        for kind in (JSON, YAML):
            with self.subTest(kind):
                # 413 may come while we still send: then the connection ends under us, which is as good.
                try:
                    status, said = self.api.call("POST", SERVICES, b'{"a":"' + b"x" * (100 << 20) + b'"}', kind)
                except (ConnectionError, ssl.SSLError):
                    continue
                self.assertEqual(status, 413, str(said)[:300])
                self.assertIn("TM-305", said["message"])
        self.assertEqual(self.api.call("GET", "/readyz")[0], 200)

    def test_a_body_of_100_mb_to_the_json_patch(self):
        try:
            status, _ = self.api.call("PATCH", SERVICES + "/none", b"[" + b" " * (100 << 20) + b"]",
                                      "application/json-patch+json")
            self.assertIn(status, (404, 413))
        except (ConnectionError, ssl.SSLError):
            pass
        self.assertEqual(self.api.call("GET", "/readyz")[0], 200)

    def test_parameters_and_paths_that_are_wrong(self):
        rows = {
            ("GET", SERVICES + "?labelSelector=a%3D%3D%3Db"): (400,),
            ("GET", SERVICES + "?limit=-1"): (400,),
            ("GET", SERVICES + "?resourceVersion=yesterday"): (400, 410),
            ("GET", SERVICES + "?continue=nonsense"): (400, 410),
            ("GET", SERVICES + "?fieldSelector=spec.colour%3Dred"): (400,),
            ("POST", SERVICES + "?dryRun=Some"): (400,),
            ("GET", "/apis/nothing.example.org/v1/things"): (404,),
            ("GET", "/apis/serving.knative.dev/v1/../../../etc/passwd"): (400, 404),
            ("GET", "/api/v1/namespaces/%2e%2e/secrets"): (400, 404),
            ("DELETE", SERVICES + "/nobody"): (404,),
            ("PATCH", SERVICES + "/nobody"): (404, 415),
            ("PUT", SERVICES): (405,),
            ("BREW", SERVICES): (400, 405, 501),
        }
        before = self.stored()
        for (method, path), statuses in rows.items():
            with self.subTest(path, method=method):
                body = json.dumps(good()) if method in ("POST", "PUT", "PATCH") else None
                status, said = self.api.call(method, path, body)
                self.assertIn(status, statuses, said)
        self.assertEqual(self.stored(), before)

    def test_credentials_that_are_wrong(self):
        before = self.stored()
        rows = {"no token": {"Authorization": ""}, "a wrong one": {"Authorization": "Bearer tidemill_nonsense"},
                "another scheme": {"Authorization": "Basic YTpi"}, "a very long one": {"Authorization": "Bearer " + "x" * 5000}}
        for what, headers in rows.items():
            with self.subTest(what):
                status, said = self.api.call("POST", SERVICES, good(), headers=headers)
                self.assertIn(status, (401, 403), said)
        self.assertEqual(self.stored(), before)

    def test_plain_http_to_the_tls_port_and_malformed_http_inside_tls(self):
        with socket.create_connection(self.platform.api, timeout=5) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                self.assertNotIn(b" 200 ", s.recv(4096))
            except ConnectionError:
                pass
        for data in (b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"):
            with self.subTest(data):
                with socket.create_connection(self.platform.api, timeout=5) as plain:
                    with self.api.context.wrap_socket(plain, server_hostname=self.platform.api[0]) as s:
                        s.sendall(data)
                        answer = b""
                        try:
                            while got := s.recv(65536):
                                answer += got
                        except (ConnectionError, ssl.SSLError):
                            pass
                        self.assertIn(b" 400 ", answer[:40])
        self.assertEqual(self.api.call("GET", "/readyz")[0], 200)

    def test_connections_that_never_speak_harm_nobody(self):
        idle = [socket.create_connection(self.platform.api, timeout=5) for _ in range(200)]
        try:
            self.assertEqual(self.api.call("GET", "/readyz")[0], 200)
        finally:
            for each in idle:
                each.close()


class Folders(ApiCase):
    """Folders and words that deploy refuses, and apps that do not come up."""

    def refused(self, folder, *parts, code=1, name="bad", flags=()):
        done = self.tidemill("deploy", folder, "--name", name, *flags, check=False)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, said)
        self.assertEqual(done.stdout, "")
        for part in parts:
            self.assertRegex(done.stderr, part)
        self.assertEqual(self.api.call("GET", f"{SERVICES}/{name}")[0], 404)
        return done.stderr

    def coded(self, text):
        """The code that the text names has its page."""
        found = [word.strip("():,.") for word in text.split() if word.strip("():,.").startswith("TM-")]
        self.assertTrue(found, text)
        for code in found:
            code = code.removeprefix("docs/errors/").removesuffix(".md")
            self.assertTrue((Path(__file__).resolve().parents[2] / f"docs/errors/{code}.md").exists(), code)

    def test_an_empty_folder(self):
        self.coded(self.refused(self.folder("empty", {}), "(?i)empty|nothing|no file"))

    def test_a_folder_that_is_not_there(self):
        self.refused(self.scratch / "nowhere", "nowhere", code=3)

    def test_a_file_instead_of_a_folder(self):
        self.refused(self.folder("file", {"a": "x"}) / "a", "file")

    def test_nothing_that_is_detected(self):
        text = self.refused(self.folder("nothing", {"notes.txt": "x", "data.bin": "y"}), "notes.txt|requirements.txt|Procfile")
        self.coded(text)

    def test_a_folder_that_cannot_be_read(self):
        folder = self.folder("unreadable", {"handler.py": "def handle(request, context):\n    return 'x'\n"})
        (folder / "secret").mkdir(mode=0o000, exist_ok=True)
        program = self.scratch / "bin/tidemill"
        program.parent.mkdir(exist_ok=True)
        shutil.copy(BINARY, program)
        self.scratch.chmod(0o755)
        done = self.tidemill("token", "create", "--user", "eve", "--role", "developer")
        config = self.scratch / "kubeconfig"
        text = (self.platform.data / "kubeconfig").read_text()
        config.write_text(text.replace(Api(self.platform).token, done.stdout.strip().splitlines()[-1]))
        config.chmod(0o644)
        tried = subprocess.run([str(program), "deploy", str(folder), "--name", "bad", "--kubeconfig", str(config)],
                               capture_output=True, text=True, timeout=60, user=65534, group=65534,
                               env={"PATH": os.environ["PATH"], "HOME": "/tmp"})
        self.assertEqual(tried.returncode, 4 if "denied" in tried.stderr.lower() else 1, tried.stderr)
        self.assertIn("secret", tried.stderr)
        self.assertEqual(self.api.call("GET", f"{SERVICES}/bad")[0], 404)

    def test_a_handler_with_a_syntax_error(self):
        folder = self.folder("syntax", {"handler.py": "def handle(request, context)\n    return 'x'\n"})
        done = self.tidemill("deploy", folder, "--name", "syntax", "--wait", "20s", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "(?i)syntax")

    def test_a_build_that_fails_shows_its_log(self):
        folder = self.folder("broken", {"CMakeLists.txt": "cmake_minimum_required(VERSION 3.16)\nproject(broken C)\n"
                                        "add_executable(broken main.c)\n", "main.c": "int main(void) { return nonsense; }\n"})
        text = self.refused(folder, "nonsense")
        self.coded(text)

    def test_a_package_that_does_not_exist(self):
        folder = self.folder("package", {"requirements.txt": "no-such-package-tidemill-e2e==99.99\n", "app.py": "pass\n"})
        done = self.tidemill("deploy", folder, "--name", "bad", check=False, seconds=180)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("no-such-package-tidemill-e2e", done.stderr)
        self.assertEqual(self.api.call("GET", f"{SERVICES}/bad")[0], 404)

    def test_an_image_whose_registry_does_not_answer(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            image = f"127.0.0.1:{closed.getsockname()[1]}/helloworld@sha256:" + "0" * 64
            done = self.tidemill("deploy", image, "--name", "unreachable", "--wait", "20s", check=False)
        self.assertNotEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "TM-422")
        self.assertIn(image, done.stderr)
        self.tidemill("delete", "unreachable")

    def test_a_service_with_an_image_that_is_not_here(self):
        self.create(service("absent", IMAGE))
        found = self.wait_ready("absent", state="False")
        self.assertIn(IMAGE, json.dumps(found["status"]))
        for kind, name in (("configurations", "absent"), ("routes", "absent"), ("revisions", "absent-00001")):
            ready = self.condition(self.get(name, kind=kind))
            self.assertEqual(ready["status"], "False")
            self.assertTrue(ready["reason"] and ready["message"])

    def does_not_come_up(self, mode, *parts):
        name = mode.partition(":")[0]
        folder = self.app(f"app-{name}", mode=mode)
        done = self.tidemill("deploy", folder, "--name", name, "--wait", "12s", "--memory", "64Mi", check=False)
        self.assertIn(done.returncode, (1, 6), done.stderr)
        self.assertEqual(done.stdout, "")
        for part in parts:
            self.assertRegex(done.stderr, part)

    def test_an_app_that_exits(self):
        self.does_not_come_up("exit:7", "(?i)exit code 7|ExitCode7", "I cannot go on")

    def test_an_app_that_never_listens(self):
        self.does_not_come_up("never", "(?i)listens on nothing|does not listen", "PORT")

    def test_an_app_that_listens_on_another_port(self):
        self.does_not_come_up("wrongport", r"(?i)listens on (0\.0\.0\.0|\*|\[::\]):\d+")

    def test_an_app_that_eats_its_memory(self):
        self.does_not_come_up("eat", "(?i)memory", "64")

    def test_names_that_are_no_label(self):
        folder = self.app("fine")
        for name in ("Not_A_Label", "-a", "a" * 64, "a.b"):
            with self.subTest(name):
                done = self.tidemill("deploy", folder, f"--name={name}", check=False)
                self.assertIn(done.returncode, (1, 2), done.stderr)
                self.assertRegex(done.stderr, "name|label")

    def test_words_that_are_wrong(self):
        rows = {
            ("deploy",): 2, ("deploy", "a", "b"): 2, ("deplyo", "."): 2, ("traffic",): 2,
            ("traffic", "nobody", "--to", "@latest=100"): 3, ("traffic", "nobody", "--to", "nonsense"): 2,
            ("describe", "nobody"): 3, ("explain", "nobody"): 3, ("rollback", "nobody"): 3, ("logs", "nobody"): 3,
            ("invoke", "nobody"): 3, ("delete", "nobody"): 3, ("get", "unicorns"): 2, ("get", "ksvc", "-o", "xml"): 2,
            ("apply", "-f", "/nowhere.yaml"): 3, ("ls", "--colour"): 2, ("help", "exit-codes"): 0,
        }
        for words, code in rows.items():
            with self.subTest(words=words):
                done = self.tidemill(*words, check=False, seconds=30)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                if code:
                    self.assertTrue(done.stderr.strip())
                    self.assertNotIn("ERROR: AddressSanitizer", done.stderr)
        self.assertIn("deploy", self.tidemill("deplyo", check=False).stderr)

    def test_a_platform_that_is_not_there(self):
        with tempfile.TemporaryDirectory() as nowhere:
            done = subprocess.run([str(BINARY), "ls", "--data", nowhere], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertIn("tidemill up", done.stderr)


class Data(unittest.TestCase):
    """DATA directories that `up` refuses, leaving them as they are."""

    def setUp(self):
        if os.geteuid() != 0:
            skip("the launcher needs root here")

    def test_data_of_a_newer_version(self):
        platform = Platform()
        with platform:
            self.assertEqual(Api(platform).call("POST", "/api/v1/namespaces/default/configmaps",
                                                {"metadata": {"name": "kept"}})[0], 201)
            self.assertEqual(platform.stop(), 0)
            found = [path for path in (platform.data / "store").iterdir()
                     if path.read_bytes()[:16] == b"SQLite format 3\0"]
            self.assertEqual(len(found), 1, found)
            import sqlite3
            with sqlite3.connect(found[0]) as database:
                version = database.execute("PRAGMA user_version").fetchone()[0]
                self.assertGreater(version, 0, "the store's format has a version")
                database.execute(f"PRAGMA user_version = {version + 1}")
            before = found[0].read_bytes()
            with self.assertRaises(AssertionError) as raised:
                platform.start(seconds=15)
            text = str(raised.exception)
            self.assertIn("ended with", text)
            self.assertRegex(text, "(?i)newer|version")
            platform.process = None
            self.assertEqual(found[0].read_bytes(), before)
            with sqlite3.connect(found[0]) as database:
                database.execute(f"PRAGMA user_version = {version}")
            platform.start()
            self.assertEqual(Api(platform).call("GET", "/api/v1/namespaces/default/configmaps/kept")[0], 200)

    def test_two_on_one_data_directory_change_nothing(self):
        with Platform() as platform:
            kubeconfig = (platform.data / "kubeconfig").read_bytes()
            done = subprocess.run([str(BINARY), "up", "--data", str(platform.data), "--http", "127.0.0.1:0", "--api",
                                   "127.0.0.1:0", "--metrics", "127.0.0.1:0"], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 1)
            self.assertIn("TM-101", done.stderr)
            self.assertIn(str(platform.process.pid), done.stderr)
            self.assertEqual((platform.data / "kubeconfig").read_bytes(), kubeconfig)
            self.assertEqual(Api(platform).call("GET", "/readyz")[0], 200)


if __name__ == "__main__":
    unittest.main()
