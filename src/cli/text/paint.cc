#include "cli/text/paint.h"

namespace tidemill::cli {

Paint::Mode choose_colour(const Context& context, const Outlet& outlet, Wish wish) {
    if (wish == Wish::no_colour || !context.variable("NO_COLOR").empty()) {
        return Paint::Mode::plain;
    }
    if (!context.variable("FORCE_COLOR").empty()) {
        return Paint::Mode::coloured;
    }
    const bool shows = outlet.kind == Outlet::Kind::terminal && context.variable("TERM") != "dumb";
    return shows ? Paint::Mode::coloured : Paint::Mode::plain;
}

}  // namespace tidemill::cli
