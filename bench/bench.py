#!/usr/bin/env python3
"""./dev bench [ROW-PREFIX...]: ours and the peer in the same run, alternating; writes build/bench.json.

Each row is {"name", "unit", "tidemill", "peer", "peer_value", "ratio"}; ratio = ours / theirs, lower is
better; a row without a peer has null. Everything runs on this machine, on loopback, with shipped defaults;
every measured request is checked to have left its log line, its metric and its trace header.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from api_rows import bench_api  # noqa: E402
from harness import Platform, parse_metrics, wait_until  # noqa: E402

BUILD = ROOT / "build/release"
TOOLS = BUILD / "bench"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
COLD_SERVICES = 50
ROUNDS = 5

rows = []


def say(text):
    print(text, file=sys.stderr, flush=True)


def row(name, unit, ours, peer=None, theirs=None):
    ratio = round(ours / theirs, 3) if theirs else None
    entry = {"name": name, "unit": unit, "tidemill": round(ours, 3), "peer": peer,
             "peer_value": None if theirs is None else round(theirs, 3), "ratio": ratio}
    rows[:] = [r for r in rows if r["name"] != name] + [entry]
    shown = f"{entry['tidemill']:>12} {unit:<8}"
    if theirs is not None:
        shown += f" {peer} {entry['peer_value']} ratio {ratio}"
    say(f"  {name:<32} {shown}")
    # At once: a run that is cut short keeps what it measured.
    (ROOT / "build/bench.json").write_text(json.dumps(rows, indent=1) + "\n")


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    """utime + stime of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def pss_kib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def descendants(pid):
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                pass
    return found


def platform_processes(platform):
    """The platform's own: the supervisor, roles and launcher, not the instances."""
    own = []
    for pid in descendants(platform.process.pid):
        try:
            executable = os.readlink(f"/proc/{pid}/exe")
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except OSError:
            continue
        if "tidemill" in executable or "memfd:" in executable or words[0].startswith("tidemill"):
            own.append(pid)
    return own


class Pinned:
    """A background process on one processor."""

    def __init__(self, words, cpu, ready_port=None):
        self.process = subprocess.Popen(["taskset", "-c", str(cpu), *map(str, words)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        if ready_port:
            def up():
                with socket.socket() as s:
                    return s.connect_ex(("127.0.0.1", ready_port)) == 0
            wait_until(up, 10, f"{words[0]} listens on {ready_port}")

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def apply(platform, documents):
    platform.run("apply", "-f", "-", input="\n---\n".join(json.dumps(d) for d in documents), seconds=300)


def service(name, image, annotations=None, env=None):
    container = {"image": image}
    if env:
        container["env"] = [{"name": k, "value": v} for k, v in env.items()]
    return {"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"template": {"metadata": {"annotations": annotations or {}},
                                  "spec": {"containers": [container]}}}}


def deploy(platform, folder, name, *flags):
    began = time.monotonic()
    done = platform.run("deploy", folder, "--name", name, *flags, seconds=300)
    took = time.monotonic() - began
    image = platform.get("ksvc", name)["spec"]["template"]["spec"]["containers"][0]["image"]
    return done.stdout.strip().splitlines()[-1], image, took


def native_folder(directory):
    folder = Path(directory) / "native"
    folder.mkdir(exist_ok=True)
    shutil.copy(TOOLS / "bench-backend", folder / "server")
    (folder / "Procfile").write_text("web: ./server 0 12\n")
    return folder


def proof_of_observation(platform, host):
    """A measured request must leave its log line with its trace, and count in its metric."""
    path = f"/proof-{time.monotonic_ns()}"
    status, _, _ = platform.request(host, path)
    assert status == 200, status
    log = platform.data / "logs/access.log"

    def line():
        for text in log.read_text(errors="replace").splitlines() if log.exists() else ():
            if path in text:
                return json.loads(text)
        return None

    entry = wait_until(line, 5, "the access log has the request's line")
    assert len(entry["trace_id"]) == 32 and entry["request_id"] and entry["revision"], entry
    with socket.create_connection(platform.metrics, timeout=5) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b""
        while chunk := s.recv(65536):
            text += chunk
    counted = [line for line in text.decode().splitlines()
               if "requests" in line and entry["revision"] in line and not line.startswith("#")]
    assert counted, text[:2000]


# cold ---------------------------------------------------------------------------------------------------

def cold_request(platform, host):
    out = subprocess.run([TOOLS / "bench-cold", "request", "%s:%d" % platform.http, host, "/"],
                         capture_output=True, text=True, timeout=70)
    took, status = out.stdout.split()
    assert status == "200", (host, status)
    return int(took) / 1000


