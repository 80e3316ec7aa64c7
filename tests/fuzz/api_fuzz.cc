// A request to the API before it meets the store: method and target in the first line, the media
// type in the second, the body behind. Nothing of it ends the process, and what is read twice means
// the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/access/audit.h"
#include "api/objects/patch.h"
#include "api/objects/server_side_apply.h"
#include "api/objects/wish.h"
#include "api/request/document.h"
#include "api/request/parameters.h"
#include "api/request/representation.h"
#include "api/request/request_path.h"
#include "base/check.h"
#include "wire/json.h"

namespace {

using namespace tidemill;

std::string_view take_line(std::string_view& rest) {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return line;
}

void check_refusal(const api::Refusal& refusal) {
    CHECK(refusal.status >= 400 && refusal.status < 600 && !refusal.message.empty());
    CHECK(wire::parse_json(wire::write_json(refusal.to_json())).has_value());
}

void check_document(const model::Json& document) {
    const auto& kind = model::kind_of(model::KindId::config_map);
    const model::Json live = model::JsonObject{{"metadata", model::JsonObject{{"name", "m"}}},
                                               {"data", model::JsonObject{{"a", "b"}}}};
    for (const auto type :
         {api::PatchType::json, api::PatchType::merge, api::PatchType::strategic}) {
        if (const auto result = api::patched(type, kind, "m", live, document); !result) {
            check_refusal(result.error());
        }
    }
    const api::ApplyRequest request{.kind = kind, .name = "m", .manager = "fuzz", .now = {}};
    if (const auto once = api::apply_document(request, live, document)) {
        const auto twice = api::apply_document(request, *once, document);
        CHECK(twice && *twice == *once);
    } else {
        check_refusal(once.error());
    }
    (void)api::redact(document);
    (void)model::object_from_json(model::KindId::service, document);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const auto target = take_line(rest);
    const auto media = take_line(rest);
    const auto path = api::parse_path(target.substr(0, target.find('?')));
    if (!path) {
        check_refusal(path.error());
    } else {
        const auto again = api::parse_path(path->text);
        CHECK(again && again->resource == path->resource);
    }
    const auto query = target.find('?');
    const auto parameters = api::Parameters::parse(
        query == std::string_view::npos ? std::string_view() : target.substr(query + 1));
    if (!parameters) {
        check_refusal(parameters.error());
    } else {
        (void)api::ListParameters::parse(*parameters, model::kind_of(model::KindId::service));
        (void)api::WriteParameters::parse(*parameters);
    }
    (void)api::Representation::parse(media, "");
    const auto document =
        api::parse_optional_document(std::string(media), rest.substr(0, 64U << 10));
    if (!document) {
        check_refusal(document.error());
        return 0;
    }
    (void)api::delete_options(parameters.value_or(api::Parameters()), *document);
    if (*document) {
        check_document(**document);
    }
    return 0;
}
