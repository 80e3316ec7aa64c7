#include "model/serving/admission.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "model/serving/annotations.h"
#include "model/serving/defaults.h"
#include "model/serving/validation.h"

namespace tidemill::model {
namespace {

constexpr std::string_view plain_service = R"({
    "apiVersion": "serving.knative.dev/v1", "kind": "Service",
    "metadata": {"name": "shop", "namespace": "default"},
    "spec": {"template": {"metadata": {}, "spec": {"containers": [{"image": "dev.local/a/b"}]}}}})";

struct Change {
    const char* pointer;  // where in the document, as a JSON pointer
    const char* value;
};

// Sets the value at a pointer, making objects and the next element of a list on the way.
void set_at(Json& document, std::string_view pointer, Json value) {
    Json* at = &document;
    for (const auto part : base::split(pointer.substr(1), '/')) {
        if (at->is_array()) {
            auto& array = at->get_array();
            const auto index = *base::parse_number<std::size_t>(part);
            array.resize(std::max(array.size(), index + 1));
            at = &array[index];
            continue;
        }
        if (!at->is_object()) {
            at->emplace_object();
        }
        at = &at->get_object()[as_json(part)];
    }
    *at = std::move(value);
}

Object changed(std::string_view document, const std::vector<Change>& changes) {
    auto json = boost::json::parse(as_json(document));
    for (const auto& change : changes) {
        set_at(json, change.pointer, boost::json::parse(change.value));
    }
    return *object_from_json(std::move(json));
}

Admission create(const Object& object, const PlatformConfig& config = {}) {
    return admit(object, {.config = config, .user = "ann"});
}

TEST(Admission, DefaultsAreThoseOfKnative) {
    const auto admission = create(changed(plain_service, {}));
    EXPECT_TRUE(admission.problems.empty()) << render(admission.problems, Severity::error);
    EXPECT_EQ(Json(admission.object.spec()), boost::json::parse(R"({
        "template": {"metadata": {}, "spec": {
            "containers": [{"image": "dev.local/a/b", "name": "user-container", "resources": {},
                            "readinessProbe": {"tcpSocket": {"port": 0}, "successThreshold": 1}}],
            "timeoutSeconds": 300, "containerConcurrency": 0, "enableServiceLinks": false}},
        "traffic": [{"latestRevision": true, "percent": 100}]})"));
    EXPECT_EQ(admission.object.metadata.annotations.at("serving.knative.dev/creator"), "ann");
    EXPECT_EQ(admission.object.metadata.annotations.at("serving.knative.dev/lastModifier"), "ann");
}

TEST(Admission, DefaultsSetTwiceChangeNothing) {
    const PlatformConfig config;
    const auto once = create(changed(plain_service, {}), config).object;
    const auto twice = admit(
        once, {.operation = Operation::update, .config = config, .previous = &once, .user = "bob"});
    EXPECT_TRUE(twice.problems.empty()) << render(twice.problems, Severity::error);
    EXPECT_EQ(twice.object, once) << "bob changed nothing, so he is not the last modifier";
}

