#include "wire/yaml.h"

#include <gtest/gtest.h>

namespace tidemill::wire {
namespace {

struct Row {
    std::string_view text;
    std::string_view want;
};

std::string read(std::string_view text) {
    const auto documents = parse_yaml(text);
    if (!documents) {
        return documents.error().message;
    }
    std::string out;
    for (const Json& document : *documents) {
        out += out.empty() ? "" : " | ";
        out += write_json(document);
    }
    return out;
}

// What sigs.k8s.io/yaml 1.4 (in kubectl) makes of `a: TEXT`, taken down from a run of it.
TEST(ParseYaml, ScalarsMeanWhatTheyMeanToKubectl) {
    const Row rows[] = {
        {"yes", "true"},
        {"Yes", "true"},
        {"YES", "true"},
        {"no", "false"},
        {"on", "true"},
        {"On", "true"},
        {"off", "false"},
        {"OFF", "false"},
        {"y", "true"},
        {"Y", "true"},
        {"n", "false"},
        {"N", "false"},
        {"true", "true"},
        {"True", "true"},
        {"TRUE", "true"},
        {"tRue", "\"tRue\""},
        {"null", "null"},
        {"Null", "null"},
        {"NULL", "null"},
        {"~", "null"},
        {"", "null"},
        {"nULL", "\"nULL\""},
        {"0o17", "15"},
        {"017", "15"},
        {"0x1F", "31"},
        {"0b101", "5"},
        {"-0b11", "-3"},
        {"+12", "12"},
        {"1_000", "1000"},
        {"0777", "511"},
        {"08", "8"},
        {"09", "9"},
        {"1e3", "1000"},
        {"1.5", "1.5"},
        {"1.0", "1"},
        {"-.5", "-0.5"},
        {".5", "0.5"},
        {"5.", "5"},
        {"1e400", "\"1e400\""},
        {"2001-01-01", "\"2001-01-01\""},
        {"2001-01-01T00:00:00Z", "\"2001-01-01T00:00:00Z\""},
        {"12:30:45", "\"12:30:45\""},
        {"190:20:30", "\"190:20:30\""},
        {"9223372036854775807", "9223372036854775807"},
        {"9223372036854775808", "9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"0x", "\"0x\""},
        {"+", "\"+\""},
        {"-0", "0"},
        {"0.0", "0"},
        {"1__0", "10"},
        {"_1", "\"_1\""},
        {"1_", "1"},
        {"0x_1", "1"},
        {"0o8", "\"0o8\""},
        {"0o", "\"0o\""},
        {"=", "\"=\""},
        {"1e", "\"1e\""},
        {"1e5", "100000"},
        {"1E5", "100000"},
        {"1.e5", "100000"},
        {"+.5", "0.5"},
        {"+1.5", "1.5"},
        {"!!str 12", "\"12\""},
        {"!!int \"12\"", "12"},
        {"!!binary aGVsbG8=", "\"hello\""},
        {"!!float 3", "3"},
        {"!!bool yes", "true"},
        {"!!str", "\"\""},
        {"'12'", "\"12\""},
        {"\"yes\"", "\"yes\""},
        {"0.1", "0.1"},
        {"1e-7", "1e-07"},
        {"4611686018427387904.0", "4611686018427388000"},
        {"1e18", "1000000000000000000"},
        {"123456789012.5", "123456789012.5"},
        {"0X1F", "31"},
        {"0B1", "1"},
        {"-017", "-15"},
        {"-0x10", "-16"},
        {"0b", "\"0b\""},
        {"0b2", "\"0b2\""},
        {"1.5_0", "1.5"},
        {"!foo bar", "\"bar\""},
        {"!!timestamp 2001-01-01", "\"2001-01-01\""},
        {"0_7", "7"},
        {"00", "0"},
        {"0.", "0"},
        {"-1", "-1"},
        {"+0x1", "1"},
        {"1:2", "\"1:2\""},
        {"!!int 010", "8"},
        {"!!float 1_0.5", "10.5"},
        {"+0b1", "1"},
        {"0b1_1", "3"},
        {"-+1", "\"-+1\""},
        {"0x-1", "\"0x-1\""},
        {"0x+1", "\"0x+1\""},
        {"0x8000000000000000", "9223372036854775808"},
        {"-0x8000000000000000", "-9223372036854775808"},
        {"0xFFFFFFFFFFFFFFFF", "18446744073709551615"},
        {"0b1e", "\"0b1e\""},
        {"1e+5", "100000"},
        {".5e1", "5"},
        {"..5", "\"..5\""},
        {".", "\".\""},
        {"-.", "\"-.\""},
        {"1.2.3", "\"1.2.3\""},
        {"0x1p4", "\"0x1p4\""},
        {"1p4", "\"1p4\""},
        {"Inf", "\"Inf\""},
        {"NaN", "\"NaN\""},
        {"infinity", "\"infinity\""},
        {"18446744073709551616", "1.8446744073709552e+19"},
        {"-9223372036854775809", "-9.223372036854776e+18"},
        {"1e21", "1e+21"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(read(fmt::format("a: {}\n", row.text)), fmt::format("{{\"a\":{}}}", row.want))
            << row.text;
    }
}

TEST(ParseYaml, DocumentsAreReadAsKubectlReadsThem) {
    const Row rows[] = {
        {"", ""},
        {"# only a comment", ""},
        {"---\n---\na: 1\n---\n# nothing\n", R"({"a":1})"},
        {"a: 1\n---\nb: 2\n...\n", R"({"a":1} | {"b":2})"},
        {"a: {}\nb: []\nc:\n", R"({"a":{},"b":[],"c":null})"},
        {"on: push\n1: a\n0x10: b\n1.5: c\n1e3: d\n2001-01-01: e\n",
         R"({"true":"push","1":"a","16":"b","1.5":"c","1000":"d","2001-01-01":"e"})"},
        {"[a, b: 1]", R"(["a",{"b":1}])"},
        {"{a, b: 1}", R"({"a":null,"b":1})"},
        {"- a\n- - b\n  - c\n", R"(["a",["b","c"]])"},
        {"a: |\n  x\n  y\n", R"({"a":"x\ny\n"})"},
        {"a: >-\n  x\n  y\n", R"({"a":"x y"})"},
        {"a: 'it''s'", R"({"a":"it's"})"},
        {R"(a: "\x41\u00e9\n")", R"({"a":"Aé\n"})"},
        {"b: &x {m: 1}\nc: [*x, *x]\n", R"({"b":{"m":1},"c":[{"m":1},{"m":1}]})"},
        {"k: &x name\n*x : 1\n", R"({"k":"name","name":1})"},
        {"<<: {a: 1, b: 1}\na: 2\n", R"({"a":2,"b":1})"},
        {"a: 2\n<<: {a: 1}\n", R"({"a":1})"},
        {"<<: [{a: 1}, {a: 3, b: 2}]\n", R"({"a":1,"b":2})"},
        {"x: &x {a: 1}\nz:\n  <<: *x\n  b: 2\ny: 3\n",
         R"({"x":{"a":1},"z":{"a":1,"b":2},"true":3})"},
        {"\"<<\": {a: 1}", R"({"<<":{"a":1}})"},
        {"%YAML 1.1\n---\na: yes\n", R"({"a":true})"},
        {"\xef\xbb\xbf"
         "a: 1",
         R"({"a":1})"},
        {"a: 1\r\nb: 2\r\n", R"({"a":1,"b":2})"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(read(row.text), row.want) << row.text;
    }
}

TEST(ParseYaml, RefusesAndSaysWhere) {
    const Row rows[] = {
        {"a: 1\na: 2\n", "line 2, column 1: duplicate key a"},
        {"spec:\n  list:\n  - {x: 1, x: 2}\n", "line 3, column 12: duplicate key spec.list[0].x"},
        {"1: a\n\"1\": b\n", "line 2, column 1: duplicate key 1"},
        {"yes: a\ntrue: b\n", "line 2, column 1: duplicate key true"},
        {"~: a\n", "line 1, column 1: a key is null"},
        {"? [a]\n: b\n", "line 1, column 3: a key is not a scalar"},
        {"a: [.inf]\n", "line 1, column 5: a[0]: .inf has no JSON form"},
        {"a: .nan\n", "line 1, column 4: a: .nan has no JSON form"},
        {"a: !!int x\n", "line 1, column 4: a: x is not a !!int"},
        {"a: !!null x\n", "line 1, column 4: a: x is not a !!null"},
        {"<<: 3\n", "line 1, column 5: << wants an object, or an array of objects"},
        {"a: &a [*a]\n", "line 1, column 8: a[0]: an anchor contains itself"},
        {R"(a: "\N")",
         R"(line 1, column 4: a: an escape that is not read here: write \u0085 or \u00a0)"},
        {",x", "line 1, column 1: text after the end of the document"},
        {"[a] b", "line 1, column 5: text after the end of the document"},
        {"\xef\xbb\xbf[\xc3\xa9]\n---\n[b] c",
         "line 3, column 5: text after the end of the document"},
        {"a: \x01\n", "line 1, column 4: control character 0x01"},
        {"a: \xff\n", "the text is not UTF-8"},
    };
    for (const Row& row : rows) {
        const auto got = parse_yaml(row.text);
        ASSERT_FALSE(got) << row.text;
        EXPECT_EQ(got.error().code, base::Code::invalid) << row.text;
        EXPECT_EQ(got.error().message, row.want) << row.text;
    }
    for (const std::string_view text :
         {"a: b: c", "a: [1", "a: *nobody", "\ta: 1", "a: 'x", "{a: 1"}) {
        const auto got = parse_yaml(text);
        ASSERT_FALSE(got) << text;
        EXPECT_TRUE(got.error().message.starts_with("line 1, column ")) << got.error().message;
    }
}

TEST(ParseYaml, BombsAreRefused) {
    std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 9; ++i) {
        laughs += fmt::format("a{}: &a{} [*a{},*a{},*a{},*a{},*a{},*a{},*a{},*a{},*a{}]\n", i, i,
                              i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    EXPECT_EQ(parse_yaml(laughs).error().code, base::Code::exhausted);

    std::string long_text = "a: &a " + std::string(1'000'000, 'x') + "\nb: [";
    for (int i = 0; i < 1'000; ++i) {
        long_text += "*a,";
    }
    EXPECT_EQ(parse_yaml(long_text + "]").error().code, base::Code::exhausted);

    EXPECT_FALSE(parse_yaml(std::string(100'000, '[')));
    EXPECT_FALSE(parse_yaml(std::string(100'000, '{')));
    EXPECT_EQ(parse_yaml(std::string(1'000, '[') + std::string(1'000, ']')).error().code,
              base::Code::exhausted);
    std::string dashes;
    for (int i = 0; i < 10'000; ++i) {
        dashes += "- ";
    }
    EXPECT_EQ(parse_yaml(dashes + "x").error().code, base::Code::exhausted);
    std::string nested;
    for (std::size_t i = 0; i < 200; ++i) {
        nested += std::string(i, ' ') + "<<:\n";
    }
    EXPECT_FALSE(parse_yaml(nested));
    EXPECT_TRUE(parse_yaml("[1,2]", {.nodes_max = 3}));
    EXPECT_EQ(parse_yaml("[1,2]", {.nodes_max = 2}).error().code, base::Code::exhausted);
    EXPECT_EQ(parse_yaml("[1]\n---\n[2]", {.nodes_max = 3}).error().code, base::Code::exhausted);
    EXPECT_TRUE(parse_yaml("[[1]]", {.depth_max = 2}));
    EXPECT_EQ(parse_yaml("[[1]]", {.depth_max = 1}).error().code, base::Code::exhausted);
    EXPECT_EQ(parse_yaml("a: &a [1]\nb: [*a]", {.depth_max = 2}).error().code,
              base::Code::exhausted);
}

// JSON in, and what kubectl's library prints for {"k": JSON, "l": [JSON]}, taken down from a run of
// it.
TEST(WriteYaml, PrintsAsKubectlDoes) {
    const Row rows[] = {
        {"\"yes\"", "k: \"yes\"\nl:\n- \"yes\"\n"},
        {"\"y\"", "k: \"y\"\nl:\n- \"y\"\n"},
        {"\"n\"", "k: \"n\"\nl:\n- \"n\"\n"},
        {"\"on\"", "k: \"on\"\nl:\n- \"on\"\n"},
        {"\"true\"", "k: \"true\"\nl:\n- \"true\"\n"},
        {"\"1\"", "k: \"1\"\nl:\n- \"1\"\n"},
        {"\"1.5\"", "k: \"1.5\"\nl:\n- \"1.5\"\n"},
        {"\"0x1\"", "k: \"0x1\"\nl:\n- \"0x1\"\n"},
        {"\"\"", "k: \"\"\nl:\n- \"\"\n"},
        {"\"null\"", "k: \"null\"\nl:\n- \"null\"\n"},
        {"\"~\"", "k: \"~\"\nl:\n- \"~\"\n"},
        {"\"a: b\"", "k: 'a: b'\nl:\n- 'a: b'\n"},
        {"\"a #b\"", "k: 'a #b'\nl:\n- 'a #b'\n"},
        {"\"- a\"", "k: '- a'\nl:\n- '- a'\n"},
        {"\"-\"", "k: '-'\nl:\n- '-'\n"},
        {"\"a\\nb\"", "k: |-\n  a\n  b\nl:\n- |-\n  a\n  b\n"},
        {"\"a\\nb\\n\"", "k: |\n  a\n  b\nl:\n- |\n  a\n  b\n"},
        {"\"\\n\"", "k: |2+\n\nl:\n- |2+\n\n"},
        {"\" a\"", "k: ' a'\nl:\n- ' a'\n"},
        {"\"a \"", "k: 'a '\nl:\n- 'a '\n"},
        {"\"it's\"", "k: it's\nl:\n- it's\n"},
        {"\"\\\"q\\\"\"", "k: '\"q\"'\nl:\n- '\"q\"'\n"},
        {"\"*a\"", "k: '*a'\nl:\n- '*a'\n"},
        {"\"&a\"", "k: '&a'\nl:\n- '&a'\n"},
        {"\"!a\"", "k: '!a'\nl:\n- '!a'\n"},
        {"\"%a\"", "k: '%a'\nl:\n- '%a'\n"},
        {"\"@a\"", "k: '@a'\nl:\n- '@a'\n"},
        {"\"`a\"", "k: '`a'\nl:\n- '`a'\n"},
        {"\"{a\"", "k: '{a'\nl:\n- '{a'\n"},
        {"\"[a\"", "k: '[a'\nl:\n- '[a'\n"},
        {"\"a]\"", "k: a]\nl:\n- a]\n"},
        {"\"a,b\"", "k: a,b\nl:\n- a,b\n"},
        {"\"?\"", "k: '?'\nl:\n- '?'\n"},
        {"\"? a\"", "k: '? a'\nl:\n- '? a'\n"},
        {"\":\"", "k: ':'\nl:\n- ':'\n"},
        {"\"a:\"", "k: 'a:'\nl:\n- 'a:'\n"},
        {"\"a:b\"", "k: a:b\nl:\n- a:b\n"},
        {"\"#a\"", "k: '#a'\nl:\n- '#a'\n"},
        {"\"|\"", "k: '|'\nl:\n- '|'\n"},
        {"\">\"", "k: '>'\nl:\n- '>'\n"},
        {"\"=\"", "k: =\nl:\n- =\n"},
        {"\"<<\"", "k: <<\nl:\n- <<\n"},
        {"\"2001-01-01\"", "k: \"2001-01-01\"\nl:\n- \"2001-01-01\"\n"},
        {"\"2001-01-01T00:00:00Z\"",
         "k: \"2001-01-01T00:00:00Z\"\nl:\n- \"2001-01-01T00:00:00Z\"\n"},
        {"\"1_0\"", "k: \"1_0\"\nl:\n- \"1_0\"\n"},
        {"\"0o7\"", "k: \"0o7\"\nl:\n- \"0o7\"\n"},
        {"\"1e3\"", "k: \"1e3\"\nl:\n- \"1e3\"\n"},
        {"\"12:30\"", "k: \"12:30\"\nl:\n- \"12:30\"\n"},
        {"\"12:30:45\"", "k: \"12:30:45\"\nl:\n- \"12:30:45\"\n"},
        {"\"\\u0001\"", "k: \"\\x01\"\nl:\n- \"\\x01\"\n"},
        {"\"\\t\"", "k: \"\\t\"\nl:\n- \"\\t\"\n"},
        {"\"a\\tb\"", "k: \"a\\tb\"\nl:\n- \"a\\tb\"\n"},
        {"\"é\"", "k: é\nl:\n- é\n"},
        {"\"---\"", "k: '---'\nl:\n- '---'\n"},
        {"\"...\"", "k: '...'\nl:\n- '...'\n"},
        {"\"--- a\"", "k: '--- a'\nl:\n- '--- a'\n"},
        {"\"a\\n\\nb\"", "k: |-\n  a\n\n  b\nl:\n- |-\n  a\n\n  b\n"},
        {"\"  a\\nb\"", "k: |2-\n    a\n  b\nl:\n- |2-\n    a\n  b\n"},
        {"\"a\\n  b\"", "k: |-\n  a\n    b\nl:\n- |-\n  a\n    b\n"},
        {"\"a \\nb\"", "k: \"a \\nb\"\nl:\n- \"a \\nb\"\n"},
        {"\"a\\r\\nb\"", "k: \"a\\r\\nb\"\nl:\n- \"a\\r\\nb\"\n"},
        {"\"a\\rb\"", "k: \"a\\rb\"\nl:\n- \"a\\rb\"\n"},
        {"\"null \"", "k: 'null '\nl:\n- 'null '\n"},
        {"\".inf\"", "k: \".inf\"\nl:\n- \".inf\"\n"},
        {"\"+1\"", "k: \"+1\"\nl:\n- \"+1\"\n"},
        {"\"0b1\"", "k: \"0b1\"\nl:\n- \"0b1\"\n"},
        {"\"017\"", "k: \"017\"\nl:\n- \"017\"\n"},
        {"\"08\"", "k: \"08\"\nl:\n- \"08\"\n"},
        {"\"'\"", "k: ''''\nl:\n- ''''\n"},
        {"\"a'b\"", "k: a'b\nl:\n- a'b\n"},
        {"1.5", "k: 1.5\nl:\n- 1.5\n"},
        {"100", "k: 100\nl:\n- 100\n"},
        {"null", "k: null\nl:\n- null\n"},
        {"true", "k: true\nl:\n- true\n"},
        {"{}", "k: {}\nl:\n- {}\n"},
        {"[]", "k: []\nl:\n- []\n"},
        {"[[1,2],[]]", "k:\n- - 1\n  - 2\n- []\nl:\n- - - 1\n    - 2\n  - []\n"},
        {"[{\"a\":1,\"b\":[1]}]", "k:\n- a: 1\n  b:\n  - 1\nl:\n- - a: 1\n    b:\n    - 1\n"},
        {"{\"b\":{\"y\":[1,{\"z\":null}]},\"a\":\"x\",\"a10\":1,\"a2\":2,\"A\":1}",
         "k:\n  A: 1\n  a: x\n  a2: 2\n  a10: 1\n  b:\n    \"y\":\n    - 1\n    - z: null\nl:\n- "
         "A: 1\n  a: x\n  a2: 2\n  a10: 1\n  b:\n    \"y\":\n    - 1\n    - z: null\n"},
        {"\"a\\n\"", "k: |\n  a\nl:\n- |\n  a\n"},
        {"\"a\\n\\n\"", "k: |+\n  a\n\nl:\n- |+\n  a\n\n"},
        {"\"\\na\"", "k: |2-\n\n  a\nl:\n- |2-\n\n  a\n"},
        {"\"\\u007f\"", "k: \"\\x7F\"\nl:\n- \"\\x7F\"\n"},
        {"\"\\u00a0\"",
         "k: \xc2"
         "\xa0"
         "\nl:\n- \xc2"
         "\xa0"
         "\n"},
        {"\"x\\u0000y\"", "k: \"x\\0y\"\nl:\n- \"x\\0y\"\n"},
        {"\"-1\"", "k: \"-1\"\nl:\n- \"-1\"\n"},
        {"\"-a\"", "k: -a\nl:\n- -a\n"},
        {"\"--\"", "k: --\nl:\n- --\n"},
        {"\"?a\"", "k: ?a\nl:\n- ?a\n"},
        {"\":a\"", "k: :a\nl:\n- :a\n"},
        {"\"a#b\"", "k: a#b\nl:\n- a#b\n"},
        {"\"a %b\"", "k: a %b\nl:\n- a %b\n"},
        {"\"x: y: z\"", "k: 'x: y: z'\nl:\n- 'x: y: z'\n"},
        {"\"TRUE\"", "k: \"TRUE\"\nl:\n- \"TRUE\"\n"},
        {"\"Off\"", "k: \"Off\"\nl:\n- \"Off\"\n"},
        {"\"a: \\nb\"", "k: \"a: \\nb\"\nl:\n- \"a: \\nb\"\n"},
        {"\"- x\\n\"", "k: |\n  - x\nl:\n- |\n  - x\n"},
        {"\"\\ta\"", "k: \"\\ta\"\nl:\n- \"\\ta\"\n"},
        {"\"a\\t\"", "k: \"a\\t\"\nl:\n- \"a\\t\"\n"},
        {"\"\\u200b\"",
         "k: \xe2"
         "\x80"
         "\x8b"
         "\nl:\n- \xe2"
         "\x80"
         "\x8b"
         "\n"},
        {"18446744073709551615", "k: 18446744073709551615\nl:\n- 18446744073709551615\n"},
        {"9223372036854775808", "k: 9223372036854775808\nl:\n- 9223372036854775808\n"},
        {"\"\\u0001\\u0000\\u007f\"", "k: \"\\x01\\0\\x7F\"\nl:\n- \"\\x01\\0\\x7F\"\n"},
    };
    for (const Row& row : rows) {
        const auto value = parse_json(fmt::format("{{\"k\":{0},\"l\":[{0}]}}", row.text));
        ASSERT_TRUE(value) << row.text << value.error().message;
        EXPECT_EQ(write_yaml(*value), row.want) << row.text;
        const auto back = parse_yaml(write_yaml(*value));
        ASSERT_TRUE(back) << row.text << back.error().message;
        EXPECT_EQ(back->at(0), *value) << row.text;
    }
}

}  // namespace
}  // namespace tidemill::wire
