#include "base/result.h"

#include "base/check.h"

namespace tidemill::base {

std::string_view code_name(Code code) {
    switch (code) {
        case Code::not_found:
            return "not_found";
        case Code::conflict:
            return "conflict";
        case Code::invalid:
            return "invalid";
        case Code::exhausted:
            return "exhausted";
        case Code::unavailable:
            return "unavailable";
        case Code::deadline:
            return "deadline";
        case Code::cancelled:
            return "cancelled";
        case Code::denied:
            return "denied";
        case Code::expired:
            return "expired";
    }
    CHECK(false);
}

std::unexpected<Error> wrap(std::string_view context, Error error) {
    error.message.insert(0, context);
    return std::unexpected(std::move(error));
}

}  // namespace tidemill::base
