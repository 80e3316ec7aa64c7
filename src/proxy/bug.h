// What the data plane does when its own code is wrong: that request fails, the others go on.
#pragma once

#include <cstdint>
#include <functional>
#include <source_location>
#include <string_view>

namespace tidemill::proxy {

// Counts broken promises of one worker; one thread.
class Bugs {
public:
    // abort: end the process at the first one, for tests.
    enum class Mode : std::uint8_t { count, abort };
    explicit Bugs(Mode mode) : mode_(mode) {}

    // Always true. Writes the promise and its place to stderr: a bug must be seen even where no log
    // is set up yet. Only the first hundred are written.
    bool report(const char* expression,
                std::source_location where = std::source_location::current());
    std::uint64_t count() const { return count_; }

private:
    Mode mode_;
    std::uint64_t count_ = 0;
};

}  // namespace tidemill::proxy

// if (BUG(bugs, left > size)) { fail this request }: true, reported and counted when the
// expression, which is wrong by our own fault only, holds.
#define BUG(bugs, expression) (__builtin_expect(!!(expression), 0) && (bugs).report(#expression))
