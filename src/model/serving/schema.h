// The shape of a document, checked against the table in fields.h.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/object/json_fields.h"
#include "model/object/problem.h"
#include "model/serving/fields.h"

namespace tidemill::model {

// How many problems of one document are listed at most; a thousand wrong elements say no more than
// ten.
inline constexpr std::size_t problems_max = 100;

struct ShapeReport {
    Problems problems;                        // wrong types, missing members, duplicate elements
    std::vector<std::string> unknown_fields;  // "spec.template.spec.contaners"
};

// Checks a document's shape. Members that are null or not in the table are taken out of `document`;
// the latter are listed, for fieldValidation Strict and Warn.
ShapeReport check_shape(std::span<const Field> fields, JsonObject& document);

// The same for one object of the tree, without changing it and without minding unknown members; the
// paths begin with `at`.
Problems check_types(std::span<const Field> fields, const JsonObject& document, std::string at);

// Fields that are set although this version gives them no effect: refused ones as errors, others as
// warnings. Precondition: the shape was checked.
Problems check_treatment(std::span<const Field> fields, const JsonObject& document);

}  // namespace tidemill::model
