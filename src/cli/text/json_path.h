// The JSONPath templates of kubectl's `-o jsonpath=…`.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/json.h"

namespace tidemill::cli {

// What the template makes of `document`: text outside braces as it is; inside `{…}` a path, quoted
// text ("\n" and "\t" understood), or `range PATH` … `end`, within which `.` is the element.
// Several results of one path stand with a space between. Paths: `.key`, `.escaped\.key`,
// `['key']`, `[0]`, `[-1]`, `[*]`, `.*`, `[?(@.path=="text")]` (also != and =='…'), `$` and `@`. A
// template without braces is one path. A path that leads nowhere gives nothing, as in kubectl.
// Errors: invalid (where it stops making sense), exhausted (ranges nested deeper than 16).
base::Result<std::string> apply_json_path(std::string_view text, const wire::Json& document);

}  // namespace tidemill::cli
