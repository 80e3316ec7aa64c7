// What the store keeps: any object of any kind, as its typed metadata and the rest of its document.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/kinds/kind.h"
#include "model/object/json_fields.h"
#include "model/object/metadata.h"

namespace tidemill::model {

// Names one object at any time; the same key may name another object later (see Metadata::uid).
struct ObjectKey {
    KindId kind{};
    std::string namespace_name = {};
    std::string name = {};

    friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
    friend bool operator==(const ObjectKey&, const ObjectKey&) = default;
};

// For messages: `services.serving.knative.dev "default/shop"`.
std::string describe(const ObjectKey& key);

// Metadata exists once, typed: `body` never holds apiVersion, kind or metadata, so that the two
// cannot disagree. A value: copies are deep and independent.
struct Object {
    KindId kind{};
    Metadata metadata = {};
    JsonObject body = {};  // spec, status, data, ...

    ObjectKey key() const { return {kind, metadata.namespace_name, metadata.name}; }

    // Members of the body; empty objects when absent.
    const JsonObject& spec() const;
    const JsonObject& status() const;

    friend bool operator==(const Object&, const Object&) = default;
};

// Reads a whole document. Errors: invalid (not an object, an unknown apiVersion/kind, metadata of a
// wrong type). The body is not examined: see admission.h.
base::Result<Object> object_from_json(Json document);
// The same for a document that may leave out apiVersion and kind, because the place it came from
// says what it is; one that says otherwise is refused. Errors: invalid.
base::Result<Object> object_from_json(KindId expected, Json document);

Json to_json(const Object& object);

// True when `next` differs from `before` outside metadata and status, which is what moves
// metadata.generation.
bool changes_generation(const Object& before, const Object& next);

// A reference by which `owner` owns another object: the controller, blocking foreground deletion.
OwnerReference controller_reference(const Object& owner);

}  // namespace tidemill::model
