#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/result.h"
#include "base/text.h"
#include "base/time.h"

namespace tidemill::base {
namespace {

Result<int> half(int n) {
    if (n % 2 != 0) {
        return fail(Code::invalid, "{} is odd", n);
    }
    return n / 2;
}

Result<int> quarter(int n) {
    TRY(const int h, half(n));
    return half(h);
}

TEST(Result, TryPassesTheFirstErrorOn) {
    EXPECT_EQ(quarter(8), 2);
    EXPECT_EQ(quarter(6).error(), (Error{Code::invalid, "3 is odd"}));
    EXPECT_EQ(quarter(5).error().message, "5 is odd");
}

TEST(Check, EndsTheProcessWithThePlace) {
    EXPECT_DEATH(CHECK(1 == 2), "base_test.cc:.*CHECK\\(1 == 2\\) failed");
}

TEST(Time, Rfc3339) {
    EXPECT_EQ(format_rfc3339(WallTime{0}), "1970-01-01T00:00:00Z");
    EXPECT_EQ(format_rfc3339_ns(WallTime{1'000'000'001}), "1970-01-01T00:00:01.000000001Z");
    EXPECT_EQ(format_rfc3339(WallTime{-1}), "1969-12-31T23:59:59Z");
    EXPECT_EQ(parse_rfc3339("2026-11-20T23:20:00Z"), parse_rfc3339("2026-11-21T01:20:00+02:00"));
    EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.5Z"), WallTime{500'000'000});
    for (const char* bad : {"", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01",
                            "2026-01-01T00:00:00", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00Zx",
                            "2026-01-01T00:00:00.Z", "9999-01-01T00:00:00Z"}) {
        EXPECT_FALSE(parse_rfc3339(bad)) << bad;
    }
}

TEST(Time, Durations) {
    EXPECT_EQ(parse_duration("60s"), Duration(60s));
    EXPECT_EQ(parse_duration("1m30s"), Duration(90s));
    EXPECT_EQ(parse_duration("1.5h"), Duration(90min));
    EXPECT_EQ(parse_duration("250ms"), Duration(250ms));
    for (const char* bad : {"", "1", "s", "1x", "1s1", "--1s", "99999999999h"}) {
        EXPECT_FALSE(parse_duration(bad)) << bad;
    }
    EXPECT_EQ(format_duration(90s), "1m30s");
    EXPECT_EQ(format_duration(1500us), "1ms500us");
    EXPECT_EQ(format_duration(Duration(0)), "0s");
}

TEST(Time, InstantSaturates) {
    EXPECT_EQ(Instant{5} + Duration::max(), Instant::never());
}

TEST(Bytes, Base64) {
    for (const std::string text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\xfe"}) {
        EXPECT_EQ(from_base64(to_base64(as_bytes(text))), text);
        EXPECT_EQ(from_base64url(to_base64url(as_bytes(text))), text);
        EXPECT_EQ(from_hex(to_hex(as_bytes(text))), text);
    }
    EXPECT_EQ(to_base64(as_bytes("fo")), "Zm8=");
    for (const char* bad : {"Zm8", "Zm9=", "Z===", "Zm8=Zm8=", "Zm 8", "Zm8\n"}) {
        EXPECT_FALSE(from_base64(bad)) << bad;
    }
}

TEST(Bytes, Utf8) {
    EXPECT_TRUE(is_utf8("plain, ü, €, 😀"));
    for (const char* bad : {"\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                            "\xf0\x9f\x98", "\xff"}) {
        EXPECT_FALSE(is_utf8(bad));
    }
}

TEST(Text, Questions) {
    EXPECT_TRUE(equals_ignoring_case("Content-Length", "content-lengtH"));
    EXPECT_FALSE(equals_ignoring_case("a", "ab"));
    EXPECT_EQ(trim(" \ta b\t "), "a b");
    EXPECT_EQ(split("a,,b", ',').size(), 3U);
    EXPECT_EQ(parse_number<int>("12"), 12);
    EXPECT_FALSE(parse_number<unsigned>("-1"));
    EXPECT_FALSE(parse_number<int>("+1"));
    EXPECT_FALSE(parse_number<unsigned char>("256"));
    EXPECT_FALSE(parse_number<int>(""));
    EXPECT_EQ(edit_distance("deply", "deploy"), 1U);
}

}  // namespace
}  // namespace tidemill::base