TEST(Admission, EachDefault) {
    PlatformConfig config;
    config.features.multi_container = true;
    config.defaults.revision_cpu_request = *Quantity::parse("100m");
    config.defaults.revision_memory_limit = *Quantity::parse("1Gi");
    config.defaults.revision_idle_timeout_seconds = 60;
    config.defaults.revision_response_start_timeout_seconds = 300;
    struct Case {
        const char* name;
        std::vector<Change> changes;
        const char* pointer;
        const char* want;  // nothing must be there when it is empty
    };
    const Case cases[] = {
        {"no timeout given", {}, "/template/spec/timeoutSeconds", "300"},
        {"a timeout of 0 counts as none",
         {{"/spec/template/spec/timeoutSeconds", "0"}},
         "/template/spec/timeoutSeconds",
         "300"},
        {"a given timeout stays",
         {{"/spec/template/spec/timeoutSeconds", "5"}},
         "/template/spec/timeoutSeconds",
         "5"},
        {"the idle timeout's default", {}, "/template/spec/idleTimeoutSeconds", "60"},
        {"a default that is not shorter is not set",
         {{"/spec/template/spec/timeoutSeconds", "60"}},
         "/template/spec/idleTimeoutSeconds",
         ""},
        {"response start as long as the timeout is not set",
         {},
         "/template/spec/responseStartTimeoutSeconds",
         ""},
        {"no limit on concurrency", {}, "/template/spec/containerConcurrency", "0"},
        {"a given name stays",
         {{"/spec/template/spec/containers/0/name", "\"web\""}},
         "/template/spec/containers/0/name",
         "\"web\""},
        {"several containers are numbered",
         {{"/spec/template/spec/containers/1", R"({"image": "b/c", "ports": [{}]})"}},
         "/template/spec/containers/1/name",
         "\"user-container-1\""},
        {"given names are not given again",
         {{"/spec/template/spec/containers/1",
           R"({"name": "user-container-0", "image": "b/c", "ports": [{}]})"}},
         "/template/spec/containers/0/name",
         "\"user-container-1\""},
        {"only the serving one gets a probe",
         {{"/spec/template/spec/containers/1", R"({"image": "b/c", "ports": [{}]})"}},
         "/template/spec/containers/0/readinessProbe",
         ""},
        {"the serving one's probe",
         {{"/spec/template/spec/containers/1", R"({"image": "b/c", "ports": [{}]})"}},
         "/template/spec/containers/1/readinessProbe",
         R"({"tcpSocket": {"port": 0}, "successThreshold": 1})"},
        {"a probe with a period gets Kubernetes' numbers",
         {{"/spec/template/spec/containers/0/readinessProbe",
           R"({"httpGet": {"path": "/"}, "periodSeconds": 3})"}},
         "/template/spec/containers/0/readinessProbe",
         R"({"httpGet": {"path": "/"}, "periodSeconds": 3, "successThreshold": 1,
             "failureThreshold": 3, "timeoutSeconds": 1})"},
        {"a liveness probe is left alone",
         {{"/spec/template/spec/containers/0/livenessProbe", R"({"httpGet": {"path": "/"}})"}},
         "/template/spec/containers/0/livenessProbe",
         R"({"httpGet": {"path": "/"}})"},
        {"a gRPC probe names a service",
         {{"/spec/template/spec/containers/0/livenessProbe", R"({"grpc": {"port": 1}})"}},
         "/template/spec/containers/0/livenessProbe/grpc/service",
         "\"\""},
        {"the platform's cpu request",
         {},
         "/template/spec/containers/0/resources/requests",
         R"({"cpu": "100m"})"},
        {"a given limit stays",
         {{"/spec/template/spec/containers/0/resources/limits", R"({"memory": "2Gi"})"}},
         "/template/spec/containers/0/resources/limits",
         R"({"memory": "2Gi"})"},
        {"no service links", {}, "/template/spec/enableServiceLinks", "false"},
        {"mounts are read-only",
         {{"/spec/template/spec/containers/0/volumeMounts",
           R"([{"name": "s", "mountPath": "/s"}])"},
          {"/spec/template/spec/volumes", R"([{"name": "s", "secret": {}}])"}},
         "/template/spec/containers/0/volumeMounts/0/readOnly",
         "true"},
        {"but not those of an empty directory",
         {{"/spec/template/spec/containers/0/volumeMounts",
           R"([{"name": "e", "mountPath": "/e"}])"},
          {"/spec/template/spec/volumes", R"([{"name": "e", "emptyDir": {}}])"}},
         "/template/spec/containers/0/volumeMounts/0/readOnly",
         ""},
        {"a target without a revision is the latest",
         {{"/spec/traffic", R"([{"percent": 100}])"}},
         "/traffic/0/latestRevision",
         "true"},
        {"a target with one is not",
         {{"/spec/traffic", R"([{"percent": 100, "revisionName": "shop-1"}])"}},
         "/traffic/0/latestRevision",
         "false"},
        {"no percent is 0",
         {{"/spec/traffic", R"([{"tag": "a"}, {"percent": 100}])"}},
         "/traffic/0/percent",
         "0"},
    };
    for (const auto& c : cases) {
        auto object = changed(plain_service, c.changes);
        apply_defaults(object, {.config = config, .user = "ann"});
        boost::json::error_code missing;
        const Json spec(object.spec());
        const auto* found = spec.find_pointer(c.pointer, missing);
        if (std::string_view(c.want).empty()) {
            EXPECT_EQ(found, nullptr) << c.name;
        } else {
            ASSERT_NE(found, nullptr) << c.name;
            EXPECT_EQ(*found, boost::json::parse(c.want)) << c.name;
        }
    }
}

