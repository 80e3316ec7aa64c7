// What this host can and cannot give, in words, each with what to do about it.
#pragma once

#include <string>
#include <vector>

#include "host/launcher.h"

namespace tidemill::sandbox {

struct Finding {
    enum class Verdict : std::uint8_t {
        good,
        weaker,   // instances run, with less protection or fewer limits
        missing,  // something that was asked for cannot be done
    };
    std::string subject;  // stable: "process isolation", "memory limits", …
    Verdict verdict = Verdict::good;
    std::string fact;  // what is, and what it means
    std::string fix;   // empty when good

    friend bool operator==(const Finding&, const Finding&) = default;
};

// One finding per subject, always all of them, in a fixed order. Pure.
std::vector<Finding> examine(const host::LauncherCapabilities& host);

}  // namespace tidemill::sandbox
