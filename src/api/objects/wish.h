// From a document that somebody sent to an object that may be stored.
#pragma once

#include <optional>

#include "api/request/call.h"
#include "api/settings.h"
#include "model/object/object.h"
#include "store/store.h"

namespace tidemill::api {

// The document as an object at the call's address: kind, namespace and name must agree with the
// path where they are given. Errors: 400.
Answered<model::Object> object_at_address(const Call& call, const model::Kind& kind,
                                          model::Json document);

// Judges the object by the model's rules and those that need the store; sets defaults. Warnings go
// to the call. `previous` is what is stored, or nullptr for a new object. Errors: 400, 403, 404 (of
// the namespace), 422.
struct Admitting {
    const store::Store& store;
    Settings& settings;
    FieldValidation validation = FieldValidation::warn;
};
Answered<model::Object> admitted(Call& call, const Admitting& with, model::Object object,
                                 const model::Object* previous);

// What DELETE may be told, in its body or its query; both may say it. Errors: 400.
Answered<store::DeleteOptions> delete_options(const Parameters& parameters,
                                              const std::optional<model::Json>& body);

}  // namespace tidemill::api