def bare_start(words, folder, environment):
    out = subprocess.run([TOOLS / "bench-cold", "bare", *map(str, words)], capture_output=True, text=True,
                         timeout=70, cwd=folder, env={"PATH": "/usr/bin:/bin", **environment})
    took, status = out.stdout.split()
    assert status == "200", out
    return int(took) / 1000


def bench_cold(platform, directory):
    say("cold: the first byte of services that were never called")
    functions = {"TIDEMILL_HANDLER": "handler.py:handle", "K_SERVICE": "x", "K_REVISION": "x-00001",
                 "K_CONFIGURATION": "x"}
    kinds = {
        "python": (ROOT / "examples/hello-python",
                   ["/usr/bin/python3", "-I", "-S", ROOT / "runtimes/python/shim.py"], functions),
        # The same program that the platform starts.
        "node": (ROOT / "examples/hello-node", [next(n for n in ("/usr/bin/node", "/usr/local/bin/node")
                                                     if os.access(n, os.X_OK)), ROOT / "runtimes/node/shim.js"],
                 {**functions, "TIDEMILL_HANDLER": "index.js:handle"}),
        "native": (native_folder(directory), [TOOLS / "bench-backend", "0", "12"], {}),
    }
    for kind, (folder, bare_words, bare_environment) in kinds.items():
        _, image, _ = deploy(platform, folder, f"cold-{kind}")
        names = [f"cold-{kind}-{n}" for n in range(COLD_SERVICES)]
        apply(platform, [service(name, image, {"autoscaling.knative.dev/initial-scale": "0"})
                         for name in names])
        for name in names:
            wait_until(lambda: any(c["type"] == "Ready" and c["status"] == "True" for c in
                                   platform.get("ksvc", name).get("status", {}).get("conditions", [])),
                       60, f"{name} is ready")
        bare_start(bare_words, folder, bare_environment)
        ours, bare = [], []
        for name in names:
            ours.append(cold_request(platform, f"{name}.default.localhost"))
            bare.append(bare_start(bare_words, folder, bare_environment))
        for q in (0.5, 0.99):
            row(f"cold.{kind}.p{round(q * 100)}", "ms", quantile(ours, q), "bare", quantile(bare, q))
        row(f"cold.{kind}.overhead.p50", "ms", quantile(ours, 0.5) - quantile(bare, 0.5))
        platform.run("delete", "ksvc", *names, f"cold-{kind}", seconds=300)


def bench_thaw(platform):
    say("thaw: the first byte of services that are frozen at zero")
    _, image, _ = deploy(platform, ROOT / "examples/hello-python", "thaw")
    names = [f"thaw-{n}" for n in range(COLD_SERVICES)]
    apply(platform, [service(name, image, {"autoscaling.knative.dev/window": "6s"}) for name in names])
    wait_until(lambda: len(platform.instances(frozen=True)) >= COLD_SERVICES, 120, "all are frozen")
    took = [cold_request(platform, f"{name}.default.localhost") for name in names]
    warm = [cold_request(platform, f"{name}.default.localhost") for name in names]
    for q in (0.5, 0.99):
        row(f"thaw.p{round(q * 100)}", "ms", quantile(took, q), "the same, running", quantile(warm, q))
    platform.run("delete", "ksvc", "thaw", *names, seconds=300)


# warm and per request -----------------------------------------------------------------------------------

def load(address, host, connections, rate, seconds):
    out = subprocess.run(["taskset", "-c", "1", TOOLS / "bench-load", "%s:%d" % address, host, "/",
                          str(connections), str(rate), str(seconds)],
                         capture_output=True, text=True, timeout=seconds + 60)
    result = json.loads(out.stdout)
    assert result["errors_connect"] + result["errors_read"] + result["errors_status"] == 0, result
    return result


def bench_warm(platform, directory):
    say("warm: what the proxy adds, open loop, timed from the intended send")
    backend_port = free_port()
    deploy(platform, native_folder(directory), "warm", "--min-scale", "1")
    host = "warm.default.localhost"
    proof_of_observation(platform, host)
    with Pinned([TOOLS / "bench-backend", backend_port, 12], 1, backend_port):
        for connections, rate in ((1, 200), (32, 2000)):
            ours, direct = {}, {}
            for _ in range(ROUNDS):
                for into, address in ((ours, platform.http), (direct, ("127.0.0.1", backend_port))):
                    result = load(address, host, connections, rate, 3)
                    for q in ("p50", "p99"):
                        into.setdefault(q, []).append(result[f"{q}_us"])
            for q in ("p50", "p99"):
                row(f"warm.latency.c{connections}.{q}", "us", statistics.median(ours[q]), "direct",
                    statistics.median(direct[q]))
                row(f"warm.latency.c{connections}.added.{q}", "us",
                    statistics.median(ours[q]) - statistics.median(direct[q]))


