// Which request this belongs to: W3C Trace Context (https://www.w3.org/TR/trace-context/), level 1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "host/clock.h"

namespace tidemill::telemetry {

// One request's place in its trace: the span that is current now.
struct TraceContext {
    enum class Sampled : std::uint8_t { no, yes };

    std::array<std::byte, 16> trace_id{};
    std::array<std::byte, 8> span_id{};
    Sampled sampled = Sampled::no;

    friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

constexpr std::size_t traceparent_bytes = 55;

// Strict as section 3.2 wants it: lower-case hexadecimal, version not ff, identifiers not all zero,
// exactly 55 bytes in version 00; of a later version its first four fields are read. Nothing if it
// is not that: then a new trace begins, and tracestate is not passed on either.
std::optional<TraceContext> parse_traceparent(std::string_view header);
// Version 00. Flags other than `sampled` are not passed on (section 3.2.2.5.2).
std::array<char, traceparent_bytes> format_traceparent(const TraceContext& context);
std::string trace_id_text(const TraceContext& context);

// The first span of a new trace.
TraceContext begin_trace(host::Random& random, TraceContext::Sampled sampled);
// A span below `parent`, in the same trace.
TraceContext begin_span(const TraceContext& parent, host::Random& random);

// What of the tracestate headers (combined with ',' in order) is passed on: all of it, but for
// empty members, while it has at most 512 bytes; beyond that members longer than 128 bytes go
// first, then the last ones (section 3.3.1.5). Nothing if it is malformed, has a key twice or more
// than 32 members.
std::optional<std::string> pass_tracestate(std::string_view combined);

}  // namespace tidemill::telemetry
