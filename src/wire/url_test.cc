#include "wire/url.h"

#include <gtest/gtest.h>

namespace tidemill::wire {
namespace {

using namespace std::literals;

TEST(NormalisePath, GivesOneForm) {
    struct Row {
        std::string_view path;
        std::string_view want;
    };
    const Row rows[] = {
        {"/", "/"},           {"/a/b", "/a/b"},
        {"/a/./b", "/a/b"},   {"/a/../b", "/b"},
        {"/a/..", "/"},       {"/a/b/..", "/a/"},
        {"/a/.", "/a/"},      {"/a/%2e%2E/b", "/b"},
        {"/%61%62", "/ab"},   {"/%c3%a9", "/%C3%A9"},
        {"/%20", "/%20"},     {"/a//b", "/a//b"},
        {"/a//../b", "/a/b"}, {"//..", "/"},
        {"/...", "/..."},     {"/.a", "/.a"},
        {"/a;b=c", "/a;b=c"}, {"/%25%32%65", "/%252e"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(normalise_path(row.path), std::string(row.want)) << row.path;
        EXPECT_EQ(normalise_path(row.want), std::string(row.want)) << row.path;
    }
}

TEST(NormalisePath, RefusesWhatServersReadDifferently) {
    for (const std::string_view bad :
         {""sv, "a"sv, "/.."sv, "/a/../.."sv, "/%2e%2e/a"sv, "/a%2fb"sv, "/a%2Fb"sv, "/a%5cb"sv,
          "/a%00"sv, "/%"sv, "/%4"sv, "/%zz"sv, "/%4g"sv}) {
        EXPECT_FALSE(normalise_path(bad)) << bad;
    }
}

TEST(Percent, RoundTrips) {
    const std::string_view text = "a b/c?d=\xc3\xa9~\0"sv;
    EXPECT_EQ(percent_encode(text), "a%20b%2Fc%3Fd%3D%C3%A9~%00");
    EXPECT_EQ(percent_decode(percent_encode(text)), std::string(text));
    EXPECT_EQ(percent_decode("a+b"), "a+b");
    EXPECT_FALSE(percent_decode("%a"));
}

TEST(ParseQuery, KeepsOrderAndDuplicates) {
    const auto pairs = parse_query("b=1&a=%20+x&b=2&&flag&=v&c=d=e");
    ASSERT_TRUE(pairs);
    const std::vector<std::pair<std::string, std::string>> want = {
        {"b", "1"}, {"a", "  x"}, {"b", "2"}, {"flag", ""}, {"", "v"}, {"c", "d=e"}};
    EXPECT_EQ(*pairs, want);
    EXPECT_TRUE(parse_query("")->empty());
    EXPECT_FALSE(parse_query("a=%"));
    EXPECT_TRUE(parse_query("a&b", 2));
    EXPECT_EQ(parse_query("a&b&c", 2).error().code, base::Code::exhausted);
}

}  // namespace
}  // namespace tidemill::wire
