#include "api/platform/access_question.h"

#include "api/request/document.h"
#include "wire/protobuf/kube.h"
#include "wire/protobuf/reader.h"

namespace tidemill::api {
namespace {

// The bytes of field `number` of a message; nothing when it is not there. Errors: invalid.
base::Result<std::optional<std::string_view>> field_of(std::string_view message,
                                                       std::uint32_t number) {
    wire::ProtobufReader reader(message);
    for (;;) {
        TRY(const auto field, reader.next());
        if (!field) {
            return std::nullopt;
        }
        if (field->number == number && field->type == wire::ProtobufType::bytes) {
            return field->bytes;
        }
    }
}

base::Result<std::string> text_of(std::string_view message, std::uint32_t number) {
    TRY(const auto bytes, field_of(message, number));
    return std::string(bytes.value_or(std::string_view()));
}

// Field numbers of k8s.io/api authorization/v1 generated.proto 0.32: SelfSubjectAccessReview.spec
// is 2; of the spec, resourceAttributes is 1 and nonResourceAttributes 2.
base::Result<std::optional<auth::Access>> read_protobuf(std::string_view body) {
    constexpr std::string_view magic("k8s\0", 4);
    if (!body.starts_with(magic)) {
        return base::fail(base::Code::invalid, "the body does not begin as Kubernetes protobuf");
    }
    TRY(const auto raw, field_of(body.substr(magic.size()), 2));
    TRY(const auto spec, field_of(raw.value_or(std::string_view()), 2));
    TRY(const auto page, field_of(spec.value_or(std::string_view()), 2));
    TRY(const auto resource, field_of(spec.value_or(std::string_view()), 1));
    auth::Access access;
    if (page) {
        TRY(access.path, text_of(*page, 1));
        TRY(access.verb, text_of(*page, 2));
        return access;
    }
    if (!resource) {
        return std::nullopt;
    }
    TRY(access.space, text_of(*resource, 1));
    TRY(access.verb, text_of(*resource, 2));
    TRY(access.api_group, text_of(*resource, 3));
    TRY(access.resource, text_of(*resource, 5));
    TRY(access.subresource, text_of(*resource, 6));
    TRY(access.name, text_of(*resource, 7));
    return access;
}

std::optional<auth::Access> read_document(const model::Json& document) {
    const auto text = [&](std::string_view part, std::string_view key) {
        return std::string(model::text_at(document, {"spec", part, key}));
    };
    constexpr std::string_view page = "nonResourceAttributes";
    constexpr std::string_view resource = "resourceAttributes";
    auth::Access access;
    if (model::find_member(document, {"spec", page}) != nullptr) {
        access.verb = text(page, "verb");
        access.path = text(page, "path");
        return access;
    }
    if (model::find_member(document, {"spec", resource}) == nullptr) {
        return std::nullopt;
    }
    access.verb = text(resource, "verb");
    access.api_group = text(resource, "group");
    access.resource = text(resource, "resource");
    access.subresource = text(resource, "subresource");
    access.space = text(resource, "namespace");
    access.name = text(resource, "name");
    return access;
}

}  // namespace

Answered<auth::Access> parse_access_question(const std::string& content_type,
                                             std::string_view body) {
    std::optional<auth::Access> access;
    if (media_type(content_type) == wire::kube_protobuf_type) {
        auto read = read_protobuf(body);
        if (!read) {
            return refuse(bad_request(read.error().message));
        }
        access = *std::move(read);
    } else {
        TRY(const auto document, parse_document(content_type, body));
        access = read_document(document);
    }
    if (!access) {
        return refuse(bad_request(
            "spec: exactly one of resourceAttributes and nonResourceAttributes is wanted"));
    }
    return *std::move(access);
}

}  // namespace tidemill::api
