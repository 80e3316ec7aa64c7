#include "model/object/object.h"

#include <gtest/gtest.h>

namespace tidemill::model {
namespace {

Json parse(std::string_view text) {
    return boost::json::parse(as_json(text));
}

constexpr std::string_view whole = R"({
    "apiVersion": "serving.knative.dev/v1", "kind": "Service",
    "metadata": {
        "name": "shop", "namespace": "default", "uid": "u-1", "resourceVersion": "42",
        "generation": 3, "creationTimestamp": "2026-11-20T23:20:00Z",
        "labels": {"app": "shop"}, "annotations": {"a/b": "c"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "m", "uid": "u-0",
                             "controller": true, "blockOwnerDeletion": true}],
        "finalizers": ["keep"], "managedFields": [{"manager": "kubectl"}]},
    "spec": {"template": {}}, "status": {"url": "http://shop"}})";

TEST(Object, ADocumentComesBackAsItWentIn) {
    const auto object = object_from_json(parse(whole));
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_EQ(object->kind, KindId::service);
    EXPECT_EQ(object->metadata.resource_version, 42U);
    EXPECT_EQ(object->metadata.generation, 3);
    EXPECT_EQ(object->metadata.labels.at("app"), "shop");
    ASSERT_NE(object->metadata.controller(), nullptr);
    EXPECT_EQ(object->metadata.controller()->name, "m");
    EXPECT_TRUE(object->metadata.owned_by("u-0"));
    EXPECT_FALSE(object->metadata.owned_by("u-1"));
    EXPECT_EQ(object->body.size(), 2U);
    EXPECT_EQ(text_at(object->status(), {"url"}), "http://shop");
    EXPECT_EQ(to_json(*object), parse(whole));
    EXPECT_EQ(describe(object->key()), "services.serving.knative.dev \"default/shop\"");
}

TEST(Object, WrongDocumentsAreRefusedWithTheirPath) {
    struct Case {
        const char* name;
        const char* document;
        const char* want;
    };
    const Case cases[] = {
        {"an array is no object", "[]", "the document is not an object"},
        {"a kind must be given", R"({"apiVersion": "v1"})", "Object 'Kind' is missing"},
        {"a version must be given", R"({"kind": "Pod"})", "Object 'apiVersion' is missing"},
        {"a number is no kind", R"({"kind": 1})", "kind: must be a string"},
        {"unknown kinds are named", R"({"apiVersion": "v1", "kind": "Shop"})",
         "no matches for kind \"Shop\" in version \"v1\""},
        {"a known kind in another version says where it is",
         R"({"apiVersion": "serving.knative.dev/v1alpha1", "kind": "Route"})",
         "no matches for kind \"Route\" in version \"serving.knative.dev/v1alpha1\" (known in "
         "serving.knative.dev/v1)"},
        {"metadata is an object", R"({"apiVersion": "v1", "kind": "Secret", "metadata": []})",
         "metadata: must be an object"},
        {"a name is text", R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": 1}})",
         "metadata.name: must be a string"},
        {"a label is text",
         R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"labels": {"a": true}}})",
         "metadata.labels.a: must be a string"},
        {"a foreign version is refused",
         R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"resourceVersion": "x1"}})",
         "metadata.resourceVersion: \"x1\" was not given by this server"},
        {"owners are a list",
         R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"ownerReferences": {}}})",
         "metadata.ownerReferences: must be an array"},
        {"an owner's flag is a boolean",
         R"({"apiVersion": "v1", "kind": "Secret",
             "metadata": {"ownerReferences": [{"controller": "yes"}]}})",
         "metadata.ownerReferences[0].controller: must be a boolean"},
        {"finalizers are texts",
         R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"finalizers": [1]}})",
         "metadata.finalizers[0]: must be a string"},
    };
    for (const auto& c : cases) {
        const auto object = object_from_json(parse(c.document));
        ASSERT_FALSE(object) << c.name;
        EXPECT_EQ(object.error().code, base::Code::invalid) << c.name;
        EXPECT_EQ(object.error().message, c.want) << c.name;
    }
}

TEST(Object, NullsOfGeneratorsAreAbsentMembers) {
    const auto object = object_from_json(parse(
        R"({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "creationTimestamp": null, "labels": null}})"));
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_FALSE(object->metadata.creation_timestamp);
}

TEST(Object, AnAddressMayNameTheKindButNotAgainstTheDocument) {
    EXPECT_TRUE(object_from_json(KindId::secret, parse(R"({"metadata": {"name": "s"}})")));
    const auto wrong =
        object_from_json(KindId::secret, parse(R"({"apiVersion": "v1", "kind": "Pod"})"));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().message,
              "the object provided is v1 Pod, but v1 Secret belongs at this address");
}

TEST(Object, GenerationFollowsTheSpecOnly) {
    const auto before = *object_from_json(parse(whole));
    auto next = before;
    next.metadata.labels["x"] = "y";
    next.body["status"] = JsonObject{{"url", "http://other"}};
    EXPECT_FALSE(changes_generation(before, next));
    object_at(next.body, "spec")["traffic"] = JsonArray{};
    EXPECT_TRUE(changes_generation(before, next));
}

TEST(Object, AChildIsOwnedByTheUidOfItsOwner) {
    const auto owner = controller_reference(*object_from_json(parse(whole)));
    EXPECT_EQ(owner.api_version, "serving.knative.dev/v1");
    EXPECT_EQ(owner.kind, "Service");
    EXPECT_EQ(owner.uid, "u-1");
    EXPECT_TRUE(owner.controller);
    EXPECT_TRUE(owner.block_owner_deletion);
}

TEST(JsonFields, MeaningIgnoresWhatIsUnset) {
    const auto a = parse(R"({"a": 1, "b": null, "c": {}, "d": {"e": []}})");
    EXPECT_TRUE(same_meaning(a, parse(R"({"a": 1})")));
    EXPECT_FALSE(same_meaning(a, parse(R"({"a": 2})")));
    EXPECT_FALSE(same_meaning(parse(R"({"l": [{}]})"), parse(R"({"l": []})")));
    EXPECT_EQ(describe_difference(parse(R"({"a": {"b": 1}, "l": [1, 2]})"),
                                  parse(R"({"a": {"b": 2}, "l": [1, 3]})"), 10),
              "a.b: 1 -> 2\nl[1]: 2 -> 3");
    EXPECT_EQ(describe_difference(a, parse(R"({"z": 1})"), 10), "a: 1 -> unset\nz: unset -> 1");
}

}  // namespace
}  // namespace tidemill::model
