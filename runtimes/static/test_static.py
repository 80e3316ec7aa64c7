"""tidemill-static serves what lies in its directory, and nothing else."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import contract  # noqa: E402


class StaticTest(contract.Case):
    @classmethod
    def setUpClass(cls):
        """TEST_STATIC names a built binary; without it one is built as CMakeLists.txt does, sanitized."""
        built = os.environ.get("TEST_STATIC")
        if not built:
            cls.built = tempfile.mkdtemp(prefix="static.")
            cls.addClassCleanup(shutil.rmtree, cls.built)
            built = cls.built + "/tidemill-static"
            subprocess.run(["clang-19", "-std=c11", "-g", "-O1", "-fsanitize=address,undefined",
                            "-fno-sanitize-recover=all", "-o", built, HERE + "/static.c"], check=True)
        cls.command = [built]

    def site(self, files=None):
        folder = contract.bundle_of(self, files or {"index.html": "<h1>home</h1>", "a/index.html": "in a", "a b.txt": "space",
                                                    "style.css": "0123456789", "data.bin": ""})
        return self.start(bundle=folder), folder

    def test_files_are_served_with_their_type(self):
        client = self.site()[0].client()
        for target, content_type, content in (
                ("/", "text/html; charset=utf-8", b"<h1>home</h1>"), ("/index.html?v=1", "text/html; charset=utf-8", b"<h1>home</h1>"),
                ("/a/", "text/html; charset=utf-8", b"in a"), ("/a%20b.txt", "text/plain; charset=utf-8", b"space"),
                ("/style.css", "text/css; charset=utf-8", b"0123456789"), ("/data.bin", "application/octet-stream", b"")):
            response = client.get(target)
            self.assertEqual((response.status, response.headers["content-type"], response.content), (200, content_type, content), target)

    def test_a_directory_without_slash_is_redirected(self):
        response = self.site()[0].client().get("/a?x=1")
        self.assertEqual((response.status, response.headers["location"]), (301, "/a/"))

    def test_head_has_the_length_and_no_body(self):
        client = self.site()[0].client()
        for _ in range(2):
            response = client.call("HEAD", "/style.css")
            self.assertEqual((response.status, response.headers["content-length"], response.content), (200, "10", b""))

    def test_only_get_and_head(self):
        shim = self.site()[0]
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            response = shim.client().call(method, "/style.css")
            self.assertEqual((response.status, response.headers["allow"]), (405, "GET, HEAD"))

    def test_what_is_not_there_is_404_with_the_page_of_the_site(self):
        shim, folder = self.site()
        self.assertEqual(shim.client().get("/none").status, 404)
        with open(folder + "/404.html", "w") as file:
            file.write("lost")
        response = shim.client().get("/none/none")
        self.assertEqual((response.status, response.headers["content-type"], response.content),
                         (404, "text/html; charset=utf-8", b"lost"))

    def test_an_unchanged_file_is_304_and_another_revision_is_not(self):
        shim, folder = self.site()
        client = shim.client()
        etag = client.get("/style.css").headers["etag"]
        for header in (etag, "*", '"x", ' + etag, "W/" + etag):
            response = client.get("/style.css", {"If-None-Match": header})
            self.assertEqual((response.status, response.content, response.headers["etag"]), (304, b"", etag), header)
        self.assertEqual(client.get("/style.css", {"If-None-Match": '"x"'}).status, 200)
        later = self.start({"K_REVISION": "shop-00002"}, folder)
        self.assertEqual(later.client().get("/style.css", {"If-None-Match": etag}).status, 200)

    def test_ranges(self):
        client = self.site()[0].client()
        for wanted, status, span, content in (
                ("bytes=2-4", 206, "bytes 2-4/10", b"234"), ("bytes=7-", 206, "bytes 7-9/10", b"789"), ("bytes=-2", 206, "bytes 8-9/10", b"89"),
                ("bytes=0-99", 206, "bytes 0-9/10", b"0123456789"), ("bytes=-99", 206, "bytes 0-9/10", b"0123456789"),
                ("bytes=10-", 416, "bytes */10", b""), ("bytes=-0", 416, "bytes */10", b""),
                ("bytes=4-2", 200, None, b"0123456789"), ("bytes=0-1,3-4", 200, None, b"0123456789"),
                ("lines=1-2", 200, None, b"0123456789"), ("bytes=99999999999999999999-", 200, None, b"0123456789")):
            response = client.get("/style.css", {"Range": wanted})
            self.assertEqual((response.status, response.headers["content-range"], response.content), (status, span, content), wanted)
        etag = client.get("/style.css").headers["etag"]
        self.assertEqual(client.get("/style.css", {"Range": "bytes=0-1", "If-Range": etag}).content, b"01")
        self.assertEqual(client.get("/style.css", {"Range": "bytes=0-1", "If-Range": '"old"'}).status, 200)

    def test_nothing_outside_can_be_named(self):
        outside = contract.bundle_of(self, {"secret.txt": "secret"})
        shim, folder = self.site()
        os.symlink(outside + "/secret.txt", folder + "/link.txt")
        os.symlink(outside, folder + "/folder")
        os.symlink("style.css", folder + "/inside.css")
        os.symlink("/proc/self/environ", folder + "/environ")
        name = os.path.basename(outside)
        for target in ("/../%s/secret.txt" % name, "/%2e%2e/" + name + "/secret.txt", "/a/../../" + name + "/secret.txt", "/link.txt",
                       "/folder/secret.txt", "/environ", "/..%2f" + name, "//etc/passwd", "/%00", "/a%2findex.html", "/%zz", "/%"):
            response = shim.client().get(target)
            self.assertIn(response.status, (400, 404), target)
            self.assertNotIn(b"secret\n", response.content + b"\n", target)
        self.assertEqual(shim.client().get("/inside.css").content, b"0123456789")

    def test_dot_files_are_not_served_but_well_known_is(self):
        client = self.site({"index.html": "", ".env": "PASSWORD", ".git/config": "x", "a/.hidden": "x",
                            ".well-known/security.txt": "call us"})[0].client()
        for target in ("/.env", "/.git/config", "/a/.hidden", "/.git"):
            self.assertEqual(client.get(target).status, 404, target)
        self.assertEqual(client.get("/.well-known/security.txt").content, b"call us")

    def test_a_special_file_is_not_waited_for(self):
        shim, folder = self.site()
        os.mkfifo(folder + "/pipe")
        self.assertEqual(shim.client().get("/pipe").status, 404)

    def test_a_big_file_arrives_whole_at_a_slow_reader(self):
        shim, folder = self.site()
        body = os.urandom(1024 * 1024) * 16
        with open(folder + "/big.bin", "wb") as file:
            file.write(body)
        client = shim.client()
        client.request("GET", "/big.bin")
        response = client.getresponse()
        self.assertEqual(shim.client().get("/style.css").status, 200)  # others do not wait for it
        self.assertEqual(response.read(), body)
        self.assertEqual(client.get("/style.css").content, b"0123456789")

    def test_malformed_requests_are_refused_and_the_connection_closed(self):
        shim = self.site()[0]
        for name, data in contract.MALFORMED.items():
            with self.subTest(name):
                answer = contract.exchange(shim.raw(), data)
                self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1)
        long = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000
        self.assertEqual(contract.exchange(shim.raw(), long)[9:12], b"431")

    def test_pipelined_requests_and_single_bytes_are_answered_in_order(self):
        shim = self.site()[0]
        one = b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /a/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = contract.exchange(shim.raw(), one * 10 + last)
        self.assertEqual((answer.count(b"\r\n\r\n0123456789"), answer.endswith(b"in a")), (10, True))
        raw = shim.raw()
        for byte in last:
            raw.sendall(bytes([byte]))
        self.assertTrue(contract.read_all(raw).endswith(b"in a"))

    def test_sigterm_finishes_what_is_being_sent(self):
        shim, folder = self.site()
        with open(folder + "/big.bin", "wb") as file:
            file.write(bytes(16 * 1024 * 1024))
        idle, client = shim.client(), shim.client()
        idle.get("/")
        client.request("GET", "/big.bin")
        response = client.getresponse()
        shim.terminate()
        self.assertTrue(contract.until(lambda: not contract.connects(shim.path)))
        self.assertEqual(len(response.read()), 16 * 1024 * 1024)
        client.close()
        self.assertEqual(shim.wait(), 0, shim.err())

    def test_ready_is_answered(self):
        self.assertEqual(self.site()[0].client().get(contract.READY_PATH).content, b"ready\n")

    def test_the_three_ways_to_listen_and_the_ways_to_fail(self):
        folder = contract.bundle_of(self, {"index.html": "home"})
        shim = self.start(bundle=folder, listen="path")
        self.assertTrue(shim.wait_for_path())
        self.assertEqual(shim.client().get("/").content, b"home")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.start({"PORT": str(port)}, folder, listen="none")

        def answers():
            try:
                with socket.create_connection(("127.0.0.1", port)) as raw:
                    return contract.exchange(raw, b"GET / HTTP/1.0\r\n\r\n").endswith(b"home")
            except ConnectionRefusedError:
                return False

        self.assertTrue(contract.until(answers))
        self.assert_cannot_start(76, "TIDEMILL_SOCKET", files={"a": ""}, listen="none")
        self.assert_cannot_start(76, "PORT", files={"a": ""}, listen="none", environment={"PORT": "x"})
        self.assert_cannot_start(75, "/nowhere", files={"a": ""}, listen="none", environment={"TIDEMILL_SOCKET": "/nowhere/s"})


if __name__ == "__main__":
    unittest.main()
