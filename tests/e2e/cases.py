"""A platform with its API for a class of tests, an app to deploy, and a client of the API's own wire format."""
import base64
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import ROOT, Platform, skip, wait_until

APPS = Path(__file__).resolve().parent / "apps"
EXAMPLES = ROOT / "examples"
SERVING = "/apis/serving.knative.dev/v1/namespaces/{}/services"
SHORT = {"autoscaling.knative.dev/window": "6s"}


class Api:
    """Speaks to the API over TLS with the kubeconfig's token, through Python's own client."""

    def __init__(self, platform, token=None):
        text = (platform.data / "kubeconfig").read_text()
        self.address = platform.api
        self.token = token or re.search(r"token: \"?([^\s\"]+)", text).group(1)
        authority = base64.b64decode(re.search(r"certificate-authority-data: \"?([^\s\"]+)", text).group(1))
        self.context = ssl.create_default_context(cadata=authority.decode())

    def call(self, method, path, body=None, kind="application/json", headers=None, seconds=60):
        """(status, document or text)."""
        connection = http.client.HTTPSConnection(*self.address, timeout=seconds, context=self.context)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            given = {"Authorization": f"Bearer {self.token}", **(headers or {})}
            if body is not None:
                given["Content-Type"] = kind
            connection.request(method, path, body=body, headers=given)
            answer = connection.getresponse()
            content = answer.read().decode(errors="replace")
            self.headers = dict(answer.getheaders())
            self.warnings = answer.headers.get_all("Warning") or []
        finally:
            connection.close()
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, content


def service(name, image, annotations=None, env=None, space="default", **spec):
    container = {"image": image}
    if env:
        container["env"] = [{"name": key, "value": value} for key, value in env.items()]
    template = {"spec": {"containers": [container], **spec}}
    if annotations:
        template["metadata"] = {"annotations": annotations}
    return {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": name, "namespace": space},
            "spec": {"template": template}}


class ApiCase(unittest.TestCase):
    """One platform with an API for all tests of a class."""

    maxDiff = 4000
    arguments = ()

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            skip("instances are found by control groups, which needs root")
        cls.scratch = Path(tempfile.mkdtemp(prefix="tidemill-e2e-src-"))
        cls.addClassCleanup(shutil.rmtree, cls.scratch, True)
        cls.platform = cls.enterClassContext(Platform(arguments=cls.arguments))
        cls.api = Api(cls.platform)
        cls.images = {}

    @classmethod
    def folder(cls, name, files, modes=()):
        """A source folder of these files."""
        folder = cls.scratch / name
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return folder

    @classmethod
    def app(cls, name, word="hello", mode="serve"):
        """A folder with the app of many behaviours."""
        text = (APPS / "behaviour.py").read_text()
        return cls.folder(name, {"behaviour.py": text, "Procfile":
                                 f"web: MODE={mode} WORD=${{WORD:-{word}}} exec python3 -I -S behaviour.py\n"})

    def tidemill(self, *words, **options):
        return self.platform.run(*words, **options)

    def deploy(self, folder, name, *flags, seconds=180):
        """The URL as the last line of stdout says it."""
        done = self.tidemill("deploy", folder, "--name", name, *flags, seconds=seconds)
        url = done.stdout.strip().splitlines()[-1]
        self.assertRegex(url, r"^http://[a-z0-9.-]+(:\d+)?$")
        return url

    def image(self, word="hello"):
        """An image of the app of many behaviours, made by a deploy once per class."""
        if word not in self.images:
            name = f"image-{word}"
            self.deploy(self.app(name, word), name)
            _, made = self.api.call("GET", SERVING.format("default") + "/" + name)
            self.images[word] = made["spec"]["template"]["spec"]["containers"][0]["image"]
        return self.images[word]

    def ok(self, host, path="/", **options):
        status, _, body = self.platform.request(host, path, **options)
        self.assertEqual(status, 200, body[:500])
        return body

    def create(self, document):
        status, made = self.api.call("POST", SERVING.format(document["metadata"]["namespace"]), document)
        self.assertEqual(status, 201, made)
        return made

    def get(self, name, space="default", kind="services"):
        status, found = self.api.call("GET", f"/apis/serving.knative.dev/v1/namespaces/{space}/{kind}/{name}")
        self.assertEqual(status, 200, found)
        return found

    @staticmethod
    def condition(found, kind="Ready"):
        for each in found.get("status", {}).get("conditions", []):
            if each["type"] == kind:
                return each
        return {}

    def wait_ready(self, name, seconds=30, space="default", state="True"):
        def settled():
            found = self.get(name, space)
            current = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
            return found if current and self.condition(found).get("status") == state else None
        try:
            return wait_until(settled, seconds, f"{name} is Ready={state}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {json.dumps(self.get(name, space).get('status'), indent=1)}") from None

    def host(self, name, space="default"):
        return f"{name}.{space}.localhost"


def registry_is_there(kind):
    """Whether packages can be had here; asked once, through the ordinary client."""
    if kind == "pip":
        words = ["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
        package = "itsdangerous==2.2.0"
    else:
        words, package = ["npm", "view", "--json"], "ms@2.1.3"
    with tempfile.TemporaryDirectory() as folder:
        command = [*words, folder, package] if kind == "pip" else [*words, package, "version"]
        try:
            return subprocess.run(command, capture_output=True, timeout=60, cwd=folder).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False
