"""Images of registries and archives: Debian's registry on loopback, images made from nothing."""
import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from cases import SERVING, SHORT, ApiCase, service
from harness import skip, wait_until
from images import ARCHITECTURE, INDEX, Image, Registry, digest, layer, program

PASSWD = b"root:x:0:0:root:/root:/bin/sh\napp:x:1234:1235:An app:/home/app:/bin/sh\n"


class Images(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = Path(tempfile.mkdtemp(prefix="tidemill-e2e-images-"))
        cls.addClassCleanup(shutil.rmtree, cls.files, True)
        cls.program = program(cls.files)
        cls.registry = cls.enterClassContext(Registry(cls.files))
        cls.base = layer([("server", cls.program), ("marker", b"base"), ("gone", b"here"),
                          ("etc", None), ("etc/passwd", PASSWD), ("etc/hosts", b"of the image"),
                          ("data", None, {"uid": 1234, "gid": 1235}), ("srv/work", None),
                          ("real", None), ("real/inside", b"i"), ("linked", b"", {"type": b"2", "linkname": "/real"})])

    def make(self, marker="base", *more, **config):
        layers = [self.base, layer([("marker", marker.encode()), (".wh.gone", b""), *more])]
        settings = {"Entrypoint": ["/server"], "Cmd": ["from", "image"], "User": "app", "WorkingDir": "/srv/work",
                    "Env": ["COLOUR=blue", "SHAPE=round"], "ExposedPorts": {"8080/tcp": {}}}
        return Image(layers, **{**settings, **config})

    def answer(self, name, **options):
        return json.loads(self.ok(self.host(name), **options))

    def failed(self, name, document, seconds=60):
        """The sentence of why its revision is not ready."""
        self.create(document)
        self.wait_ready(name, seconds, state="False")
        return self.condition(self.revision(name))["message"]

    def revision(self, name):
        return self.get(name + "-00001", kind="revisions")

    def test_a_service_of_a_tag_serves_from_zero_as_its_image_says(self):
        image = self.make("one")
        pinned = self.registry.push("team/one", "v1", image)
        self.create(service("one", f"{self.registry.name}/team/one:v1", {**SHORT, "tidemill.dev/keep-frozen": "0s"}, {"SHAPE": "square"}))
        self.wait_ready("one", 60)
        status = self.revision("one")["status"]
        self.assertEqual(status["containerStatuses"], [{"name": "user-container", "imageDigest": pinned}])
        seen = self.answer("one")
        environment = dict(each.split("=", 1) for each in seen["env"])
        self.assertEqual((seen["uid"], seen["gid"], seen["cwd"]), (1234, 1235, "/srv/work"))
        self.assertEqual(seen["args"], ["/server", "from", "image"])
        self.assertEqual((environment["COLOUR"], environment["SHAPE"]), ("blue", "square"))
        self.assertEqual(environment["HOME"], "/home/app")
        self.assertEqual(environment["K_SERVICE"], "one")
        self.assertEqual((seen["marker"], seen["gone"], seen["linked"]), ("one", 0, 1))
        self.assertEqual(seen["usr"], 0, "nothing of the host's programs")
        self.assertIn("one-00001", seen["hosts"])
        self.assertEqual((seen["tmp"], seen["own"], seen["root"], seen["stdout"]), (1, 1, 0, 1))
        self.assertEqual(seen["written"], "x")
        wait_until(lambda: not self.platform.instances("one-00001"), 40, "it is at zero")
        again = self.answer("one")
        self.assertEqual(again["written"], "x", "what an instance wrote went with it")

    def test_kubectl_applies_a_manifest_whose_container_overrides_the_image(self):
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            skip("kubectl is not here")
        reference = self.registry.push("team/over", "latest", self.make("over"))
        document = service("over", reference, env={"WORD": "given"})
        document["spec"]["template"]["spec"]["containers"][0].update(
            command=["/server", "$(WORD)"], args=["an argument"], workingDir="/real",
            securityContext={"runAsUser": 4321, "readOnlyRootFilesystem": True})
        done = subprocess.run([kubectl, "--kubeconfig", self.platform.data / "kubeconfig", "apply", "-f", "-"],
                              input=json.dumps(document), text=True, capture_output=True, timeout=60,
                              env={**os.environ, "HOME": str(self.files)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.wait_ready("over", 60)
        seen = self.answer("over")
        self.assertEqual(seen["args"], ["/server", "given", "an argument"])
        self.assertEqual((seen["uid"], seen["gid"], seen["cwd"]), (4321, 0, "/real"))
        self.assertEqual((seen["tmp"], seen["own"], seen["root"]), (1, 0, 0))

    def test_args_alone_replace_those_of_the_image(self):
        reference = self.registry.push("team/args", "latest", self.make("args"))
        document = service("args", reference)
        document["spec"]["template"]["spec"]["containers"][0]["args"] = ["mine"]
        self.create(document)
        self.wait_ready("args", 60)
        self.assertEqual(self.answer("args")["args"], ["/server", "mine"])

    def test_the_cli_deploys_tags_digests_layouts_and_archives(self):
        image = self.make("cli")
        reference = self.registry.push("team/cli", "v2", image)
        for number, what in enumerate((f"{self.registry.name}/team/cli:v2", reference)):
            self.deploy(what, f"cli-{number}")
            self.assertEqual(self.answer(f"cli-{number}")["marker"], "cli")
        layout = self.files / "layout"
        self.make("layout").write_layout(layout)
        archive = self.files / "saved.tar"
        self.make("saved").write_docker_archive(archive)
        for what, name in ((layout, "layout"), (archive, "saved")):
            self.deploy(what, "from-" + name)
            self.assertEqual(self.answer("from-" + name)["marker"], name)
            digest_text = self.revision("from-" + name)["status"]["containerStatuses"][0]["imageDigest"]
            self.assertRegex(digest_text, rf"^dev\.local/default/from-{name}@sha256:[0-9a-f]{{64}}$")
        done = self.tidemill("deploy", self.write("no-image.tar", b"text"), "--name", "nothing", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("TM-429", done.stderr)

    def write(self, name, data):
        (self.files / name).write_bytes(data)
        return self.files / name

    def test_a_tag_that_moves_moves_no_revision_and_no_registry_is_needed_to_start(self):
        with tempfile.TemporaryDirectory(prefix="tidemill-e2e-registry-") as directory:
            with Registry(directory, self.registry.program) as registry:
                registry.push("moving", "v1", self.make("before"))
                self.create(service("moving", f"{registry.name}/moving:v1", SHORT))
                self.wait_ready("moving", 60)
                registry.push("moving", "v1", self.make("after"))
                self.platform.kill_role("control")
                self.assertEqual(self.answer("moving")["marker"], "before")
        # The registry is gone, control begins anew, and the instance has to start again.
        self.platform.kill_role("control")
        wait_until(lambda: not self.platform.instances("moving-00001"), 60, "it is at zero")
        self.assertEqual(self.answer("moving")["marker"], "before")

    def test_an_index_leads_to_this_machines_image(self):
        ours, theirs = self.make("ours"), self.make("theirs", architecture="s390x")
        self.registry.push("team/multi", "ours", ours)
        self.registry.push("team/multi", "theirs", theirs)
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": each.digest,
             "size": len(each.manifest), "platform": {"os": "linux", "architecture": architecture}}
            for each, architecture in ((theirs, "s390x"), (ours, ARCHITECTURE))]}).encode()
        self.registry.put_manifest("team/multi", "both", index, INDEX)
        self.create(service("multi", f"{self.registry.name}/team/multi:both"))
        self.wait_ready("multi", 60)
        self.assertEqual(self.answer("multi")["marker"], "ours")
        self.assertTrue(self.revision("multi")["status"]["containerStatuses"][0]["imageDigest"]
                        .endswith("@" + digest(index)))
        message = self.failed("foreign", service("foreign", f"{self.registry.name}/team/multi:theirs"))
        self.assertIn("TM-425", message)

    def test_a_private_image_needs_its_pull_secret(self):
        with tempfile.TemporaryDirectory(prefix="tidemill-e2e-registry-") as directory:
            with Registry(directory, self.registry.program, password="s3cret") as registry:
                registry.push("private", "v1", self.make("private"))
                document = service("private", f"{registry.name}/private:v1", imagePullSecrets=[{"name": "pull"}])
                self.assertIn("TM-421", self.failed("private", document))
                auths = {"auths": {registry.name: {"auth": base64.b64encode(b"me:s3cret").decode()}}}
                status, made = self.api.call("POST", "/api/v1/namespaces/default/secrets", {
                    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull", "namespace": "default"},
                    "type": "kubernetes.io/dockerconfigjson",
                    "data": {".dockerconfigjson": base64.b64encode(json.dumps(auths).encode()).decode()}})
                self.assertEqual(status, 201, made)
                self.wait_ready("private", 60)
                self.assertEqual(self.answer("private")["marker"], "private")
        self.assertNotIn("s3cret", self.platform.log())
        self.assertNotIn("s3cret", json.dumps(self.get("private")))

    def test_what_cannot_be_an_image_says_why_and_leaves_nothing(self):
        name = self.registry.name
        good = self.make("good")
        self.registry.push("bad/good", "v1", good)
        escape = Image([layer([("../../../escaped", b"x")])], Entrypoint=["/server"])
        self.registry.push("bad/escape", "v1", escape)
        cut = self.make("cut")
        whole = cut.blobs.pop(cut.layers[1])
        cut.blobs[digest(whole[:-40])] = whole[:-40]
        cut.manifest = cut.manifest.replace(cut.layers[1].encode(), digest(whole[:-40]).encode()).replace(
            f'"size": {len(whole)}'.encode(), f'"size": {len(whole) - 40}'.encode())
        cut.digest = digest(cut.manifest)
        self.registry.push("bad/cut", "v1", cut)
        changed = self.make("changed " + "x" * 5000)
        self.registry.push("bad/changed", "v1", changed)
        blob = self.registry.blob_file(changed.layers[1])
        blob.write_bytes(blob.read_bytes()[:-8] + b"12345678")
        swapped = Image([layer([("server", b"one")])], diff_ids=[digest(b"two")], Entrypoint=["/server"])
        self.registry.push("bad/swapped", "v1", swapped)
        nobody = self.make("nobody", User="stranger")
        self.registry.push("bad/nobody", "v1", nobody)
        silent = Image([self.base])
        self.registry.push("bad/silent", "v1", silent)
        root = self.make("root", User="")
        self.registry.push("bad/root", "v1", root)
        cases = (("unknown-tag", f"{name}/bad/good:nothing", "TM-420", "manifest"),
                 ("unknown-name", f"{name}/bad/none:v1", "TM-420", "bad/none"),
                 ("escape", f"{name}/bad/escape:v1", "TM-424", "escaped"),
                 ("cut", f"{name}/bad/cut:v1", "TM-424", "cannot be unpacked"),
                 ("changed", f"{name}/bad/changed:v1", "TM-423", "digest"),
                 ("swapped", f"{name}/bad/swapped:v1", "TM-423", "unpacks to"),
                 ("nobody", f"{name}/bad/nobody:v1", "TM-427", "stranger"),
                 ("silent", f"{name}/bad/silent:v1", "TM-427", "command"),
                 ("refused", "127.0.0.1:1/nobody:v1", "TM-422", "127.0.0.1:1"))
        for service_name, image, code, says in cases:
            with self.subTest(image):
                message = self.failed(service_name, service(service_name, image))
                self.assertIn(code, message)
                self.assertIn(says, message)
        document = service("root", f"{name}/bad/root:v1")
        document["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"runAsNonRoot": True}
        self.assertIn("runAsNonRoot", self.failed("root", document))
        pulled = self.platform.data / "pulled"
        wait_until(lambda: not list((pulled / "incoming").iterdir()), 20, "nothing is left of failed pulls")
        self.assertFalse(list(self.platform.data.rglob("escaped")))
        for each in (escape, cut, changed, swapped):
            self.assertFalse((pulled / "images" / f"{each.digest[7:]}.json").exists())

    def test_a_registry_that_hangs_holds_up_nobody_else(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(64)
            self.create(service("hangs", "127.0.0.1:%d/app:v1" % silent.getsockname()[1]))
            time.sleep(1)
            began = time.monotonic()
            reference = self.registry.push("team/beside", "v1", self.make("beside"))
            self.create(service("beside", reference))
            self.wait_ready("beside", 30)
            self.assertLess(time.monotonic() - began, 30)
            self.assertEqual(self.condition(self.get("hangs")).get("status"), "Unknown")
            status, _ = self.api.call("DELETE", SERVING.format("default") + "/hangs")
            self.assertEqual(status, 200)

    def test_two_instances_share_the_image_and_nothing_else(self):
        reference = self.registry.push("team/two", "v1", self.make("two"))
        self.create(service("two", reference, {"autoscaling.knative.dev/min-scale": "2"}))
        self.wait_ready("two", 60)
        wait_until(lambda: len(self.platform.instances("two-00001")) == 2, 30, "two run")
        for _ in range(12):
            self.answer("two")
        files = [Path(f"/proc/{pid}/root/data/x") for pid in self.platform.instances("two-00001").values()]
        sizes = [file.stat().st_size if file.exists() else 0 for file in files]
        self.assertEqual(sum(sizes), 12, f"each request wrote into the file of its own instance: {sizes}")
        trees = self.platform.data / "pulled/trees"
        self.assertFalse([path for path in trees.glob("*/data/x")], "the tree itself is never written to")

    def test_doctor_says_what_roots_images_get_and_what_they_take(self):
        said = self.tidemill("doctor", "--data", self.platform.data, check=False).stdout
        self.assertRegex(said, r"good +image roots +overlayfs")
        self.assertRegex(said, r"good +images +\d+ pulled, \d+ MiB unpacked")


if __name__ == "__main__":
    unittest.main()
