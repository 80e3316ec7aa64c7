"""Every field of the four Serving kinds: that it is there, and its effect, its refusal or its warning.

What the platform says of its fields is read from its own OpenAPI, which is made from the table that documents are
checked by. What Knative has is listed here (knative/serving pkg/apis/serving/v1/*_types.go, core/v1 PodSpec).
"""
import json
import re
import unittest
from pathlib import Path

from cases import SERVING, ApiCase, service
from harness import wait_until

API = "/apis/serving.knative.dev/v1/namespaces/default/"
PLURALS = {"Service": "services", "Configuration": "configurations", "Revision": "revisions", "Route": "routes"}
POD = "spec.template.spec."
CONTAINER = POD + "containers[]."

REVISION_SPEC = """containerConcurrency timeoutSeconds responseStartTimeoutSeconds idleTimeoutSeconds
    volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds
    dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID
    hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity schedulerName tolerations
    hostAliases priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks preemptionPolicy
    overhead topologySpreadConstraints setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources""".split()
CONTAINER_FIELDS = """name image command args workingDir ports envFrom env resources resizePolicy restartPolicy volumeMounts
    volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath terminationMessagePolicy
    imagePullPolicy securityContext stdin stdinOnce tty
    ports[].name ports[].hostPort ports[].containerPort ports[].protocol ports[].hostIP
    env[].name env[].value env[].valueFrom.fieldRef env[].valueFrom.resourceFieldRef
    env[].valueFrom.configMapKeyRef.name env[].valueFrom.configMapKeyRef.key env[].valueFrom.configMapKeyRef.optional
    env[].valueFrom.secretKeyRef.name env[].valueFrom.secretKeyRef.key env[].valueFrom.secretKeyRef.optional
    envFrom[].prefix envFrom[].configMapRef.name envFrom[].configMapRef.optional envFrom[].secretRef.name
    envFrom[].secretRef.optional resources.limits resources.requests resources.claims
    securityContext.capabilities.add securityContext.capabilities.drop securityContext.privileged
    securityContext.seLinuxOptions securityContext.windowsOptions securityContext.runAsUser securityContext.runAsGroup
    securityContext.runAsNonRoot securityContext.readOnlyRootFilesystem securityContext.allowPrivilegeEscalation
    securityContext.procMount securityContext.seccompProfile.type securityContext.appArmorProfile""".split()
CONTAINER_FIELDS += [f"{probe}.{member}" for probe in ("livenessProbe", "readinessProbe", "startupProbe") for member in (
    "exec.command httpGet.path httpGet.port httpGet.host httpGet.scheme httpGet.httpHeaders[].name "
    "httpGet.httpHeaders[].value tcpSocket.port tcpSocket.host grpc.port grpc.service initialDelaySeconds timeoutSeconds "
    "periodSeconds successThreshold failureThreshold terminationGracePeriodSeconds").split()]
STATUS = ["status." + name for name in """observedGeneration annotations conditions[].type conditions[].status
    conditions[].severity conditions[].lastTransitionTime conditions[].reason conditions[].message""".split()]
LATEST = ["status.latestReadyRevisionName", "status.latestCreatedRevisionName"]
ADDRESS = ["status." + name for name in """url address.url address.name address.CACerts address.audience traffic[].tag
    traffic[].revisionName traffic[].configurationName traffic[].latestRevision traffic[].percent traffic[].url""".split()]
TRAFFIC = ["spec.traffic[]." + name for name in "tag revisionName configurationName latestRevision percent url".split()]
TEMPLATE = ["spec.template.metadata." + name for name in "name labels annotations".split()]
TEMPLATE += [POD + name for name in REVISION_SPEC] + [CONTAINER + name for name in CONTAINER_FIELDS]
KNATIVE = {
    "Service": TEMPLATE + TRAFFIC + STATUS + LATEST + ADDRESS,
    "Configuration": TEMPLATE + STATUS + LATEST,
    "Revision": ["spec." + name.removeprefix(POD) for name in TEMPLATE if name.startswith(POD)] + STATUS + [
        "status." + name for name in """logUrl containerStatuses[].name containerStatuses[].imageDigest
        initContainerStatuses[].name initContainerStatuses[].imageDigest actualReplicas desiredReplicas""".split()],
    "Route": TRAFFIC + STATUS + ADDRESS,
}

