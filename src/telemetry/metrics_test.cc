#include "telemetry/metrics.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/text.h"

namespace tidemill::telemetry {
namespace {

using Kind = FamilyOptions::Kind;

// Reads the text format 0.0.4 as strictly as its description allows, so that what it accepts every
// reader accepts. The result: sample name with labels as written, to value. `error` says what is
// wrong.
class Exposition {
public:
    std::map<std::string, double> samples;
    std::string error;

    explicit Exposition(std::string_view text) {
        if (!text.empty() && !text.ends_with('\n')) {
            error = "last line has no end";
        }
        if (!base::is_utf8(text)) {
            error = "not UTF-8";
        }
        auto lines = base::split(text, '\n');
        lines.pop_back();
        for (const auto line : lines) {
            if (!error.empty()) {
                return;
            }
            if (!(line.starts_with("# ") ? comment(line.substr(2)) : sample(line))) {
                error += " in: " + std::string(line);
            }
        }
    }

private:
    bool refuse(const char* why) {
        error = why;
        return false;
    }
    static bool name_at(std::string_view& text, std::string& out, bool colon) {
        std::size_t size = 0;
        const auto fits = [&](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                   (colon && c == ':') || (size > 0 && c >= '0' && c <= '9');
        };
        while (size < text.size() && fits(text[size])) {
            ++size;
        }
        out = text.substr(0, size);
        text.remove_prefix(size);
        return size > 0;
    }
    bool comment(std::string_view text) {
        const auto kind = text.substr(0, 5);
        text.remove_prefix(std::min<std::size_t>(5, text.size()));
        std::string name;
        if (!name_at(text, name, true) || !text.starts_with(' ')) {
            return refuse("comment without a name");
        }
        text.remove_prefix(1);
        if (kind == "HELP ") {
            family_ = name;
            if (!families_.insert(name).second) {
                return refuse("family twice");
            }
            for (std::size_t i = 0; i < text.size(); ++i) {
                if (text[i] == '\\' &&
                    (++i == text.size() || (text[i] != '\\' && text[i] != 'n'))) {
                    return refuse("bad escape in help");
                }
            }
            return true;
        }
        if (kind == "TYPE ") {
            type_ = text;
            last_bucket_ = 0;
            if (name != family_) {
                return refuse("TYPE of another family");
            }
            return type_ == "counter" || type_ == "gauge" || type_ == "histogram"
                       ? true
                       : refuse("unknown type");
        }
        return refuse("neither HELP nor TYPE");
    }
    bool labels(std::string_view& text, std::optional<std::string>& le) {
        std::set<std::string> seen;
        do {
            text.remove_prefix(1);
            std::string name;
            if (!name_at(text, name, false) || !text.starts_with("=\"") ||
                !seen.insert(name).second) {
                return refuse("bad label");
            }
            text.remove_prefix(2);
            std::string value;
            while (!text.empty() && text[0] != '"') {
                if (text[0] == '\\') {
                    if (text.size() < 2 ||
                        std::string_view("\\\"n").find(text[1]) == std::string_view::npos) {
                        return refuse("bad escape in a label");
                    }
                    value += text[1] == 'n' ? '\n' : text[1];
                    text.remove_prefix(2);
                } else {
                    value += text[0];
                    text.remove_prefix(1);
                }
            }
            if (text.empty()) {
                return refuse("label without an end");
            }
            text.remove_prefix(1);
            if (name == "le") {
                le = value;
            }
        } while (text.starts_with(','));
        if (!text.starts_with('}')) {
            return refuse("labels without an end");
        }
        text.remove_prefix(1);
        return true;
    }
    bool sample(std::string_view text) {
        const auto line = text;
        std::string name;
        std::optional<std::string> le;
        if (!name_at(text, name, true)) {
            return refuse("no name");
        }
        if (text.starts_with('{') && !labels(text, le)) {
            return false;
        }
        const std::string key(line.substr(0, line.size() - text.size()));
        if (!text.starts_with(' ')) {
            return refuse("no value");
        }
        const std::string number(text.substr(1));
        char* end = nullptr;
        const double value = std::strtod(number.c_str(), &end);
        if (number.empty() || number.find(' ') != std::string::npos || *end != '\0') {
            return refuse("bad value");
        }
        std::string expected = family_;
        if (type_ == "histogram") {
            const auto suffix = name.substr(std::min(name.size(), family_.size()));
            if (suffix != "_bucket" && suffix != "_sum" && suffix != "_count") {
                return refuse("bad suffix");
            }
            expected += suffix;
            if ((suffix == "_bucket") != le.has_value()) {
                return refuse("le where it should not be, or none");
            }
            if (suffix == "_bucket") {
                if (value < last_bucket_) {
                    return refuse("buckets are not cumulative");
                }
                last_bucket_ = value;
                saw_inf_ = le == "+Inf";
            } else {
                if (!saw_inf_ || (suffix == "_count" && value != last_bucket_)) {
                    return refuse("_count is not the +Inf bucket");
                }
                if (suffix == "_count") {
                    last_bucket_ = 0;
                    saw_inf_ = false;
                }
            }
        }
        if (name != expected) {
            return refuse("sample of another family");
        }
        return samples.emplace(key, value).second ? true : refuse("sample twice");
    }

