// errno as what a caller can do about it.
#pragma once

#include <string_view>

#include "base/result.h"

namespace tidemill::host_linux {

// The code whose advice fits: ENOENT is not_found, EACCES denied, ENOSPC and EMFILE exhausted,
// EEXIST conflict, ENAMETOOLONG invalid; what says nothing better is unavailable.
base::Code code_of(int error);
// "No such file or directory"; "unknown error" if the C library has no words for it.
std::string_view text_of(int error);
// "SUBJECT: No such file or directory", with code_of(error).
std::unexpected<base::Error> fail_with(
    int error, std::string_view subject,
    std::source_location where = std::source_location::current());

}  // namespace tidemill::host_linux
