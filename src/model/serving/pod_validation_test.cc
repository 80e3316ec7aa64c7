#include "model/serving/pod_validation.h"

#include <gtest/gtest.h>

namespace tidemill::model {
namespace {

RevisionSpec read(std::string_view spec) {
    Object object{.kind = KindId::revision};
    object.body["spec"] = boost::json::parse(as_json(spec));
    return *read_revision_spec(object);
}

// The rules of volumes hold whether or not this version mounts them; see fields.h for that.
TEST(Volumes, EachRule) {
    struct Case {
        const char* name;
        const char* volumes;
        const char* mounts;
        std::string want;
    };
    const std::string m = "s.containers[0].volumeMounts[0]";
    const Case cases[] = {
        {"a mounted secret", R"([{"name": "v", "secret": {"secretName": "x"}}])",
         R"([{"name": "v", "mountPath": "/v", "readOnly": true}])", ""},
        {"an empty directory may be written",
         R"([{"name": "v", "emptyDir": {"medium": "Memory"}}])",
         R"([{"name": "v", "mountPath": "/v"}])", ""},
        {"not mounted", R"([{"name": "v", "emptyDir": {}}])", "[]",
         "volume with name \"v\" not mounted: s.volumes[0].name"},
        {"twice", R"([{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}])",
         R"([{"name": "v", "mountPath": "/v"}])", "duplicate volume name \"v\": s.volumes[1].name"},
        {"no source", R"([{"name": "v"}])",
         R"([{"name": "v", "mountPath": "/v", "readOnly": true}])",
         "expected exactly one, got neither: s.volumes[0].configMap, s.volumes[0].emptyDir, "
         "s.volumes[0].projected, s.volumes[0].secret"},
        {"two sources", R"([{"name": "v", "emptyDir": {}, "secret": {}}])",
         R"([{"name": "v", "mountPath": "/v"}])",
         "expected exactly one, got both: s.volumes[0].emptyDir, s.volumes[0].secret"},
        {"a bad name", R"([{"name": "V", "emptyDir": {}}])",
         R"([{"name": "V", "mountPath": "/v"}])", "invalid value: V: s.volumes[0].name"},
        {"a bad medium", R"([{"name": "v", "emptyDir": {"medium": "Tape"}}])",
         R"([{"name": "v", "mountPath": "/v"}])",
         "invalid value: Tape: s.volumes[0].emptyDir.medium"},
        {"a negative size", R"([{"name": "v", "emptyDir": {"sizeLimit": "-1"}}])",
         R"([{"name": "v", "mountPath": "/v"}])",
         "invalid value: -1: s.volumes[0].emptyDir.sizeLimit"},
        {"an item without key and path",
         R"([{"name": "v", "secret": {"items": [{"key": "", "path": ""}]}}])",
         R"([{"name": "v", "mountPath": "/v", "readOnly": true}])",
         "missing field(s): s.volumes[0].items[0].key, s.volumes[0].items[0].path"},
        {"an empty projection", R"([{"name": "v", "projected": {"sources": [{}]}}])",
         R"([{"name": "v", "mountPath": "/v", "readOnly": true}])",
         "expected exactly one, got neither: s.volumes[0].projected[0].configMap, "
         "s.volumes[0].projected[0].downwardAPI, s.volumes[0].projected[0].secret, "
         "s.volumes[0].projected[0].serviceAccountToken"},
        {"a projection of nothing named",
         R"([{"name": "v", "projected": {"sources": [{"secret": {}}]}}])",
         R"([{"name": "v", "mountPath": "/v", "readOnly": true}])",
         "missing field(s): s.volumes[0].projected[0].secret.name"},
        {"a mount of nothing", "[]", R"([{"name": "v", "mountPath": "/v", "readOnly": true}])",
         "volumeMount has no matching volume: " + m + ".name"},
        {"no path", R"([{"name": "v", "emptyDir": {}}])", R"([{"name": "v"}])",
         "missing field(s): " + m + ".mountPath"},
        {"a reserved path", R"([{"name": "v", "emptyDir": {}}])",
         R"([{"name": "v", "mountPath": "/x/../dev/"}])",
         "mountPath \"/dev\" is a reserved path: " + m + ".mountPath"},
        {"a relative path", R"([{"name": "v", "emptyDir": {}}])",
         R"([{"name": "v", "mountPath": "v"}])", "invalid value: v: " + m + ".mountPath"},
        {"the same path twice", R"([{"name": "v", "emptyDir": {}}])",
         R"([{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/v/"}])",
         "invalid value: \"/v/\" must be unique: s.containers[0].volumeMounts[1].mountPath"},
        {"a writable secret", R"([{"name": "v", "secret": {}}])",
         R"([{"name": "v", "mountPath": "/v"}])",
         "volume mount should be readOnly for this type of volume: " + m + ".readOnly"},
        {"propagation", R"([{"name": "v", "emptyDir": {}}])",
         R"([{"name": "v", "mountPath": "/v", "mountPropagation": "HostToContainer"}])",
         "Volume Mount Propagation support is disabled, but found volume mount v with mount "
         "propagation: " +
             m},
    };
    for (const auto& c : cases) {
        const auto spec = read(std::string(R"({"containers": [{"image": "a/b", "volumeMounts": )") +
                               c.mounts + R"(}], "volumes": )" + c.volumes + "}");
        EXPECT_EQ(render(validate_pod(spec, {}, "s"), Severity::error), c.want) << c.name;
    }
}