HAPROXY = """
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
  option forwardfor
frontend in
  bind 127.0.0.1:{port}
  http-request set-header X-Forwarded-Proto http
  http-request set-header Forwarded "for=%[src];proto=http"
  unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid
  unique-id-header X-Request-Id
  log 127.0.0.1:{log} local0
  option httplog
  default_backend out
backend out
  server one 127.0.0.1:{backend}
"""

NGINX = """
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.error;
events {{ worker_connections 4096; }}
http {{
  access_log {directory}/nginx.access combined buffer=64k;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000;
  upstream one {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://one;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Forwarded "for=$remote_addr;proto=$scheme";
      proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"""


def wrk(port, host, seconds=4):
    """Requests answered by wrk with 32 keep-alive connections, pinned beside the backend."""
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c32", f"-d{seconds}s", "-H", f"Host: {host}",
                          f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=seconds + 30)
    assert "Non-2xx" not in out.stdout and "Socket errors" not in out.stdout, out.stdout
    return int(next(line for line in out.stdout.splitlines() if "requests in" in line).split()[0])


def bench_cpu(platform, directory):
    say("proxy.h1: CPU time per request, worker pinned to one processor, wrk and upstream on the other")
    proxy_pid = platform.role_pid("proxy")
    subprocess.run(["taskset", "-a", "-p", "-c", "0", str(proxy_pid)], capture_output=True, check=True)
    for size, suffix in ((12, ""), (1024, ".1k")):
        name = f"cpu{size}"
        folder = Path(directory) / name
        folder.mkdir(exist_ok=True)
        shutil.copy(TOOLS / "bench-backend", folder / "server")
        (folder / "Procfile").write_text(f"web: ./server 0 {size}\n")
        deploy(platform, folder, name, "--min-scale", "1", "--max-scale", "1")
        host = f"{name}.default.localhost"
        proof_of_observation(platform, host)
        backend_port, haproxy_port, nginx_port, log_port = (free_port() for _ in range(4))
        haproxy_config = Path(directory) / "haproxy.cfg"
        haproxy_config.write_text(HAPROXY.format(port=haproxy_port, backend=backend_port, log=log_port))
        nginx_config = Path(directory) / "nginx.conf"
        nginx_config.write_text(NGINX.format(port=nginx_port, backend=backend_port, directory=directory))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log_sink, \
                Pinned([TOOLS / "bench-backend", backend_port, size], 1, backend_port), \
                Pinned(["haproxy", "-f", haproxy_config, "-db"], 0, haproxy_port) as haproxy, \
                Pinned(["nginx", "-p", directory, "-c", nginx_config, "-g", "daemon off;"], 0,
                       nginx_port) as nginx:
            log_sink.bind(("127.0.0.1", log_port))
            # taskset replaces itself by what it runs; nginx's work is done by its child.
            workers = {"tidemill": proxy_pid, "haproxy": haproxy.pid, "nginx": descendants(nginx.pid)[-1]}
            ports = {"tidemill": platform.http[1], "haproxy": haproxy_port, "nginx": nginx_port}
            per_request = {peer: [] for peer in workers}
            for peer in workers:
                wrk(ports[peer], host, 1)
            for _ in range(ROUNDS):
                for peer, pid in workers.items():
                    before = cpu_seconds(pid)
                    requests = wrk(ports[peer], host)
                    per_request[peer].append((cpu_seconds(pid) - before) / requests * 1e6)
            median = {peer: statistics.median(values) for peer, values in per_request.items()}
            row(f"proxy.h1.cpu_per_request{suffix}", "us", median["tidemill"], "haproxy", median["haproxy"])
            row(f"proxy.h1.cpu_per_request{suffix}.nginx", "us", median["tidemill"], "nginx",
                median["nginx"])


# idle, scale, deploy ------------------------------------------------------------------------------------

def bench_idle():
    say("idle: the whole platform with one service at zero, 60 s after ready")
    with Platform() as platform, tempfile.TemporaryDirectory() as directory:
        _, image, _ = deploy(platform, native_folder(directory), "first")
        platform.run("delete", "ksvc", "first")
        apply(platform, [service("idle", image, {"autoscaling.knative.dev/initial-scale": "0"})])
        time.sleep(60)
        own = platform_processes(platform)
        before, began = sum(map(cpu_seconds, own)), time.monotonic()
        row("idle.memory", "MB", sum(map(pss_kib, own)) / 1024)
        time.sleep(20)
        row("idle.cpu", "%", (sum(map(cpu_seconds, own)) - before) / (time.monotonic() - began) * 100)