// The rules, each broken alone: one row per sentence.
TEST(Admission, EachRule) {
    PlatformConfig several;
    several.features.multi_container = true;
    PlatformConfig strict;
    strict.defaults.allow_container_concurrency_zero = false;
    const std::string c = "spec.template.spec.containers[0]";
    struct Case {
        const char* pointer;
        const char* value;
        std::string want;
        PlatformConfig config = {};
    };
    const std::string label_1035 =
        "[a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
        "an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
        "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')]";
    const Case cases[] = {
        {"/metadata/name", "\"1shop\"", "not a DNS 1035 label: " + label_1035 + ": metadata.name"},
        {"/metadata/annotations", R"({"autoscaling.knative.dev/min-scale": "1"})",
         "invalid key name \"autoscaling.knative.dev/min-scale\": metadata.annotations\n"
         "autoscaling annotations must be put under \"spec.template.metadata.annotations\" to "
         "work"},
        {"/metadata/annotations", R"({"serving.knative.dev/rollout-duration": "x"})",
         "invalid value: x: metadata.annotations.serving.knative.dev/rollout-duration"},
        {"/metadata/annotations", R"({"serving.knative.dev/rollout-duration": "1500ms"})",
         "rollout-duration=1500ms is not at second precision: "
         "metadata.annotations.serving.knative.dev/rollout-duration"},
        {"/metadata/annotations", R"({"serving.knative.dev/rolloutDuration": "-1s"})",
         "rollout-duration=-1s must be positive: "
         "metadata.annotations.serving.knative.dev/rolloutDuration"},
        {"/spec/template/metadata/annotations", R"({"serving.knative.dev/progress-deadline": "x"})",
         "invalid value: x: "
         "spec.template.metadata.annotations.serving.knative.dev/progress-deadline"},
        {"/spec/template/metadata/annotations", R"({"networking.knative.dev/other": "x"})",
         "invalid key name \"networking.knative.dev/other\": spec.template.metadata.annotations"},
        {"/spec/template/metadata/annotations",
         R"({"queue.sidecar.serving.knative.dev/cpu-resource-limit": "much"})",
         "invalid value: much: spec.template.metadata.annotations."
         "[queue.sidecar.serving.knative.dev/cpu-resource-limit]"},
        {"/spec/template/metadata/annotations", R"({"autoscaling.knative.dev/min-scale": "-1"})",
         "expected 0 <= -1 <= 2147483647: "
         "spec.template.metadata.annotations.autoscaling.knative.dev/min-scale"},
        {"/spec/template/metadata/name", "\"other-1\"",
         "invalid value: \"other-1\" must have prefix \"shop-\": spec.template.metadata.name"},
        {"/spec/template/metadata/name", "\"shop-A\"",
         "invalid value: not a DNS 1035 label: " + label_1035 + ": spec.template.metadata.name"},
        {"/spec/template/spec/timeoutSeconds", "601",
         "expected 0 <= 601 <= 600: spec.template.spec.timeoutSeconds"},
        {"/spec/template/spec/timeoutSeconds", "-1",
         "expected 0 <= -1 <= 600: spec.template.spec.timeoutSeconds"},
        {"/spec/template/spec/idleTimeoutSeconds", "-1",
         "expected 0 <= -1 <= 600: spec.template.spec.idleTimeoutSeconds"},
        {"/spec/template/spec/responseStartTimeoutSeconds", "-1",
         "expected 0 <= -1 <= 600: spec.template.spec.responseStartTimeoutSeconds"},
        {"/spec/template/spec/containerConcurrency", "1001",
         "expected 0 <= 1001 <= 1000: spec.template.spec.containerConcurrency"},
        {"/spec/template/spec/containerConcurrency", "0",
         "expected 1 <= 0 <= 1000: spec.template.spec.containerConcurrency", strict},
        {"/spec/template/spec/serviceAccountName", "\"foo@bar.baz\"",
         "invalid value: foo@bar.baz: spec.template.spec.serviceAccountName\na lowercase RFC 1123 "
         "subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
         "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
         "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
        {"/spec/template/spec/containers", "[]", "missing field(s): spec.template.spec.containers"},
        {"/spec/template/spec/containers/0", "{}", "missing field(s): " + c},
        {"/spec/template/spec/containers/0/image", "\"\"", "missing field(s): " + c},
        {"/spec/template/spec/containers/0", R"({"args": ["a"]})",
         "missing field(s): " + c + ".image"},
        {"/spec/template/spec/containers/0/image", "\"A b\"",
         "Failed to parse image reference: " + c +
             ".image\nimage: \"A b\", error: could not parse reference: A b"},
        {"/spec/template/spec/containers/1", R"({"image": "b/c"})",
         "missing field(s): spec.template.spec.containers[*].ports\n"
         "multi-container is off, but found 2 containers: spec.template.spec.containers"},
        {"/spec/template/spec/containers/1",
         R"({"image": "b/c", "name": "user-container-0", "ports": [{"containerPort": 1}]})", "",
         several},
        {"/spec/template/spec/containers/1",
         R"({"image": "b/c", "ports": [{"containerPort": 1}, {"containerPort": 2}]})",
         "more than one container port is set: spec.template.spec.containers[*].ports\n"
         "Only a single port is allowed across all containers",
         several},
        {"/spec/template/spec/containers/0/name", "\"queue-proxy\"",
         "\"queue-proxy\" is a reserved container name: " + c + ".name"},
        {"/spec/template/spec/containers/0/env", R"([{"name": "PORT", "value": "1"}])",
         "\"PORT\" is a reserved environment variable: " + c + ".env[0].name"},
        {"/spec/template/spec/containers/0/env", R"([{"name": "A"}, {"name": "K_SERVICE"}])",
         "\"K_SERVICE\" is a reserved environment variable: " + c + ".env[1].name"},
        {"/spec/template/spec/containers/0/env", R"([{"name": "K_CONFIGURATION"}])",
         "\"K_CONFIGURATION\" is a reserved environment variable: " + c + ".env[0].name"},
        {"/spec/template/spec/containers/0/env", R"([{"name": "K_REVISION"}])",
         "\"K_REVISION\" is a reserved environment variable: " + c + ".env[0].name"},
        {"/spec/template/spec/containers/0/env", R"([{"name": ""}])",
         "missing field(s): " + c + ".env[0].name"},
        {"/spec/template/spec/containers/0/envFrom", R"([{"prefix": "A"}])",
         "expected exactly one, got neither: " + c + ".envFrom[0].configMapRef, " + c +
             ".envFrom[0].secretRef"},
        {"/spec/template/spec/containers/0/envFrom",
         R"([{"configMapRef": {"name": "a"}, "secretRef": {"name": "b"}}])",
         "expected exactly one, got both: " + c + ".envFrom[0].configMapRef, " + c +
             ".envFrom[0].secretRef"},
        {"/spec/template/spec/containers/0/ports", R"([{"containerPort": 8012}])",
         "invalid value: 8012 is a reserved port: " + c +
             ".ports.containerPort\n8012 is a reserved port, please use a different value"},
        {"/spec/template/spec/containers/0/ports", R"([{"containerPort": 8112}])", ""},
        {"/spec/template/spec/containers/0/ports", R"([{"containerPort": 65536}])",
         "expected 0 <= 65536 <= 65535: " + c + ".ports.containerPort"},
        {"/spec/template/spec/containers/0/ports",
         R"([{"containerPort": 1}, {"containerPort": 2}])",
         "more than one container port is set: spec.template.spec.containers[*].ports\n"
         "Only a single port is allowed across all containers"},
        {"/spec/template/spec/containers/0/ports", R"([{"protocol": "UDP"}])",
         "invalid value: UDP: " + c + ".ports.protocol"},
        {"/spec/template/spec/containers/0/ports", R"([{"name": "web"}])",
         "Port name web is not allowed: " + c +
             ".ports\nName must be empty, or one of: 'h2c', 'http1'"},
        {"/spec/template/spec/containers/0/ports", R"([{"name": "h2c"}])", ""},
        {"/spec/template/spec/containers/0/ports", R"([{"name": "http1"}])", ""},
        {"/spec/template/spec/containers/0/readinessProbe", R"({"periodSeconds": -1})",
         "expected 0 <= -1 <= 2147483647: " + c + ".readinessProbe.periodSeconds"},
        {"/spec/template/spec/containers/0/readinessProbe", R"({"initialDelaySeconds": -1})",
         "expected 0 <= -1 <= 2147483647: " + c + ".readinessProbe.initialDelaySeconds"},
        {"/spec/template/spec/containers/0/readinessProbe", R"({"successThreshold": -1})",
         "expected 1 <= -1 <= 2147483647: " + c + ".readinessProbe.successThreshold"},
        {"/spec/template/spec/containers/0/readinessProbe", R"({"failureThreshold": 1})",
         "failureThreshold is disallowed when periodSeconds is zero: " + c +
             ".readinessProbe.failureThreshold"},
        {"/spec/template/spec/containers/0/readinessProbe", R"({"timeoutSeconds": 1})",
         "timeoutSeconds is disallowed when periodSeconds is zero: " + c +
             ".readinessProbe.timeoutSeconds"},
        {"/spec/template/spec/containers/0/readinessProbe",
         R"({"periodSeconds": 1, "timeoutSeconds": -1})",
         "expected 1 <= -1 <= 2147483647: " + c + ".readinessProbe.timeoutSeconds"},
        {"/spec/template/spec/containers/0/readinessProbe",
         R"({"periodSeconds": 1, "failureThreshold": -1})",
         "expected 1 <= -1 <= 2147483647: " + c + ".readinessProbe.failureThreshold"},
        {"/spec/template/spec/containers/0/readinessProbe",
         R"({"httpGet": {"path": "/", "port": "other"}})",
         "invalid value: other: " + c +
             ".readinessProbe.httpGet.port\nProbe port must match container port"},
        {"/spec/template/spec/containers/0/readinessProbe", R"({"tcpSocket": {"port": "http"}})",
         ""},
        {"/spec/template/spec/containers/0/livenessProbe", R"({"periodSeconds": 1})",
         "expected exactly one, got neither: " + c + ".livenessProbe.exec, " + c +
             ".livenessProbe.grpc, " + c + ".livenessProbe.httpGet, " + c +
             ".livenessProbe.tcpSocket"},
        {"/spec/template/spec/containers/0/livenessProbe",
         R"({"httpGet": {"path": "/"}, "tcpSocket": {}})",
         "expected exactly one, got both: " + c + ".livenessProbe.httpGet, " + c +
             ".livenessProbe.tcpSocket"},
        {"/spec/template/spec/containers/0/securityContext", R"({"runAsUser": -10})",
         "expected 0 <= -10 <= 2147483647: " + c + ".securityContext.runAsUser"},
        {"/spec/template/spec/containers/0/securityContext", R"({"runAsGroup": 2147483648})",
         "expected 0 <= 2147483648 <= 2147483647: " + c +
             ".securityContext.runAsGroup\nmust not set the field(s): " + c +
             ".securityContext.runAsGroup\nan instance runs in the group of its user"},
        {"/spec/template/spec/containers/0/securityContext",
         R"({"runAsNonRoot": true, "runAsUser": 0})",
         "runAsNonRoot contradicts runAsUser 0: " + c + ".securityContext.runAsNonRoot, " + c +
             ".securityContext.runAsUser"},
        {"/spec/template/spec/containers/0/resources",
         R"({"limits": {"cpu": "1"}, "requests": {"cpu": "2"}})",
         "invalid value: 2: " + c +
             ".resources.requests.cpu\nmust be less than or equal to cpu limit of 1"},
        {"/spec/template/spec/containers/0/resources", R"({"limits": {"memory": "-1"}})",
         "invalid value: -1: " + c + ".resources.limits.memory"},
        {"/spec/template/spec/containers/0/terminationMessagePolicy", "\"Never\"",
         "invalid value: Never: " + c + ".terminationMessagePolicy"},
        {"/spec/traffic", R"([{"percent": 50}, {"percent": 60}])",
         "Traffic targets sum to 110, want 100: spec.traffic"},
        {"/spec/traffic", R"([{"percent": 40}])",
         "Traffic targets sum to 40, want 100: spec.traffic"},
        {"/spec/traffic", R"([{"percent": 101}, {"percent": -1}])",
         "expected 0 <= -1 <= 100: spec.traffic[1].percent\n"
         "expected 0 <= 101 <= 100: spec.traffic[0].percent"},
        {"/spec/traffic", R"([{"percent": 50, "tag": "a"}, {"percent": 50, "tag": "a"}])",
         "Multiple definitions for \"a\": spec.traffic[0].tag, spec.traffic[1].tag"},
        {"/spec/traffic", R"([{"percent": 100, "tag": "A"}])",
         "invalid value: not a DNS 1035 label: " + label_1035 + ": spec.traffic.tag[0]"},
        {"/spec/traffic", R"([{"percent": 100, "revisionName": "shop-1", "latestRevision": true}])",
         "may not set revisionName \"shop-1\" when latestRevision is true: "
         "spec.traffic[0].latestRevision"},
        {"/spec/traffic", R"([{"percent": 100, "latestRevision": false}])",
         "may not set revisionName \"\" when latestRevision is false: "
         "spec.traffic[0].latestRevision"},
        {"/spec/traffic", R"([{"percent": 100, "configurationName": "x"}])",
         "must not set the field(s): spec.traffic[0].configurationName"},
        {"/spec/traffic", R"([{"percent": 100, "url": "http://x"}])",
         "must not set the field(s): spec.traffic[0].url"},
        {"/spec/traffic", R"([{"percent": 100, "revisionName": "-x"}])",
         "invalid key name \"-x\": spec.traffic[0].revisionName\nname part must consist of "
         "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
         "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
         "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
    };
    for (const auto& row : cases) {
        const auto admission =
            create(changed(plain_service, {{row.pointer, row.value}}), row.config);
        auto problems = admission.problems;
        // What the sidecars of the row with two containers may have is another rule's business.
        EXPECT_EQ(render(problems, Severity::error), row.want) << row.pointer << " " << row.value;
        EXPECT_FALSE(has_shape_errors(problems)) << row.pointer << " " << row.value;
    }
}

TEST(Admission, PortsOfTheQueueProxyAreReserved) {
    for (const auto* port : {"8012", "8013", "8022", "9090", "9091", "8008"}) {
        const auto value = std::string(R"([{"containerPort": )") + port + "}]";
        const auto admission = create(
            changed(plain_service, {{"/spec/template/spec/containers/0/ports", value.c_str()}}));
        EXPECT_TRUE(has_errors(admission.problems)) << port;
    }
}

TEST(Admission, ARouteNamesARevisionOrAConfiguration) {
    struct Case {
        const char* traffic;
        const char* want;
    };
    const Case cases[] = {
        {R"([{"percent": 100, "configurationName": "shop"}])", ""},
        {R"([{"percent": 100, "revisionName": "shop-1"}])", ""},
        {R"([{"percent": 100}])",
         "expected exactly one, got neither: spec.traffic[0].configurationName, "
         "spec.traffic[0].revisionName"},
        {R"([{"percent": 100, "configurationName": "shop", "revisionName": "shop-1"}])",
         "expected exactly one, got both: spec.traffic[0].configurationName, "
         "spec.traffic[0].revisionName"},
    };
    for (const auto& c : cases) {
        const auto object = changed(
            R"({"apiVersion": "serving.knative.dev/v1", "kind": "Route",
                "metadata": {"name": "shop", "namespace": "default"}, "spec": {}})",
            {{"/spec/traffic", c.traffic}});
        EXPECT_EQ(render(create(object).problems, Severity::error), c.want) << c.traffic;
    }
}

