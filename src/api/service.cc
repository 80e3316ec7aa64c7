#include "api/service.h"

#include <fmt/format.h>

#include "api/describe/discovery.h"
#include "api/describe/openapi.h"
#include "api/describe/openapi_protobuf.h"
#include "base/text.h"
#include "wire/json.h"

namespace tidemill::api {
namespace {

using model::Json;

// The verb of an access in Kubernetes' words, from the method and the path.
Answered<std::string> verb_of(const http::Request& request, const RequestPath& path,
                              const Parameters& parameters) {
    const auto& method = request.method;
    const bool reads = method == "GET" || method == "HEAD";
    if (!path.resource) {
        if (reads) {
            return "get";
        }
        return refuse(method_not_allowed(fmt::format("{} is not supported on pages", method)));
    }
    const bool named = !path.resource->name.empty();
    if (reads) {
        TRY(const auto watch, parameters.flag("watch"));
        return named ? "get" : watch ? "watch" : "list";
    }
    if (method == "POST") {
        return "create";
    }
    if (method == "PUT" && named) {
        return "update";
    }
    if (method == "PATCH" && named) {
        return "patch";
    }
    if (method == "DELETE") {
        return named ? "delete" : "deletecollection";
    }
    return refuse(method_not_allowed(
        fmt::format("the server does not allow {} on the requested resource", method)));
}

auth::Access access_of(std::string verb, const RequestPath& path) {
    auth::Access access{.verb = std::move(verb), .path = path.text};
    if (path.resource) {
        const auto& resource = *path.resource;
        access.api_group = resource.group;
        access.resource = resource.resource;
        access.subresource = resource.subresource;
        access.space = resource.space;
        access.name = resource.name;
        // A namespace is in itself, so that a role in it shows it.
        if (resource.group.empty() && resource.resource == "namespaces") {
            access.space = resource.name;
        }
    }
    return access;
}

bool is_mutation(std::string_view verb) {
    return verb != "get" && verb != "list" && verb != "watch";
}

// A patch shows what is there, by its answer or by a test that fails: who may not read a secret may
// replace it, but not patch it.
bool shows_what_is_there(const auth::Access& access) {
    return access.verb == "patch" && access.api_group.empty() && access.resource == "secrets";
}

// The text of a Warning field: RFC 7234 section 5.5, one line.
std::string warning_field(std::string_view text) {
    constexpr std::size_t text_bytes_max = 512;
    std::string out = "299 - \"";
    for (const char c : text.substr(0, text_bytes_max)) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            out += ' ';
        } else {
            out += c;
        }
    }
    return out + '"';
}

Refusal denied(const auth::Access& access, const auth::Subject& subject,
               const std::string& reason) {
    if (subject.name.empty()) {
        return unauthorized(
            "Unauthorized: no credentials were sent; use the kubeconfig in the data directory, a "
            "token, or the Unix socket (TM-301)");
    }
    if (access.resource.empty()) {
        return forbidden(fmt::format("forbidden: User \"{}\" cannot {} path \"{}\": {} (TM-300)",
                                     subject.name, access.verb, access.path, reason));
    }
    auto out = forbidden(fmt::format(
        "{}{}{}{} is forbidden: User \"{}\" cannot {} resource \"{}{}{}\" in API group \"{}\" {}: "
        "{} (TM-300)",
        access.resource, access.api_group.empty() ? "" : ".", access.api_group,
        access.name.empty() ? "" : fmt::format(" \"{}\"", access.name), subject.name, access.verb,
        access.resource, access.subresource.empty() ? "" : "/", access.subresource,
        access.api_group,
        access.space.empty() ? "at the cluster scope"
                             : fmt::format("in the namespace \"{}\"", access.space),
        reason));
    out.details = {{"name", model::as_json(access.name)},
                   {"group", model::as_json(access.api_group)},
                   {"kind", model::as_json(access.resource)}};
    return out;
}

// Which of the aggregated discovery's versions is asked for before plain JSON, or nothing.
std::string_view aggregated_version(std::string_view accept) {
    for (const auto& range : media_ranges(accept)) {
        if (range.type != "application/json") {
            continue;
        }
        if (range.as == "APIGroupDiscoveryList" && range.group == "apidiscovery.k8s.io" &&
            (range.version == "v2" || range.version == "v2beta1")) {
            return range.version;
        }
        if (range.as.empty()) {
            return {};
        }
    }
    return {};
}

}  // namespace

