#include "base/time.h"

#include <array>
#include <charconv>
#include <cstdlib>

namespace tidemill::base {
namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;

struct Calendar {
    std::chrono::year_month_day date;
    std::chrono::hh_mm_ss<std::chrono::seconds> time;
    std::int64_t ns;
};

Calendar split(WallTime at) {
    std::int64_t seconds = at.ns / ns_per_s;
    std::int64_t rest = at.ns % ns_per_s;
    if (rest < 0) {
        rest += ns_per_s;
        --seconds;
    }
    const std::chrono::sys_seconds when{std::chrono::seconds(seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(when);
    return {std::chrono::year_month_day(day), std::chrono::hh_mm_ss(when - day), rest};
}

// Takes exactly `digits` decimal digits off the front of text.
Result<int> take_digits(std::string_view& text, std::size_t digits) {
    int value = 0;
    if (text.size() < digits) {
        return fail(Code::invalid, "time: too short");
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (error != std::errc() || end != text.data() + digits || value < 0) {
        return fail(Code::invalid, "time: digits expected at \"{}\"", text);
    }
    text.remove_prefix(digits);
    return value;
}

Status take_char(std::string_view& text, std::string_view any_of) {
    if (text.empty() || any_of.find(text.front()) == std::string_view::npos) {
        return fail(Code::invalid, "time: one of \"{}\" expected at \"{}\"", any_of, text);
    }
    text.remove_prefix(1);
    return ok;
}

}  // namespace

std::string format_rfc3339(WallTime at) {
    const auto c = split(at);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(c.date.year()),
                       static_cast<unsigned>(c.date.month()), static_cast<unsigned>(c.date.day()),
                       c.time.hours().count(), c.time.minutes().count(), c.time.seconds().count());
}

std::string format_rfc3339_ns(WallTime at) {
    std::string text = format_rfc3339(at);
    text.pop_back();
    return fmt::format("{}.{:09}Z", text, split(at).ns);
}

Result<WallTime> parse_rfc3339(std::string_view text) {
    const std::string_view whole = text;
    TRY(const int year, take_digits(text, 4));
    CHECK_OK(take_char(text, "-"));
    TRY(const int month, take_digits(text, 2));
    CHECK_OK(take_char(text, "-"));
    TRY(const int day, take_digits(text, 2));
    CHECK_OK(take_char(text, "Tt "));
    TRY(const int hour, take_digits(text, 2));
    CHECK_OK(take_char(text, ":"));
    TRY(const int minute, take_digits(text, 2));
    CHECK_OK(take_char(text, ":"));
    TRY(const int second, take_digits(text, 2));
    std::int64_t fraction = 0;
    if (!text.empty() && text.front() == '.') {
        text.remove_prefix(1);
        std::int64_t unit = ns_per_s / 10;
        if (text.empty() || text.front() < '0' || text.front() > '9') {
            return fail(Code::invalid, "time \"{}\": a digit must follow the point", whole);
        }
        while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
            fraction += (text.front() - '0') * unit;
            unit /= 10;
            text.remove_prefix(1);
        }
    }
    std::int64_t offset_s = 0;
    if (!text.empty() && (text.front() == 'Z' || text.front() == 'z')) {
        text.remove_prefix(1);
    } else {
        const int sign = !text.empty() && text.front() == '-' ? -1 : 1;
        CHECK_OK(take_char(text, "+-"));
        TRY(const int hours, take_digits(text, 2));
        CHECK_OK(take_char(text, ":"));
        TRY(const int minutes, take_digits(text, 2));
        offset_s = sign * (hours * 3600 + minutes * 60);
    }
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!text.empty() || !date.ok() || hour > 23 || minute > 59 || second > 60) {
        return fail(Code::invalid, "time \"{}\" is not RFC 3339", whole);
    }
    const std::int64_t seconds =
        std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86'400} +
        hour * 3600 + minute * 60 + second - offset_s;
    std::int64_t ns = 0;
    if (__builtin_mul_overflow(seconds, ns_per_s, &ns) ||
        __builtin_add_overflow(ns, fraction, &ns)) {
        return fail(Code::invalid, "time \"{}\" is out of range (1677 to 2262)", whole);
    }
    return WallTime{ns};
}

Result<Duration> parse_duration(std::string_view text) {
    const std::string_view whole = text;
    struct UnitName {
        std::string_view name;
        double ns;
    };
    // Longer names first: "ms" would else be read as "m".
    static constexpr std::array<UnitName, 7> units{
        {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
    const auto bad = [&] {
        return fail(Code::invalid, "duration \"{}\": expected a form like 60s, 1m30s or 500ms",
                    whole);
    };
    if (text == "0") {
        return Duration(0);
    }
    double sign = 1;
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
        sign = text.front() == '-' ? -1 : 1;
        text.remove_prefix(1);
    }
    if (text.empty()) {
        return bad();
    }
    double sum = 0;
    while (!text.empty()) {
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value,
                                                  std::chars_format::fixed);
        if (error != std::errc() || value < 0) {
            return bad();
        }
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        bool known = false;
        for (const auto& unit : units) {
            if (text.starts_with(unit.name)) {
                sum += value * unit.ns;
                text.remove_prefix(unit.name.size());
                known = true;
                break;
            }
        }
        if (!known) {
            return bad();
        }
    }
    if (sum > 9.2e18) {
        return bad();
    }
    return Duration(static_cast<std::int64_t>(sign * sum));
}

std::string format_duration(Duration span) {
    if (span.count() == 0) {
        return "0s";
    }
    std::string text;
    std::uint64_t ns = static_cast<std::uint64_t>(span.count());
    if (span.count() < 0) {
        text = "-";
        ns = ~ns + 1;
    }
    struct UnitSize {
        std::uint64_t ns;
        const char* name;
    };
    for (const auto& unit : {UnitSize{3'600'000'000'000, "h"}, UnitSize{60'000'000'000, "m"},
                             UnitSize{1'000'000'000, "s"}, UnitSize{1'000'000, "ms"},
                             UnitSize{1'000, "us"}, UnitSize{1, "ns"}}) {
        if (ns >= unit.ns) {
            fmt::format_to(std::back_inserter(text), "{}{}", ns / unit.ns, unit.name);
            ns %= unit.ns;
        }
    }
    return text;
}

}  // namespace tidemill::base
