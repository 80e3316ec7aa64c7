// The names that operators give as templates: {{.Name}}.{{.Namespace}}.{{.Domain}}.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::model {

// Puts values in place of `{{.Key}}`, the one action of Go's templates that is understood here.
// Errors: invalid (another action, an unknown key, or a brace that is not closed).
base::Result<std::string> expand_template(
    std::string_view text, const std::map<std::string_view, std::string_view>& values);

}  // namespace tidemill::model