TEST(Admission, UpdatesKeepWhatMustNotChange) {
    const PlatformConfig config;
    const auto stored =
        create(changed(plain_service, {{"/spec/template/metadata/name", "\"shop-one\""}})).object;
    const auto update = [&](auto change) {
        auto next = stored;
        change(next);
        return admit(
            next,
            {.operation = Operation::update, .config = config, .previous = &stored, .user = "bob"});
    };
    const auto container = [](Object& object) -> JsonObject& {
        return object.body["spec"].at_pointer("/template/spec/containers/0").as_object();
    };
    EXPECT_EQ(render(update([&](Object& o) { container(o)["image"] = "dev.local/a/c"; }).problems,
                     Severity::error),
              "Saw the following changes without a name change (-old +new): "
              "spec.template.metadata.name\n"
              "spec.containers[0].image: \"dev.local/a/b\" -> \"dev.local/a/c\"");
    const auto renamed = update([&](Object& o) {
        container(o)["image"] = "dev.local/a/c";
        o.body["spec"].at_pointer("/template/metadata/name") = "shop-two";
    });
    EXPECT_TRUE(renamed.problems.empty()) << render(renamed.problems, Severity::error);
    EXPECT_EQ(renamed.object.metadata.annotations.at("serving.knative.dev/lastModifier"), "bob");
    EXPECT_EQ(renamed.object.metadata.annotations.at("serving.knative.dev/creator"), "ann");
    EXPECT_EQ(render(update([](Object& o) {
                         o.metadata.annotations["serving.knative.dev/creator"] = "eve";
                     }).problems,
                     Severity::error),
              "annotation value is immutable: metadata.annotations.serving.knative.dev/creator");
    EXPECT_EQ(render(update([](Object& o) {
                         o.metadata.annotations["serving.knative.dev/lastModifier"] = "eve";
                     }).problems,
                     Severity::error),
              "invalid value: eve: metadata.annotations.serving.knative.dev/lastModifier");
}

