#include "wire/http_fields.h"

#include <cstring>

#include "base/text.h"
#include "wire/http1.h"

namespace tidemill::wire {
namespace {

constexpr std::array<std::string_view, header_id_count> names = {
    "",
    "accept",
    "accept-encoding",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "forwarded",
    "grpc-status",
    "grpc-timeout",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "location",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "retry-after",
    "sec-websocket-key",
    "server",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
};

// A perfect hash of (length, first letter, last letter), its multipliers found while compiling.
struct NameTable {
    static constexpr std::size_t slots = 256;
    std::uint32_t by_length = 0;
    std::uint32_t by_first = 0;
    std::array<std::uint8_t, slots> ids{};

    constexpr std::size_t slot(std::string_view name) const {
        const auto first = static_cast<std::uint32_t>(static_cast<unsigned char>(name.front()));
        const auto last = static_cast<std::uint32_t>(static_cast<unsigned char>(name.back()));
        return (static_cast<std::uint32_t>(name.size()) * by_length + (first | 0x20U) * by_first +
                (last | 0x20U)) %
               slots;
    }

    constexpr bool fill() {
        ids = {};
        for (std::size_t id = 1; id < names.size(); ++id) {
            auto& entry = ids[slot(names[id])];
            if (entry != 0) {
                return false;
            }
            entry = static_cast<std::uint8_t>(id);
        }
        return true;
    }
};

consteval NameTable make_table() {
    NameTable table;
    for (table.by_length = 1; table.by_length < 256; ++table.by_length) {
        for (table.by_first = 1; table.by_first < 256; table.by_first += 2) {
            if (table.fill()) {
                return table;
            }
        }
    }
    throw "no multipliers give every name a slot of its own";
}
constexpr NameTable table = make_table();

template <typename Word>
bool same_word(const char* token, const char* name) {
    Word a{};
    Word b{};
    std::memcpy(&a, token, sizeof a);
    std::memcpy(&b, name, sizeof b);
    // Known names consist of lower-case letters, digits and '-', which have bit 0x20; of all token
    // characters only the matching upper-case letters become the same with it.
    return (a | static_cast<Word>(0x2020202020202020U)) == b;
}

bool same_name(std::string_view token, std::string_view name) {
    const char* a = token.data();
    const char* b = name.data();
    std::size_t left = token.size();
    if (left >= 8) {
        for (; left > 8; left -= 8, a += 8, b += 8) {
            if (!same_word<std::uint64_t>(a, b)) {
                return false;
            }
        }
        const std::size_t back = 8 - left;
        return same_word<std::uint64_t>(a - back, b - back);
    }
    if (left >= 4) {
        return same_word<std::uint32_t>(a, b) &&
               same_word<std::uint32_t>(a + left - 4, b + left - 4);
    }
    return base::equals_ignoring_case(token, name);
}

constexpr std::uint64_t bit(HeaderId id) {
    return std::uint64_t{1} << static_cast<unsigned>(id);
}

constexpr std::uint64_t always_hop_by_hop =
    bit(HeaderId::connection) | bit(HeaderId::keep_alive) | bit(HeaderId::proxy_connection) |
    bit(HeaderId::proxy_authenticate) | bit(HeaderId::proxy_authorization) | bit(HeaderId::te) |
    bit(HeaderId::transfer_encoding) | bit(HeaderId::upgrade);

}  // namespace

HeaderId header_id_of_token(std::string_view token) {
    if (token.empty()) {
        return HeaderId::other;
    }
    const std::uint8_t id = table.ids[table.slot(token)];
    const std::string_view name = names[id];
    if (id == 0 || name.size() != token.size() || !same_name(token, name)) {
        return HeaderId::other;
    }
    return static_cast<HeaderId>(id);
}

HeaderId header_id(std::string_view name) {
    return is_token(name) ? header_id_of_token(name) : HeaderId::other;
}

std::string_view header_name(HeaderId id) {
    return names[static_cast<std::size_t>(id)];
}

const Header* HeaderIndex::find(std::string_view name) const {
    const HeaderId id = header_id(name);
    if (id != HeaderId::other) {
        return find(id);
    }
    for (const Header& header : *this) {
        if (header.id == HeaderId::other && base::equals_ignoring_case(header.name, name)) {
            return &header;
        }
    }
    return nullptr;
}

void HeaderIndex::clear() {
    first_.fill(0);
    size_ = 0;
    nominated_ = 0;
    nominates_others_ = false;
}

void HeaderIndex::nominate(std::string_view option) {
    const HeaderId id = header_id_of_token(option);
    if (id != HeaderId::other) {
        nominated_ |= bit(id);
    } else if (!base::equals_ignoring_case(option, "close")) {
        nominates_others_ = true;
    }
}

bool HeaderIndex::is_hop_by_hop(const Header& header) const {
    if (header.id != HeaderId::other) {
        return ((always_hop_by_hop | nominated_) & bit(header.id)) != 0;
    }
    if (!nominates_others_) {
        return false;
    }
    for (const Header& other : *this) {
        if (other.id == HeaderId::connection && list_contains(other.value, header.name)) {
            return true;
        }
    }
    return false;
}

bool list_contains(std::string_view value, std::string_view element) {
    while (true) {
        const std::size_t comma = value.find(',');
        if (base::equals_ignoring_case(base::trim(value.substr(0, comma)), element)) {
            return true;
        }
        if (comma == std::string_view::npos) {
            return false;
        }
        value.remove_prefix(comma + 1);
    }
}

}  // namespace tidemill::wire
