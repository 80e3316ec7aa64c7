"""Routes and instances from a file (`tidemill up --fixed-routes`): the data plane and the agent without the API."""
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import ROOT, Platform, skip

APPS = Path(__file__).resolve().parent / "apps"
SECOND = 1_000_000_000


def native_backend(directory):
    """bench/backend.c as a static program in `directory`; the path inside an instance is /app/backend."""
    compiler = next((c for c in ("clang-19", "clang", "gcc", "cc") if shutil.which(c)), None)
    if compiler is None:
        skip("no C compiler for the native backend")
    program = Path(directory) / "backend"
    subprocess.run([compiler, "-O2", "-static", "-o", str(program), str(ROOT / "bench/backend.c")], check=True, timeout=120)
    program.chmod(0o755)
    return program


class Routes:
    """A folder of programs and a file of routes to them."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tidemill-e2e-app-"))
        self.folder.chmod(0o755)
        self.app = self.folder / "app"
        self.app.mkdir(mode=0o755)
        shutil.copy(APPS / "behaviour.py", self.app)
        self.lines = []

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def native(self, name, body_bytes=12, **options):
        if not (self.app / "backend").exists():
            native_backend(self.app)
        return self.add(name, ["/app/backend", "0", str(body_bytes)], **options)

    def behaviour(self, name, environment=None, **options):
        return self.add(name, ["/usr/bin/python3", "-I", "-S", "/app/behaviour.py"],
                        environment={"PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}, **options)

    def add(self, name, command, environment=None, instances=0, most=0, concurrency=0, timeout=60, listen="port",
            memory=0, grace=10, startup=60, queue=10_000, hosts=None, response_start=0, idle=0, liveness=None, protocol="http1"):
        revision, service = f"default/{name}-00001", f"default/{name}"
        spec = {"runtime": "native", "command": command, "environment": list((environment or {}).items()),
                "mounts": [{"source": str(self.app), "target": "/app", "access": "readOnly"}],
                "workingDirectory": "/app", "listen": listen, "memoryBytesMax": memory << 20,
                "grace": grace * SECOND, "startupDeadline": startup * SECOND}
        if liveness:
            spec["liveness"] = liveness
        host = f"{name}.default.localhost"
        self.lines += [
            {"type": "HostRoute", "host": host, "service": service, "route": name,
             "targets": [{"revision": revision, "percent": 100}]},
            {"type": "RevisionPolicy", "revision": revision, "service": service, "configuration": service,
             "containerConcurrency": concurrency, "timeout": timeout * SECOND, "queueMax": queue,
             "responseStartTimeout": int(response_start * SECOND), "idleTimeout": int(idle * SECOND),
             "protocol": protocol},
            {"type": "WantedRevision", "revision": revision, "service": service, "configuration": service,
             "instances": instances, "instancesMax": most, "containerConcurrency": concurrency, "spec": spec}]
        return host

    def file(self):
        path = self.folder / "routes"
        path.write_text("# for tests\n" + "".join(json.dumps(line) + "\n" for line in self.lines))
        return path

    def platform(self, **options):
        arguments = ["--fixed-routes", str(self.file()), *options.pop("arguments", ())]
        return Platform(arguments=arguments, **options)
