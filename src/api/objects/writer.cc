#include "api/objects/writer.h"

#include <fmt/format.h>

#include "api/bootstrap.h"
#include "api/objects/patch.h"
#include "api/objects/reader.h"
#include "api/objects/server_side_apply.h"
#include "api/objects/wish.h"
#include "api/request/document.h"
#include "base/text.h"
#include "model/object/names.h"
#include "wire/json.h"
#include "wire/yaml.h"

namespace tidemill::api {
namespace {

using base::Code;
using model::as_json;
using model::Json;
using model::JsonObject;

constexpr int generated_names_tried = 8;  // as the API server since 1.30
// As kube-apiserver retries patches that name no version.
constexpr int patches_tried = 5;

std::string identity_of(const model::Object& object) {
    return fmt::format("uid {} resourceVersion {}", object.metadata.uid,
                       object.metadata.resource_version);
}

Json deleted_status(const model::Kind& kind, const model::Object& object) {
    JsonObject details{{"name", as_json(object.metadata.name)}, {"kind", as_json(kind.plural)}};
    if (!kind.group.empty()) {
        details["group"] = as_json(kind.group);
    }
    details["uid"] = as_json(object.metadata.uid);
    return JsonObject{{"kind", "Status"},
                      {"apiVersion", "v1"},
                      {"metadata", JsonObject()},
                      {"status", "Success"},
                      {"details", std::move(details)}};
}

Answered<Json> parse_patch(PatchType type, std::string_view body) {
    if (type == PatchType::apply) {
        return parse_document("application/yaml", body);
    }
    return parse_document("application/json", body);
}

// The version that a document asks for: nothing if it names none.
Answered<std::optional<std::uint64_t>> wanted_version(const Json& document) {
    const auto text = model::text_at(document, {"metadata", "resourceVersion"});
    if (text.empty()) {
        return std::nullopt;
    }
    const auto version = base::parse_number<std::uint64_t>(text);
    if (!version) {
        return refuse(
            bad_request(fmt::format("metadata.resourceVersion: \"{}\" is no version", text)));
    }
    return version;
}

}  // namespace

Reply Writer::answer(const Call& call, const model::Object& object, int status) const {
    return Reply::document(render(object, call.wanted, host_.clock.wall_now()), call.wanted.format,
                           status);
}

async::Task<Answered<Reply>> Writer::create(Call& call, const model::Kind& kind) {
    if (!call.resource().name.empty()) {
        co_return refuse(method_not_allowed("POST goes to the collection, not to one object"));
    }
    CO_TRY(const auto parameters, WriteParameters::parse(call.parameters));
    CO_TRY(const auto body, co_await read_body(call.request));
    CO_TRY(auto document, parse_document(call.content_type(), body));
    CO_TRY(auto object, object_at_address(call, kind, std::move(document)));
    if (object.metadata.resource_version != 0) {
        co_return refuse(bad_request("resourceVersion should not be set on objects to be created"));
    }
    const Admitting with{store_, settings_, parameters.validation};
    CO_TRY(object, admitted(call, with, std::move(object), nullptr));
    CO_TRY(const auto stored, co_await insert(call, kind, std::move(object), parameters.effect));
    co_return answer(call, *stored, 201);
}

async::Task<Answered<store::ObjectPtr>> Writer::insert(Call& call, const model::Kind& kind,
                                                       model::Object object, store::Effect effect) {
    const bool generated = object.metadata.name.empty();
    for (int attempt = 1;; ++attempt) {
        if (generated) {
            object.metadata.name =
                model::generate_name(object.metadata.generate_name, host_.random.next_u64());
        }
        call.access.name = object.metadata.name;
        std::string id;
        if (effect == store::Effect::write) {
            CO_TRY(id, co_await recorder_.asked(call, std::nullopt, model::to_json(object)));
        }
        auto stored = co_await store_.create(object, {.effect = effect});
        if (effect == store::Effect::write) {
            recorder_.done(call, id, stored ? 201 : 409,
                           stored ? identity_of(**stored) : stored.error().message);
        }
        if (stored) {
            co_return *std::move(stored);
        }
        if (generated && stored.error().code == Code::conflict && attempt < generated_names_tried) {
            continue;
        }
        co_return refuse(from_store(stored.error(), kind, object.metadata.name, Writing::create));
    }
}

Answered<model::Object> Writer::next_state(Call& call, const model::Kind& kind,
                                           const WriteParameters& parameters, Json document,
                                           const model::Object& previous) {
    TRY(auto object, object_at_address(call, kind, std::move(document)));
    if (is_status(call)) {
        // Of what was sent only the status counts.
        model::Object next = previous;
        if (const auto* status = object.body.if_contains("status")) {
            next.body["status"] = *status;
        } else {
            next.body.stable_erase("status");
        }
        return next;
    }
    return admitted(call, {store_, settings_, parameters.validation}, std::move(object), &previous);
}

async::Task<Answered<store::ObjectPtr>> Writer::replace(Call& call, const model::Kind& kind,
                                                        model::Object object,
                                                        store::ObjectPtr previous,
                                                        store::Effect effect) {
    std::string id;
    if (effect == store::Effect::write) {
        CO_TRY(id,
               co_await recorder_.asked(call, model::to_json(*previous), model::to_json(object)));
    }
    object.metadata.resource_version = previous->metadata.resource_version;
    object.metadata.uid = previous->metadata.uid;
    const auto name = object.metadata.name;
    const store::WriteOptions options{.effect = effect};
    auto task = is_status(call) ? store_.update_status(std::move(object), options)
                                : store_.update(std::move(object), options);
    auto stored = co_await std::move(task);
    if (effect == store::Effect::write) {
        recorder_.done(call, id, stored ? 200 : 409,
                       stored ? identity_of(**stored) : stored.error().message);
    }
    if (!stored) {
        co_return refuse(from_store(stored.error(), kind, name, Writing::change));
    }
    co_return *std::move(stored);
}

async::Task<Answered<Reply>> Writer::update(Call& call, const model::Kind& kind) {
    CO_TRY(const auto parameters, WriteParameters::parse(call.parameters));
    CO_TRY(const auto body, co_await read_body(call.request));
    CO_TRY(auto document, parse_document(call.content_type(), body));
    const auto& resource = call.resource();
    CO_TRY(const auto version, wanted_version(document));
    const auto warnings = call.warnings.size();
    for (int attempt = 1;; ++attempt) {
        call.warnings.resize(warnings);
        const auto previous = store_.get({kind.id, resource.space, resource.name});
        if (!previous) {
            co_return refuse(from_store(previous.error(), kind, resource.name, Writing::change));
        }
        if (!version && !kind.group.empty()) {
            // Kinds that are no built-in ones of Kubernetes are never overwritten blindly.
            co_return refuse(invalid_field(kind, resource.name, "metadata.resourceVersion",
                                           "Invalid value: 0x0: must be specified for an update"));
        }
        const auto uid = std::string(model::text_at(document, {"metadata", "uid"}));
        if (!uid.empty() && uid != (*previous)->metadata.uid) {
            co_return refuse(conflict(
                kind, resource.name,
                fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                            uid, (*previous)->metadata.uid)));
        }
        if (version.value_or(0) != 0 && *version != (*previous)->metadata.resource_version) {
            co_return refuse(conflict(kind, resource.name,
                                      "the object has been modified; please apply your changes to "
                                      "the latest version and try again"));
        }
        auto wish = document;
        if (auto* const fields = wish.if_object(); uid.empty() && fields != nullptr) {
            // Whoever names no uid means the object of that name.
            model::object_at(*fields, "metadata")["uid"] = (*previous)->metadata.uid;
        }
        CO_TRY(auto next, next_state(call, kind, parameters, wish, **previous));
        auto stored = co_await replace(call, kind, std::move(next), *previous, parameters.effect);
        if (!stored && stored.error().status == 409 && !version && attempt < patches_tried) {
            continue;
        }
        CO_TRY(const auto object, std::move(stored));
        co_return answer(call, *object, 200);
    }
}

