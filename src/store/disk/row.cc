#include "store/disk/row.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/bytes.h"

namespace tidemill::store {
namespace {

using base::Code;
using base::fail;

// What was accepted must be readable again; the API's own limit is far lower.
constexpr std::size_t depth_max = 10'000;

// Bound to a sealed document, so that it cannot be moved to another object.
std::string seal_context(const Row& row) {
    return fmt::format("tidemill store 1\n{}\n{}\n{}", row.kind, row.namespace_name, row.name);
}

std::string row_name(const Row& row) {
    return fmt::format("{} \"{}{}{}\"", row.kind, row.namespace_name,
                       row.namespace_name.empty() ? "" : "/", row.name);
}

}  // namespace

std::uint64_t digest_of(const Row& row) {
    return base::fnv1a(fmt::format("{}\n{}\n{}\n{}\n{}\n{}", row.kind, row.namespace_name, row.name,
                                   row.revision, static_cast<unsigned>(row.encoding),
                                   base::fnv1a(row.document)));
}

base::Result<Row> to_row(const model::Object& object, Sealer& sealer, std::size_t bytes_max) {
    Row row;
    row.kind = model::kind_of(object.kind).group_resource();
    row.namespace_name = object.metadata.namespace_name;
    row.name = object.metadata.name;
    row.revision = object.metadata.resource_version;
    row.document = boost::json::serialize(model::to_json(object));
    if (row.document.size() > bytes_max) {
        return fail(Code::exhausted,
                    "{}: {} bytes as JSON, the limit is {}; keep large data elsewhere",
                    row_name(row), row.document.size(), bytes_max);
    }
    if (object.kind == model::KindId::secret) {
        auto sealed = sealer.seal(row.document, seal_context(row));
        if (!sealed) {
            return base::wrap(row_name(row), std::move(sealed).error());
        }
        row.encoding = Encoding::sealed_json;
        row.document = *std::move(sealed);
    }
    row.digest = digest_of(row);
    return row;
}

base::Result<model::Object> from_document(std::string_view document) {
    boost::json::error_code error;
    boost::json::parse_options options;
    options.max_depth = depth_max;
    auto parsed = boost::json::parse(model::as_json(document), error, {}, options);
    if (error) {
        return fail(Code::invalid, "its stored document is not JSON ({})", error.message());
    }
    return model::object_from_json(std::move(parsed));
}

base::Result<model::Object> from_row(const Row& row, Sealer& sealer) {
    std::string unsealed;
    const std::string* text = &row.document;
    if (row.encoding == Encoding::sealed_json) {
        auto opened = sealer.unseal(row.document, seal_context(row));
        if (!opened) {
            return base::wrap(row_name(row), std::move(opened).error());
        }
        unsealed = *std::move(opened);
        text = &unsealed;
    }
    auto object = from_document(*text);
    if (!object) {
        return base::wrap(row_name(row), std::move(object).error());
    }
    const bool fits = model::kind_of(object->kind).group_resource() == row.kind &&
                      object->metadata.namespace_name == row.namespace_name &&
                      object->metadata.name == row.name &&
                      object->metadata.resource_version == row.revision;
    if (!fits) {
        return fail(Code::invalid, "{}: its stored document is that of {} version {}",
                    row_name(row), model::describe(object->key()),
                    object->metadata.resource_version);
    }
    return object;
}

}  // namespace tidemill::store