TEST(Admission, ATemplateThatKeepsItsOwnNameGetsNoNewDefaults) {
    PlatformConfig later;
    later.defaults.revision_timeout_seconds = 100;
    auto stored =
        create(changed(plain_service, {{"/spec/template/metadata/name", "\"shop-one\""}})).object;
    object_at(object_at(object_at(stored.body, "spec"), "template"), "spec")
        .erase("timeoutSeconds");
    const auto next = admit(
        stored,
        {.operation = Operation::update, .config = later, .previous = &stored, .user = "ann"});
    EXPECT_TRUE(next.problems.empty()) << render(next.problems, Severity::error);
    EXPECT_EQ(next.object.body, stored.body);
}

TEST(Admission, ARevisionNeverChanges) {
    const PlatformConfig config;
    const auto stored = create(changed(
                                   R"({"apiVersion": "serving.knative.dev/v1", "kind": "Revision",
            "metadata": {"name": "shop-1", "namespace": "default"},
            "spec": {"containers": [{"image": "a/b"}]}})",
                                   {}))
                            .object;
    EXPECT_EQ(stored.spec().at("timeoutSeconds"), 300);
    auto next = stored;
    next.metadata.labels["a"] = "b";
    const AdmissionContext context{
        .operation = Operation::update, .config = config, .previous = &stored, .user = "ann"};
    EXPECT_TRUE(admit(next, context).problems.empty());
    next.body["spec"].as_object()["timeoutSeconds"] = 10;
    EXPECT_EQ(render(admit(next, context).problems, Severity::error),
              "Immutable fields changed (-old +new): spec\ntimeoutSeconds: 300 -> 10");
}

