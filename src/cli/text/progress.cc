#include "cli/text/progress.h"

#include <fmt/format.h>

#include "wire/json.h"

namespace tidemill::cli {

Progress::Progress(Session& session) : session_(session), mode_(Mode::plain) {
    const auto wish = session.given().text("--progress", "auto");
    auto& context = session.context();
    if (wish == "json") {
        mode_ = Mode::json;
    } else if (wish == "tty") {
        mode_ = Mode::terminal;
    } else if (wish == "auto" && context.err.kind == Outlet::Kind::terminal &&
               context.variable("TERM") != "dumb" && context.variable("CI").empty()) {
        mode_ = Mode::terminal;
    }
}

double Progress::seconds() const {
    return std::chrono::duration<double>(session_.host().loop.now() - began_).count();
}

void Progress::record(std::string_view state, std::string_view text) {
    wire::JsonObject out{{"phase", phase_}, {"state", state}, {"seconds", seconds()}};
    if (!text.empty()) {
        out["text"] = text;
    }
    session_.say(wire::write_json(out));
}

void Progress::begin(std::string name) {
    phase_ = std::move(name);
    began_ = session_.host().loop.now();
    switch (mode_) {
        case Mode::json:
            record("begun", {});
            break;
        case Mode::terminal:
            session_.context().err.write(session_.paint_err().faint(fmt::format("… {}", phase_)));
            break;
        case Mode::plain:
            session_.say(fmt::format("{} …", phase_));
            break;
    }
}

void Progress::line(std::string_view text) {
    const auto& paint = session_.paint_err();
    switch (mode_) {
        case Mode::json:
            record("log", text);
            break;
        case Mode::terminal:
            session_.context().err.write(fmt::format("\r\x1b[K  {}\n{}", paint.faint(text),
                                                     paint.faint(fmt::format("… {}", phase_))));
            break;
        case Mode::plain:
            session_.say(fmt::format("  {}", text));
            break;
    }
}

void Progress::end(std::string_view state, std::string_view sign, std::string_view detail) {
    const auto about = detail.empty() ? std::string() : fmt::format(" ({})", detail);
    if (mode_ == Mode::json) {
        record(state, detail);
    } else if (mode_ == Mode::terminal) {
        session_.context().err.write(
            fmt::format("\r\x1b[K{} {} {:.1f}s{}\n", sign, phase_, seconds(), about));
    } else {
        session_.say(fmt::format("{} {} in {:.1f}s{}", phase_, state, seconds(), about));
    }
    phase_.clear();
}

void Progress::done(std::string_view detail) {
    end("done", session_.paint_err().good("✓"), detail);
}

void Progress::failed(std::string_view detail) {
    end("failed", session_.paint_err().bad("✗"), detail);
}

}  // namespace tidemill::cli
