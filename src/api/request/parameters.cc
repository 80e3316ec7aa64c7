#include "api/request/parameters.h"

#include <fmt/format.h>

#include "base/text.h"
#include "wire/url.h"

namespace tidemill::api {

Answered<Parameters> Parameters::parse(std::string_view query) {
    auto pairs = wire::parse_query(query);
    if (!pairs) {
        return refuse(bad_request(fmt::format("query: {}", pairs.error().message)));
    }
    Parameters out;
    out.pairs_ = *std::move(pairs);
    return out;
}

std::string_view Parameters::text(std::string_view name) const {
    for (const auto& [key, value] : pairs_) {
        if (key == name) {
            return value;
        }
    }
    return {};
}

bool Parameters::has(std::string_view name) const {
    for (const auto& pair : pairs_) {
        if (pair.first == name) {
            return true;
        }
    }
    return false;
}

Answered<bool> Parameters::flag(std::string_view name) const {
    const auto value = text(name);
    // The spellings of Go's strconv.ParseBool; kubectl writes "true", curl users write "1".
    if (value == "true" || value == "1" || value == "True") {
        return true;
    }
    if (value.empty() || value == "false" || value == "0" || value == "False") {
        return false;
    }
    return refuse(
        bad_request(fmt::format("query: {}: \"{}\" is neither true nor false", name, value)));
}

Answered<std::optional<std::uint64_t>> Parameters::number(std::string_view name) const {
    const auto value = text(name);
    if (value.empty()) {
        return std::nullopt;
    }
    const auto number = base::parse_number<std::uint64_t>(value);
    if (!number) {
        return refuse(bad_request(
            fmt::format("query: {}: \"{}\" is not a whole number from 0 up", name, value)));
    }
    return number;
}

Answered<WriteParameters> WriteParameters::parse(const Parameters& parameters) {
    WriteParameters out;
    const auto dry_run = parameters.text("dryRun");
    if (dry_run == "All") {
        out.effect = store::Effect::dry_run;
    } else if (parameters.has("dryRun")) {
        return refuse(bad_request(
            fmt::format("Invalid value: \"{}\": dryRun: supported values: \"All\"", dry_run)));
    }
    const auto validation = parameters.text("fieldValidation");
    if (validation == "Strict") {
        out.validation = FieldValidation::strict;
    } else if (validation == "Ignore") {
        out.validation = FieldValidation::ignore;
    } else if (!validation.empty() && validation != "Warn") {
        return refuse(bad_request(fmt::format(
            "Invalid value: \"{}\": fieldValidation: supported values: \"Ignore\", \"Warn\", "
            "\"Strict\"",
            validation)));
    }
    out.field_manager = parameters.text("fieldManager");
    if (out.field_manager.size() > 128) {
        return refuse(bad_request("fieldManager: Too long: may not be more than 128 bytes"));
    }
    TRY(out.force, parameters.flag("force"));
    return out;
}

Answered<ListParameters> ListParameters::parse(const Parameters& parameters,
                                               const model::Kind& kind) {
    ListParameters out;
    TRY(const auto limit, parameters.number("limit"));
    out.limit = limit.value_or(0);
    out.continue_token = parameters.text("continue");
    TRY(out.watch, parameters.flag("watch"));
    TRY(out.bookmarks, parameters.flag("allowWatchBookmarks"));
    TRY(out.resource_version, parameters.number("resourceVersion"));
    TRY(const auto timeout, parameters.number("timeoutSeconds"));
    if (timeout) {
        out.timeout = std::chrono::seconds(std::min<std::uint64_t>(*timeout, 86'400));
    }
    if (!parameters.text("sendInitialEvents").empty()) {
        TRY(out.initial_events, parameters.flag("sendInitialEvents"));
    }
    const auto match = parameters.text("resourceVersionMatch");
    if (match == "Exact") {
        out.match = ListParameters::Match::exact;
    } else if (match == "NotOlderThan") {
        out.match = ListParameters::Match::not_older_than;
    } else if (!match.empty()) {
        return refuse(invalid_field(kind, "", "resourceVersionMatch",
                                    fmt::format("Unsupported value: \"{}\": supported values: "
                                                "\"Exact\", \"NotOlderThan\"",
                                                match)));
    }
    // Source of the rules: kubernetes/apimachinery pkg/apis/meta/internalversion/validation.
    if (out.watch) {
        if (out.initial_events && out.match != ListParameters::Match::not_older_than) {
            return refuse(invalid_field(
                kind, "", "resourceVersionMatch",
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
                "NotOlderThan"));
        }
        if (!out.initial_events && out.match != ListParameters::Match::unset) {
            return refuse(invalid_field(kind, "", "resourceVersionMatch",
                                        "Forbidden: resourceVersionMatch is forbidden for watch "
                                        "unless sendInitialEvents is provided"));
        }
        if (!out.continue_token.empty()) {
            return refuse(bad_request("continue is forbidden for watch"));
        }
        return out;
    }
    if (out.initial_events) {
        return refuse(invalid_field(kind, "", "sendInitialEvents",
                                    "Forbidden: sendInitialEvents is forbidden for list"));
    }
    if (out.match != ListParameters::Match::unset && !out.resource_version) {
        return refuse(invalid_field(kind, "", "resourceVersionMatch",
                                    "Forbidden: resourceVersionMatch is forbidden unless "
                                    "resourceVersion is provided"));
    }
    if (out.match == ListParameters::Match::exact && out.resource_version == 0) {
        return refuse(invalid_field(kind, "", "resourceVersionMatch",
                                    "Forbidden: resourceVersionMatch \"Exact\" is forbidden for "
                                    "resourceVersion \"0\""));
    }
    if (!out.continue_token.empty() && out.resource_version.value_or(0) != 0) {
        return refuse(
            bad_request("specifying resource version is not allowed when using continue"));
    }
    return out;
}

}  // namespace tidemill::api
