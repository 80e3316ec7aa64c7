// Every field of the kinds that users write (those of core kinds are in object/core_fields.cc), and
// what this version does with it. The shape of documents is checked against this table, fields
// without effect are refused or warned of from it, and a conformance test walks it: a field that
// gains an effect changes its row here and nowhere else.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "model/kinds/kind.h"

namespace tidemill::model {

enum class FieldType : std::uint8_t {
    object,
    object_list,
    text,
    text_list,
    text_map,
    flag,
    int32,
    int64,
    int_or_text,
    quantity,
    any,  // not looked into
};

enum class Treatment : std::uint8_t {
    effect,    // does what Knative documents
    refused,   // an error with the field's name
    warned,    // accepted with a warning, because leaving it out changes nothing that a user relies
               // on
    reported,  // written by the platform; what a user writes there is dropped
};

struct Field {
    std::string_view name;  // "*" is any other member of the object
    FieldType type = FieldType::object;
    Treatment treatment = Treatment::effect;
    // Why it is refused or warned of, as one clause for a person; empty for the others.
    std::string_view reason = {};
    // Values, separated by '|', that ask for what happens anyway, so that nothing needs to be said.
    std::string_view harmless = {};
    // Members of the object, or of each object of the list.
    std::span<const Field> fields = {};
    // Knative refuses it too, with the sentence alone; otherwise the reason is added.
    bool refused_by_knative = false;
    bool required = false;
    // The member that tells elements of a list apart, when there may be only one of each.
    std::string_view list_key = {};
    // The members, separated by '|', by which elements are found again when two documents are
    // merged; "name=a" gives what stands for one that is not said, and "*" is the element itself.
    // A list without is owned and replaced whole.
    std::string_view merge_keys = {};
    // What it is, in one sentence for `kubectl explain`; may be empty.
    std::string_view meaning = {};

    // The same row with that sentence.
    constexpr Field means(std::string_view sentence) const;
};
constexpr Field Field::means(std::string_view sentence) const {
    Field out = *this;
    out.meaning = sentence;
    return out;
}

// The fields of a whole document of a kind that users write; empty for views.
std::span<const Field> fields_of(KindId kind);

// Visits every field, parents first. `path` is "spec.template.spec.containers[].env[].name";
// `resolved` carries the treatment and reason that hold there, those of the nearest parent that is
// refused, warned or reported, else its own.
struct ResolvedField {
    const Field& field;
    Treatment treatment;
    std::string_view reason;
};
void for_each_field(
    KindId kind,
    const std::function<void(std::string_view path, const ResolvedField& resolved)>& visit);

std::string_view treatment_name(Treatment treatment);

}  // namespace tidemill::model
