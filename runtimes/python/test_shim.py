"""The Python shim keeps the contract, with plain and with async handlers; and what is Python's own."""
import json
import os
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import contract  # noqa: E402

PYTHON = os.environ.get("TEST_PYTHON", "/usr/bin/python3")
COMMAND = [PYTHON, "-I", "-S", HERE + "/shim.py"]


class PlainTest(contract.Contract):
    command = COMMAND
    probe = HERE + "/probe"
    error_type = "RuntimeError"


class AsyncTest(contract.Contract):
    command = COMMAND
    probe = HERE + "/probe_async"
    error_type = "RuntimeError"


class PythonTest(contract.Case):
    command = COMMAND

    # Finding the handler

    def test_each_default_file_is_found(self):
        for name in ("handler.py", "main.py", "app.py", "function.py"):
            self.assertEqual(self.get({name: "def handle(request, context): return 'x'"}), (200, b"x"), name)

    def test_a_default_file_without_handle_is_passed_over(self):
        files = {"handler.py": "x = 1", "app.py": "def handle(request, context): return 'app'"}
        self.assertEqual(self.get(files), (200, b"app"))

    def test_handlers_are_named_by_module_package_or_file(self):
        files = {"shop/__init__.py": "def go(r, c): return 'package'", "shop/orders.py": "def go(r, c): return 'orders'",
                 "my-file.py": "def go(r, c): return 'dash'"}
        for handler, answer in (("shop:go", b"package"), ("shop.orders:go", b"orders"),
                                ("shop/orders.py:go", b"orders"), ("./my-file.py:go", b"dash")):
            self.assertEqual(self.get(files, environment={"TIDEMILL_HANDLER": handler}), (200, answer), handler)

    def test_a_project_of_many_functions_routes_by_the_longest_prefix(self):
        files = {"shared.py": "made = []",
                 "orders.py": "import shared\ndef init(c): c.state['n'] = 'orders'\n"
                              "def handle(r, c): return c.state['n'] + ' ' + c.function\n"
                              "def stats(r, c): return 'stats ' + c.state['n']",
                 "root.py": "def handle(r, c): return 'root %s' % c.state"}
        shim = self.serve(files, {"TIDEMILL_FUNCTIONS": json.dumps({
            "/": "root.py:handle", "/orders": "orders.py:handle", "/orders/stats/": "orders:stats"})})
        client = shim.client()
        for path, answer in (("/", b"root {}"), ("/ordersx", b"root {}"), ("/orders", b"orders orders.py:handle"),
                             ("/orders/1?x", b"orders orders.py:handle"), ("/orders/stats", b"stats orders"),
                             ("/orders/statsx", b"orders orders.py:handle")):
            self.assertEqual(client.get(path).content, answer, path)

    def test_a_path_that_no_function_serves_is_a_404(self):
        status, content = self.get({"a.py": "def handle(r, c): return 'a'"}, "/b", {"TIDEMILL_FUNCTIONS": '{"/a": "a:handle"}'})
        self.assertEqual((status, json.loads(content)["type"]), (404, "NoSuchFunction"))

    def test_plain_and_async_functions_live_in_one_project(self):
        files = {"a.py": "def handle(r, c): return 'plain'", "b.py": "async def handle(r, c): return 'async'"}
        client = self.serve(files, {"TIDEMILL_FUNCTIONS": '{"/a": "a:handle", "/b": "b:handle"}'}).client()
        self.assertEqual((client.get("/a").content, client.get("/b").content), (b"plain", b"async"))

    def test_callables_of_every_kind_are_served(self):
        for source in ("class F:\n  async def __call__(self, r, c): return 'x'\nhandle = F()",
                       "class F:\n  def go(self, r, c): return 'x'\nhandle = F().go",
                       "import functools\ndef f(a, r, c): return a\nhandle = functools.partial(f, 'x')",
                       "def handle(*args): return 'x'",
                       "async def f(): return 'x'\ndef handle(r, c): return f()",
                       "async def f():\n  yield 'x'\ndef handle(r, c): return f()"):
            self.assertEqual(self.get({"handler.py": source}), (200, b"x"), source)

    # Dependencies

    def test_dependencies_are_found_and_the_bundle_wins_over_them(self):
        files = {"handler.py": "import dep, own, linked\ndef handle(r, c): return dep.x + own.x + linked.x",
                 "own.py": "x = 'bundle'", ".tidemill/python/dep.py": "x = 'dep '",
                 ".tidemill/python/own.py": "x = 'hidden'", ".tidemill/python/more.pth": "deeper\n",
                 ".tidemill/python/deeper/linked.py": "x = ' pth'"}
        self.assertEqual(self.get(files), (200, b"dep bundle pth"))

    def test_the_shim_imports_little(self):
        files = {"handler.py": "import sys\ndef handle(r, c): return {'loaded': sorted(sys.modules)}"}
        loaded = json.loads(self.get(files)[1])["loaded"]
        for heavy in ("json", "re", "socket", "threading", "asyncio", "logging", "urllib", "site", "enum", "os"):
            self.assertNotIn(heavy, loaded)

    def test_a_thread_bound_object_works_at_concurrency_1(self):
        files = {"handler.py": "import threading\nmine = threading.get_ident()\n"
                               "def handle(r, c): return str(mine == threading.get_ident())"}
        shim = self.serve(files, {"TIDEMILL_CONCURRENCY": "1"})
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(shim.client().get("/").content)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [b"True"] * 8)

    def test_atexit_runs_and_a_thread_of_the_user_does_not_hold_the_end(self):
        files = {"handler.py": "import atexit, threading, time\natexit.register(lambda: print('goodbye'))\n"
                               "threading.Thread(target=time.sleep, args=(60,)).start()\n"
                               "def handle(r, c): return 'x'"}
        shim = self.serve(files)
        shim.client().get("/")
        shim.terminate()
        self.assertEqual((shim.wait(), shim.out()), (0, "goodbye\n"))

    def test_a_function_that_exits_fails_its_call_only(self):
        shim = self.serve({"handler.py": "import sys\ndef handle(r, c): sys.exit(3)"})
        self.assertEqual(shim.client().get("/").status, 500)
        self.assertIsNone(shim.process.poll())

    # Starts that fail

    def test_a_syntax_error_ends_with_71(self):
        self.assert_cannot_start(71, "handler.py", "SyntaxError", files={"handler.py": "def handle(:"})

    def test_a_missing_package_ends_with_71_and_says_what_to_do(self):
        source = "import flask_of_nobody\ndef handle(r, c): pass"
        self.assert_cannot_start(71, "flask_of_nobody", "Add the package", files={"handler.py": source})
        self.assert_cannot_start(71, "pip install -r requirements.txt --target",
                                 files={"handler.py": source, "requirements.txt": "flask"})

    def test_a_name_that_python_itself_has_ends_with_71(self):
        self.assert_cannot_start(71, "Name the file differently", files={"time.py": "def handle(r, c): pass"},
                                 environment={"TIDEMILL_HANDLER": "time.py:handle"})

    def test_a_missing_function_ends_with_72_and_names_those_there(self):
        self.assert_cannot_start(72, "It defines: go, run", "def handle(request, context)",
                                 files={"handler.py": "def run(): pass\ndef go(): pass"})

    def test_what_is_no_function_of_two_ends_with_73(self):
        for source in ("handle = 3", "def handle(): pass", "def handle(request): pass", "def handle(a, b, c): pass"):
            self.assert_cannot_start(73, "def handle(request, context)", files={"handler.py": source})

    # Pieces

    def test_json_without_the_package_agrees_with_it(self):
        program = (
            "import sys; sys.path.insert(0, %r)\n"
            "from tidemill import _json_text as t\n"
            "values = [None, True, 1, -2.5, 1e300, 'a\\u00e9\\n\\ud83d\\ude00\\\"', [], {}, {'a': [1, {'b': None}]}, {1: 2}]\n"
            "ours = [t.encode(v) for v in values]; back = [t.decode(o) for o in ours]\n"
            "bad = []\n"
            "for text in ('', ' ', '{', '[1,]', '1 2', 'NaN', '{\"a\":1,}', \"'a'\", '\\x0b1'):\n"
            "    try: bad.append((text, t.decode(text)))\n"
            "    except ValueError: pass\n"
            "for value in (float('nan'), object(), {'a': {1}}):\n"
            "    try: bad.append((value, t.encode(value)))\n"
            "    except (TypeError, ValueError): pass\n"
            "assert not bad, bad\n"
            "import json\n"
            "assert ours == [json.dumps(v, separators=(',', ':')) for v in values], ours\n"
            "assert back == [json.loads(o) for o in ours], back\n" % HERE)
        done = subprocess.run([PYTHON, "-I", "-S", "-c", program], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