Api::Api(const ApiParts& parts, ApiOptions options)
    : parts_(parts),
      options_(std::move(options)),
      authenticator_(parts.store, parts.host.clock, options_.own_uid),
      gate_(parts.settings),
      recorder_(parts.audit, parts.host.random),
      shelf_(parts.store, parts.host.loop, parts.instances),
      reader_(shelf_, parts.host),
      writer_(parts.store, parts.settings, recorder_, parts.host),
      logs_(shelf_, parts.instances, parts.host),
      platform_(parts.store, gate_, recorder_, parts.host, parts.explain, parts.uploads,
                options_.http) {}

async::Task<void> Api::handle(http::Request& request, http::Answer& answer) {
    std::vector<std::string> warnings;
    auto reply = co_await serve(request, answer, warnings);
    if (answer.begun()) {
        co_return;
    }
    http::Headers headers{{"Cache-Control", "no-cache, private"}};
    for (const auto& text : warnings) {
        headers.add("Warning", warning_field(text));
    }
    if (!reply) {
        const auto& refusal = reply.error();
        headers.add("Content-Type", "application/json");
        if (refusal.status == 401) {
            headers.add("WWW-Authenticate", "Bearer realm=\"tidemill\"");
        }
        if (const auto* seconds = refusal.details.if_contains("retryAfterSeconds")) {
            headers.add("Retry-After", wire::write_json(*seconds));
        }
        reply = Reply{.status = refusal.status, .body = wire::write_json(refusal.to_json()) + "\n"};
    } else {
        headers.add("Content-Type", reply->content_type);
    }
    (void)co_await answer.send(reply->status, std::move(headers), std::move(reply->body));
}

async::Task<Answered<Reply>> Api::serve(http::Request& request, http::Answer& answer,
                                        std::vector<std::string>& warnings) {
    CO_TRY(auto path, parse_path(request.path));
    CO_TRY(auto parameters, Parameters::parse(request.query));
    CO_TRY(auto verb, verb_of(request, path, parameters));
    CO_TRY(const auto identity, authenticator_.authenticate(request.headers, request.peer));
    auto access = access_of(std::move(verb), path);
    auto decision = gate_.decide(identity, access);
    if (decision.allowed() && shows_what_is_there(access)) {
        auto reading = access;
        reading.verb = "get";
        decision = gate_.decide(identity, reading);
    }
    if (!decision.allowed()) {
        if (is_mutation(access.verb) && !identity.subject.name.empty()) {
            recorder_.denied(identity.subject, access, describe_peer(request.peer),
                             decision.reason);
        }
        co_return refuse(denied(access, identity.subject, decision.reason));
    }
    Call call{.request = request,
              .answer = answer,
              .path = std::move(path),
              .parameters = std::move(parameters),
              .wanted = {},
              .subject = identity.subject,
              .access = std::move(access),
              .decision = std::move(decision.reason),
              .from = describe_peer(request.peer),
              .warnings = {}};
    if (!call.path.resource) {
        co_return serve_page(call);
    }
    if (!(call.resource().subresource == "log")) {
        CO_TRY(call.wanted, Representation::parse(request.headers.get("Accept"),
                                                  call.parameters.text("includeObject")));
    }
    if (Platform::serves(call.resource())) {
        co_return co_await platform_.serve(call, identity);
    }
    const auto kind = model::find_resource(call.resource().group, call.resource().version,
                                           call.resource().resource);
    if (!kind) {
        co_return refuse(no_such_path());
    }
    auto reply = co_await serve_kind(call, model::kind_of(*kind));
    warnings = std::move(call.warnings);
    co_return reply;
}

