#include "model/kinds/columns.h"

#include <gtest/gtest.h>

namespace tidemill::model {
namespace {

using namespace std::chrono_literals;

const base::WallTime now = *base::parse_rfc3339("2026-11-20T12:00:00Z");

// The cells of one object's row, those for -o wide included.
std::vector<Json> row(std::string_view document) {
    const auto object = *object_from_json(boost::json::parse(as_json(document)));
    std::vector<Json> out;
    for (const auto& column : kind_of(object.kind).columns) {
        out.push_back(print_cell(column, object, now));
    }
    return out;
}

TEST(Columns, RowsOfEachKind) {
    struct Case {
        const char* name;
        const char* document;
        std::vector<Json> want;
    };
    const Case cases[] = {
        {"a ready service",
         R"({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "s"},
             "status": {"url": "http://s", "latestCreatedRevisionName": "s-2",
                        "latestReadyRevisionName": "s-1", "conditions": [
                 {"type": "RoutesReady", "status": "True"},
                 {"type": "Ready", "status": "Unknown", "reason": "Busy"}]}})",
         {"s", "http://s", "s-2", "s-1", "Unknown", "Busy"}},
        {"a service without status has empty cells",
         R"({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "s"}})",
         {"s", nullptr, nullptr, nullptr, nullptr, nullptr}},
        {"a revision shows its configuration and replicas",
         R"({"apiVersion": "serving.knative.dev/v1", "kind": "Revision",
             "metadata": {"name": "s-1", "labels": {
                 "serving.knative.dev/configuration": "s",
                 "serving.knative.dev/configurationGeneration": "1"}},
             "status": {"actualReplicas": 1, "desiredReplicas": 2}})",
         {"s-1", "s", "1", nullptr, nullptr, 1, 2}},
        {"a namespace",
         R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n",
             "creationTimestamp": "2026-11-20T11:58:30Z"}, "status": {"phase": "Active"}})",
         {"n", "Active", "90s"}},
        {"a config map counts both sorts of data",
         R"({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"},
             "data": {"a": "1"}, "binaryData": {"b": ""}})",
         {"c", "2", "<unknown>"}},
        {"a secret",
         R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}, "type": "Opaque",
             "data": {"a": "MQ=="}})",
         {"c", "Opaque", "1", "<unknown>"}},
        {"a service account",
         R"({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "c"}})",
         {"c", "0", "<unknown>"}},
        {"a placeholder service",
         R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"},
             "spec": {"type": "ExternalName", "externalName": "x.y", "ports": [
                 {"port": 80, "nodePort": 8080}]}})",
         {"c", "ExternalName", "<none>", "x.y", "80:8080/TCP", "<unknown>", "<none>"}},
        {"an event",
         R"({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Warning",
             "reason": "Failed", "message": "it did", "count": 3,
             "lastTimestamp": "2026-11-20T11:50:00Z", "firstTimestamp": "2026-11-20T09:00:00Z",
             "involvedObject": {"kind": "Service", "name": "s"},
             "source": {"component": "agent", "host": "h"}})",
         {"10m", "Warning", "Failed", "service/s", nullptr, "agent, h", "it did", "3h", "3", "e"}},
        {"a pod that crashed before",
         R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
             "spec": {"nodeName": "h", "containers": [{"name": "a"}]},
             "status": {"phase": "Running", "podIP": "1.2.3.4", "containerStatuses": [
                 {"ready": true, "restartCount": 2,
                  "lastState": {"terminated": {"finishedAt": "2026-11-20T11:59:00Z"}}}]}})",
         {"p", "1/1", "Running", "2 (60s ago)", "<unknown>", "1.2.3.4", "h"}},
        {"a pod that waits",
         R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
             "spec": {"containers": [{"name": "a"}]},
             "status": {"phase": "Pending", "containerStatuses": [
                 {"ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}})",
         {"p", "0/1", "CrashLoopBackOff", "0", "<unknown>", nullptr, nullptr}},
        {"a deployment",
         R"({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
             "spec": {"replicas": 2, "selector": {"matchLabels": {"b": "2", "a": "1"}},
                      "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
             "status": {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}})",
         {"d", "1/2", 2, 1, "<unknown>", "c", "i", "a=1,b=2"}},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(row(c.document), c.want) << c.name;
    }
}

TEST(Columns, EveryPathOfEveryKindIsWellFormed) {
    for (const auto& kind : all_kinds()) {
        ASSERT_FALSE(kind.columns.empty()) << kind.plural;
        for (const auto& column : kind.columns) {
            EXPECT_NE(column.path.empty(), column.compute == nullptr) << column.name;
            const Object nothing{.kind = kind.id, .metadata = {}, .body = {}};
            print_cell(column, nothing, now);  // a malformed path ends the process
        }
    }
}

TEST(Columns, AgesReadAsKubectlWritesThem) {
    struct Case {
        base::Duration span;
        const char* want;
    };
    const Case cases[] = {
        {-5s, "<invalid>"},   {-1s, "0s"},           {0s, "0s"},      {119s, "119s"},
        {120s, "2m"},         {125s, "2m5s"},        {10min, "10m"},  {179min, "179m"},
        {3h, "3h"},           {3h + 5min, "3h5m"},   {8h, "8h"},      {47h, "47h"},
        {48h, "2d"},          {52h, "2d4h"},         {24h * 8, "8d"}, {24h * 365 * 2, "2y"},
        {24h * 740, "2y10d"}, {24h * 365 * 9, "9y"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(human_duration(c.span), c.want);
    }
}

TEST(Kinds, AreFoundByDocumentAndByAddress) {
    EXPECT_EQ(find_kind("serving.knative.dev/v1", "Service"), KindId::service);
    EXPECT_EQ(find_kind("v1", "Service"), KindId::core_service);
    EXPECT_EQ(find_resource("apps", "v1", "deployments"), KindId::deployment);
    EXPECT_EQ(find_resource("", "v1", "pods"), KindId::pod);
    ASSERT_FALSE(find_resource("", "v1", "nodes"));
    EXPECT_EQ(find_resource("", "v1", "nodes").error().code, base::Code::not_found);
    EXPECT_EQ(kind_of(KindId::route).group_resource(), "routes.serving.knative.dev");
    EXPECT_EQ(kind_of(KindId::pod).group_resource(), "pods");
    EXPECT_EQ(kind_of(KindId::deployment).api_version(), "apps/v1");
}

}  // namespace
}  // namespace tidemill::model