# Which test shows the effect of a field (beginning with spec of a Service, or metadata). A path that several patterns
# fit belongs to the first.
HERE = "test_serving_fields.Effects."
PROBE = r"spec\.template\.spec\.containers\[\]\.(liveness|readiness)Probe"
PROOFS = [
    (r"apiVersion|kind", "test_serving_api.test_service_create_get_list_delete"),
    (r"metadata\.(name|namespace)", "test_serving_api.test_service_create_get_list_delete"),
    (r"metadata\.generateName", "test_serving_api.test_generated_names"),
    (r"metadata\.(labels|annotations)", "test_serving_api.test_metadata_of_the_service_is_no_revision_and_is_copied"),
    (r"metadata\.resourceVersion", HERE + "test_versions_and_identities_are_preconditions"),
    (r"metadata\.uid", HERE + "test_versions_and_identities_are_preconditions"),
    (r"metadata\.finalizers", HERE + "test_finalizers_hold_an_object"),
    (r"metadata\.ownerReferences.*", HERE + "test_what_is_owned_goes_with_its_owner"),
    (r"spec\.template\.metadata\.name", "test_serving_api.test_a_name_of_ones_own"),
    (r"spec\.template\.metadata\.(labels|annotations)", HERE + "test_metadata_of_the_template_is_the_revisions"),
    (r"spec\.template\.spec\.containerConcurrency", "test_serving_api.test_concurrency_one_never_overlaps"),
    (r"spec\.template\.spec\.timeoutSeconds", "test_serving_api.test_revision_timeout"),
    (r"spec\.template\.spec\.(responseStart|idle)TimeoutSeconds", HERE + "test_timers_of_a_request"),
    (PROBE + r"\.(httpGet|initialDelaySeconds|successThreshold|periodSeconds).*", HERE + "test_readiness_is_asked_for"),
    (PROBE + r"\.tcpSocket.*", HERE + "test_readiness_by_a_connection"),
    (PROBE + r"(\.timeoutSeconds|\.failureThreshold)?", HERE + "test_liveness_is_asked_for"),
    (r"spec\.template\.spec\.containers\[\]\.resources.*", "test_runtime_contract.test_limits_are_applied"),
    (r"spec\.template\.spec\.containers\[\]\.ports.*", "test_runtime_contract.test_one_port_only"),
    (r"spec\.template\.spec\.imagePullSecrets.*", "test_images.test_a_private_image_needs_its_pull_secret"),
    (r"spec\.template\.spec\.containers(\[\]\..*)?", HERE + "test_the_program_and_its_surroundings"),
    (r"spec\.traffic(\[\]\.(tag|percent|revisionName|latestRevision))?",
     "test_serving_api.test_traffic_is_split_per_request_and_tags_have_their_urls"),
    (r"spec\.traffic\[\]\.configurationName", HERE + "test_a_route_to_a_configuration"),
    (r"spec|spec\.template|spec\.template\.(spec|metadata)|metadata", "test_serving_api.test_defaults_are_stored"),
]


def sample(schema):
    """A value of the type that is neither unset nor harmless."""
    kind = schema.get("type")
    if kind == "object":
        if schema.get("properties"):
            name, below = next(iter(schema["properties"].items()))
            return {**{key: sample(schema["properties"][key]) for key in schema.get("required", [])}, name: sample(below)}
        return {"a": "1"}
    if kind == "array":
        return [sample(schema["items"])]
    return {"string": "zz", "integer": 7, "boolean": True}.get(kind, "1" if "oneOf" in schema else {"a": "zz"})


def walk(schema, shared, path=""):
    """(path, schema) of every field, parents first; those of lists have "[]"."""
    if "allOf" in schema:
        schema = shared[schema["allOf"][0]["$ref"].rsplit("/", 1)[1]]
    for name, below in schema.get("properties", {}).items():
        at = f"{path}.{name}" if path else name
        yield at, below
        items = below.get("items", below)
        yield from walk(items, shared, at + ("[]" if "items" in below else ""))


def put(document, path, value):
    """Sets the field at a path; elements of lists are their first."""
    steps = path.split(".")
    for step in steps[:-1]:
        name, listed = step.removesuffix("[]"), step.endswith("[]")
        document = document.setdefault(name, [{}] if listed else {})
        document = document[0] if listed else document
    document[steps[-1]] = value