async::Task<Answered<Reply>> Writer::patch(Call& call, const model::Kind& kind) {
    CO_TRY(const auto parameters, WriteParameters::parse(call.parameters));
    CO_TRY(const auto type, patch_type(kind, media_type(call.content_type())));
    CO_TRY(const auto body, co_await read_body(call.request));
    CO_TRY(const auto patch, parse_patch(type, body));
    const auto& resource = call.resource();
    if (type == PatchType::apply && parameters.field_manager.empty()) {
        co_return refuse(Refusal{422, "Invalid",
                                 "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required "
                                 "value: is required for apply patch"});
    }
    const ApplyRequest request{.kind = kind,
                               .name = resource.name,
                               .manager = parameters.field_manager,
                               .conflicts = parameters.force ? ApplyRequest::Conflicts::take_over
                                                             : ApplyRequest::Conflicts::refuse,
                               .now = host_.clock.wall_now()};
    const auto warnings = call.warnings.size();
    for (int attempt = 1;; ++attempt) {
        call.warnings.resize(warnings);
        const auto previous = store_.get({kind.id, resource.space, resource.name});
        if (!previous && (type != PatchType::apply || is_status(call))) {
            co_return refuse(from_store(previous.error(), kind, resource.name, Writing::change));
        }
        if (!previous) {
            CO_TRY(auto document, apply_document(request, JsonObject(), patch));
            auto managed = document.at("metadata").at("managedFields");
            CO_TRY(auto object, object_at_address(call, kind, std::move(document)));
            object.metadata.resource_version = 0;
            CO_TRY(object, admitted(call, {store_, settings_, parameters.validation},
                                    std::move(object), nullptr));
            object.metadata.other["managedFields"] = std::move(managed);
            auto stored = co_await insert(call, kind, std::move(object), parameters.effect);
            if (!stored && stored.error().status == 409 && attempt < patches_tried) {
                continue;  // somebody was faster: merge into theirs
            }
            CO_TRY(const auto made, std::move(stored));
            co_return answer(call, *made, 201);
        }
        const auto before = model::to_json(**previous);
        Json document;
        if (type == PatchType::apply) {
            CO_TRY(document, apply_document(request, before, patch));
        } else {
            CO_TRY(document, patched(type, kind, resource.name, before, patch));
        }
        CO_TRY(const auto version, wanted_version(document));
        const auto current = (*previous)->metadata.resource_version;
        if (version && *version != 0 && *version != current) {
            co_return refuse(conflict(kind, resource.name,
                                      "the object has been modified; please apply your changes to "
                                      "the latest version and try again"));
        }
        CO_TRY(auto next, next_state(call, kind, parameters, std::move(document), **previous));
        auto stored = co_await replace(call, kind, std::move(next), *previous, parameters.effect);
        if (!stored && stored.error().status == 409 && attempt < patches_tried &&
            model::text_at(patch, {"metadata", "resourceVersion"}).empty()) {
            continue;
        }
        CO_TRY(const auto object, std::move(stored));
        co_return answer(call, *object, 200);
    }
}

