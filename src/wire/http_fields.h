// Header fields of one HTTP message: views into the bytes that were read, found by id without a
// search.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tidemill::wire {

// Field names that some room asks for by name. `other` is every name not in this list.
enum class HeaderId : std::uint8_t {
    other,
    accept,
    accept_encoding,
    age,
    authorization,
    cache_control,
    connection,
    content_encoding,
    content_length,
    content_type,
    cookie,
    date,
    etag,
    expect,
    forwarded,
    grpc_status,
    grpc_timeout,
    host,
    if_match,
    if_modified_since,
    if_none_match,
    keep_alive,
    location,
    origin,
    proxy_authenticate,
    proxy_authorization,
    proxy_connection,
    range,
    referer,
    retry_after,
    sec_websocket_key,
    server,
    set_cookie,
    te,
    trace_parent,
    trace_state,
    trailer,
    transfer_encoding,
    upgrade,
    user_agent,
    vary,
    via,
    www_authenticate,
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_proto,
    x_request_id,
    count_,
};
inline constexpr std::size_t header_id_count = static_cast<std::size_t>(HeaderId::count_);

// The id of a field name, in any case; `other` for names not in the list.
HeaderId header_id(std::string_view name);
// The same for a name that is known to be a token (is_token); any other text may be taken for a
// name that it is not.
HeaderId header_id_of_token(std::string_view token);
// The name in lower case; empty for `other`.
std::string_view header_name(HeaderId id);

// One field: the name as it was sent, the value without the white space around it.
struct Header {
    std::string_view name;
    std::string_view value;
    HeaderId id = HeaderId::other;
};

// Fields of one head (or trailer section) in the order of arrival. Holds no bytes: the views live
// as long as the buffer that was parsed. Made to be kept and parsed into again; parsing allocates
// nothing.
class HeaderIndex {
public:
    // The largest count that any limit can allow. Source: Envoy's default of 100 fields.
    static constexpr std::size_t capacity = 100;

    std::size_t size() const { return size_; }
    const Header& operator[](std::size_t at) const { return headers_[at]; }
    const Header* begin() const { return headers_.data(); }
    const Header* end() const { return headers_.data() + size_; }

    // The first field with that id, or null. Constant time. `id` must not be `other`.
    const Header* find(HeaderId id) const {
        const auto at = first_[static_cast<std::size_t>(id)];
        return at == 0 ? nullptr : &headers_[at - 1U];
    }
    // The value of the first field with that id, or an empty view.
    std::string_view value(HeaderId id) const {
        const Header* found = find(id);
        return found == nullptr ? std::string_view() : found->value;
    }
    // The first field of that name, in any case; looks at every field when the name has no id.
    const Header* find(std::string_view name) const;

    void clear();
    // False when the index is full.
    bool add(const Header& header) {
        if (size_ == capacity) {
            return false;
        }
        headers_[size_++] = header;
        auto& first = first_[static_cast<std::size_t>(header.id)];
        if (first == 0) {
            first = size_;
        }
        return true;
    }

    // A field that the Connection field names, as well as those that are hop-by-hop by themselves,
    // is meant for the next hop only (RFC 9110 section 7.6.1) and must not be forwarded.
    // Proxy-Authorization and Proxy-Authenticate are counted among them, because we are the proxy.
    bool is_hop_by_hop(const Header& header) const;

    // Filled by the parser from the Connection fields.
    void nominate(std::string_view option);

private:
    std::array<Header, capacity> headers_;
    std::array<std::uint8_t, header_id_count> first_{};
    std::uint8_t size_ = 0;
    // Ids that Connection names, a bit each; names without an id are looked up in the field again.
    std::uint64_t nominated_ = 0;
    bool nominates_others_ = false;
};
static_assert(header_id_count <= 64, "HeaderIndex keeps a bit for each id in one word");

// True when the comma separated list `value` holds `element`, in any case.
bool list_contains(std::string_view value, std::string_view element);

}  // namespace tidemill::wire
