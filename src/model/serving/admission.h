// The way of a user's document into the store: shape, defaults, rules, refusals; one call for the
// API.
#pragma once

#include <string>
#include <vector>

#include "model/object/object.h"
#include "model/object/problem.h"
#include "model/settings/config.h"

namespace tidemill::model {

enum class Operation : std::uint8_t { create, update };

// What the rules need to know beside the document. References must outlive the call.
struct AdmissionContext {
    Operation operation = Operation::create;
    const PlatformConfig& config;
    const Object* previous = nullptr;  // what is stored, for an update
    std::string user;                  // who asks, for creator and lastModifier
};

struct Admission {
    // What to store if there are no errors: defaults in, unknown members and nulls out.
    Object object;
    Problems problems;  // errors and warnings of any kind
    std::vector<std::string>
        unknown_fields;  // refuse under fieldValidation=Strict, warn under Warn
};

// Judges a whole object that a user wants stored; not for the status subresource. Kinds that are
// not Serving's are checked by object_validation.h. Generation, uid and times are the store's
// business.
//
// Order: a wrong shape ends it (422); then defaults are set; then all rules speak at once (400).
Admission admit(Object object, const AdmissionContext& context);

// The texts of a document's unknown fields: `unknown field "spec.foo"`.
std::vector<std::string> unknown_field_texts(const std::vector<std::string>& fields);

}  // namespace tidemill::model
