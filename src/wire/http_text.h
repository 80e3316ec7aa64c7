// Words and dates of HTTP.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace tidemill::wire {

// The registered phrase, e.g. "Not Found"; empty for a status that has none.
std::string_view reason_phrase(std::uint16_t status);

// An IMF-fixdate, e.g. "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
using HttpDate = std::array<char, 29>;
// Years 1970 to 9999; other times are taken for the nearest of these.
HttpDate format_http_date(base::WallTime at);

// The Date field of many responses: formats once a second. One thread.
class DateCache {
public:
    // Valid until the next call.
    std::string_view text(base::WallTime now);

private:
    std::int64_t second_ = INT64_MIN;
    HttpDate text_{};
};

}  // namespace tidemill::wire
