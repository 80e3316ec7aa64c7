// The objects that a command line names: `NAME`, `KIND NAME…`, `KIND/NAME`.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/api/kinds.h"

namespace tidemill::cli {

struct Target {
    const KindEntry* kind = nullptr;
    std::string name;
};

// What a lone name is when no kind is given: a Knative service.
inline constexpr std::string_view default_kind = "services.serving.knative.dev";

// Reads words. Each may be KIND/NAME; else, if there are several and the first is a kind, the
// others are names of it; else all are services. The kinds outlive the result. Errors: invalid.
base::Result<std::vector<Target>> parse_targets(const Kinds& kinds,
                                                const std::vector<std::string>& words);

// What `get` is asked for: a target without a name is all objects of its kind. Words are
// KIND/NAME…, KIND NAME…, or KIND and KIND,KIND,… where a kind may be a category ("all"). The kinds
// outlive the result. Errors: invalid.
base::Result<std::vector<Target>> parse_wanted(const Kinds& kinds,
                                               const std::vector<std::string>& words);

}  // namespace tidemill::cli