    std::set<std::string> families_;
    std::string family_;
    std::string type_;
    double last_bucket_ = 0;
    bool saw_inf_ = false;
};

TEST(Registry, MergesTheShardsOfAllWorkers) {
    Registry registry;
    const auto requests = *registry.add({.kind = Kind::counter,
                                         .name = "tidemill_requests_total",
                                         .help = "Requests answered.",
                                         .labels = {"revision", "class"}});
    const auto open = *registry.add(
        {.kind = Kind::gauge, .name = "tidemill_connections", .help = "Open now.", .labels = {}});
    auto& one = registry.add_shard();
    auto& two = registry.add_shard();
    one.counter(requests, {"a", "2xx"}).add(3);
    two.counter(requests, {"a", "2xx"}).add(4);
    two.counter(requests, {"b", "5xx"}).add();
    one.gauge(open).set(2);
    two.gauge(open).add(0.5);
    const Exposition text(registry.render());
    EXPECT_EQ(text.error, "");
    const std::map<std::string, double> expected{
        {R"(tidemill_requests_total{revision="a",class="2xx"})", 7},
        {R"(tidemill_requests_total{revision="b",class="5xx"})", 1},
        {"tidemill_connections", 2.5}};
    EXPECT_EQ(text.samples, expected);
}

TEST(Registry, HistogramsShowTheirBoundsInTheUnitOfTheirName) {
    Registry registry;
    const auto family = *registry.add({.kind = Kind::histogram,
                                       .name = "tidemill_request_seconds",
                                       .help = "Time to the last byte.",
                                       .labels = {"revision"},
                                       .bounds = {0.001, 0.01, 0.1}});
    auto& shard = registry.add_shard();
    auto& histogram = shard.histogram(family, {"a"});
    for (const std::uint64_t us : {500U, 900U, 5'000U, 50'000U, 500'000U}) {
        histogram.record(us);
    }
    registry.add_shard().histogram(family, {"a"}).record(100);
    const auto rendered = registry.render();
    const Exposition text(rendered);
    EXPECT_EQ(text.error, "");
    const auto at = [&](const char* name) {
        const auto found = text.samples.find(name);
        EXPECT_NE(found, text.samples.end()) << name << " in\n" << rendered;
        return found == text.samples.end() ? -1 : found->second;
    };
    EXPECT_EQ(at(R"(tidemill_request_seconds_bucket{revision="a",le="0.001"})"), 3);
    EXPECT_EQ(at(R"(tidemill_request_seconds_bucket{revision="a",le="0.01"})"), 4);
    EXPECT_EQ(at(R"(tidemill_request_seconds_bucket{revision="a",le="0.1"})"), 5);
    EXPECT_EQ(at(R"(tidemill_request_seconds_bucket{revision="a",le="+Inf"})"), 6);
    EXPECT_EQ(at(R"(tidemill_request_seconds_count{revision="a"})"), 6);
    EXPECT_NEAR(at(R"(tidemill_request_seconds_sum{revision="a"})"), 0.5565, 1e-9);
}

TEST(Registry, WhateverALabelOrHelpHoldsTheTextStaysWellFormed) {
    Registry registry;
    const auto family = *registry.add({.kind = Kind::counter,
                                       .name = "x_total",
                                       .help = "a \"quoted\"\nline with \\ and \xff",
                                       .labels = {"path"}});
    auto& shard = registry.add_shard();
    for (const char* value :
         {"", "\"", "\\", "\n", "a\\nb", "\xff\xfe", "{}", ",x=\"y\"", "\xc3\xa4", "\xc3"}) {
        shard.counter(family, {value}).add();
    }
    const auto rendered = registry.render();
    const Exposition text(rendered);
    EXPECT_EQ(text.error, "") << rendered;
    EXPECT_EQ(text.samples.count(R"(x_total{path="\n"})"), 1U);
    EXPECT_EQ(text.samples.count(R"(x_total{path="\""})"), 1U);
    EXPECT_EQ(text.samples.count(R"(x_total{path="\\"})"), 1U);
}

TEST(Registry, LabelSetsBeyondTheLimitCountTogether) {
    Registry registry;
    const auto family = *registry.add(
        {.kind = Kind::counter, .name = "x_total", .help = "x", .labels = {"id"}, .series_max = 3});
    auto& one = registry.add_shard();
    auto& two = registry.add_shard();
    for (int i = 0; i < 100; ++i) {
        one.counter(family, {std::to_string(i)}).add();
        two.counter(family, {std::to_string(i)}).add();
    }
    const Exposition text(registry.render());
    EXPECT_EQ(text.error, "");
    EXPECT_EQ(text.samples.size(), 4U);
    EXPECT_EQ(text.samples.at(R"(x_total{id="0"})"), 2);
    EXPECT_EQ(text.samples.at(R"(x_total{id="other"})"), 194);
    EXPECT_EQ(registry.series_refused(), 194U);
    // A series that went makes room for another.
    one.remove(family, {"0"});
    two.remove(family, {"0"});
    one.remove(family, {"never there"});
    one.remove(family, {"other"});
    one.counter(family, {"new"}).add();
    const Exposition after(registry.render());
    EXPECT_EQ(after.samples.count(R"(x_total{id="0"})"), 0U);
    EXPECT_EQ(after.samples.at(R"(x_total{id="other"})"), 194);
}

TEST(Registry, RefusesWhatPrometheusWouldRefuse) {
    Registry registry;
    const auto code = [&](FamilyOptions options) -> std::optional<base::Code> {
        const auto added = registry.add(std::move(options));
        return added ? std::nullopt : std::optional(added.error().code);
    };
    using base::Code;
    EXPECT_EQ(code({.name = "a b_total", .help = "", .labels = {}}), Code::invalid);
    EXPECT_EQ(code({.name = "", .help = "", .labels = {}}), Code::invalid);
    EXPECT_EQ(code({.name = "9_total", .help = "", .labels = {}}), Code::invalid);
    EXPECT_EQ(code({.name = "counter", .help = "", .labels = {}}), Code::invalid);
    EXPECT_EQ(code({.name = "a_total", .help = "", .labels = {"b-c"}}), Code::invalid);
    EXPECT_EQ(code({.name = "a_total", .help = "", .labels = {"le"}}), Code::invalid);
    EXPECT_EQ(code({.name = "a_total", .help = "", .labels = {"__x"}}), Code::invalid);
    EXPECT_EQ(code({.name = "a_total", .help = "", .labels = {"x", "x"}}), Code::invalid);
    EXPECT_EQ(
        code({.kind = Kind::histogram, .name = "h", .help = "", .labels = {}, .bounds = {1, 1}}),
        Code::invalid);
    EXPECT_EQ(code({.name = "a_total", .help = "", .labels = {"x"}}), std::nullopt);
    EXPECT_EQ(code({.name = "a_total", .help = "", .labels = {"x"}}), Code::conflict);
}

TEST(Exposition, TheParserOfTheseTestsRefusesWhatIsWrong) {
    for (const char* text :
         {"x 1", "x 1\n", "# HELP x y\n# TYPE x counter\nx{a=\"\\q\"} 1\n",
          "# HELP x y\n# TYPE x counter\nx{a=\"b} 1\n", "# HELP x y\n# TYPE x counter\nx 1\nx 2\n",
          "# HELP x y\n# TYPE x wrong\n", "# HELP x y\n# TYPE x counter\nx\n",
          "# HELP x y\n# TYPE x counter\nx one\n", "# HELP x y\n# TYPE x histogram\nx_sum 1\n",
          "# HELP x y\n# TYPE x histogram\nx_bucket{le=\"1\"} 3\nx_bucket{le=\"+Inf\"} 2\n"}) {
        EXPECT_NE(Exposition(text).error, "") << text;
    }
}

}  // namespace
}  // namespace tidemill::telemetry
