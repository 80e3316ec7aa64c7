"""Knative Serving API 1.0, knative/specs specs/serving/knative-api-specification-1.0.md: MUSTs that are covered, and what
knative/serving test/conformance/api/v1 asserts of them."""
import json
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from cases import SERVING, ApiCase, service  # noqa: E402
from clients import ContinuousClient, at_once  # noqa: E402
from harness import skip, wait_until  # noqa: E402

BASE = "/apis/serving.knative.dev/v1/namespaces/default"


class ServingApi(ApiCase):
    def made(self, name, **options):
        self.create(service(name, self.image(), **options))
        return self.wait_ready(name)

    def test_service_create_get_list_delete(self):
        """Service: POST, GET, LIST, PUT and DELETE are required; deleting the owner deletes what it owns."""
        found = self.made("whole")
        self.assertEqual(found["status"]["observedGeneration"], 1)
        self.assertEqual(found["status"]["latestCreatedRevisionName"], "whole-00001")
        self.assertEqual(found["status"]["latestReadyRevisionName"], "whole-00001")
        self.assertEqual(found["status"]["url"], "http://whole.default.localhost")
        self.assertEqual(found["status"]["address"]["url"], "http://whole.default.svc.cluster.local")
        _, listed = self.api.call("GET", f"{BASE}/services")
        self.assertIn("whole", [each["metadata"]["name"] for each in listed["items"]])
        status, _ = self.api.call("DELETE", f"{BASE}/services/whole")
        self.assertIn(status, (200, 202))
        for kind, name in (("services", "whole"), ("configurations", "whole"), ("routes", "whole"),
                           ("revisions", "whole-00001")):
            wait_until(lambda: self.api.call("GET", f"{BASE}/{kind}/{name}")[0] == 404, 15, f"{kind}/{name} is gone")

    def test_ready_means_that_the_url_answers_now(self):
        """Ready (test/conformance CheckEndpointState asks once): who sees it may call at once; so may who sees a tag."""
        for number in range(8):
            name = f"now-{number}"
            self.create(service(name, self.image()))
            self.wait_ready(name)
            self.assertEqual(self.platform.request(self.host(name))[0], 200)
            self.api.call("PATCH", f"{BASE}/services/{name}", {"spec": {"traffic": [
                {"latestRevision": True, "percent": 100, "tag": "now"}]}}, "application/merge-patch+json")
            wait_until(lambda: any(each.get("tag") == "now" for each in self.get(name)["status"].get("traffic", [])), 10, "the tag")
            self.assertEqual(self.platform.request(f"now-{self.host(name)}")[0], 200)

    def test_defaults_are_stored(self):
        """Defaulting: timeoutSeconds 300, containerConcurrency 0, the container's name, and traffic to the latest."""
        found = self.made("defaults")
        spec = found["spec"]["template"]["spec"]
        self.assertEqual((spec["timeoutSeconds"], spec["containerConcurrency"]), (300, 0))
        self.assertEqual(spec["containers"][0]["name"], "user-container")
        self.assertEqual(found["spec"]["traffic"], [{"latestRevision": True, "percent": 100}])

    def test_each_change_of_the_template_is_a_revision(self):
        """Configuration: image, labels and annotations of the template each make a revision; nothing is dropped."""
        name = "changes"
        self.made(name, annotations={"autoscaling.knative.dev/min-scale": "1"})
        with ContinuousClient(self.platform, self.host(name), rate=50) as client:
            for number, patch in enumerate(({"metadata": {"labels": {"a": "b"}}}, {"metadata": {"annotations": {"a": "b"}}}), 2):
                status, said = self.api.call("PATCH", f"{BASE}/services/{name}", {"spec": {"template": patch}},
                                             "application/merge-patch+json")
                self.assertEqual(status, 200, said)
                found = self.wait_ready(name)
                self.assertEqual(found["metadata"]["generation"], number)
                self.assertEqual(found["status"]["latestReadyRevisionName"], f"{name}-0000{number}")
        self.assertEqual(client.failures, [])

    def test_metadata_of_the_service_is_no_revision_and_is_copied(self):
        """Labels and annotations of a Service go to its Route and Configuration and make no revision."""
        name = "juicy"
        self.made(name)
        self.api.call("PATCH", f"{BASE}/services/{name}", {"metadata": {"labels": {"juicy": "jamba"},
                                                                        "annotations": {"juicy": "jamba"}}},
                      "application/merge-patch+json")

        def copied():
            return all(self.get(name, kind=kind)["metadata"].get("labels", {}).get("juicy") == "jamba"
                       and self.get(name, kind=kind)["metadata"].get("annotations", {}).get("juicy") == "jamba"
                       for kind in ("routes", "configurations"))

        wait_until(copied, 10, "Route and Configuration have it")
        self.assertEqual(self.get(name)["status"]["latestCreatedRevisionName"], f"{name}-00001")
        self.api.call("PATCH", f"{BASE}/services/{name}", {"metadata": {"labels": {"juicy": None}, "annotations": {"juicy": None}}},
                      "application/merge-patch+json")
        wait_until(lambda: not any("juicy" in self.get(name, kind=kind)["metadata"].get("labels", {})
                                   for kind in ("routes", "configurations")), 10, "and lose it again")

    def test_revisions_carry_their_labels(self):
        """Revision: labels of service, configuration and generation."""
        self.made("labels")
        labels = self.get("labels-00001", kind="revisions")["metadata"]["labels"]
        self.assertEqual((labels["serving.knative.dev/service"], labels["serving.knative.dev/configuration"],
                          labels["serving.knative.dev/configurationGeneration"]), ("labels", "labels", "1"))

    def test_a_revisions_spec_is_immutable(self):
        """Revision: its spec does not change."""
        self.made("fixed")
        found = self.get("fixed-00001", kind="revisions")
        found["spec"]["timeoutSeconds"] = 7
        self.assertEqual(self.api.call("PUT", f"{BASE}/revisions/fixed-00001", found)[0], 400)

    def test_a_name_of_ones_own(self):
        """A template with a name makes that revision; the same name with another template is refused."""
        document = service("own", self.image())
        document["spec"]["template"]["metadata"] = {"name": "own-first"}
        self.create(document)
        self.assertEqual(self.wait_ready("own")["status"]["latestReadyRevisionName"], "own-first")
        status, said = self.api.call("PATCH", f"{BASE}/services/own", {"spec": {"template": {"spec": {"timeoutSeconds": 9}}}},
                                     "application/merge-patch+json")
        self.assertEqual(status, 400)
        self.assertIn("without a name change", said["message"])

    def test_traffic_is_split_per_request_and_tags_have_their_urls(self):
        """Route: percentages hold per request, never sticky; each tag has a URL that contains it, also at 0 %."""
        name = "split"
        self.made(name, env={"WORD": "blue"})
        status, _ = self.api.call("PATCH", f"{BASE}/services/{name}", {"spec": {
            "template": {"spec": {"containers": [{"image": self.image(), "env": [{"name": "WORD", "value": "green"}]}]}},
            "traffic": [{"tag": "blue", "revisionName": f"{name}-00001", "percent": 50},
                        {"tag": "green", "revisionName": f"{name}-00002", "percent": 50},
                        {"tag": "latest", "latestRevision": True, "percent": 0}]}}, "application/merge-patch+json")
        self.assertEqual(status, 200)
        found = self.wait_ready(name)
        urls = {each["tag"]: each["url"] for each in found["status"]["traffic"]}
        self.assertEqual(urls["blue"], f"http://blue-{name}.default.localhost")
        counts = {}
        for answers in at_once(8, lambda _: [self.ok(self.host(name)).split()[0] for _ in range(25)]):
            self.assertIsInstance(answers, list, answers)
            for answer in answers:
                counts[answer] = counts.get(answer, 0) + 1
        self.assertGreaterEqual(counts.get(b"blue", 0), 50, counts)
        self.assertGreaterEqual(counts.get(b"green", 0), 50, counts)
        for tag, word in (("blue", b"blue"), ("green", b"green"), ("latest", b"green")):
            self.assertEqual({self.ok(f"{tag}-{self.host(name)}").split()[0] for _ in range(5)}, {word})

    def test_concurrency_one_never_overlaps(self):
        """containerConcurrency 1 (TestSingleConcurrency): requests wait, none overlaps, none is refused."""
        name = "single"
        folder = self.folder("single", {"handler.py": (
            "import threading, time\nbusy = threading.Lock()\n"
            "def handle(request, context):\n"
            "    if not busy.acquire(blocking=False):\n        raise RuntimeError('overlap')\n"
            "    try:\n        time.sleep(0.02)\n        return 'alone'\n    finally:\n        busy.release()\n")})
        self.deploy(folder, name, "--concurrency", "1", "--max-scale", "3")
        results = at_once(5, lambda _: [self.platform.request(self.host(name))[0] for _ in range(60)])
        self.assertEqual({status for each in results for status in each}, {200})

    def test_revision_timeout(self):
        """timeoutSeconds (TestRevisionTimeout): 504 before the first byte; a begun answer keeps its status."""
        self.made("slow", timeoutSeconds=2)
        self.assertEqual(self.platform.request(self.host("slow"), "/sleep?s=0.5")[0], 200)
        self.assertEqual(self.platform.request(self.host("slow"), "/sleep?s=4")[0], 504)
        answer = self.platform.raw(f"GET /stream?pieces=8&pause=0.5 HTTP/1.1\r\nHost: {self.host('slow')}\r\n\r\n".encode())
        self.assertIn(b" 200 ", answer[:20])

    def test_creator_and_last_modifier(self):
        """Annotations creator and lastModifier name who asked."""
        self.made("mine")
        annotations = self.get("mine")["metadata"]["annotations"]
        self.assertEqual((annotations["serving.knative.dev/creator"], annotations["serving.knative.dev/lastModifier"]),
                         ("admin", "admin"))

    def test_generated_names(self):
        """metadata.generateName gives each Service a name of its own."""
        document = service("x", self.image())
        del document["metadata"]["name"]
        document["metadata"]["generateName"] = "made-"
        names = {self.create(document)["metadata"]["name"] for _ in range(2)}
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertRegex(name, r"^made-[a-z0-9]{5}$")
            self.wait_ready(name)

    def test_config_and_secret_as_files(self):
        """Volumes of ConfigMap and Secret are files with their content."""
        self.api.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "words"}, "data": {"a": "from config"}})
        self.api.call("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "words"}, "stringData": {"b": "from secret"}})
        document = service("files", self.image(), env={"READ": "/config/a:/secret/b"})
        spec = document["spec"]["template"]["spec"]
        spec["volumes"] = [{"name": "config", "configMap": {"name": "words"}}, {"name": "secret", "secret": {"secretName": "words"}}]
        spec["containers"][0]["volumeMounts"] = [{"name": "config", "mountPath": "/config"}, {"name": "secret", "mountPath": "/secret"}]
        status, said = self.api.call("POST", f"{BASE}/services", document)
        if status == 400 and "volumes" in said["message"]:
            skip(f"volumes are refused by name: {said['message'].splitlines()[-1]}")
        self.assertEqual(status, 201, said)
        self.wait_ready("files")
        view = json.loads(self.ok(self.host("files"), "/view"))
        self.assertEqual(view["file"], {"/config/a": "from config", "/secret/b": "from secret"})


if __name__ == "__main__":
    unittest.main()
