"""Images made from nothing, and Debian's own registry on loopback to push them to."""
import base64
import gzip
import hashlib
import http.client
import io
import json
import platform
import shutil
import socket
import subprocess
import tarfile
import warnings
from pathlib import Path

from harness import skip, wait_until

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"

# Answers every request with what it sees around it, as JSON.
PROGRAM = r"""
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
extern char** environ;
static void quoted(FILE* to, const char* text) {
    fputc('"', to);
    for (; *text; ++text) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        if ((unsigned char)*text >= 0x20) fputc(*text, to);
    }
    fputc('"', to);
}
static const char* content(const char* path, char* into, size_t size) {
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, into, size - 1);
    into[got > 0 ? got : 0] = 0;
    if (fd >= 0) close(fd);
    return into;
}
static int can_write(const char* path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0) return 0;
    int good = write(fd, "x", 1) == 1;
    close(fd);
    return good;
}
int main(int argc, char** argv) {
    signal(SIGPIPE, SIG_IGN);
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv("PORT"))),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(s, (void*)&at, sizeof at) || listen(s, 128)) { perror("listen"); return 3; }
    fprintf(stderr, "serving\n");
    for (;;) {
        int c = accept(s, 0, 0);
        if (c < 0) continue;
        char request[8192], cwd[512] = "", text[4096];
        if (read(c, request, sizeof request) <= 0) { close(c); continue; }
        char* body = 0; size_t size = 0;
        FILE* out = open_memstream(&body, &size);
        struct stat root = {0};
        stat("/", &root);
        fprintf(out, "{\"uid\":%d,\"gid\":%d,\"cwd\":", getuid(), getgid());
        quoted(out, getcwd(cwd, sizeof cwd) ? cwd : "");
        fprintf(out, ",\"args\":[");
        for (int i = 0; i < argc; ++i) { if (i) fputc(',', out); quoted(out, argv[i]); }
        fprintf(out, "],\"env\":[");
        for (char** e = environ; *e; ++e) { if (e != environ) fputc(',', out); quoted(out, *e); }
        fprintf(out, "],\"marker\":"); quoted(out, content("/marker", text, sizeof text));
        fprintf(out, ",\"hosts\":"); quoted(out, content("/etc/hosts", text, sizeof text));
        fprintf(out, ",\"gone\":%d,\"linked\":%d,\"usr\":%d", access("/gone", F_OK) == 0,
                access("/linked/inside", F_OK) == 0, access("/usr/bin/env", F_OK) == 0);
        fprintf(out, ",\"tmp\":%d,\"own\":%d,\"root\":%d,\"stdout\":%d", can_write("/tmp/x"),
                can_write("/data/x"), can_write("/x"), can_write("/dev/stdout"));
        fprintf(out, ",\"written\":"); quoted(out, content("/data/x", text, sizeof text));
        fprintf(out, "}");
        fclose(out);
        dprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                   "Connection: close\r\n\r\n", size);
        for (size_t done = 0; done < size;) {
            ssize_t n = write(c, body + done, size - done);
            if (n <= 0) break;
            done += (size_t)n;
        }
        free(body);
        shutdown(c, SHUT_WR);
        close(c);
    }
}
"""


def bcrypt(password):
    """What an htpasswd file of the registry holds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import crypt  # gone with Python 3.13
        made = crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH))
    except (ImportError, OSError, AttributeError) as error:
        skip(f"no bcrypt here for the registry's passwords: {error}")
    return made


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def program(directory):
    """The program above, static."""
    made = Path(directory) / "server"
    if not made.exists():
        source = made.with_suffix(".c")
        source.write_text(PROGRAM)
        for compiler in ("clang-19", "clang", "gcc", "cc"):
            if shutil.which(compiler):
                subprocess.run([compiler, "-static", "-O1", "-w", "-o", made, source], check=True, timeout=120)
                break
        else:
            skip("no C compiler is here to make an image's program")
    return made.read_bytes()


def layer(entries):
    """A tar of (path, content or None for a folder, or a TarInfo's fields as a dict)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content, *more in entries:
            info = tarfile.TarInfo(path)
            info.mode = 0o755
            info.mtime = 1_700_000_000
            if content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(content)
            for field, value in (more[0] if more else {}).items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content) if info.size else None)
    return out.getvalue()


