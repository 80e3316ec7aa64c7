// What the agent must know of an instance to adopt it; travels through the launcher's record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace tidemill::agent {

struct Note {
    std::string revision;  // "NAMESPACE/NAME"
    std::string service;
    std::string address;     // host::parse_address reads it
    std::uint16_t port = 0;  // 0: a Unix socket
    // SIGTERM to SIGKILL; what control wants may be gone when it counts.
    base::Duration grace = std::chrono::seconds(300);

    friend bool operator==(const Note&, const Note&) = default;
};

// Lines of "name=value" behind a first line with a version. Unknown names are passed over, so that
// a newer agent's instances can be adopted by an older one.
std::string write_note(const Note& note);
// Nothing if it is no note.
std::optional<Note> read_note(std::string_view text);

}  // namespace tidemill::agent
