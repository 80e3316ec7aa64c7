// An object as the database keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/object/object.h"
#include "store/sealer.h"

namespace tidemill::store {

// How `document` is to be read. Numbers are written to disk: never change one.
enum class Encoding : std::uint8_t {
    json = 0,
    sealed_json = 1,  // kinds that hold secrets
};

struct Row {
    std::string kind;  // "services.serving.knative.dev"
    std::string namespace_name;
    std::string name;
    std::uint64_t revision = 0;
    Encoding encoding = Encoding::json;
    std::string document;
    std::uint64_t digest = 0;  // see digest_of
};

// Over everything else in the row; stable across builds.
std::uint64_t digest_of(const Row& row);

// Errors: exhausted (the document is larger than bytes_max), those of the sealer.
base::Result<Row> to_row(const model::Object& object, Sealer& sealer, std::size_t bytes_max);
// An object from its document, unsealed. Errors: invalid.
base::Result<model::Object> from_document(std::string_view document);
// Errors: invalid (not what to_row wrote, or sealed with a key that is not there; the message names
// the object).
base::Result<model::Object> from_row(const Row& row, Sealer& sealer);

}  // namespace tidemill::store
