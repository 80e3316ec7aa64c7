#include "cli/text/output.h"

#include <gtest/gtest.h>

#include "cli/api/session.h"
#include "cli/refusal.h"
#include "cli/text/json_path.h"
#include "cli/text/table.h"

namespace tidemill::cli {
namespace {

TEST(Table, AlignsColumnsWithoutSpacesAtTheEnd) {
    Table table({"NAME", "URL"});
    table.add({"shop", ""});
    table.add({"ü", "http://x"});
    table.add({"\x1b[32mTrue\x1b[0m", "a\nb"});
    EXPECT_EQ(table.text(), "NAME   URL\nshop\nü      http://x\n\x1b[32mTrue\x1b[0m   a b\n");
}

TEST(JsonPath, Table) {
    const auto document = *wire::parse_json(
        R"({"metadata":{"name":"shop","labels":{"a.b/c":"x"}},"n":7,"none":null,
            "items":[{"t":"Ready","s":"True"},{"t":"Other","s":"False"}]})");
    struct Row {
        const char* name;
        std::string_view path;
        std::string_view want;
    };
    const Row rows[] = {
        {"a key", "{.metadata.name}", "shop"},
        {"without braces", ".metadata.name", "shop"},
        {"without braces and dot", "metadata.name", "shop"},
        {"a number", "{.n}", "7"},
        {"null is nothing", "{.none}", ""},
        {"what is not there is nothing", "{.metadata.uid}", ""},
        {"text around", "name={.metadata.name}!", "name=shop!"},
        {"a key with dots, escaped", "{.metadata.labels.a\\.b/c}", "x"},
        {"a key with dots, quoted", "{.metadata.labels['a.b/c']}", "x"},
        {"an index", "{.items[1].t}", "Other"},
        {"from the end", "{.items[-1].t}", "Other"},
        {"all", "{.items[*].t}", "Ready Other"},
        {"a filter", R"({.items[?(@.t=="Ready")].s})", "True"},
        {"a filter that denies", "{.items[?(@.t!='Ready')].t}", "Other"},
        {"a range", R"({range .items[*]}{.t}={.s}{"\n"}{end})", "Ready=True\nOther=False\n"},
        {"an empty range", "{range .nothing[*]}{.t}{end}x", "x"},
        {"an object as JSON", "{.items[0]}", R"({"t":"Ready","s":"True"})"},
    };
    for (const auto& row : rows) {
        const auto got = apply_json_path(row.path, document);
        ASSERT_TRUE(got) << row.name << got.error().message;
        EXPECT_EQ(*got, row.want) << row.name;
    }
    for (const std::string_view wrong :
         {"{.a", "{.items[}", "{range .items[*]}{.t}", "{end}", "{.items[x]}", "{x y}"}) {
        EXPECT_FALSE(apply_json_path(wrong, document)) << wrong;
    }
}

TEST(Ages, AreShort) {
    using namespace std::chrono_literals;
    const std::pair<base::Duration, std::string_view> rows[] = {
        {-5s, "0s"},    {59s, "59s"}, {119s, "119s"}, {125s, "2m5s"},
        {45min, "45m"}, {5h, "5h"},   {96h, "4d"}};
    for (const auto& [span, want] : rows) {
        EXPECT_EQ(age_text(span), want);
    }
    EXPECT_EQ(*parse_span("90d"), 90 * 24h);
    EXPECT_EQ(*parse_span("45"), 45s);
    EXPECT_FALSE(parse_span("soon"));
    EXPECT_FALSE(parse_span("-3s"));
}

TEST(Refusals, AreShownWithoutTheFrameAndWithTheirPage) {
    EXPECT_EQ(plain_message("admission webhook \"validation.webhook.serving.knative.dev\" denied "
                            "the request: validation failed: Traffic targets sum to 90, want 100: "
                            "spec.traffic"),
              "Traffic targets sum to 90, want 100: spec.traffic");
    EXPECT_EQ(stable_code("no credentials were sent (TM-301)"), "TM-301");
    EXPECT_EQ(stable_code("TM-405: compile ended"), "TM-405");
    EXPECT_EQ(stable_code("plain"), "");
    EXPECT_NE(advice_for({base::Code::denied, "no (TM-301)"}).find("TM-301"), std::string::npos);
}

}  // namespace
}  // namespace tidemill::cli
