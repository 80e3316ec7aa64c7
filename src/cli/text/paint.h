// Colour, where somebody looks at it.
#pragma once

#include <string>
#include <string_view>

#include "cli/context.h"

namespace tidemill::cli {

class Paint {
public:
    enum class Mode : std::uint8_t { plain, coloured };
    explicit Paint(Mode mode = Mode::plain) : mode_(mode) {}

    std::string good(std::string_view text) const { return wrap("\x1b[32m", text); }
    std::string bad(std::string_view text) const { return wrap("\x1b[31m", text); }
    std::string careful(std::string_view text) const { return wrap("\x1b[33m", text); }
    std::string faint(std::string_view text) const { return wrap("\x1b[2m", text); }
    std::string strong(std::string_view text) const { return wrap("\x1b[1m", text); }
    Mode mode() const { return mode_; }

private:
    std::string wrap(std::string_view begin, std::string_view text) const {
        if (mode_ == Mode::plain || text.empty()) {
            return std::string(text);
        }
        return std::string(begin) + std::string(text) + "\x1b[0m";
    }
    Mode mode_;
};

// Off when asked (--no-color, NO_COLOR not empty), on when forced (FORCE_COLOR not empty), else on
// for a terminal that is not dumb. Sources: no-color.org, clig.dev.
enum class Wish : std::uint8_t { unsaid, no_colour };
Paint::Mode choose_colour(const Context& context, const Outlet& outlet, Wish wish);

}  // namespace tidemill::cli
