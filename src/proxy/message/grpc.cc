#include "proxy/message/grpc.h"

#include <charconv>

#include "base/text.h"

namespace tidemill::proxy {
namespace {

constexpr std::int64_t eight_digits = 99'999'999;

struct Unit {
    char letter;
    std::int64_t ns;
};
constexpr std::array<Unit, 6> units{{{'n', 1},
                                     {'u', 1'000},
                                     {'m', 1'000'000},
                                     {'S', 1'000'000'000},
                                     {'M', 60'000'000'000},
                                     {'H', 3'600'000'000'000}}};

}  // namespace

std::optional<base::Duration> parse_grpc_timeout(std::string_view text) {
    if (text.size() < 2 || text.size() > 9) {
        return {};
    }
    const auto digits = text.substr(0, text.size() - 1);
    std::int64_t count = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') {
            return {};
        }
        count = count * 10 + (c - '0');
    }
    for (const auto& unit : units) {
        if (unit.letter == text.back()) {
            std::int64_t ns = 0;
            return base::Duration(__builtin_mul_overflow(count, unit.ns, &ns) ? INT64_MAX : ns);
        }
    }
    return {};
}

GrpcTimeout::GrpcTimeout(base::Duration left) {
    if (left <= base::Duration::zero()) {
        return;
    }
    for (const auto& unit : units) {
        const auto count = left.count() / unit.ns;
        if (count <= eight_digits) {
            const auto end = std::to_chars(text_.data(), text_.data() + 8, count).ptr;
            *end = unit.letter;
            size_ = static_cast<std::size_t>(end - text_.data()) + 1;
            return;
        }
    }
}

std::uint32_t grpc_status_of(Reason reason) {
    enum : std::uint32_t {
        deadline_exceeded = 4,
        resource_exhausted = 8,
        unimplemented = 12,
        internal = 13,
        unavailable = 14,
    };
    switch (reason) {
        case Reason::unknown_host:
            return unimplemented;
        case Reason::held_too_long:
        case Reason::answer_too_late:
            return deadline_exceeded;
        case Reason::body_too_large:
        case Reason::head_not_forwarded:
            return resource_exhausted;
        case Reason::queue_full:
        case Reason::instance_closed:
            return unavailable;
        default:
            return internal;
    }
}

std::string grpc_message(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '%') {
            out += c;
        } else {
            out += '%';
            out += digits[byte >> 4U];
            out += digits[byte & 15U];
        }
    }
    return out;
}

}  // namespace tidemill::proxy
