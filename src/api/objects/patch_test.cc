#include "api/objects/patch.h"

#include <gtest/gtest.h>

#include "api/objects/server_side_apply.h"
#include "wire/json.h"

namespace tidemill::api {
namespace {

using model::Json;

Json json(std::string_view text) {
    auto value = wire::parse_json(text);
    EXPECT_TRUE(value) << text;
    return value ? *std::move(value) : Json();
}

TEST(StrategicMerge, Table) {
    struct Case {
        const char* name;
        const char* document;
        const char* patch;
        const char* want;  // empty: refused
    };
    for (const auto& c : {
             Case{"maps merge", R"({"data":{"a":"1"}})", R"({"data":{"b":"2"}})",
                  R"({"data":{"a":"1","b":"2"}})"},
             Case{"null removes", R"({"data":{"a":"1"}})", R"({"data":{"a":null}})",
                  R"({"data":{}})"},
             Case{"lists without a key are replaced", R"({"x":[1,2]})", R"({"x":[3]})",
                  R"({"x":[3]})"},
             Case{"ports merge by port", R"({"spec":{"ports":[{"port":80,"name":"a"}]}})",
                  R"({"spec":{"ports":[{"port":80,"name":"b"},{"port":81}]}})",
                  R"({"spec":{"ports":[{"port":80,"name":"b"},{"port":81}]}})"},
             Case{"an element is deleted", R"({"spec":{"ports":[{"port":80},{"port":81}]}})",
                  R"({"spec":{"ports":[{"port":80,"$patch":"delete"}]}})",
                  R"({"spec":{"ports":[{"port":81}]}})"},
             Case{"a list is replaced on demand", R"({"spec":{"ports":[{"port":80}]}})",
                  R"({"spec":{"ports":[{"port":81},{"$patch":"replace"},{"port":82}]}})",
                  R"({"spec":{"ports":[{"port":82}]}})"},
             Case{"an element without its key", R"({})", R"({"spec":{"ports":[{"name":"a"}]}})",
                  ""},
             Case{"finalizers add up", R"({"metadata":{"finalizers":["a/b"]}})",
                  R"({"metadata":{"finalizers":["a/b","c/d"]}})",
                  R"({"metadata":{"finalizers":["a/b","c/d"]}})"},
             Case{"a finalizer is taken off", R"({"metadata":{"finalizers":["a/b","c/d"]}})",
                  R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a/b"]}})",
                  R"({"metadata":{"finalizers":["c/d"]}})"},
             Case{"a map is replaced", R"({"data":{"a":"1"}})",
                  R"({"data":{"$patch":"replace","b":"2"}})", R"({"data":{"b":"2"}})"},
             Case{"keys are retained", R"({"data":{"a":"1","b":"2"}})",
                  R"({"data":{"$retainKeys":["a","c"],"c":"3"}})", R"({"data":{"a":"1","c":"3"}})"},
             Case{"order is accepted", R"({"spec":{"ports":[{"port":80}]}})",
                  R"({"spec":{"$setElementOrder/ports":[{"port":80}]}})",
                  R"({"spec":{"ports":[{"port":80}]}})"},
             Case{"an unknown directive", R"({})", R"({"data":{"$patch":"explode"}})", ""},
             Case{"no object", R"({})", R"([1])", ""},
         }) {
        const auto result = strategic_merge(json(c.document), json(c.patch));
        if (*c.want == '\0') {
            ASSERT_FALSE(result) << c.name;
            EXPECT_EQ(result.error().status, 400) << c.name;
        } else {
            ASSERT_TRUE(result) << c.name << ": " << result.error().message;
            EXPECT_EQ(wire::write_json(*result), c.want) << c.name;
        }
    }
}

Json without_managers(Json document) {
    auto& metadata = document.get_object().at("metadata").get_object();
    metadata.stable_erase("managedFields");
    if (metadata.empty()) {
        document.get_object().stable_erase("metadata");
    }
    return document;
}

TEST(ServerSideApply, AManagerOwnsWhatItSaysUntilItNoLongerSaysIt) {
    const auto apply = [](Json live, const char* manager, const char* applied,
                          ApplyRequest::Conflicts conflicts = ApplyRequest::Conflicts::refuse) {
        return apply_document({.kind = model::kind_of(model::KindId::config_map),
                               .name = "m",
                               .manager = manager,
                               .conflicts = conflicts,
                               .now = {}},
                              std::move(live), json(applied));
    };
    auto live = *apply(json(R"({"data":{"others":"stay"}})"), "a",
                       R"({"data":{"x":"1","y":"2"},"spec":{"deep":{"z":[1]}}})");
    EXPECT_EQ(wire::write_json(without_managers(live)),
              R"({"data":{"others":"stay","x":"1","y":"2"},"spec":{"deep":{"z":[1]}}})");
    EXPECT_EQ(*apply(live, "a", R"({"data":{"x":"1","y":"2"},"spec":{"deep":{"z":[1]}}})"), live);
    EXPECT_EQ(apply(live, "b", R"({"data":{"x":"9"}})").error().status, 409);
    live = *apply(live, "b", R"({"data":{"x":"1"}})");
    live = *apply(live, "a", R"({"data":{"y":"3"}})");
    EXPECT_EQ(wire::write_json(without_managers(live)),
              R"({"data":{"others":"stay","x":"1","y":"3"}})")
        << "x is still b's, and what is left empty goes";
    live = *apply(live, "a", R"({"data":{"x":"7"}})", ApplyRequest::Conflicts::take_over);
    EXPECT_EQ(wire::write_json(without_managers(live)), R"({"data":{"others":"stay","x":"7"}})");
    live = *apply(live, "b", "{}");
    EXPECT_EQ(wire::write_json(without_managers(live)), R"({"data":{"others":"stay","x":"7"}})")
        << "what was taken over is no longer b's to remove";
    EXPECT_EQ(apply(live, "a", R"({"metadata":{"managedFields":[]}})").error().status, 400);
}

}  // namespace
}  // namespace tidemill::api
