#include "host_linux/system_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace tidemill::host_linux {

using base::Code;

Code code_of(int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            return Code::not_found;
        case EACCES:
        case EPERM:
        case EROFS:
            return Code::denied;
        case EEXIST:
        case ENOTEMPTY:
        case EADDRINUSE:
        case EBUSY:
        case ETXTBSY:
            return Code::conflict;
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case EADDRNOTAVAIL:
        case EAGAIN:
            return Code::exhausted;
        case EINVAL:
        case EISDIR:
        case ELOOP:
        case ENAMETOOLONG:
        case ENOEXEC:
        case E2BIG:
        case EAFNOSUPPORT:
            return Code::invalid;
        default:
            return Code::unavailable;
    }
}

std::string_view text_of(int error) {
    const char* const text = ::strerrordesc_np(error);
    return text == nullptr ? std::string_view("unknown error") : text;
}

std::unexpected<base::Error> fail_with(int error, std::string_view subject,
                                       std::source_location where) {
    return std::unexpected<base::Error>(
        base::Error{code_of(error), fmt::format("{}: {}", subject, text_of(error)), where});
}

}  // namespace tidemill::host_linux
