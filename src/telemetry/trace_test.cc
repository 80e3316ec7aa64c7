#include "telemetry/trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace tidemill::telemetry {
namespace {

const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string text_of(const TraceContext& context) {
    const auto text = format_traceparent(context);
    return {text.begin(), text.end()};
}

TEST(Traceparent, RoundTrips) {
    const auto context = parse_traceparent(good);
    ASSERT_TRUE(context);
    EXPECT_EQ(context->sampled, TraceContext::Sampled::yes);
    EXPECT_EQ(text_of(*context), good);
    EXPECT_EQ(trace_id_text(*context), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(Traceparent, PassesNoFlagButSampled) {
    EXPECT_TRUE(text_of(*parse_traceparent(good.substr(0, 53) + "ff")).ends_with("-01"));
    EXPECT_TRUE(text_of(*parse_traceparent(good.substr(0, 53) + "fe")).ends_with("-00"));
}

TEST(Traceparent, ReadsTheFirstFieldsOfALaterVersion) {
    for (const char* rest : {"", "-", "-what the future will be like"}) {
        const auto context = parse_traceparent("cc" + good.substr(2) + rest);
        ASSERT_TRUE(context) << rest;
        EXPECT_EQ(text_of(*context), good) << "we speak version 00";
    }
    EXPECT_FALSE(parse_traceparent("cc" + good.substr(2) + ".what"));
}

TEST(Traceparent, RefusesWhatIsNone) {
    const auto with = [](std::size_t at, std::string_view text) {
        std::string changed = good;
        return changed.replace(at, text.size(), text);
    };
    const std::string cases[] = {
        "",
        good.substr(0, 54),
        good + "-",
        good + "0",
        " " + good,
        with(0, "ff"),
        with(0, "0x"),
        with(2, "_"),
        with(3, "00000000000000000000000000000000"),
        with(36, "0000000000000000"),
        with(3, "4BF9"),
        with(36, "F0"),
        with(35, "0"),
        with(52, "."),
        with(53, "0G"),
        with(20, "\xff"),
    };
    for (const auto& text : cases) {
        EXPECT_FALSE(parse_traceparent(text)) << text;
    }
}

struct Counting final : host::Random {
    std::byte next{0};
    void fill(std::span<std::byte> bytes) override { std::ranges::fill(bytes, next); }
};

TEST(Traceparent, NewOnesAreNeverAllZeroAndChildrenKeepTheTrace) {
    Counting random;
    const auto root = begin_trace(random, TraceContext::Sampled::yes);
    EXPECT_TRUE(parse_traceparent(text_of(root)));
    random.next = std::byte{7};
    const auto child = begin_span(root, random);
    EXPECT_EQ(child.trace_id, root.trace_id);
    EXPECT_NE(child.span_id, root.span_id);
    EXPECT_EQ(child.sampled, root.sampled);
    EXPECT_TRUE(parse_traceparent(text_of(child)));
}

TEST(Tracestate, PassesWhatIsWellFormed) {
    EXPECT_EQ(pass_tracestate("congo=t61rcWkgMzE"), "congo=t61rcWkgMzE");
    EXPECT_EQ(pass_tracestate(" rojo=00f067 ,\t, congo=a b ,fw529a3039@dt=x"),
              "rojo=00f067,congo=a b,fw529a3039@dt=x");
    EXPECT_EQ(pass_tracestate(""), "");
    EXPECT_EQ(pass_tracestate("a/*-_9=!~"), "a/*-_9=!~");
}

TEST(Tracestate, RefusesWhatIsNot) {
    for (const auto& text :
         {std::string("a"), std::string("=x"), std::string("A=x"), std::string("a="),
          std::string("a=b=c"), std::string("a=\x01"), std::string("a=\xc3\xa4"),
          std::string("a=1,b=2,a=3"), std::string("1a=x"), std::string("@x=1"), std::string("a@=1"),
          std::string("a@1=1"), std::string("a@abcdefghijklmno=1"), std::string("a b=1"),
          std::string(257, 'a') + "=1", "a=" + std::string(257, 'v')}) {
        EXPECT_FALSE(pass_tracestate(text)) << text;
    }
    std::string many;
    for (int i = 0; i < 32; ++i) {
        many += "k" + std::to_string(i) + "=v,";
    }
    EXPECT_TRUE(pass_tracestate(many));
    EXPECT_FALSE(pass_tracestate(many + "last=v"));
}

TEST(Tracestate, BeyondItsSizeTheLongOnesGoFirstThenTheLast) {
    const std::string long_one = "long=" + std::string(200, 'x');
    std::string state = "first=1," + long_one;
    for (int i = 0; i < 20; ++i) {
        state += ",k" + std::to_string(i) + "=" + std::string(20, 'v');
    }
    const auto passed = pass_tracestate(state);
    ASSERT_TRUE(passed);
    EXPECT_LE(passed->size(), 512U);
    EXPECT_TRUE(passed->starts_with("first=1,k0="));
    EXPECT_EQ(passed->find("long="), std::string::npos);
    EXPECT_NE(passed->find("k19="), std::string::npos) << "without the long one all others fit";
    const auto cut = pass_tracestate(state + "," + "z=" + std::string(100, 'v'));
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->find("z="), std::string::npos);
    EXPECT_NE(cut->find("k19="), std::string::npos);
}

}  // namespace
}  // namespace tidemill::telemetry
