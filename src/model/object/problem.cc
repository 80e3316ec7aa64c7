#include "model/object/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace tidemill::model {
namespace {

Problem rule(std::string message, std::vector<std::string> paths, std::string details) {
    return {.kind = ProblemKind::rule,
            .severity = Severity::error,
            .message = std::move(message),
            .paths = std::move(paths),
            .details = std::move(details)};
}

std::string_view cause_reason(ProblemKind kind) {
    switch (kind) {
        case ProblemKind::type_invalid:
            return "FieldValueTypeInvalid";
        case ProblemKind::value_invalid:
            return "FieldValueInvalid";
        case ProblemKind::value_required:
            return "FieldValueRequired";
        case ProblemKind::value_duplicate:
            return "FieldValueDuplicate";
        case ProblemKind::rule:
            break;
    }
    return "";
}

bool is_shape_error(const Problem& problem) {
    return problem.kind != ProblemKind::rule && problem.severity == Severity::error;
}

}  // namespace

Problem missing_field(std::string path) {
    return rule("missing field(s)", {std::move(path)}, {});
}

Problem disallowed_field(std::string path, std::string details) {
    return rule("must not set the field(s)", {std::move(path)}, std::move(details));
}

Problem invalid_value(std::string_view value, std::string path, std::string details) {
    return rule(fmt::format("invalid value: {}", value), {std::move(path)}, std::move(details));
}

Problem invalid_key_name(std::string_view key, std::string path, std::string details) {
    return rule(fmt::format("invalid key name \"{}\"", key), {std::move(path)}, std::move(details));
}

Problem out_of_bounds(std::string_view value, std::string_view lower, std::string_view upper,
                      std::string path) {
    return rule(fmt::format("expected {} <= {} <= {}", lower, value, upper), {std::move(path)}, {});
}

Problem missing_one_of(std::vector<std::string> paths) {
    return rule("expected exactly one, got neither", std::move(paths), {});
}

Problem multiple_one_of(std::vector<std::string> paths) {
    return rule("expected exactly one, got both", std::move(paths), {});
}

Problem plain_problem(std::string message, std::vector<std::string> paths, std::string details) {
    return rule(std::move(message), std::move(paths), std::move(details));
}

void append(Problems& to, Problems more) {
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

bool has_errors(const Problems& problems) {
    return std::ranges::find(problems, Severity::error, &Problem::severity) != problems.end();
}

bool has_shape_errors(const Problems& problems) {
    return std::ranges::any_of(problems, is_shape_error);
}

std::string render(const Problems& problems, Severity severity) {
    std::map<std::pair<std::string, std::string>, std::vector<std::string>> merged;
    for (const auto& problem : problems) {
        if (problem.severity != severity) {
            continue;
        }
        auto& paths = merged[{problem.message, problem.details}];
        for (const auto& path : problem.paths) {
            if (std::ranges::find(paths, path) == paths.end()) {
                paths.push_back(path);
            }
        }
    }
    std::vector<std::string> lines;
    for (auto& [sentence, paths] : merged) {
        std::ranges::sort(paths);
        lines.push_back(fmt::format("{}: {}{}{}", sentence.first, fmt::join(paths, ", "),
                                    sentence.second.empty() ? "" : "\n", sentence.second));
    }
    return fmt::format("{}", fmt::join(lines, "\n"));
}

std::string admission_denied(const Problems& problems) {
    return fmt::format(
        "admission webhook \"validation.webhook.serving.knative.dev\" denied the request: "
        "validation failed: {}",
        render(problems, Severity::error));
}

std::vector<Cause> shape_causes(const Problems& problems) {
    std::vector<Cause> out;
    for (const auto& problem : problems) {
        if (is_shape_error(problem)) {
            out.push_back({.reason = std::string(cause_reason(problem.kind)),
                           .message = problem.message,
                           .field = problem.paths.empty() ? std::string() : problem.paths.front()});
        }
    }
    return out;
}

std::string shape_denied(const Kind& kind, std::string_view name, const Problems& problems) {
    std::vector<std::string> lines;
    for (const auto& cause : shape_causes(problems)) {
        lines.push_back(fmt::format("{}: {}", cause.field, cause.message));
    }
    const auto what =
        kind.group.empty() ? std::string(kind.kind) : fmt::format("{}.{}", kind.kind, kind.group);
    return lines.size() == 1
               ? fmt::format("{} \"{}\" is invalid: {}", what, name, lines.front())
               : fmt::format("{} \"{}\" is invalid: [{}]", what, name, fmt::join(lines, ", "));
}

}  // namespace tidemill::model