async::Task<Answered<Reply>> Api::serve_kind(Call& call, const model::Kind& kind) {
    const auto& path = call.resource();
    const auto& verb = call.access.verb;
    const bool status = path.subresource == "status" && kind.has_status;
    if (path.subresource == "log" && kind.id == model::KindId::pod) {
        if (verb != "get") {
            co_return refuse(method_not_allowed("logs can only be read"));
        }
        co_return co_await logs_.serve(call);
    }
    if (!path.subresource.empty() && !status) {
        co_return refuse(no_such_path());
    }
    const bool for_one = !path.name.empty();
    if (kind.namespaced ? (for_one || verb == "create") && path.space.empty()
                        : !path.space.empty()) {
        co_return refuse(no_such_path());
    }
    if (verb == "get") {
        co_return reader_.get(call, kind);
    }
    if (verb == "list" || verb == "watch") {
        CO_TRY(auto parameters, ListParameters::parse(call.parameters, kind));
        if (verb == "watch") {
            co_return co_await reader_.watch(call, kind, std::move(parameters));
        }
        co_return reader_.list(call, kind, parameters);
    }
    if (kind.origin == model::Origin::view) {
        co_return refuse(method_not_allowed(fmt::format(
            "{} are views of what runs: the platform makes and removes them as revisions and their "
            "scale ask for it (TM-311)",
            kind.plural)));
    }
    if (verb == "create" && !status) {
        co_return co_await writer_.create(call, kind);
    }
    if (verb == "update") {
        co_return co_await writer_.update(call, kind);
    }
    if (verb == "patch") {
        co_return co_await writer_.patch(call, kind);
    }
    if (verb == "delete" && !status) {
        co_return co_await writer_.remove(call, kind);
    }
    if (verb == "deletecollection" && (kind.namespaced && !path.space.empty())) {
        co_return co_await writer_.remove_all(call, kind);
    }
    co_return refuse(method_not_allowed(fmt::format(
        "the server does not allow {} on the requested resource", call.request.method)));
}

Answered<Reply> Api::serve_page(const Call& call) {
    const auto& path = call.path.text;
    const auto accept = call.request.headers.get("Accept");
    if (path == "/healthz" || path == "/livez") {
        return Reply{.content_type = "text/plain", .body = "ok"};
    }
    if (path == "/readyz") {
        const auto health = parts_.store.health();
        if (!health.writable) {
            return Reply{.status = 503,
                         .content_type = "text/plain",
                         .body = fmt::format("store: {}\n", health.writable.error().message)};
        }
        return Reply{.content_type = "text/plain", .body = "ok"};
    }
    if (path == "/openapi/v2") {
        for (const auto& range : media_ranges(accept)) {
            if (range.type.starts_with("application/com.github.proto-openapi.spec.v2")) {
                // Its own media type holds an @, which kubectl 1.20 cannot parse in an answer.
                return Reply{.content_type = "application/octet-stream",
                             .body = openapi_protobuf(openapi_v2(options_.build))};
            }
        }
        return Reply::document(openapi_v2(options_.build), Representation::Format::json);
    }
    const auto aggregate = aggregated_version(accept);
    if (!aggregate.empty() && (path == "/api" || path == "/apis")) {
        auto reply =
            Reply::document(aggregated(path == "/api" ? Root::core : Root::groups, aggregate),
                            Representation::Format::json);
        reply.content_type = fmt::format(
            "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", aggregate);
        return reply;
    }
    Answered<Json> document = refuse(no_such_path());
    constexpr std::string_view openapi = "/openapi/v3/";
    if (path == "/version") {
        document = version_document(options_.build);
    } else if (path == "/api") {
        document = api_versions();
    } else if (path == "/apis") {
        document = api_groups();
    } else if (path == "/openapi/v3") {
        document = openapi_v3_index();
    } else if (path.starts_with(openapi)) {
        document = openapi_v3(std::string_view(path).substr(openapi.size()), options_.build);
    } else {
        const auto parts = base::split(std::string_view(path).substr(1), '/');
        if (parts.size() == 2 && parts[0] == "api") {
            document = api_resources("", parts[1]);
        } else if (parts.size() == 2 && parts[0] == "apis") {
            document = api_group(parts[1]);
        } else if (parts.size() == 3 && parts[0] == "apis") {
            document = api_resources(parts[1], parts[2]);
        }
    }
    TRY(const auto found, std::move(document));
    return Reply::document(found, Representation::Format::json);
}

}  // namespace tidemill::api
