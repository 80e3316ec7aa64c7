#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tidemill::base {

void check_failed(const char* expression, std::source_location where) {
    std::fprintf(stderr, "%s:%u: CHECK(%s) failed in %s\n", where.file_name(),
                 static_cast<unsigned>(where.line()), expression, where.function_name());
    std::abort();
}

}  // namespace tidemill::base
