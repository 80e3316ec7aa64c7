#include "model/object/object_validation.h"

#include <gtest/gtest.h>

#include "model/serving/admission.h"

namespace tidemill::model {
namespace {

Object parse(std::string_view text) {
    return *object_from_json(boost::json::parse(as_json(text)));
}

// "path: message" of each problem.
std::vector<std::string> lines(const Problems& problems) {
    std::vector<std::string> out;
    for (const auto& cause : shape_causes(problems)) {
        out.push_back(cause.field + ": " + cause.message);
    }
    return out;
}

using Lines = std::vector<std::string>;

TEST(ObjectMetadata, EachRule) {
    struct Case {
        const char* name;
        const char* metadata;
        Lines want;
    };
    const Case cases[] = {
        {"a plain object", R"({"name": "a", "namespace": "n"})", {}},
        {"a generated name", R"({"generateName": "a-", "namespace": "n"})", {}},
        {"no name",
         R"({"namespace": "n"})",
         {"metadata.name: Required value: name or generateName is required"}},
        {"no namespace", R"({"name": "a"})", {"metadata.namespace: Required value"}},
        {"a label's key without a name",
         R"({"name": "a", "namespace": "n", "labels": {"x/": ""}})",
         {"metadata.labels: Invalid value: \"x/\": name part must be non-empty",
          "metadata.labels: Invalid value: \"x/\": name part must consist of alphanumeric "
          "characters, '-', '_' or '.', and must start and end with an alphanumeric character "
          "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
          "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"}},
        {"an owner without uid",
         R"({"name": "a", "namespace": "n", "ownerReferences": [
             {"apiVersion": "v1", "kind": "Secret", "name": "s"}]})",
         {"metadata.ownerReferences[0].uid: Required value: must not be empty"}},
        {"two controllers",
         R"({"name": "a", "namespace": "n", "ownerReferences": [
             {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "1", "controller": true},
             {"apiVersion": "v1", "kind": "Secret", "name": "t", "uid": "2", "controller": true}]})",
         {"metadata.ownerReferences: Invalid value: Only one reference can have Controller set to "
          "true."}},
        {"two ways of deletion",
         R"({"name": "a", "namespace": "n", "finalizers": ["orphan", "foregroundDeletion"]})",
         {"metadata.finalizers: Invalid value: \"orphan\": finalizer orphan and foregroundDeletion "
          "cannot be both set"}},
    };
    for (const auto& c : cases) {
        auto object = parse(R"({"apiVersion": "v1", "kind": "ConfigMap"})");
        object.metadata = *metadata_from_json(boost::json::parse(c.metadata).as_object());
        EXPECT_EQ(lines(check_object_metadata(object, nullptr)), c.want) << c.name;
    }
}

TEST(ObjectMetadata, KindsHaveNamesOfTheirOwn) {
    const auto refused = [](const char* document) {
        return !check_object_metadata(parse(document), nullptr).empty();
    };
    EXPECT_TRUE(
        refused(R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a.b"}})"));
    EXPECT_FALSE(refused(
        R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a.b", "namespace": "n"}})"));
    EXPECT_TRUE(refused(
        R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "1a", "namespace": "n"}})"));
    EXPECT_TRUE(refused(
        R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "namespace": "n"}})"));
}

TEST(ObjectMetadata, AnnotationsHaveALimit) {
    auto object = parse(
        R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "n"}})");
    object.metadata.annotations["a"] = std::string(256 * 1024 - 1, 'x');
    EXPECT_TRUE(check_object_metadata(object, nullptr).empty());
    object.metadata.annotations["a"] += 'x';
    EXPECT_EQ(lines(check_object_metadata(object, nullptr)),
              (Lines{"metadata.annotations: Too long: may not be more than 262144 bytes"}));
}

TEST(ObjectMetadata, UpdatesKeepTheIdentity) {
    auto before = parse(R"({"apiVersion": "v1", "kind": "Secret",
                            "metadata": {"name": "a", "namespace": "n", "uid": "1"}})");
    auto next = before;
    next.metadata.uid = "2";
    EXPECT_EQ(lines(check_object_metadata(next, &before)),
              (Lines{"metadata.uid: Invalid value: \"2\": field is immutable"}));
    next = before;
    next.metadata.finalizers = {"a.b/c"};
    EXPECT_TRUE(check_object_metadata(next, &before).empty());
    before.metadata.deletion_timestamp = base::WallTime{1};
    EXPECT_EQ(lines(check_object_metadata(next, &before)),
              (Lines{"metadata.finalizers: Forbidden: no new finalizers can be added if the object "
                     "is being deleted, found new finalizers [a.b/c]"}));
}

