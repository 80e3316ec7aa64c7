#include "model/serving/admission.h"

#include <fmt/format.h>

#include "model/object/object_validation.h"
#include "model/serving/defaults.h"
#include "model/serving/fields.h"
#include "model/serving/schema.h"
#include "model/serving/validation.h"

namespace tidemill::model {
namespace {

// The rows of a document that are in an Object's body: the others were read before.
std::vector<Field> body_fields(KindId kind) {
    std::vector<Field> out;
    for (const auto& field : fields_of(kind)) {
        if (field.name != "apiVersion" && field.name != "kind" && field.name != "metadata") {
            out.push_back(field);
        }
    }
    return out;
}

bool is_serving(KindId kind) {
    return kind_of(kind).group == kind_of(KindId::service).group;
}

// Members of metadata that nobody knows are listed like others, but were kept apart when it was
// read.
void take_unknown_metadata(Metadata& metadata, KindId kind, std::vector<std::string>& unknown) {
    for (const auto& document_field : fields_of(kind)) {
        if (document_field.name != "metadata") {
            continue;
        }
        for (auto member = metadata.other.begin(); member != metadata.other.end();) {
            const std::string_view name(member->key().data(), member->key().size());
            bool known = false;
            for (const auto& field : document_field.fields) {
                known = known || field.name == name;
            }
            if (known) {
                ++member;
                continue;
            }
            unknown.push_back(fmt::format("metadata.{}", name));
            member = metadata.other.stable_erase(member);
        }
    }
}

}  // namespace

Admission admit(Object object, const AdmissionContext& context) {
    Admission out{.object = std::move(object), .problems = {}, .unknown_fields = {}};
    append(out.problems, check_object_metadata(out.object, context.previous));
    const auto fields = body_fields(out.object.kind);
    auto report = check_shape(fields, out.object.body);
    append(out.problems, std::move(report.problems));
    out.unknown_fields = std::move(report.unknown_fields);
    take_unknown_metadata(out.object.metadata, out.object.kind, out.unknown_fields);
    if (has_errors(out.problems)) {
        return out;
    }
    if (!is_serving(out.object.kind)) {
        apply_core_defaults(out.object);
        append(out.problems, check_core(out.object, context.previous));
        return out;
    }
    apply_defaults(out.object, context);
    append(out.problems, validate(out.object, context));
    // A revision that is stored keeps what was allowed when it was made.
    if (out.object.kind != KindId::revision || context.operation == Operation::create) {
        append(out.problems, check_treatment(fields, out.object.body));
    }
    return out;
}

std::vector<std::string> unknown_field_texts(const std::vector<std::string>& fields) {
    std::vector<std::string> out;
    out.reserve(fields.size());
    for (const auto& field : fields) {
        out.push_back(fmt::format("unknown field \"{}\"", field));
    }
    return out;
}

}  // namespace tidemill::model