class Fields(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        _, document = cls.api.call("GET", "/openapi/v3/apis/serving.knative.dev/v1")
        shared = document["components"]["schemas"]
        cls.fields = {kind: dict(walk(shared[f"dev.knative.serving.v1.{kind}"], shared)) for kind in PLURALS}

    def base(self, kind):
        document = service("walked", "dev.local/default/walked@sha256:" + "0" * 64)
        document["kind"] = kind
        if kind == "Revision":
            document["spec"] = document["spec"]["template"]["spec"]
        elif kind == "Route":
            document["spec"] = {"traffic": [{"configurationName": "walked", "percent": 100}]}
        return document

    def trial(self, kind, path, value):
        document = self.base(kind)
        # What is required beside the field is set, so that nothing but the field is judged.
        parent = path
        while "." in parent:
            parent = parent.rsplit(".", 1)[0]
            found = self.fields[kind].get(parent.removesuffix("[]"))
            for name in (found or {}).get("items", found or {}).get("required", []):
                if name not in ("containers",):
                    put(document, f"{parent}.{name}", "a")
        put(document, path, value)
        status, answer = self.api.call("POST", API + PLURALS[kind] + "?dryRun=All", document)
        return status, answer

    def treated(self, kind, word):
        """Fields whose description says so, without those below them."""
        found = []
        for path, schema in self.fields[kind].items():
            if word in schema.get("description", "") and not any(path.startswith(above + (".", "[]")[0]) or
                                                                path.startswith(above + "[]") for above in found):
                found.append(path)
        return found

    def test_every_field_of_knative_is_known(self):
        for kind, paths in KNATIVE.items():
            known = set(self.fields[kind])
            # Volumes are told apart by the kinds that the platform knows; the rest of them is the platform's choice.
            self.assertEqual(sorted(path for path in paths if path not in known), [], kind)

    def test_what_is_refused_is_refused_by_name(self):
        count = 0
        for kind in PLURALS:
            for path in self.treated(kind, "Refused: "):
                with self.subTest(kind, path=path):
                    status, answer = self.trial(kind, path, sample(self.fields[kind][path]))
                    self.assertIn(status, (400, 422), answer)
                    self.assertIn(path.replace("[]", "[0]"), answer["message"])
                    count += 1
        self.assertGreater(count, 100)

    def test_what_has_no_effect_is_warned_of_by_name(self):
        for kind in PLURALS:
            for path in self.treated(kind, "Has no effect: "):
                with self.subTest(kind, path=path):
                    if path.endswith("terminationMessagePolicy"):
                        # All that it may be asks for what happens anyway; anything else is refused.
                        self.assertEqual(self.trial(kind, path, "File")[0], 201)
                        self.assertEqual(self.api.warnings, [])
                        self.assertEqual(self.trial(kind, path, "zz")[0], 400)
                        continue
                    status, answer = self.trial(kind, path, sample(self.fields[kind][path]))
                    self.assertEqual(status, 201, answer)
                    self.assertTrue(any(path.replace("[]", "[0]") in text and "has no effect" in text
                                        for text in self.api.warnings), self.api.warnings)

    def test_what_the_platform_writes_is_not_taken_from_users(self):
        for kind in PLURALS:
            for path in self.treated(kind, "Written by the platform."):
                if path in ("metadata.managedFields", "spec.template.metadata.managedFields"):
                    continue
                with self.subTest(kind, path=path):
                    value = sample(self.fields[kind][path])
                    if path.endswith("Timestamp"):
                        value = "2001-01-01T00:00:00Z"
                    status, answer = self.trial(kind, path, value)
                    self.assertEqual(status, 201, answer)
                    for step in path.split("."):
                        answer = answer.get(step, {}) if isinstance(answer, dict) else {}
                    if not path.startswith("spec.template.metadata."):
                        self.assertNotEqual(answer, value)

    def test_the_effect_of_every_other_field_has_its_test(self):
        tests = set()
        here = Path(__file__).parent
        for file in (*here.glob("test_*.py"), *here.parent.glob("e2e/test_*.py")):
            names = re.findall(r"^    def (test_\w+)", file.read_text(), re.M)
            tests |= {f"{file.stem}.{name}" for name in names} | {f"{file.stem}.Effects.{name}" for name in names}
        for kind in PLURALS:
            silent = []
            for word in ("Refused: ", "Has no effect: ", "Written by the platform."):
                silent += self.treated(kind, word)
            for path in self.fields[kind]:
                if any(path == above or path.startswith((above + ".", above + "[]")) for above in silent):
                    continue
                name = path
                if kind == "Revision" and path.startswith("spec."):
                    name = path.replace("spec.", POD, 1)
                proof = next((test for pattern, test in PROOFS if re.fullmatch(pattern, name)), None)
                with self.subTest(kind, path=path):
                    self.assertIsNotNone(proof, "no test shows what this field does")
                    self.assertIn(proof, tests)


APP = '''
import http.server, json, os, sys, time
state = {"live": 200, "asked": 0, "first": None, "began": time.monotonic()}

def writes(path):
    try:
        open(path, "w").close()
        return True
    except OSError:
        return False

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def say(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/ready":
            state["asked"] += 1
            state["first"] = state["first"] or time.monotonic() - state["began"]
            return self.say("", 200 if self.headers.get("X-Probe") == "yes" else 503)
        if path == "/live":
            return self.say("", state["live"])
        if path == "/fall-ill":
            state["live"] = 503
        if path == "/sleep":
            time.sleep(float(query))
        if path == "/drip":
            self.send_response(200)
            self.end_headers()
            for word in (b"one ", b"two"):
                self.wfile.write(word)
                self.wfile.flush()
                time.sleep(float(query))
            return
        self.say({**state, "pid": os.getpid(), "arguments": sys.argv[1:], "cwd": os.getcwd(), "uid": os.getuid(),
                  "environment": dict(os.environ), "writes": {name: writes(name) for name in ("/app/x", "/tmp/x")},
                  "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")][0],
                  "seccomp": [line.split()[1] for line in open("/proc/self/status") if line.startswith("Seccomp:")][0]})

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
'''


class Effects(ApiCase):
    """What fields do, seen from within a container or by a caller."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.folder("fields", {"Procfile": "web: exec python3 -I -S fields.py\n", "fields.py": APP})
        cls.platform.run("deploy", folder, "--name", "fields")
        _, made = cls.api.call("GET", SERVING.format("default") + "/fields")
        cls.fields_image = made["spec"]["template"]["spec"]["containers"][0]["image"]

    def made(self, name, container=None, wait=True, **spec):
        document = service(name, self.fields_image, annotations={"autoscaling.knative.dev/min-scale": "1"}, **spec)
        document["spec"]["template"]["spec"]["containers"][0].update(container or {})
        self.create(document)
        if wait:
            self.wait_ready(name)

    def see(self, name):
        return json.loads(self.ok(self.host(name), "/view"))

    def test_the_program_and_its_surroundings(self):
        for plural, kind, key in (("configmaps", "ConfigMap", "data"), ("secrets", "Secret", "stringData")):
            status, answer = self.api.call("POST", "/api/v1/namespaces/default/" + plural, {
                "kind": kind, "metadata": {"name": "given"}, key: {"WORD": kind, f"OWN_{kind}": "1"}})
            self.assertEqual(status, 201, answer)
        self.made("around", {
            "name": "main", "command": ["python3"], "args": ["-I", "-S", "/app/fields.py", "extra"], "workingDir": "/tmp",
            "env": [{"name": "A", "value": "one"}, {"name": "B", "value": "$(A) two"},
                    {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "given", "key": "WORD"}}},
                    {"name": "D", "valueFrom": {"secretKeyRef": {"name": "given", "key": "WORD"}}},
                    {"name": "E", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "a", "optional": True}}},
                    {"name": "F", "valueFrom": {"secretKeyRef": {"name": "none", "key": "a", "optional": True}}}],
            "envFrom": [{"prefix": "P_", "configMapRef": {"name": "given"}}, {"secretRef": {"name": "given"}},
                        {"configMapRef": {"name": "none", "optional": True}},
                        {"secretRef": {"name": "none", "optional": True}}],
            "securityContext": {"runAsUser": 65532, "runAsNonRoot": True, "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}})
        view = self.see("around")
        environment = view["environment"]
        self.assertEqual({name: environment.get(name) for name in "A B C D E F P_WORD P_OWN_ConfigMap OWN_Secret".split()},
                         {"A": "one", "B": "one two", "C": "ConfigMap", "D": "Secret", "E": None, "F": None,
                          "P_WORD": "ConfigMap", "P_OWN_ConfigMap": "1", "OWN_Secret": "1"})
        self.assertEqual((view["arguments"], view["cwd"], view["uid"]), (["extra"], "/tmp", 65532))
        self.assertEqual((view["writes"], view["capabilities"], view["seccomp"]),
                         ({"/app/x": False, "/tmp/x": True}, "0" * 16, "2"))
        pods = self.api.call("GET", "/api/v1/namespaces/default/pods?labelSelector=serving.knative.dev/service%3Daround")[1]
        self.assertEqual(pods["items"][0]["spec"]["containers"][0]["name"], "main")

    def test_readiness_is_asked_for(self):
        probe = {"httpGet": {"path": "/ready", "httpHeaders": [{"name": "X-Probe", "value": "yes"}]},
                 "initialDelaySeconds": 1, "periodSeconds": 1, "successThreshold": 2}
        self.made("asked", {"readinessProbe": probe})
        view = self.see("asked")
        self.assertGreaterEqual(view["asked"], 2)
        self.assertGreater(view["first"], 0.7)
        # Without the header the answer is 503, so that it never becomes ready.
        self.made("unready", {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}}}, wait=False)
        self.made("later", {"readinessProbe": {**probe, "initialDelaySeconds": 0}})
        self.assertNotEqual(self.condition(self.get("unready")).get("status"), "True")

    def test_readiness_by_a_connection(self):
        self.made("connected", {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}})
        self.assertEqual(self.see("connected")["asked"], 0)

    def test_liveness_is_asked_for(self):
        self.made("lively", {"livenessProbe": {"httpGet": {"path": "/live"}, "periodSeconds": 1, "failureThreshold": 2,
                                               "timeoutSeconds": 1}})
        before = self.platform.instances("lively-00001")
        self.ok(self.host("lively"), "/fall-ill")
        wait_until(lambda: self.platform.instances("lively-00001") and
                   not set(self.platform.instances("lively-00001").items()) & set(before.items()), 15, "it is replaced")
        wait_until(lambda: self.platform.request(self.host("lively"))[0] == 200, 10, "the new one answers")

    def test_timers_of_a_request(self):
        self.made("timed", responseStartTimeoutSeconds=1, idleTimeoutSeconds=2)
        self.assertEqual(self.platform.request(self.host("timed"), "/sleep?0.3")[0], 200)
        self.assertEqual(self.platform.request(self.host("timed"), "/sleep?3")[0], 504)
        answer = self.platform.raw(f"GET /drip?0.5 HTTP/1.1\r\nHost: {self.host('timed')}\r\n\r\n".encode())
        self.assertIn(b"two", answer)
        answer = self.platform.raw(f"GET /drip?5 HTTP/1.1\r\nHost: {self.host('timed')}\r\n\r\n".encode())
        self.assertIn(b" 200 ", answer[:20])
        self.assertIn(b"one", answer)
        self.assertNotIn(b"two" if b"one two" not in answer else b"\0", answer.replace(b"one two", b""))

    def test_metadata_of_the_template_is_the_revisions(self):
        document = service("marked", self.fields_image, annotations={"example.com/why": "because"})
        document["spec"]["template"]["metadata"]["labels"] = {"team": "mill"}
        self.create(document)
        self.wait_ready("marked")
        metadata = self.get("marked-00001", kind="revisions")["metadata"]
        self.assertEqual((metadata["labels"]["team"], metadata["annotations"]["example.com/why"]), ("mill", "because"))

    def test_a_route_to_a_configuration(self):
        template = service("apart", self.fields_image)["spec"]["template"]
        for plural, kind, spec in (("configurations", "Configuration", {"template": template}),
                                   ("routes", "Route", {"traffic": [{"configurationName": "apart", "percent": 100}]})):
            status, answer = self.api.call("POST", API + plural, {
                "apiVersion": "serving.knative.dev/v1", "kind": kind, "metadata": {"name": "apart"}, "spec": spec})
            self.assertEqual(status, 201, answer)
        wait_until(lambda: self.platform.request(self.host("apart"))[0] == 200, 20, "the route answers")

    def test_versions_and_identities_are_preconditions(self):
        self.made("guarded")
        for member in ("resourceVersion", "uid"):
            found = self.get("guarded")
            found["metadata"][member] = "1" if member == "resourceVersion" else "00000000-0000-0000-0000-000000000000"
            status, answer = self.api.call("PUT", SERVING.format("default") + "/guarded", found)
            self.assertEqual((status, answer["reason"]), (409, "Conflict"), member)

    def test_finalizers_hold_an_object(self):
        document = service("held", self.fields_image)
        document["metadata"]["finalizers"] = ["example.com/hold"]
        self.create(document)
        path = SERVING.format("default") + "/held"
        self.assertEqual(self.api.call("DELETE", path)[0], 200)
        self.assertIn("deletionTimestamp", self.get("held")["metadata"])
        status, answer = self.api.call("PATCH", path, {"metadata": {"finalizers": None}}, kind="application/merge-patch+json")
        self.assertEqual(status, 200, answer)
        wait_until(lambda: self.api.call("GET", path)[0] == 404, 10, "it is gone")

    def test_what_is_owned_goes_with_its_owner(self):
        maps = "/api/v1/namespaces/default/configmaps"
        owner = self.api.call("POST", maps, {"metadata": {"name": "owner"}})[1]["metadata"]
        document = service("owned", self.fields_image)
        document["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner",
                                                    "uid": owner["uid"], "controller": True, "blockOwnerDeletion": True}]
        self.create(document)
        self.assertEqual(self.api.call("DELETE", maps + "/owner")[0], 200)
        wait_until(lambda: self.api.call("GET", SERVING.format("default") + "/owned")[0] == 404, 15, "it is gone")


if __name__ == "__main__":
    unittest.main()
