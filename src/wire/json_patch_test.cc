#include "wire/json_patch.h"

#include <gtest/gtest.h>

namespace tidemill::wire {
namespace {

struct Row {
    std::string_view target;
    std::string_view patch;
    std::string_view want;
};

TEST(MergePatch, Rfc7386AppendixA) {
    const Row rows[] = {
        {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
        {R"({"a":"b"})", R"({"a":null})", R"({})"},
        {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
        {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
        {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
        {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
        {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
        {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
        {R"({"a":"foo"})", R"(null)", R"(null)"},
        {R"({"a":"foo"})", R"("bar")", R"("bar")"},
        {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
        {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
        {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(write_json(merge_patch(*parse_json(row.target), *parse_json(row.patch))),
                  row.want)
            << row.target << row.patch;
    }
}

TEST(JsonPatch, AppliesOperationsInOrder) {
    const Row rows[] = {
        {R"({"a":1})", R"([])", R"({"a":1})"},
        {R"({"a":1})", R"([{"op":"add","path":"/b","value":2}])", R"({"a":1,"b":2})"},
        {R"({"a":1})", R"([{"op":"add","path":"/a","value":null}])", R"({"a":null})"},
        {R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
        {R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
        {R"({"a":1,"b":2,"c":3})", R"([{"op":"remove","path":"/a"}])", R"({"b":2,"c":3})"},
        {R"([1,2,3])", R"([{"op":"remove","path":"/1"}])", R"([1,3])"},
        {R"({"a":1})", R"([{"op":"replace","path":"/a","value":[2]}])", R"({"a":[2]})"},
        {R"({"a":1})", R"([{"op":"replace","path":"","value":2}])", R"(2)"},
        {R"({"a":{"b":1},"c":{}})", R"([{"op":"move","from":"/a/b","path":"/c/d"}])",
         R"({"a":{},"c":{"d":1}})"},
        {R"({"a":[1,2,3]})", R"([{"op":"move","from":"/a/0","path":"/a/2"}])", R"({"a":[2,3,1]})"},
        {R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])",
         R"({"a":{"b":1},"c":{"b":1}})"},
        {R"({"a":{"b":[1,"x"]}})", R"([{"op":"test","path":"/a","value":{"b":[1,"x"]}}])",
         R"({"a":{"b":[1,"x"]}})"},
        {R"({"a/b":{"m~n":1}})", R"([{"op":"replace","path":"/a~1b/m~0n","value":2}])",
         R"({"a/b":{"m~n":2}})"},
        {R"({"":1})", R"([{"op":"replace","path":"/","value":2}])", R"({"":2})"},
    };
    for (const Row& row : rows) {
        const auto got = json_patch(*parse_json(row.target), *parse_json(row.patch));
        ASSERT_TRUE(got) << row.patch << got.error().message;
        EXPECT_EQ(write_json(*got), row.want) << row.patch;
    }
}

TEST(JsonPatch, RefusesWhatDoesNotFit) {
    const Row rows[] = {
        {R"({"a":1})", R"({})", "expected array, got object"},
        {R"({"a":1})", R"([1])", "[0]: expected object, got integer"},
        {R"({"a":1})", R"([{"op":"add","path":"/b"}])",
         "operation 0 (add /b): [0].value: required"},
        {R"({"a":1})", R"([{"path":"/b"}])", "operation 0 ( /b): [0].op: required"},
        {R"({"a":1})", R"([{"op":"spoil","path":"/b"}])",
         "operation 0 (spoil /b): [0].op: unknown operation spoil"},
        {R"({"a":1})", R"([{"op":"remove","path":"/b"}])",
         "operation 0 (remove /b): there is nothing at that path"},
        {R"({"a":1})", R"([{"op":"remove","path":"b"}])",
         "operation 0 (remove b): a pointer begins with /"},
        {R"({"a":1})", R"([{"op":"remove","path":"/b~2"}])",
         "operation 0 (remove /b~2): ~ stands without 0 or 1 behind it"},
        {R"({"a":1})", R"([{"op":"add","path":"/b/c","value":1}])",
         "operation 0 (add /b/c): there is nothing at that path"},
        {R"({"a":1})", R"([{"op":"add","path":"/a/c","value":1}])",
         "operation 0 (add /a/c): the parent is neither object nor array"},
        {R"([1])", R"([{"op":"add","path":"/2","value":1}])",
         "operation 0 (add /2): no such position in an array of 1"},
        {R"([1,2])", R"([{"op":"remove","path":"/01"}])",
         "operation 0 (remove /01): there is nothing at that path"},
        {R"([1])", R"([{"op":"remove","path":"/-"}])",
         "operation 0 (remove /-): there is nothing at that path"},
        {R"({"a":{}})", R"([{"op":"move","from":"/a","path":"/a/b"}])",
         "operation 0 (move /a/b): a value cannot move into itself"},
        {R"({"a":1})",
         R"([{"op":"add","path":"/b","value":1},{"op":"test","path":"/a","value":"1"}])",
         "operation 1 (test /a): the value there is 1"},
    };
    for (const Row& row : rows) {
        const auto got = json_patch(*parse_json(row.target), *parse_json(row.patch));
        ASSERT_FALSE(got) << row.patch;
        EXPECT_EQ(got.error().message, row.want) << row.patch;
    }
}

TEST(JsonPatch, CopiesOfCopiesAreBounded) {
    std::string patch = "[";
    for (int i = 0; i < 40; ++i) {
        patch += R"({"op":"copy","from":"","path":"/a"},)";
    }
    patch.back() = ']';
    const auto deep =
        json_patch(*parse_json(R"({"a":[1]})"), *parse_json(patch), {.depth_max = 20});
    EXPECT_EQ(deep.error().code, base::Code::exhausted);
    std::string wide = "[";
    for (int i = 0; i < 40; ++i) {
        wide += fmt::format(R"({{"op":"copy","from":"/a{0}","path":"/a{0}/-"}},)", "");
    }
    wide.back() = ']';
    const auto large = json_patch(*parse_json(R"({"a":["x"]})"), *parse_json(wide));
    EXPECT_EQ(large.error().code, base::Code::exhausted);
}

TEST(FindPointer, FindsOrDoesNot) {
    const Json root = *parse_json(R"({"a":[{"b":1}]})");
    EXPECT_EQ(*find_pointer(root, "/a/0/b"), Json(1));
    EXPECT_EQ(find_pointer(root, ""), &root);
    EXPECT_EQ(find_pointer(root, "/a/1"), nullptr);
    EXPECT_EQ(find_pointer(root, "a"), nullptr);
}

}  // namespace
}  // namespace tidemill::wire
