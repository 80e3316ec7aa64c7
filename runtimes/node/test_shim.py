"""The Node shim keeps the contract; and what is Node's own."""
import json
import os
import shutil
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import contract  # noqa: E402

COMMAND = [os.environ.get("TEST_NODE") or shutil.which("node") or "node", HERE + "/shim.js"]


class NodeTest(contract.Contract):
    command = COMMAND
    probe = HERE + "/probe"
    error_type = "RangeError"


class OwnTest(contract.Case):
    command = COMMAND

    # Finding the handler

    def test_each_default_file_is_found(self):
        for name in ("index.js", "handler.js", "index.cjs"):
            self.assertEqual(self.get({name: "exports.handle = () => 'x'"}), (200, b"x"), name)
        for name in ("index.mjs", "handler.mjs"):
            self.assertEqual(self.get({name: "export const handle = () => 'x'"}), (200, b"x"), name)

    def test_package_json_names_the_file(self):
        for main in ("src/go.js", "./src/go", "src"):
            files = {"package.json": json.dumps({"main": main}), "src/go.js": "exports.handle = () => 'x'",
                     "src/index.js": "exports.handle = () => 'x'", "index.js": "exports.handle = () => 'no'"}
            self.assertEqual(self.get(files), (200, b"x"), main)

    def test_es_modules_are_served(self):
        for source in ("export async function handle() { return 'x' }", "export default { handle: () => 'x' }",
                       "const base = await Promise.resolve('x'); export const handle = () => base"):
            self.assertEqual(self.get({"package.json": '{"type":"module"}', "index.js": source}), (200, b"x"), source)
        files = {"package.json": '{"type":"module"}', "old/package.json": "{}", "old/go.js": "exports.run = () => 'x'"}
        self.assertEqual(self.get(files, environment={"TIDEMILL_HANDLER": "old/go:run"}), (200, b"x"))

    def test_a_project_of_many_functions_routes_by_the_longest_prefix(self):
        files = {"orders.js": "exports.init = (c) => { c.state.n = 'orders' };\n"
                              "exports.handle = (r, c) => c.state.n + ' ' + c.function;\n"
                              "exports.stats = (r, c) => 'stats ' + c.state.n",
                 "root.mjs": "export const handle = (r, c) => 'root ' + JSON.stringify(c.state)"}
        client = self.serve(files, {"TIDEMILL_FUNCTIONS": json.dumps({
            "/": "root.mjs:handle", "/orders": "orders.js:handle", "/orders/stats/": "orders:stats"})}).client()
        for path, answer in (("/", b"root {}"), ("/ordersx", b"root {}"), ("/orders", b"orders orders.js:handle"),
                             ("/orders/1?x", b"orders orders.js:handle"), ("/orders/stats", b"stats orders"),
                             ("/orders/statsx", b"orders orders.js:handle")):
            self.assertEqual(client.get(path).content, answer, path)

    def test_a_path_that_no_function_serves_is_a_404(self):
        status, content = self.get({"a.js": "exports.handle = () => 'a'"}, "/b", {"TIDEMILL_FUNCTIONS": '{"/a": "a:handle"}'})
        self.assertEqual((status, json.loads(content)["type"]), (404, "NoSuchFunction"))

    # Answers

    def test_streams_of_node_and_of_the_web_are_sent(self):
        for body in ("require('stream').Readable.from(['a', 'b'])", "new ReadableStream({start(c) {"
                     " c.enqueue(new TextEncoder().encode('ab')); c.close() }})"):
            self.assertEqual(self.get({"index.js": "exports.handle = () => " + body}), (200, b"ab"), body)

    def test_a_thrown_status_is_the_callers_fault(self):
        source = "exports.handle = () => { throw Object.assign(new Error('no such order'), {status: 404}) }"
        status, content = self.get({"index.js": source})
        self.assertEqual((status, json.loads(content)), (404, {"error": "no such order", "type": "Error"}))

    def test_anything_may_be_thrown(self):
        for thrown in ("'text'", "undefined", "null", "{}", "Object.create(null)"):
            shim = self.serve({"index.js": "exports.handle = () => { throw %s }" % thrown})
            self.assertEqual(shim.client().get("/").status, 500, thrown)
            self.assertIsNone(shim.process.poll(), thrown)

    # Starts that fail

    def test_a_syntax_error_ends_with_71(self):
        self.assert_cannot_start(71, "index.js", "SyntaxError", files={"index.js": "exports.handle = ("})

    def test_an_es_module_without_a_mark_works_or_says_what_to_do(self):
        for source in ("export const handle = () => 'x'", "import fs from 'fs'; export const handle = () => 'x'"):
            shim = self.serve({"index.js": source})
            try:
                self.assertEqual(shim.client().get("/").content, b"x")  # newer Nodes look into the file
            except ConnectionError:
                self.assertEqual(shim.wait(), 71)
                self.assertIn('"type": "module"', shim.err())

    def test_a_missing_package_ends_with_71_and_says_what_to_do(self):
        for name, source in (("index.js", "require('of-nobody')"), ("index.mjs", "import 'of-nobody'")):
            self.assert_cannot_start(71, "Add of-nobody to the dependencies", files={name: source})
            self.assert_cannot_start(71, "npm ci", files={name: source, "package.json": "{}"})

    def test_a_broken_package_json_ends_with_71(self):
        self.assert_cannot_start(71, "package.json is not JSON", files={"package.json": "{", "index.js": ""})

    def test_a_main_that_is_missing_ends_with_70(self):
        self.assert_cannot_start(70, "lib/none.js", "The bundle holds: package.json",
                                 files={"package.json": '{"main": "lib/none.js"}'})

    def test_a_missing_function_ends_with_72_and_names_those_there(self):
        self.assert_cannot_start(72, "It exports: go, run", files={"index.js": "exports.go = exports.run = () => 1"})

    def test_what_is_no_function_ends_with_73(self):
        self.assert_cannot_start(73, "of type number", files={"index.js": "exports.handle = 3"})


if __name__ == "__main__":
    unittest.main()
