// A LaunchPlan as the bytes of a `launch` frame.
#pragma once

#include <string>

#include "base/result.h"
#include "host/launcher.h"

namespace tidemill::launcher {

// Errors: invalid (a limit of protocol.h, a zero inside a text, a path that is not absolute).
base::Result<std::string> encode_plan(const host::LaunchPlan& plan);

}  // namespace tidemill::launcher
