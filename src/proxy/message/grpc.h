// The little of gRPC that a proxy must know (gRPC over HTTP/2, "PROTOCOL-HTTP2.md"): a call's
// deadline, and how to say that it failed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "proxy/message/answers.h"

namespace tidemill::proxy {

// Reads a grpc-timeout: 1 to 8 digits and one of H, M, S, m, u, n. Nothing when it is not one.
std::optional<base::Duration> parse_grpc_timeout(std::string_view text);

// Writes one, in the finest unit that eight digits hold, rounded down. Of nothing or less than
// nothing: an empty text.
class GrpcTimeout {
public:
    GrpcTimeout() = default;
    explicit GrpcTimeout(base::Duration left);
    std::string_view text() const { return {text_.data(), size_}; }

private:
    std::array<char, 9> text_;
    std::size_t size_ = 0;
};

// The status that a client shall see when the proxy answers a call itself (gRPC's statuscodes.md;
// those that a caller may retry are UNAVAILABLE, as its "http-grpc-status-mapping.md" has it).
std::uint32_t grpc_status_of(Reason reason);
// The text as grpc-message carries it: what is not printable ASCII, and '%', percent-encoded.
std::string grpc_message(std::string_view text);

}  // namespace tidemill::proxy
