#include "wire/json.h"

#include <gtest/gtest.h>

namespace tidemill::wire {
namespace {

TEST(ParseJson, IntegersKeepAllTheirBits) {
    EXPECT_EQ(*parse_json("9223372036854775807"), Json(INT64_MAX));
    EXPECT_EQ(*parse_json("-9223372036854775808"), Json(INT64_MIN));
    EXPECT_EQ(*parse_json("18446744073709551615"), Json(UINT64_MAX));
    EXPECT_TRUE(parse_json("9223372036854775808")->is_uint64());
    EXPECT_TRUE(parse_json("-0")->is_int64());
    EXPECT_TRUE(parse_json("1.0")->is_double());
    EXPECT_TRUE(parse_json("1e2")->is_double());
    EXPECT_EQ(parse_json("1e-400")->get_double(), 0.0);
    EXPECT_EQ(parse_json("0.1")->get_double(), 0.1);
    EXPECT_EQ(parse_json("[1.7976931348623157e308,5e-324]")->at(1).get_double(), 5e-324);
    EXPECT_EQ(parse_json("123456789.25")->get_double(), 123456789.25);
}

struct Bad {
    const char* name;
    std::string_view text;
    std::string_view message;
};

using namespace std::literals;

TEST(ParseJson, RefusesAndSaysWhere) {
    const Bad rows[] = {
        {"nothing", "", "line 1, column 1: the text ends inside of a value"},
        {"white space only", " \n ", "line 2, column 2: the text ends inside of a value"},
        {"half an object", "{\"a\": 1", "line 1, column 8: the text ends inside of a value"},
        {"half a number", "-", "line 1, column 2: the text ends inside of a value"},
        {"a second value", "{} {}", "line 1, column 4: text after the end of the value"},
        {"a NUL behind the value", "{}\0"sv, "line 1, column 3: text after the end of the value"},
        {"a duplicate key", "{\"a\": 1,\n \"a\": 2}", "line 2, column 4: duplicate key a"},
        {"a duplicate key written otherwise", "{\"ab\": 1, \"\\u0061b\": 2}",
         "line 1, column 19: duplicate key ab"},
        {"a duplicate key deep inside", "{\"spec\":{\"list\":[1,{\"x.y\":1,\"x.y\":2}]}}",
         "line 1, column 33: duplicate key spec.list[1][x.y]"},
        {"an integer too large", "{\"a\":[18446744073709551616]}",
         "line 1, column 27: a[0]: integer 18446744073709551616 does not fit into 64 bits"},
        {"an integer too small", "-9223372036854775809",
         "line 1, column 21: integer -9223372036854775809 does not fit into 64 bits"},
        {"a number too large", "1e400", "line 1, column 6: number 1e400 is too large"},
        {"a trailing comma", "[1,]", "line 1, column 4: "},
        {"a comment", "/* a */ 1", "line 1, column 1: "},
        {"a single quote", "{'a': 1}", "line 1, column 2: "},
        {"NaN", "NaN", "line 1, column 1: "},
        {"a leading zero", "01", "line 1, column 2: "},
        {"a leading plus", "+1", "line 1, column 1: "},
        {"a lone surrogate", "\"\\ud800\"", "line 1, column "},
        {"bad UTF-8", "\"\xff\"", "line 1, column 2: "},
        {"overlong UTF-8", "\"\xc0\xaf\"", "line 1, column 2: "},
        {"a surrogate in UTF-8", "\"\xed\xa0\x80\"", "line 1, column 2: "},
        {"a control character", "\"a\nb\"", "line 1, column 3: "},
        {"a byte order mark", "\xef\xbb\xbf{}", "line 1, column 1: "},
    };
    for (const Bad& row : rows) {
        const auto got = parse_json(row.text);
        ASSERT_FALSE(got) << row.name;
        EXPECT_EQ(got.error().code, base::Code::invalid) << row.name;
        if (row.message.ends_with(' ')) {
            EXPECT_TRUE(got.error().message.starts_with(row.message))
                << row.name << ": " << got.error().message;
        } else {
            EXPECT_EQ(got.error().message, row.message) << row.name;
        }
    }
}

TEST(ParseJson, KeepsItsLimitsExactly) {
    EXPECT_TRUE(parse_json("[1,2]", {.bytes_max = 5}));
    EXPECT_EQ(parse_json("[1,2]", {.bytes_max = 4}).error().code, base::Code::exhausted);
    EXPECT_TRUE(parse_json("[1,2]", {.nodes_max = 3}));
    EXPECT_EQ(parse_json("[1,2]", {.nodes_max = 2}).error().message,
              "line 1, column 5: more than 2 values");
    EXPECT_TRUE(parse_json("[{\"a\":[]}]", {.depth_max = 3}));
    EXPECT_EQ(parse_json("[{\"a\":[]}]", {.depth_max = 2}).error().code, base::Code::exhausted);
    EXPECT_EQ(parse_json(std::string(1'000'000, '[')).error().code, base::Code::exhausted);
}

TEST(WriteJson, CompactIsReadBackAsItWas) {
    const std::string text =
        R"({"b":[1,-2,18446744073709551615,1.5,1.0,1e+30,true,null,{}],"a":"x\"\\\n\u0001é/)"
        R"(","c":[]})";
    const auto value = parse_json(text);
    ASSERT_TRUE(value) << value.error().message;
    EXPECT_EQ(write_json(*value), text);
    EXPECT_EQ(*parse_json(write_json(*value)), *value);
    EXPECT_EQ(write_json(Json(std::numeric_limits<double>::infinity())), "null");
}