async::Task<Answered<store::Deleted>> Writer::erase(Call& call, const model::Kind& kind,
                                                    store::ObjectPtr object,
                                                    store::DeleteOptions options) {
    if (kind.id == model::KindId::core_namespace && is_permanent_namespace(object->metadata.name)) {
        co_return refuse(forbidden(fmt::format(
            "namespaces \"{}\" is forbidden: this namespace may not be deleted (TM-309)",
            object->metadata.name)));
    }
    std::string id;
    call.access.name = object->metadata.name;
    if (options.effect == store::Effect::write) {
        CO_TRY(id, co_await recorder_.asked(call, model::to_json(*object), std::nullopt));
    }
    // What is recorded as gone must be what goes, unless its status or labels moved meanwhile.
    if (!options.uid) {
        options.uid = object->metadata.uid;
    }
    const bool writes = options.effect == store::Effect::write;
    auto deleted = co_await store_.remove(object->key(), std::move(options));
    if (writes) {
        recorder_.done(call, id, deleted ? 200 : 409,
                       deleted ? identity_of(*deleted->object) : deleted.error().message);
    }
    if (!deleted) {
        co_return refuse(from_store(deleted.error(), kind, object->metadata.name, Writing::change));
    }
    co_return *std::move(deleted);
}

async::Task<Answered<Reply>> Writer::remove(Call& call, const model::Kind& kind) {
    CO_TRY(const auto body, co_await read_body(call.request));
    CO_TRY(const auto document, parse_optional_document(call.content_type(), body));
    CO_TRY(auto options, delete_options(call.parameters, document));
    const auto& resource = call.resource();
    const auto object = store_.get({kind.id, resource.space, resource.name});
    if (!object) {
        co_return refuse(from_store(object.error(), kind, resource.name, Writing::change));
    }
    CO_TRY(const auto deleted, co_await erase(call, kind, *object, std::move(options)));
    if (deleted.outcome == store::Deleted::Outcome::waits_for_finalizers &&
        kind.id != model::KindId::secret) {
        co_return answer(call, *deleted.object, 200);
    }
    co_return Reply::document(deleted_status(kind, *deleted.object), call.wanted.format);
}

async::Task<Answered<Reply>> Writer::remove_all(Call& call, const model::Kind& kind) {
    CO_TRY(const auto body, co_await read_body(call.request));
    CO_TRY(const auto document, parse_optional_document(call.content_type(), body));
    CO_TRY(const auto options, delete_options(call.parameters, document));
    CO_TRY(const auto query, query_of(call, kind));
    const auto page = store_.list(query, {});
    if (!page) {
        co_return refuse(from_error(page.error()));
    }
    for (const auto& object : page->items) {
        auto one = options;
        one.uid.reset();
        const auto deleted = co_await erase(call, kind, object, std::move(one));
        // Gone already is as good.
        if (!deleted && deleted.error().status != 404) {
            co_return refuse(deleted.error());
        }
    }
    co_return Reply::document(JsonObject{{"kind", "Status"},
                                         {"apiVersion", "v1"},
                                         {"metadata", JsonObject()},
                                         {"status", "Success"},
                                         {"details", JsonObject{{"kind", as_json(kind.plural)}}}},
                              call.wanted.format);
}

}  // namespace tidemill::api
