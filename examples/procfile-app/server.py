"""Tells the time; the Procfile says how to start it."""
import argparse
import datetime
import http.server
import signal
import sys


class Clock(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = datetime.datetime.now(datetime.timezone.utc).strftime("%H:%M:%S UTC\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("0.0.0.0", arguments.parse_args().port), Clock).serve_forever()
