"""An app of many behaviours, for tests: $MODE says how it starts, the path says how it answers.

Runs wherever a Python 3 is; listens on 0.0.0.0:$PORT unless $MODE says otherwise.
"""
import hashlib
import json
import os
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

STARTED = time.time()
kept = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A head and a body in two writes would wait for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self):
        """The request's body in pieces, whichever way it is framed."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                if size == 0:
                    while self.rfile.readline().strip():
                        pass
                    return
                left = size
                while left:
                    piece = self.rfile.read(min(left, 65536))
                    left -= len(piece)
                    yield piece
                self.rfile.readline()
        else:
            left = int(self.headers.get("Content-Length", "0"))
            while left:
                piece = self.rfile.read(min(left, 65536))
                if not piece:
                    return
                left -= len(piece)
                yield piece

    def answer(self, content, status=200, kind="text/plain", headers=()):
        if not isinstance(content, bytes):
            content = str(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def chunk(self, content):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def start_chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def do(self):
        where = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(where.query).items()}
        if self.headers.get("Upgrade", "").lower() == "echo":
            return self.tunnel()
        action = getattr(self, "on_" + where.path.strip("/").replace("-", "_"), None)
        if action is None:
            pieces = b"".join(self.body())
            return self.answer("%s %d\n" % (os.environ.get("WORD", "hello"), len(pieces)))
        return action(query)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do

    def tunnel(self):
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "echo")
        self.end_headers()
        self.close_connection = True
        while data := self.connection.recv(65536):
            self.connection.sendall(data)

    def on_who(self, _):
        self.answer(socket.gethostname())

    def on_headers(self, _):
        self.answer(json.dumps([[name, value] for name, value in self.headers.items()]), kind="application/json")

    def on_view(self, _):
        """What the runtime contract speaks of: environment, user, files, limits."""
        def read(path):
            try:
                with open(path) as file:
                    return file.read()
            except OSError as error:
                return "error: %s" % error.strerror

        def writes(path):
            try:
                with open(path, "w") as file:
                    file.write("x")
                return True
            except OSError:
                return False

        mode = os.stat("/tmp").st_mode if os.path.isdir("/tmp") else 0
        self.answer(json.dumps({
            "environment": dict(os.environ), "uid": os.getuid(), "gid": os.getgid(), "cwd": os.getcwd(),
            "stdin": STDIN_END, "tmp": writes("/tmp/probe"), "tmp_mode": oct(mode & 0o7777),
            "resolv": os.path.exists("/etc/resolv.conf"), "console": os.path.exists("/dev/console"),
            "proc_sys": writes("/proc/sys/kernel/hostname"), "app": writes("/app/probe"), "usr": writes("/usr/probe"),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "processes": sum(name.isdigit() for name in os.listdir("/proc")),
            "devices": sorted(os.listdir("/dev")), "file": {name: read(name) for name in
                                                           os.environ.get("READ", "").split(":") if name},
            "memory_limit": read("/sys/fs/cgroup/memory.max").strip()
            if os.path.exists("/sys/fs/cgroup/memory.max")
            else read("/sys/fs/cgroup/memory/memory.limit_in_bytes").strip()}), kind="application/json")

    def on_digest(self, _):
        """SHA-256 and size of the request's body."""
        digest, size = hashlib.sha256(), 0
        for piece in self.body():
            digest.update(piece)
            size += len(piece)
        self.answer("%s %d" % (digest.hexdigest(), size))

    def on_echo(self, _):
        """The request's body as it comes, chunked."""
        self.start_chunked()
        for piece in self.body():
            self.chunk(piece)
        self.wfile.write(b"0\r\n\r\n")

    def on_big(self, query):
        size = int(query["bytes"])
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        block = b"0123456789abcdef" * 4096
        while size > 0:
            self.wfile.write(block[:min(size, len(block))])
            size -= len(block)

    def on_stream(self, query):
        """Pieces with a pause between them."""
        self.start_chunked()
        for number in range(int(query.get("pieces", "3"))):
            self.chunk(b"piece %d\n" % number)
            time.sleep(float(query.get("pause", "0.2")))
        self.wfile.write(b"0\r\n\r\n")

    def on_sleep(self, query):
        time.sleep(float(query["s"]))
        self.answer(socket.gethostname())

    def on_status(self, query):
        self.answer("status\n", int(query["code"]))

    def on_print(self, query):
        print(query["text"], flush=True)
        print(query["text"] + " (stderr)", file=sys.stderr, flush=True)
        self.answer("printed\n")

    def on_exit(self, query):
        sys.stderr.write("last words before exit\n")
        sys.stderr.flush()
        os._exit(int(query.get("code", "3")))

    def on_stop(self, _):
        self.answer("stopping\n")
        os.kill(os.getpid(), signal.SIGSTOP)

    def on_flood(self, query):
        """So many MiB of lines, as fast as they are taken."""
        block = b"".join(b"flood %08d %s\n" % (number, b"x" * 84) for number in range(10486))
        for _ in range(int(query["mb"])):
            sys.stdout.buffer.write(block)
        print("after the flood", flush=True)
        self.answer("flooded\n")

    def on_hang(self, _):
        """Every thread waits for the one that sleeps with the interpreter's lock."""
        import ctypes
        ctypes.PyDLL(None).sleep(3600)

    def on_eat(self, query):
        kept.append(bytearray(os.urandom(1 << 20)) * int(query["mb"]))
        self.answer("ate\n")

    def on_garbage(self, _):
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")
        self.close_connection = True

    def on_close(self, _):
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


STDIN_END = sys.stdin.read(1) == "" if sys.stdin else True
mode = os.environ.get("MODE", "serve")
print("behaviour: mode", mode, flush=True)
if mode.startswith("exit"):
    print("I cannot go on", file=sys.stderr, flush=True)
    sys.exit(int(mode.partition(":")[2] or 3))
if mode == "never":
    time.sleep(3600)
if mode.startswith("slow"):
    time.sleep(float(mode.partition(":")[2] or 1))
if mode == "eat":
    while True:
        kept.append(bytearray(os.urandom(1 << 20)))
port = int(os.environ["PORT"])
if mode == "wrongport":
    port += 11000 if port < 50000 else -11000
server = Server(("127.0.0.1" if mode == "wrongaddress" else "0.0.0.0", port), Handler)
if os.environ.get("GRACEFUL"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server.serve_forever()
