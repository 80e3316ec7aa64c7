#include "api/request/document.h"

#include <fmt/format.h>

#include "base/text.h"
#include "wire/json.h"
#include "wire/protobuf/kube.h"
#include "wire/yaml.h"

namespace tidemill::api {
namespace {

constexpr std::string_view accepted =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";

Refusal unreadable(const base::Error& error, std::string_view what) {
    if (error.code == base::Code::not_found) {
        return bad_request(error.message);
    }
    const auto hint = error.code == base::Code::exhausted ? " (TM-305)" : "";
    return bad_request(
        fmt::format("the body is not {} that can be read: {}{}", what, error.message, hint));
}

}  // namespace

std::string media_type(std::string_view content_type) {
    return base::lower(base::trim(content_type.substr(0, content_type.find(';'))));
}

async::Task<Answered<std::string>> read_body(http::Request& request) {
    auto body = co_await request.body.read_all(body_bytes_max);
    if (!body) {
        if (body.error().code == base::Code::exhausted) {
            co_return refuse(too_large(body_bytes_max));
        }
        co_return refuse(bad_request(fmt::format("the body: {}", body.error().message)));
    }
    co_return *std::move(body);
}

Answered<model::Json> parse_document(const std::string& content_type, std::string_view body) {
    const auto type = media_type(content_type);
    if (type.empty() || type == "application/json") {
        auto document = wire::parse_json(body);
        if (!document) {
            return refuse(unreadable(document.error(), "JSON"));
        }
        return *std::move(document);
    }
    if (type == "application/yaml" || type == "text/yaml") {
        auto documents = wire::parse_yaml(body);
        if (!documents) {
            return refuse(unreadable(documents.error(), "YAML"));
        }
        if (documents->size() != 1) {
            return refuse(bad_request(
                fmt::format("the body holds {} YAML documents; one is wanted", documents->size())));
        }
        return std::move(documents->front());
    }
    if (type == wire::kube_protobuf_type) {
        auto document = wire::parse_kube_protobuf(body);
        if (!document) {
            return refuse(unreadable(document.error(), "Kubernetes protobuf"));
        }
        return *std::move(document);
    }
    return refuse(unsupported_media_type(type, accepted));
}

Answered<std::optional<model::Json>> parse_optional_document(const std::string& content_type,
                                                             std::string_view body) {
    if (base::trim(body).empty()) {
        return std::nullopt;
    }
    TRY(auto document, parse_document(content_type, body));
    return document;
}

}  // namespace tidemill::api