TEST(Admission, ALabelOfAnOwnerNeedsThatOwner) {
    auto object = changed(
        R"({"apiVersion": "serving.knative.dev/v1", "kind": "Configuration",
            "metadata": {"name": "shop", "namespace": "default",
                         "labels": {"serving.knative.dev/service": "shop"}},
            "spec": {"template": {"spec": {"containers": [{"image": "a/b"}]}}}})",
        {});
    EXPECT_EQ(render(create(object).problems, Severity::error),
              "missing field(s): metadata.labels.serving.knative.dev/service");
    object.metadata.owner_references.push_back(
        {.api_version = "serving.knative.dev/v1", .kind = "Service", .name = "shop", .uid = "u"});
    const auto admission = create(object);
    EXPECT_TRUE(admission.problems.empty()) << render(admission.problems, Severity::error);
    EXPECT_TRUE(admission.object.metadata.annotations.empty()) << "children get no creator";
}

TEST(Admission, ShapeErrorsEndItWithTheirCauses) {
    struct Case {
        const char* pointer;
        const char* value;
        const char* reason;
        const char* want;
    };
    const Case cases[] = {
        {"/spec/template/spec/containerConcurrency", "\"a\"", "FieldValueTypeInvalid",
         "Service.serving.knative.dev \"shop\" is invalid: "
         "spec.template.spec.containerConcurrency: Invalid value: \"string\": "
         "spec.template.spec.containerConcurrency in body must be of type integer: \"string\""},
        {"/spec/template/spec", "{}", "FieldValueRequired",
         "Service.serving.knative.dev \"shop\" is invalid: spec.template.spec.containers: Required "
         "value"},
        {"/spec/template/spec/containers/0/env", R"([{"name": "A"}, {"name": "A"}])",
         "FieldValueDuplicate",
         "Service.serving.knative.dev \"shop\" is invalid: "
         "spec.template.spec.containers[0].env[1]: Duplicate value: {\"name\":\"A\"}"},
        {"/spec/traffic", "{}", "FieldValueTypeInvalid",
         "Service.serving.knative.dev \"shop\" is invalid: spec.traffic: Invalid value: "
         "\"object\": spec.traffic in body must be of type array: \"object\""},
        {"/spec/template/spec/containers/0/args", "[1]", "FieldValueTypeInvalid",
         "Service.serving.knative.dev \"shop\" is invalid: "
         "spec.template.spec.containers[0].args[0]:"
         " Invalid value: \"integer\": spec.template.spec.containers[0].args[0] in body must be of "
         "type string: \"integer\""},
        {"/spec/template/metadata/labels", R"({"a": 1})", "FieldValueTypeInvalid",
         "Service.serving.knative.dev \"shop\" is invalid: spec.template.metadata.labels.a: Invalid"
         " value: \"integer\": spec.template.metadata.labels.a in body must be of type string: "
         "\"integer\""},
        {"/spec/template/spec/containers/0/ports", R"([{"containerPort": 3000000000}])",
         "FieldValueInvalid",
         "Service.serving.knative.dev \"shop\" is invalid: "
         "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 3000000000: "
         "spec.template.spec.containers[0].ports[0].containerPort in body must fit into 32 bits"},
        {"/metadata/labels", R"({"a b": "c"})", "FieldValueInvalid", nullptr},
        {"/metadata/name", "\"Shop\"", "FieldValueInvalid", nullptr},
        {"/spec/template/spec/containers/0/resources", R"({"limits": {"cpu": "lots"}})",
         "FieldValueInvalid", nullptr},
    };
    for (const auto& c : cases) {
        const auto admission = create(changed(plain_service, {{c.pointer, c.value}}));
        const auto causes = shape_causes(admission.problems);
        ASSERT_EQ(causes.size(), 1U) << c.pointer;
        EXPECT_EQ(causes[0].reason, c.reason) << c.pointer;
        if (c.want != nullptr) {
            EXPECT_EQ(shape_denied(kind_of(KindId::service), "shop", admission.problems), c.want);
        }
    }
}

