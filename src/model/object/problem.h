// What is wrong with a document, as a list that the API can say in either of Kubernetes' two ways.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/kinds/kind.h"

namespace tidemill::model {

enum class Severity : std::uint8_t { error, warning };

// Where a problem was found decides its HTTP status: the shape of a document is answered 422
// Invalid with one cause per problem, its meaning 400 BadRequest with the text of Knative's
// webhook.
enum class ProblemKind : std::uint8_t {
    type_invalid,     // 422, FieldValueTypeInvalid: a value of the wrong type
    value_invalid,    // 422, FieldValueInvalid
    value_required,   // 422, FieldValueRequired
    value_duplicate,  // 422, FieldValueDuplicate
    rule,             // 400
};

struct Problem {
    ProblemKind kind = ProblemKind::rule;
    Severity severity = Severity::error;
    std::string message = {};
    std::vector<std::string> paths = {};  // "spec.template.spec.containers[0].image"
    std::string details = {};             // a longer explanation, or empty

    friend bool operator==(const Problem&, const Problem&) = default;
};

using Problems = std::vector<Problem>;

// The sentences of knative/pkg apis/field_error.go.
Problem missing_field(std::string path);
Problem disallowed_field(std::string path, std::string details = {});
Problem invalid_value(std::string_view value, std::string path, std::string details = {});
Problem invalid_key_name(std::string_view key, std::string path, std::string details = {});
// Bounds as they are to be read, e.g. "0", "600" or "6s".
Problem out_of_bounds(std::string_view value, std::string_view lower, std::string_view upper,
                      std::string path);
Problem missing_one_of(std::vector<std::string> paths);
Problem multiple_one_of(std::vector<std::string> paths);
Problem plain_problem(std::string message, std::vector<std::string> paths,
                      std::string details = {});

void append(Problems& to, Problems more);
bool has_errors(const Problems& problems);
// True when a problem of the document's shape is among the errors: the answer is 422, not 400.
bool has_shape_errors(const Problems& problems);

// Errors (or warnings) in Knative's one text: equal sentences are merged, their paths sorted and
// joined. Source: knative/pkg apis/field_error.go FieldError.Error.
std::string render(const Problems& problems, Severity severity);

// The whole 400 text for errors of the rules:
// `admission webhook "validation.webhook.serving.knative.dev" denied the request: validation
// failed: …`.
std::string admission_denied(const Problems& problems);

// One entry of a Status' details.causes, and of its message.
struct Cause {
    std::string reason = {};   // "FieldValueInvalid"
    std::string message = {};  // `Invalid value: "string": … must be of type integer: "string"`
    std::string field = {};

    friend bool operator==(const Cause&, const Cause&) = default;
};
std::vector<Cause> shape_causes(const Problems& problems);
// The whole 422 text: `Service.serving.knative.dev "shop" is invalid: spec.x: Invalid value: …`,
// with several causes in brackets.
std::string shape_denied(const Kind& kind, std::string_view name, const Problems& problems);

}  // namespace tidemill::model
