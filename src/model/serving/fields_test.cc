#include "model/serving/fields.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "model/serving/schema.h"

namespace tidemill::model {
namespace {

constexpr KindId serving_kinds[] = {KindId::service, KindId::configuration, KindId::revision,
                                    KindId::route};

TEST(Fields, EveryRowSaysWhyItHasNoEffect) {
    for (const auto kind : serving_kinds) {
        std::set<std::string, std::less<>> paths;
        for_each_field(kind, [&](std::string_view path, const ResolvedField& resolved) {
            EXPECT_TRUE(paths.emplace(path).second) << path << " is listed twice";
            const bool silent = resolved.treatment == Treatment::effect ||
                                resolved.treatment == Treatment::reported;
            EXPECT_EQ(resolved.reason.empty(), silent) << path;
            EXPECT_FALSE(resolved.field.name.empty());
        });
        EXPECT_TRUE(paths.contains("metadata.name"));
        EXPECT_TRUE(paths.contains("status.conditions[].type"));
    }
    EXPECT_TRUE(fields_of(KindId::pod).empty());
}

// A value of the row's type that is not unset and not harmless.
Json sample(const Field& field) {
    switch (field.type) {
        case FieldType::object: {
            for (const auto& member : field.fields) {
                const auto name = member.name == "*" ? std::string_view("other") : member.name;
                return JsonObject{{as_json(name), sample(member)}};
            }
            return JsonObject{{"a", 1}};
        }
        case FieldType::object_list: {
            Field element = field;
            element.type = FieldType::object;
            return JsonArray{sample(element)};
        }
        case FieldType::text:
            return "zz";
        case FieldType::text_list:
            return JsonArray{"zz"};
        case FieldType::text_map:
        case FieldType::any:
            return JsonObject{{"a", "zz"}};
        case FieldType::flag:
            return true;
        case FieldType::int32:
        case FieldType::int64:
            return 1;
        case FieldType::int_or_text:
        case FieldType::quantity:
            return "1";
    }
    return nullptr;
}

// The document that sets nothing but the field at a path.
JsonObject document_with(std::string_view path, const Field& field) {
    const auto dot = path.find('.');
    auto name = path.substr(0, dot);
    const bool in_list = name.ends_with("[]");
    name = in_list ? name.substr(0, name.size() - 2) : name;
    if (name == "*") {
        name = "other";
    }
    JsonObject out;
    if (dot == std::string_view::npos) {
        out[as_json(name)] = sample(field);
        return out;
    }
    auto inner = document_with(path.substr(dot + 1), field);
    if (in_list) {
        out[as_json(name)] = JsonArray{std::move(inner)};
    } else {
        out[as_json(name)] = std::move(inner);
    }
    return out;
}

TEST(Fields, EachIsTreatedAsItsRowSays) {
    for (const auto kind : serving_kinds) {
        for_each_field(kind, [&](std::string_view path, const ResolvedField& resolved) {
            if (!resolved.field.fields.empty() && resolved.treatment == Treatment::effect) {
                return;  // its members are visited
            }
            const auto document = document_with(path, resolved.field);
            const auto problems = check_treatment(fields_of(kind), document);
            switch (resolved.treatment) {
                case Treatment::effect:
                case Treatment::reported:
                    EXPECT_TRUE(problems.empty()) << path;
                    break;
                case Treatment::refused:
                    ASSERT_EQ(problems.size(), 1U) << path;
                    EXPECT_EQ(problems[0].severity, Severity::error) << path;
                    EXPECT_EQ(problems[0].message, "must not set the field(s)") << path;
                    break;
                case Treatment::warned:
                    ASSERT_EQ(problems.size(), 1U) << path;
                    EXPECT_EQ(problems[0].severity, Severity::warning) << path;
                    EXPECT_EQ(problems[0].message, "has no effect") << path;
                    EXPECT_EQ(problems[0].details, resolved.reason) << path;
                    break;
            }
        });
    }
}

TEST(Fields, WhatAsksForWhatHappensAnywayIsFine) {
    const auto spec = boost::json::parse(R"({"spec": {"template": {"spec": {
        "enableServiceLinks": false, "serviceAccountName": "default", "restartPolicy": "Always",
        "automountServiceAccountToken": false, "dnsPolicy": "ClusterFirst", "hostNetwork": false,
        "affinity": {}, "volumes": [],
        "containers": [{"image": "a", "imagePullPolicy": "IfNotPresent", "stdin": false,
                        "terminationMessagePolicy": "FallbackToLogsOnError",
                        "securityContext": {"privileged": false, "allowPrivilegeEscalation": false,
                                            "seccompProfile": {"type": "RuntimeDefault"},
                                            "capabilities": {"drop": ["ALL"]}},
                        "readinessProbe": {"httpGet": {"scheme": "HTTP", "path": "/"}}}]}}}})");
    EXPECT_EQ(
        render(check_treatment(fields_of(KindId::service), spec.as_object()), Severity::error), "");
    EXPECT_EQ(
        render(check_treatment(fields_of(KindId::service), spec.as_object()), Severity::warning),
        "");
}

TEST(Fields, WhatKnativeRefusesIsRefusedInItsWords) {
    const auto spec = boost::json::parse(R"({"spec": {"template": {"spec": {
        "nodeSelector": {"a": "b"}, "hostPID": true,
        "containers": [{"image": "a", "lifecycle": {"preStop": {}}, "stdin": true,
                        "stdinOnce": true, "tty": true, "ports": [{"hostPort": 80}]}]}}}})");
    EXPECT_EQ(
        render(check_treatment(fields_of(KindId::service), spec.as_object()), Severity::error),
        "must not set the field(s): spec.template.spec.containers[0].lifecycle, "
        "spec.template.spec.containers[0].ports[0].hostPort, "
        "spec.template.spec.containers[0].stdin, "
        "spec.template.spec.containers[0].stdinOnce, "
        "spec.template.spec.containers[0].tty, spec.template.spec.hostPID, "
        "spec.template.spec.nodeSelector");
}

TEST(Schema, ListsAtMostAHundredProblems) {
    JsonArray containers;
    for (int i = 0; i < 1000; ++i) {
        containers.push_back(i);
    }
    JsonObject document{
        {"spec", {{"template", {{"spec", {{"containers", std::move(containers)}}}}}}}};
    EXPECT_EQ(check_shape(fields_of(KindId::service), document).problems.size(), problems_max);
}

}  // namespace
}  // namespace tidemill::model