TEST(Core, SecretsAreStoredInOneForm) {
    const PlatformConfig config;
    const auto admission = admit(
        parse(R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"},
                  "data": {"a": "MQ==", "b": "Mg=="}, "stringData": {"b": "3", "c": "4"}})"),
        {.config = config, .user = "ann"});
    EXPECT_TRUE(admission.problems.empty());
    EXPECT_EQ(Json(admission.object.body),
              boost::json::parse(
                  R"({"type": "Opaque", "data": {"a": "MQ==", "b": "Mw==", "c": "NA=="}})"));
    EXPECT_FALSE(admission.object.metadata.annotations.contains("serving.knative.dev/creator"));
}

TEST(Core, EachRule) {
    struct Case {
        const char* name;
        const char* kind;
        const char* body;
        Lines want;
    };
    const Case cases[] = {
        {"data of any encoding is no secret",
         "Secret",
         R"({"data": {"a": "not base64!"}})",
         {"data[a]: Invalid value: illegal base64 data"}},
        {"a number is no text",
         "ConfigMap",
         R"({"data": {"a": 1}})",
         {"data[a]: Invalid value: data[a] must be a string"}},
        {"nor is it a secret's text",
         "Secret",
         R"({"stringData": {"a": 1}})",
         {"stringData[a]: Invalid value: stringData[a] must be a string"}},
        {"data is an object",
         "ConfigMap",
         R"({"data": []})",
         {"data: Invalid value: data must be an object of strings"}},
        {"a key is no path",
         "ConfigMap",
         R"({"data": {"..": "x"}})",
         {"data[..]: Invalid value: \"..\": must not be '..'"}},
        {"binary data is base64",
         "ConfigMap",
         R"({"binaryData": {"a": "%"}})",
         {"binaryData[a]: Invalid value: illegal base64 data"}},
        {"plain data needs no encoding", "ConfigMap", R"({"data": {"a": "%"}})", {}},
    };
    for (const auto& c : cases) {
        auto object = parse(std::string(R"({"apiVersion": "v1", "kind": ")") + c.kind +
                            R"(", "metadata": {"name": "s", "namespace": "n"}})");
        object.body = boost::json::parse(c.body).as_object();
        apply_core_defaults(object);
        EXPECT_EQ(lines(check_core(object, nullptr)), c.want) << c.name;
    }
}

TEST(Core, DataHasALimit) {
    auto object = parse(
        R"({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}})");
    object_at(object.body, "data")["a"] = std::string(1024 * 1024, 'x');
    EXPECT_TRUE(check_core(object, nullptr).empty());
    object_at(object.body, "data")["b"] = "x";
    EXPECT_EQ(lines(check_core(object, nullptr)),
              (Lines{"data: Too long: may not be more than 1048576 bytes"}));
}

TEST(Core, ImmutableDataStays) {
    const auto before = parse(
        R"({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"},
            "immutable": true, "data": {"a": "1"}})");
    auto next = before;
    next.metadata.labels["a"] = "b";
    EXPECT_TRUE(check_core(next, &before).empty());
    object_at(next.body, "data")["a"] = "2";
    EXPECT_EQ(lines(check_core(next, &before)),
              (Lines{"data: Forbidden: field is immutable when `immutable` is set"}));
    next = before;
    next.body["immutable"] = false;
    EXPECT_EQ(lines(check_core(next, &before)),
              (Lines{"immutable: Forbidden: field is immutable when `immutable` is set"}));
}

TEST(Core, ASecretKeepsItsType) {
    const auto before = parse(
        R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "n"},
            "type": "Opaque"})");
    auto next = before;
    next.body["type"] = "other";
    EXPECT_EQ(lines(check_core(next, &before)),
              (Lines{"type: Invalid value: \"other\": field is immutable"}));
}

TEST(Core, ANamespaceIsActive) {
    auto object = parse(R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})");
    apply_core_defaults(object);
    EXPECT_EQ(text_at(object.status(), {"phase"}), "Active");
}

}  // namespace
}  // namespace tidemill::model
