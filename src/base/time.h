// Points and spans of time, as types that do not mix.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::base {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

// A monotonic point in time; means nothing outside this boot of this machine. Deadlines, windows
// and leases are Instants. Where it comes from is host::Clock's business.
struct Instant {
    std::int64_t ns = 0;

    static constexpr Instant never() { return {INT64_MAX}; }

    friend constexpr auto operator<=>(Instant, Instant) = default;
    // Saturates at never(), so that "now + no limit" is never().
    friend constexpr Instant operator+(Instant at, Duration span) {
        std::int64_t sum = 0;
        if (__builtin_add_overflow(at.ns, span.count(), &sum)) {
            return never();
        }
        return {sum};
    }
    friend constexpr Instant operator-(Instant at, Duration span) { return {at.ns - span.count()}; }
    friend constexpr Duration operator-(Instant a, Instant b) { return Duration(a.ns - b.ns); }
};

// A calendar point in time (nanoseconds since 1970, UTC); for objects, logs and certificates only,
// since it may jump.
struct WallTime {
    std::int64_t ns = 0;

    friend constexpr auto operator<=>(WallTime, WallTime) = default;
    friend constexpr WallTime operator+(WallTime at, Duration span) {
        return {at.ns + span.count()};
    }
    friend constexpr Duration operator-(WallTime a, WallTime b) { return Duration(a.ns - b.ns); }
};

// RFC 3339 in UTC with whole seconds, as Kubernetes writes it: "2026-11-20T23:20:00Z".
std::string format_rfc3339(WallTime at);
// The same with nine digits of a second, for logs.
std::string format_rfc3339_ns(WallTime at);
// Reads RFC 3339 with any offset and up to nine digits. Errors: invalid.
Result<WallTime> parse_rfc3339(std::string_view text);

// Reads a duration as Go writes it, the form that Knative's configuration uses: "60s", "1m30s",
// "500ms", "1.5h". Errors: invalid.
Result<Duration> parse_duration(std::string_view text);
// The shortest such form: "1m30s", "15ms", "0s".
std::string format_duration(Duration span);

}  // namespace tidemill::base