class Image:
    """Layers as bytes of tars, and the members of the configuration."""

    def __init__(self, layers, architecture=ARCHITECTURE, diff_ids=None, **config):
        self.blobs = {}
        packed = [gzip.compress(each, mtime=0) for each in layers]
        self.config = self._put(json.dumps({
            "os": "linux", "architecture": architecture, "config": config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids or [digest(each) for each in layers]}}).encode())
        self.layers = [self._put(each) for each in packed]
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self._descriptor("application/vnd.oci.image.config.v1+json", self.config),
            "layers": [self._descriptor("application/vnd.oci.image.layer.v1.tar+gzip", each)
                       for each in self.layers]}).encode()
        self.digest = digest(self.manifest)

    def _put(self, data):
        self.blobs[digest(data)] = data
        return digest(data)

    def _descriptor(self, kind, name):
        return {"mediaType": kind, "digest": name, "size": len(self.blobs[name])}

    def files(self):
        """An OCI layout, as {path: bytes}."""
        blobs = {**self.blobs, self.digest: self.manifest}
        index = {"schemaVersion": 2,
                 "manifests": [{"mediaType": MANIFEST, "digest": self.digest, "size": len(self.manifest)}]}
        return {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(),
                **{"blobs/sha256/" + name[7:]: data for name, data in blobs.items()}}

    def write_layout(self, directory):
        for path, data in self.files().items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(data)

    def write_docker_archive(self, path):
        """As `docker save` writes it: layers as plain tars."""
        with tarfile.open(path, "w") as tar:
            def add(name, data):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            names = [f"{number}/layer.tar" for number in range(len(self.layers))]
            for name, each in zip(names, self.layers):
                add(name, gzip.decompress(self.blobs[each]))
            add("config.json", self.blobs[self.config])
            add("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": None, "Layers": names}]).encode())


class Registry:
    """Debian's docker-registry (the reference implementation), unpacked privately. A context manager."""

    def __init__(self, directory, program=None, password=None):
        self.directory = Path(directory)
        self.program = program or self.find_program(self.directory)
        self.password = password
        self.process = None

    @staticmethod
    def find_program(directory):
        if found := shutil.which("docker-registry"):
            return found
        unpacked = directory / "root"
        made = unpacked / "usr/bin/docker-registry"
        if made.exists():
            return str(made)
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            skip("Debian's docker-registry is not here: no apt-get or dpkg-deb")
        try:
            done = subprocess.run(["apt-get", "download", "docker-registry"], cwd=directory, capture_output=True,
                                  text=True, timeout=120)
        except subprocess.TimeoutExpired:
            skip("Debian's docker-registry cannot be had: the download took over 120 s")
        packages = list(directory.glob("docker-registry_*.deb"))
        if done.returncode != 0 or not packages:
            skip(f"Debian's docker-registry cannot be had: {done.stderr.strip().splitlines()[-1:]}")
        subprocess.run(["dpkg-deb", "-x", packages[0], unpacked], check=True, timeout=60)
        return str(made)

    def __enter__(self):
        with socket.socket() as probe:  # the registry cannot say which port it was given
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.name = f"127.0.0.1:{self.port}"
        data = self.directory / "data"
        authentication = ""
        if self.password:
            authentication = f"auth:\n  htpasswd:\n    realm: test\n    path: {self.directory}/htpasswd\n"
            (self.directory / "htpasswd").write_text(f"me:{bcrypt(self.password)}\n")
        config = self.directory / "config.yml"
        config.write_text(f"version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {data}\n"
                          f"http:\n  addr: {self.name}\n{authentication}")
        with open(self.directory / "registry.log", "ab") as log:
            self.process = subprocess.Popen([self.program, "serve", str(config)], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log)
        wait_until(self._answers, 20, "docker-registry answers")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError((self.directory / "registry.log").read_text())
        try:
            return self.call("GET", "/v2/")[0] in (200, 401)
        except OSError:
            return False

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            given = dict(headers or {})
            if self.password:
                given["Authorization"] = "Basic " + base64.b64encode(f"me:{self.password}".encode()).decode()
            connection.request(method, path, body=body, headers=given)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def put_blob(self, repository, data, name=None):
        status, headers, _ = self.call("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, status
        where = headers["Location"].split(self.name, 1)[-1]
        status, _, body = self.call("PUT", f"{where}&digest={name or digest(data)}", data,
                                    {"Content-Type": "application/octet-stream"})
        assert status == 201, (status, body)

    def push(self, repository, tag, image):
        """The image under a tag; its reference by digest."""
        for data in image.blobs.values():
            self.put_blob(repository, data)
        self.put_manifest(repository, tag, image.manifest)
        return f"{self.name}/{repository}@{image.digest}"

    def put_manifest(self, repository, tag, manifest, kind=MANIFEST):
        status, _, body = self.call("PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": kind})
        assert status == 201, (status, body)

    def blob_file(self, name):
        return self.directory / f"data/docker/registry/v2/blobs/sha256/{name[7:9]}/{name[7:]}/data"
