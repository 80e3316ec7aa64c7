#include "agent/note.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tidemill::agent {

static constexpr std::string_view first_line = "tidemill-instance 1";

std::string write_note(const Note& note) {
    return fmt::format("{}\nrevision={}\nservice={}\naddress={}\nport={}\ngrace_ns={}\n",
                       first_line, note.revision, note.service, note.address, note.port,
                       note.grace.count());
}

std::optional<Note> read_note(std::string_view text) {
    const auto lines = base::split(text, '\n');
    if (lines.front() != first_line) {
        return std::nullopt;
    }
    Note note;
    for (const auto line : lines) {
        const auto equals = line.find('=');
        if (equals == std::string_view::npos) {
            continue;
        }
        const auto name = line.substr(0, equals);
        const auto value = line.substr(equals + 1);
        if (name == "revision") {
            note.revision = value;
        } else if (name == "service") {
            note.service = value;
        } else if (name == "address") {
            note.address = value;
        } else if (name == "port") {
            note.port = base::parse_number<std::uint16_t>(value).value_or(0);
        } else if (name == "grace_ns") {
            note.grace = base::Duration(
                base::parse_number<std::int64_t>(value).value_or(note.grace.count()));
        }
    }
    if (note.revision.empty() || note.address.empty()) {
        return std::nullopt;
    }
    return note;
}

}  // namespace tidemill::agent