def ready_services(platform):
    items = json.loads(platform.run("get", "ksvc", "-o", "json", seconds=300).stdout)["items"]
    return sum(any(c["type"] == "Ready" and c["status"] == "True"
                   for c in item.get("status", {}).get("conditions", [])) for item in items)


def apply_many(platform, image, count, initial_scale, pause):
    """Seconds until so many new services are Ready. They are counted every `pause` seconds: to list them costs."""
    began = time.monotonic()
    apply(platform, [service(f"many-{n}", image, {"autoscaling.knative.dev/initial-scale": str(initial_scale)})
                     for n in range(count)])
    while ready_services(platform) < count + 1:
        assert time.monotonic() < began + 600, f"{count} services are ready"
        time.sleep(pause)
    return time.monotonic() - began


def bench_scale():
    say("scale: 1,000 services applied with initial-scale 0")
    with Platform() as platform, tempfile.TemporaryDirectory() as directory:
        _, image, _ = deploy(platform, native_folder(directory), "first")
        before = sum(map(pss_kib, platform_processes(platform)))
        row("scale.services.ready", "ms each", apply_many(platform, image, 1000, 0, 0.2))
        row("scale.services.memory", "KB each",
            (sum(map(pss_kib, platform_processes(platform))) - before) / 1000)


def bench_control():
    say("control: 1,000 services with an instance each, then 10,000 at zero")
    with Platform() as platform, tempfile.TemporaryDirectory() as directory:
        _, image, _ = deploy(platform, native_folder(directory), "first")
        row("control.ready", "s", apply_many(platform, image, 1000, 1, 0.2))
    with Platform() as platform, tempfile.TemporaryDirectory() as directory:
        _, image, _ = deploy(platform, native_folder(directory), "first")
        row("control.services.ready", "s", apply_many(platform, image, 10_000, 0, 5))
        time.sleep(40)  # until what the burst left free is given back
        row("control.services.memory", "MB", sum(map(pss_kib, platform_processes(platform))) / 1024)
        row("control.services.cold", "ms", cold_request(platform, "many-5000.default.localhost"))


def bench_deploy(platform):
    say("deploy: a Python folder without dependencies, to its URL")
    took = []
    with tempfile.TemporaryDirectory() as directory:
        for n in range(5):
            folder = Path(directory) / f"d{n}"
            shutil.copytree(ROOT / "examples/hello-python", folder, ignore=shutil.ignore_patterns("__pycache__"))
            (folder / "marker.txt").write_text(str(n))  # new content each time: nothing is cached
            took.append(deploy(platform, folder, f"deploy{n}")[2])
    row("deploy.time", "s", statistics.median(took))


def write_readme(measured):
    """Replaces the table between the markers of README.md."""
    lines = ["| row | unit | Tidemill | peer | peer's | ratio |", "|---|---|---|---|---|---|"]
    for entry in measured:
        peer = entry["peer"] or "–"
        theirs = "–" if entry["peer_value"] is None else entry["peer_value"]
        ratio = "–" if entry["ratio"] is None else entry["ratio"]
        lines.append(f"| `{entry['name']}` | {entry['unit']} | {entry['tidemill']} | {peer} | {theirs} | {ratio} |")
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split("<!-- bench -->\n", 1)
    after = rest.split("<!-- /bench -->", 1)[1]
    readme.write_text(before + "<!-- bench -->\n" + "\n".join(lines) + "\n<!-- /bench -->" + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readme", action="store_true", help="put the rows of build/bench.json into README.md")
    parser.add_argument("prefixes", nargs="*", help="only rows that begin with one of these")
    arguments = parser.parse_args()
    wanted = arguments.prefixes
    if arguments.readme:
        write_readme(json.loads((ROOT / "build/bench.json").read_text()))
        return

    def on(name):
        return not wanted or any(name.startswith(p) or p.startswith(name) for p in wanted)

    subprocess.run(["cmake", "--build", BUILD, "--target", "bench-tools"], check=True, stdout=sys.stderr)
    output = ROOT / "build/bench.json"
    if output.exists():
        rows.extend(json.loads(output.read_text()))
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as directory:
        os.chmod(directory, 0o755)
        with Platform() as platform:
            if on("deploy"):
                bench_deploy(platform)
            if on("cold"):
                bench_cold(platform, directory)
            if on("thaw"):
                bench_thaw(platform)
            if on("warm"):
                bench_warm(platform, directory)
            if on("proxy"):
                bench_cpu(platform, directory)
    if on("idle"):
        bench_idle()
    if on("scale"):
        bench_scale()
    if on("control"):
        bench_control()
    if on("api"):
        with Platform() as platform:
            bench_api(platform, row, say, quantile, free_port)
    say(f"written: {output.relative_to(ROOT)}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