TEST(WriteJson, PrettyIsSortedAndIndented) {
    EXPECT_EQ(write_json(*parse_json(R"({"b":[1,{"d":[]}],"a":{}})"), JsonStyle::pretty),
              "{\n    \"a\": {},\n    \"b\": [\n        1,\n        {\n            \"d\": []\n"
              "        }\n    ]\n}");
}

TEST(JsonReader, ReadsTypedFieldsAndSaysWhereOneIsWrong) {
    const Json root = *parse_json(
        R"({"spec":{"n":3,"s":"x","b":true,"f":1.5,"list":[{"k":1},"two"],"none":null,
            "big":18446744073709551615}})");
    const JsonReader spec = JsonReader(root).at("spec");
    EXPECT_EQ(spec.at("n").integer(), 3);
    EXPECT_EQ(spec.at("s").string(), "x");
    EXPECT_EQ(spec.at("b").boolean(), true);
    EXPECT_EQ(spec.at("f").number(), 1.5);
    EXPECT_EQ(spec.at("n").number(), 3.0);
    EXPECT_EQ(spec.at("none").string_or("other"), "other");
    EXPECT_EQ(spec.at("missing").integer_or(7), 7);
    EXPECT_EQ(spec.at("n").integer_or(7), 3);
    EXPECT_EQ(JsonReader(root).at_path("spec.list").elements()->size(), 2U);
    EXPECT_EQ(spec.at("missing").elements()->size(), 0U);
    EXPECT_EQ(spec.members()->size(), 7U);

    const auto message = [](const auto& result) { return result.error().message; };
    EXPECT_EQ(message(spec.at("s").integer()), "spec.s: expected integer, got string");
    EXPECT_EQ(message(spec.at("f").integer()), "spec.f: expected integer, got number");
    EXPECT_EQ(message(spec.at("n").integer(5, 9)), "spec.n: expected 5 to 9, got 3");
    EXPECT_EQ(message(spec.at("big").integer(0, 9)),
              "spec.big: expected 0 to 9, got 18446744073709551615");
    EXPECT_EQ(message(spec.at("missing").string()), "spec.missing: required");
    EXPECT_EQ(message(spec.at("s").at("x").at("y").string_or("")),
              "spec.s: expected object, got string");
    EXPECT_EQ(message(spec.at("list").at(1).at("k").integer()),
              "spec.list[1]: expected object, got string");
    EXPECT_EQ(message(spec.at("list").at(0).at("a.b/c").integer()),
              "spec.list[0][a.b/c]: required");
    EXPECT_EQ(message(spec.at("n").elements()), "spec.n: expected array, got integer");
    EXPECT_EQ(message(JsonReader(Json(1)).string()), "expected string, got integer");
}

TEST(JsonReader, NamesAnUnknownField) {
    const Json root = *parse_json(R"({"spec":{"image":1,"imagee":2}})");
    const JsonReader spec = JsonReader(root).at("spec");
    EXPECT_TRUE(spec.only({"image", "imagee"}));
    EXPECT_EQ(spec.only({"image", "port"}).error().message,
              "spec.imagee: unknown field, did you mean image");
    EXPECT_EQ(spec.only({"port", "imagee"}).error().message,
              "spec.image: unknown field, did you mean imagee");
    EXPECT_EQ(spec.only({"image"}).error().message,
              "spec.imagee: unknown field, did you mean image");
    EXPECT_TRUE(spec.at("missing").only({}));
}

}  // namespace
}  // namespace tidemill::wire