TEST(Containers, SidecarsMayHaveThePortVariableButNoProbes) {
    const auto spec = read(R"({"containers": [
        {"name": "a", "image": "a/b", "ports": [{"containerPort": 80}]},
        {"name": "b", "image": "a/b", "env": [{"name": "PORT"}],
         "livenessProbe": {"tcpSocket": {"port": 1}}},
        {"name": "a", "image": "a/b", "env": [{"name": "K_REVISION"}]}]})");
    EXPECT_EQ(render(validate_pod(spec, {.multi_container = true}, "s"), Severity::error),
              "\"K_REVISION\" is a reserved environment variable: s.containers[2].env[0].name\n"
              "duplicate container name \"a\": s.containers[2].name\n"
              "must not set the field(s): s.containers[1].livenessProbe");
}

TEST(Containers, AMisspeltDropIsWarnedOf) {
    const auto spec = read(R"({"containers": [
        {"image": "a/b", "securityContext": {"capabilities": {"drop": ["all"]}}}]})");
    const auto problems = validate_pod(spec, {}, "s");
    EXPECT_EQ(render(problems, Severity::error), "");
    EXPECT_EQ(render(problems, Severity::warning),
              "invalid value: all: s.containers[0].securityContext.capabilities.drop\n"
              "Must be spelled as 'ALL'");
}

TEST(Containers, TheServingOneAndItsPort) {
    const auto one = read(R"({"containers": [{"image": "a/b"}]})");
    ASSERT_NE(one.serving_container(), nullptr);
    EXPECT_EQ(one.serving_port(), 8080);
    const auto two =
        read(R"({"containers": [{"name": "a"}, {"name": "b", "ports": [{"containerPort": 81}]}]})");
    EXPECT_EQ(two.serving_container()->name, "b");
    EXPECT_EQ(two.serving_port(), 81);
    EXPECT_EQ(read(R"({"containers": []})").serving_container(), nullptr);
}

TEST(ServingTypes, AWholeRevisionIsRead) {
    const auto spec = read(R"({"containerConcurrency": 1, "timeoutSeconds": 2,
        "responseStartTimeoutSeconds": 3, "idleTimeoutSeconds": 4, "serviceAccountName": "sa",
        "containers": [{"name": "c", "image": "i", "command": ["x"], "args": ["y", "z"],
            "workingDir": "/w",
            "env": [{"name": "A", "value": "1"},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k",
                                                                 "optional": true}}},
                    {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}],
            "envFrom": [{"prefix": "P_", "secretRef": {"name": "s"}}],
            "resources": {"limits": {"cpu": 1, "memory": "128Mi"}},
            "securityContext": {"runAsUser": 7, "runAsNonRoot": true},
            "readinessProbe": {"httpGet": {"path": "/h", "port": 9,
                                           "httpHeaders": [{"name": "N", "value": "v"}]},
                               "periodSeconds": 5},
            "livenessProbe": {"tcpSocket": {"port": "http"}}}]})");
    EXPECT_EQ(spec.container_concurrency, 1);
    EXPECT_EQ(spec.timeout_seconds, 2);
    EXPECT_EQ(spec.response_start_timeout_seconds, 3);
    EXPECT_EQ(spec.idle_timeout_seconds, 4);
    EXPECT_EQ(spec.service_account_name, "sa");
    ASSERT_EQ(spec.containers.size(), 1U);
    const auto& container = spec.containers[0];
    EXPECT_EQ(container.args, (std::vector<std::string>{"y", "z"}));
    EXPECT_EQ(container.command, (std::vector<std::string>{"x"}));
    EXPECT_EQ(container.working_dir, "/w");
    const std::vector<EnvironmentVariable> environment = {
        {.name = "A", .value = "1"},
        {.name = "B", .secret_key = KeySelector{.name = "s", .key = "k", .optional = true}},
        {.name = "C", .config_map_key = KeySelector{.name = "m", .key = "k"}}};
    EXPECT_EQ(container.environment, environment);
    const std::vector<EnvironmentSource> sources = {
        {.prefix = "P_", .secret = EnvironmentSource::Reference{.name = "s"}}};
    EXPECT_EQ(container.environment_from, sources);
    EXPECT_EQ(container.resources.limits.at("memory").value(), 134'217'728);
    EXPECT_EQ(container.resources.limits.at("cpu").milli_value(), 1000);
    EXPECT_EQ(container.security_context->run_as_user, 7);
    EXPECT_EQ(container.security_context->run_as_non_root, true);
    const HttpProbe http{
        .path = "/h", .port = {.number = 9}, .headers = {{.name = "N", .value = "v"}}};
    EXPECT_EQ(container.readiness_probe->http_get, http);
    EXPECT_EQ(container.readiness_probe->period_seconds, 5);
    EXPECT_EQ(container.liveness_probe->tcp_socket->port.text(), "http");
}

TEST(ServingTypes, AWrongTypeIsNamed) {
    Object object{.kind = KindId::revision, .metadata = {.namespace_name = "n", .name = "r"}};
    object.body["spec"] = boost::json::parse(R"({"containers": {}})");
    const auto spec = read_revision_spec(object);
    ASSERT_FALSE(spec);
    EXPECT_EQ(spec.error().message,
              "revisions.serving.knative.dev \"n/r\": spec.containers: Invalid value: \"object\": "
              "spec.containers in body must be of type array: \"object\"");
}

}  // namespace
}  // namespace tidemill::model
