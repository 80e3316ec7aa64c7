#include "telemetry/log.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace tidemill::telemetry {
namespace {

using namespace std::chrono_literals;

struct FixedClock final : host::Clock {
    base::WallTime wall_now() const override {
        return *base::parse_rfc3339("2026-11-20T12:03:04.123Z");
    }
    base::Instant monotonic_now() const override { return {}; }
};

struct Lines final : Sink {
    std::vector<std::string> lines;
    void write(std::string_view line) override { lines.emplace_back(line); }
};

struct Log {
    explicit Log(LogOptions options) : logger(clock, sink, "agent", std::move(options)) {}
    FixedClock clock;
    Lines sink;
    Logger logger;
    std::string last() const { return sink.lines.empty() ? "" : sink.lines.back(); }
};

TEST(Log, HumanForm) {
    Log log(LogOptions{});
    log.logger.info("instance shop-00001-x7 ready in 12 ms", {{"revision", "default/shop-00001"}});
    EXPECT_EQ(log.last(),
              "12:03:04.123 agent   instance shop-00001-x7 ready in 12 ms  "
              "revision=default/shop-00001\n");
    log.logger.warn("slow", {{"took", 1500ms}, {"tries", 3}, {"ratio", 0.5}, {"last", true}});
    EXPECT_EQ(log.last(),
              "12:03:04.123 agent   warn: slow  took=1s500ms tries=3 ratio=0.5 last=true\n");
    log.logger.info("said", {{"text", "two \"words\""}, {"empty", ""}, {"path", "a=b"}});
    EXPECT_EQ(log.last(),
              "12:03:04.123 agent   said  text=\"two \\\"words\\\"\" empty=\"\" path=\"a=b\"\n");
}

TEST(Log, JsonForm) {
    Log log({.format = LogOptions::Format::json});
    log.logger.error("said \"no\"\n", {{"n", -3},
                                       {"big", UINT64_MAX},
                                       {"took", 2ms},
                                       {"nan", std::numeric_limits<double>::infinity()},
                                       {"bad", "a\xff\x01z"}});
    EXPECT_EQ(log.last(),
              R"({"time":"2026-11-20T12:03:04.123000000Z","level":"error","role":"agent",)"
              R"("message":"said \"no\"\n","n":-3,"big":18446744073709551615,"took":"2ms",)"
              "\"nan\":\"inf\",\"bad\":\"a\xef\xbf\xbd\\u0001z\"}\n");
}

TEST(Log, NoTextMakesASecondLineOrCommandsATerminal) {
    for (const auto format : {LogOptions::Format::human, LogOptions::Format::json}) {
        Log log({.format = format});
        const std::string evil = "a\nb\r\x1b[31m\xc2\x9b\x7f\\";
        log.logger.info(evil, {{"key", evil}});
        const auto line = log.last();
        EXPECT_EQ(line.find('\n'), line.size() - 1);
        EXPECT_EQ(line.find_first_of("\r\x1b\x7f"), std::string::npos);
        if (format == LogOptions::Format::human) {
            EXPECT_EQ(line.find("\xc2\x9b"), std::string::npos);
        }
    }
}

TEST(Log, RecordsBelowTheLowestLevelAreDropped) {
    Log log({.lowest = Level::warn});
    log.logger.debug("x");
    log.logger.info("x");
    EXPECT_TRUE(log.sink.lines.empty());
    log.logger.warn("x");
    EXPECT_EQ(log.sink.lines.size(), 1U);
    EXPECT_FALSE(log.logger.enabled(Level::info));
}

TEST(Log, LinesAreCutAtTheirLimit) {
    for (const auto format : {LogOptions::Format::human, LogOptions::Format::json}) {
        Log log({.format = format, .line_bytes_max = 200});
        log.logger.info("short", {{"fits", 1}, {"long", std::string(5000, 'x')}, {"also", 2}});
        EXPECT_LE(log.last().size(), 220U);
        EXPECT_NE(log.last().find("fits"), std::string::npos);
        std::string umlauts;
        for (int i = 0; i < 3000; ++i) {
            umlauts += "\xc3\xa4";
        }
        log.logger.info(umlauts);
        EXPECT_LE(log.last().size(), 260U);
    }
    Log log({.format = LogOptions::Format::json, .line_bytes_max = 200});
    log.logger.info("short", {{"long", std::string(5000, 'x')}, {"also", 2}});
    EXPECT_TRUE(log.last().ends_with(R"("also":2,"cut":true})"
                                     "\n"))
        << log.last();
}

TEST(Log, SecretsAreNotWritten) {
    Log log({.redact = [](std::string_view, std::string_view value) {
        return value.starts_with("sk-");
    }});
    log.logger.info("login", {{"user", "ann"},
                              {"password", "hunter2"},
                              {"Authorization", "Bearer abc"},
                              {"api_token", 12345},
                              {"key", "sk-123"}});
    EXPECT_EQ(log.last(),
              "12:03:04.123 agent   login  user=ann password=[redacted] "
              "Authorization=[redacted] api_token=[redacted] key=[redacted]\n");
    EXPECT_FALSE(is_secret_key("tokens_used"));
    EXPECT_FALSE(is_secret_key("author"));
}

}  // namespace
}  // namespace tidemill::telemetry
