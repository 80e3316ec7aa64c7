#include "telemetry/trace.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"

namespace tidemill::telemetry {
namespace {

constexpr std::size_t state_bytes_max = 512;
constexpr std::size_t long_member_bytes = 128;
constexpr std::size_t members_max = 32;

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return static_cast<unsigned>(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return static_cast<unsigned>(c - 'a' + 10);
    }
    return std::nullopt;
}

bool read_hex(std::string_view text, std::span<std::byte> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto high = hex_digit(text[2 * i]);
        const auto low = hex_digit(text[2 * i + 1]);
        if (!high || !low) {
            return false;
        }
        out[i] = static_cast<std::byte>(*high << 4 | *low);
    }
    return true;
}

bool is_zero(std::span<const std::byte> bytes) {
    return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

void fill_not_zero(host::Random& random, std::span<std::byte> bytes) {
    random.fill(bytes);
    if (is_zero(bytes)) {
        bytes.back() = std::byte{1};
    }
}

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_key_rest(std::string_view text, std::size_t bytes_max) {
    return text.size() <= bytes_max && std::ranges::all_of(text, [](char c) {
               return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '*' || c == '/';
           });
}

// Section 3.3.1.3.1.
bool is_state_key(std::string_view key) {
    if (key.empty()) {
        return false;
    }
    const auto at = key.find('@');
    if (at == std::string_view::npos) {
        return is_lower(key[0]) && is_key_rest(key.substr(1), 255);
    }
    const auto tenant = key.substr(0, at);
    const auto system = key.substr(at + 1);
    return !tenant.empty() && (is_lower(tenant[0]) || is_digit(tenant[0])) &&
           is_key_rest(tenant.substr(1), 240) && !system.empty() && is_lower(system[0]) &&
           is_key_rest(system.substr(1), 13);
}

// Section 3.3.1.3.2; white space at the end is taken off before.
bool is_state_value(std::string_view value) {
    return !value.empty() && value.size() <= 256 && std::ranges::all_of(value, [](char c) {
        return c >= 0x20 && c <= 0x7e && c != ',' && c != '=';
    });
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view header) {
    if (header.size() < traceparent_bytes) {
        return std::nullopt;
    }
    std::array<std::byte, 1> version{};
    std::array<std::byte, 1> flags{};
    TraceContext context;
    if (!read_hex(header, version) || header[2] != '-' ||
        !read_hex(header.substr(3), context.trace_id) || header[35] != '-' ||
        !read_hex(header.substr(36), context.span_id) || header[52] != '-' ||
        !read_hex(header.substr(53), flags)) {
        return std::nullopt;
    }
    if (version[0] == std::byte{0xff} || is_zero(context.trace_id) || is_zero(context.span_id)) {
        return std::nullopt;
    }
    if (header.size() > traceparent_bytes &&
        (version[0] == std::byte{0} || header[traceparent_bytes] != '-')) {
        return std::nullopt;
    }
    context.sampled = (flags[0] & std::byte{1}) != std::byte{0} ? TraceContext::Sampled::yes
                                                                : TraceContext::Sampled::no;
    return context;
}

std::array<char, traceparent_bytes> format_traceparent(const TraceContext& context) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::array<char, traceparent_bytes> out{};
    auto at = out.begin();
    const auto put = [&](std::span<const std::byte> bytes) {
        for (const auto byte : bytes) {
            *at++ = digits[std::to_integer<std::size_t>(byte >> 4)];
            *at++ = digits[std::to_integer<std::size_t>(byte & std::byte{15})];
        }
    };
    *at++ = '0';
    *at++ = '0';
    *at++ = '-';
    put(context.trace_id);
    *at++ = '-';
    put(context.span_id);
    *at++ = '-';
    *at++ = '0';
    *at++ = context.sampled == TraceContext::Sampled::yes ? '1' : '0';
    return out;
}

std::string trace_id_text(const TraceContext& context) {
    return base::to_hex(context.trace_id);
}

TraceContext begin_trace(host::Random& random, TraceContext::Sampled sampled) {
    TraceContext context;
    fill_not_zero(random, context.trace_id);
    fill_not_zero(random, context.span_id);
    context.sampled = sampled;
    return context;
}

TraceContext begin_span(const TraceContext& parent, host::Random& random) {
    TraceContext context = parent;
    fill_not_zero(random, context.span_id);
    return context;
}

std::optional<std::string> pass_tracestate(std::string_view combined) {
    std::vector<std::string_view> members;
    std::vector<std::string_view> keys;
    std::size_t total = 0;
    for (const auto part : base::split(combined, ',')) {
        const auto member = base::trim(part);
        if (member.empty()) {
            continue;
        }
        const auto equals = member.find('=');
        if (equals == std::string_view::npos || !is_state_key(member.substr(0, equals)) ||
            !is_state_value(member.substr(equals + 1))) {
            return std::nullopt;
        }
        const auto key = member.substr(0, equals);
        if (std::ranges::find(keys, key) != keys.end() || members.size() >= members_max) {
            return std::nullopt;
        }
        keys.push_back(key);
        members.push_back(member);
        total += member.size() + (members.size() > 1 ? 1 : 0);
    }
    const auto drop = [&](std::size_t i) {
        total -= std::min(total, members[i].size() + 1);
        members.erase(members.begin() + static_cast<std::ptrdiff_t>(i));
    };
    for (std::size_t i = members.size(); i-- > 0 && total > state_bytes_max;) {
        if (members[i].size() > long_member_bytes) {
            drop(i);
        }
    }
    while (total > state_bytes_max) {
        drop(members.size() - 1);
    }
    std::string out;
    for (const auto member : members) {
        out += out.empty() ? "" : ",";
        out += member;
    }
    return out;
}

}  // namespace tidemill::telemetry
