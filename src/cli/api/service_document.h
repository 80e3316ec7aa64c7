// A Knative Service as `deploy` writes it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/flags.h"
#include "wire/json.h"

namespace tidemill::cli {

// What deploy's flags say about the next revision; what is absent stays as it is.
struct ServiceWish {
    std::string image;
    std::vector<std::pair<std::string, std::optional<std::string>>> env;  // nothing: taken away
    std::vector<std::pair<std::string, std::string>> annotations;         // of the template
    std::string memory;
    std::string cpu;
    std::optional<std::int64_t> concurrency;
    std::optional<std::int64_t> timeout_seconds;
    std::string revision_name;
    enum class Traffic : std::uint8_t { follow, stay } traffic = Traffic::follow;
};

// Errors: invalid (a value that cannot be read; whether it is allowed is the server's to say).
base::Result<ServiceWish> read_service_wish(const Invocation& given);
// The flags of which it is read.
std::vector<Flag> service_flags();

wire::Json new_service(const std::string& space, const std::string& name, const ServiceWish& wish);
// The merge patch that makes `service` so; it holds the resourceVersion seen, so that a change by
// somebody else meanwhile is a conflict. Errors: invalid (traffic shall stay, but no revision is
// ready yet).
base::Result<wire::Json> service_patch(const wire::Json& service, const ServiceWish& wish);

}  // namespace tidemill::cli
