// Work that takes long, as it is seen on stderr.
#pragma once

#include <string>
#include <string_view>

#include "cli/api/session.h"

namespace tidemill::cli {

// One phase after the other, each with its duration. On a terminal the running phase is one line
// that its end replaces; elsewhere (or with --progress plain, or in CI) every word is a line of its
// own; --progress json writes {"phase","state","seconds","text"} per line.
class Progress {
public:
    // The session outlives it.
    explicit Progress(Session& session);

    void begin(std::string name);
    // A line of the running phase's own log.
    void line(std::string_view text);
    void done(std::string_view detail = {});
    void failed(std::string_view detail = {});

private:
    enum class Mode : std::uint8_t { terminal, plain, json };
    void end(std::string_view state, std::string_view sign, std::string_view detail);
    void record(std::string_view state, std::string_view text);
    double seconds() const;

    Session& session_;
    Mode mode_;
    std::string phase_;
    base::Instant began_;
};

}  // namespace tidemill::cli
