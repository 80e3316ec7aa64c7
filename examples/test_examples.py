"""Every example does what its README says, started as the builder would start it."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
RUNTIMES = os.path.join(os.path.dirname(HERE), "runtimes")
sys.path.insert(0, RUNTIMES)

import contract  # noqa: E402

PYTHON = os.environ.get("TEST_PYTHON", "/usr/bin/python3")
NODE = os.environ.get("TEST_NODE") or shutil.which("node") or "node"
# As the builder does: the machine's own compiler, else the one that Tidemill is built with.
COMPILERS = os.environ if shutil.which("cc") else {**os.environ, "CC": "clang-19", "CXX": "clang++-19"}
PYTHON_SHIM = [PYTHON, "-I", "-S", RUNTIMES + "/python/shim.py"]
NODE_SHIM = [NODE, RUNTIMES + "/node/shim.js"]


class ExamplesTest(contract.Case):
    def folder(self):
        made = tempfile.mkdtemp(prefix="example.")
        self.addCleanup(shutil.rmtree, made)
        return made

    def function(self, command, name, environment=None):
        self.command = command
        return self.start({"PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}, HERE + "/" + name).client()

    def app(self, command, folder, environment=None):
        """Base URL of an app that was started with a free $PORT and accepts connections."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.command = command
        shim = self.start({"PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}, folder, listen="none")

        def accepts():
            self.assertIsNone(shim.process.poll(), shim.err())
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        self.assertTrue(contract.until(accepts), shim.err())
        return "http://127.0.0.1:%d" % port, shim

    def run_or_skip(self, command, **options):
        """Installs dependencies; a machine without a package registry skips, with what was said there."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            self.skipTest(str(error))
        if done.returncode != 0:
            self.skipTest("%s: %s" % (command[0], done.stderr[-300:]))

    def assert_ends_well(self, shim):
        shim.terminate()
        self.assertEqual(shim.wait(), 0, shim.err())

    def test_hello_python(self):
        client = self.function(PYTHON_SHIM, "hello-python")
        self.assertEqual(client.get("/?name=Ada").content, b"Hello Ada from shop-00001\n")

    def test_hello_node(self):
        client = self.function(NODE_SHIM, "hello-node")
        self.assertEqual(client.get("/?name=Ada").content, b"Hello Ada from shop-00001\n")

    def test_shop(self):
        table = {}
        with open(HERE + "/shop/tidemill.yaml") as file:
            for line in file:
                if line.startswith("  /"):
                    prefix, _, handler = line.strip().partition(": ")
                    table[prefix] = handler
        self.assertEqual(len(table), 3)
        client = self.function(PYTHON_SHIM, "shop", {"TIDEMILL_FUNCTIONS": json.dumps(table)})
        answers = [client.call("POST", "/orders", b'{"item": "tea"}') for _ in range(4)]
        self.assertEqual([answer.status for answer in answers], [201, 201, 201, 409])
        self.assertEqual(json.loads(answers[2].content), {"item": "tea", "order": 3})
        self.assertEqual(client.call("POST", "/orders", b"[]").status, 400)
        self.assertEqual(client.get("/orders").status, 405)
        self.assertEqual(json.loads(client.get("/stock").content), {"tea": 0, "bread": 5})
        self.assertEqual(client.get("/stock/report").content, b"bread      5\ntea        0\n")

    def test_flask_app(self):
        packages = self.folder()
        self.run_or_skip([PYTHON, "-m", "pip", "install", "--quiet", "--target", packages, "-r",
                          HERE + "/flask-app/requirements.txt"])
        url, shim = self.app([PYTHON, "app.py"], HERE + "/flask-app", {"PYTHONPATH": packages})
        post = urllib.request.Request(url + "/guests", b'{"name": "Ada"}', {"Content-Type": "application/json"})
        with urllib.request.urlopen(post) as response:
            self.assertEqual((response.status, json.load(response)), (201, {"guests": ["Ada"]}))
        with urllib.request.urlopen(url) as response:
            self.assertEqual(response.read(), b"Guests: Ada\n")
        self.assert_ends_well(shim)

    def test_node_app(self):
        copy = self.folder() + "/app"
        shutil.copytree(HERE + "/node-app", copy)
        self.run_or_skip(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"], cwd=copy)
        url, shim = self.app([NODE, "server.js"], copy)
        with urllib.request.urlopen(url) as response:
            self.assertRegex(response.read(), rb"^Up for \d+ (ms|seconds?)\n$")
        self.assert_ends_well(shim)

    def test_procfile_app(self):
        with open(HERE + "/procfile-app/Procfile") as file:
            name, _, command = file.read().strip().partition(": ")
        self.assertEqual(name, "web")
        url, shim = self.app(["/bin/sh", "-c", "exec " + command], HERE + "/procfile-app")
        with urllib.request.urlopen(url) as response:
            self.assertRegex(response.read(), rb"^\d\d:\d\d:\d\d UTC\n$")
        self.assert_ends_well(shim)

    def test_native_cmake(self):
        build = self.folder()
        subprocess.run(["cmake", "-S", HERE + "/native-cmake", "-B", build], check=True, capture_output=True,
                       env=COMPILERS)
        subprocess.run(["cmake", "--build", build], check=True, capture_output=True)
        url, shim = self.app([build + "/native"], build)
        for visitor in (1, 2):
            with urllib.request.urlopen(url) as response:
                self.assertEqual(response.read(), b"You are visitor %d\n" % visitor)
        self.assert_ends_well(shim)

    def test_static_site(self):
        server = os.environ.get("TEST_STATIC")
        if not server:
            server = self.folder() + "/tidemill-static"
            subprocess.run(["clang-19", "-std=c11", "-O1", "-o", server, RUNTIMES + "/static/static.c"], check=True)
        client = self.function([server], "static-site")
        self.assertIn(b"The mill is open", client.get("/").content)
        self.assertIn(b"High water", client.get("/tides/").content)
        self.assertEqual(client.get("/style.css").headers["content-type"], "text/css; charset=utf-8")
        missing = client.get("/nothing")
        self.assertEqual((missing.status, b"No such page" in missing.content), (404, True))


if __name__ == "__main__":
    unittest.main()
