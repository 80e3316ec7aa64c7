// In which form the client wants its answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/request/refusal.h"
#include "base/time.h"
#include "model/object/object.h"
#include "store/store.h"

namespace tidemill::api {

// The first form of an Accept field that can be given, in the client's order (clients of
// Kubernetes' kind send no quality values).
struct Representation {
    enum class Format : std::uint8_t { json, yaml } format = Format::json;
    enum class Shape : std::uint8_t { object, table, partial } shape = Shape::object;
    std::string group_version = "meta.k8s.io/v1";  // of tables and partial objects
    // How much of each object a table's row carries.
    enum class RowObject : std::uint8_t { none, metadata, whole } row_object = RowObject::metadata;

    // Errors: 406 (nothing of what is accepted can be given, protobuf alone for one), 400.
    static Answered<Representation> parse(std::string_view accept, std::string_view include_object);
    std::string_view content_type() const;
};

// One media type of an Accept field: "application/json;as=Table;v=v1;g=meta.k8s.io".
struct MediaRange {
    std::string_view type;
    std::string_view as;
    std::string_view group;
    std::string_view version;
};
std::vector<MediaRange> media_ranges(std::string_view accept);

// Whether a table brings its column definitions: the first of a watch does, later ones need not.
enum class Header : std::uint8_t { with_columns, without_columns };

model::Json render(const model::Object& object, const Representation& as, base::WallTime now,
                   Header header = Header::with_columns);
model::Json render_list(const model::Kind& kind, const store::ListPage& page,
                        const Representation& as, base::WallTime now);
// The object of a bookmark: its kind and where it stands. `initial_end` marks the end of the
// objects that a watch began with.
enum class Bookmark : std::uint8_t { progress, initial_end };
model::Json render_bookmark(const model::Kind& kind, std::uint64_t revision, Bookmark what,
                            const Representation& as);
// The text that goes on the wire.
std::string write_document(const model::Json& document, Representation::Format format);

}  // namespace tidemill::api