TEST(Admission, UnknownFieldsAreListedAndLeftOut) {
    auto object = changed(plain_service, {{"/spec/template/spec/containers/0/imagee", "\"x\""},
                                          {"/spec/templates", "{}"},
                                          {"/metadata/lables", "{}"},
                                          {"/spec/template/spec/volumes", "null"}});
    const auto admission = create(object);
    EXPECT_EQ(unknown_field_texts(admission.unknown_fields),
              (std::vector<std::string>{"unknown field \"spec.template.spec.containers[0].imagee\"",
                                        "unknown field \"spec.templates\"",
                                        "unknown field \"metadata.lables\""}));
    EXPECT_FALSE(admission.object.spec().contains("templates"));
    EXPECT_TRUE(admission.object.metadata.other.empty());
    EXPECT_EQ(find_member(admission.object.spec(), {"template", "spec", "volumes"}), nullptr);
}

TEST(Admission, TheTextOfTheWebhookIsAroundTheErrors) {
    const auto admission =
        create(changed(plain_service, {{"/spec/template/spec/timeoutSeconds", "601"}}));
    EXPECT_EQ(admission_denied(admission.problems),
              "admission webhook \"validation.webhook.serving.knative.dev\" denied the request: "
              "validation failed: expected 0 <= 601 <= 600: spec.template.spec.timeoutSeconds");
}

TEST(Admission, AnnotationsWithoutEffectAreWarnedOf) {
    const auto admission =
        create(changed(plain_service, {{"/spec/template/metadata/annotations",
                                        R"({"autoscaling.knative.dev/min-scal": "1",
              "queue.sidecar.serving.knative.dev/cpu-resource-limit": "1", "other/a": "b"})"}}));
    EXPECT_EQ(render(admission.problems, Severity::error), "");
    EXPECT_EQ(render(admission.problems, Severity::warning),
              "has no effect: spec.template.metadata.annotations."
              "queue.sidecar.serving.knative.dev/cpu-resource-limit\n"
              "instances have no queue-proxy that could be given resources\n"
              "unknown annotation: "
              "spec.template.metadata.annotations.autoscaling.knative.dev/min-scal\n"
              "did you mean autoscaling.knative.dev/min-scale?");
}

}  // namespace
}  // namespace tidemill::model
