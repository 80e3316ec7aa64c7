#include "proxy/bug.h"

#include <cstdio>
#include <cstdlib>

namespace tidemill::proxy {

bool Bugs::report(const char* expression, std::source_location where) {
    constexpr std::uint64_t written_max = 100;
    if (++count_ <= written_max) {
        std::fprintf(stderr, "BUG in proxy: %s (%s:%u)\n", expression, where.file_name(),
                     static_cast<unsigned>(where.line()));
    }
    if (mode_ == Mode::abort) {
        std::abort();
    }
    return true;
}

}  // namespace tidemill::proxy
