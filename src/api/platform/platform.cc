#include "api/platform/platform.h"

#include <fmt/format.h>

#include "api/access/tokens.h"
#include "api/describe/definitions.h"
#include "api/platform/access_question.h"
#include "api/request/document.h"
#include "model/object/names.h"
#include "wire/json.h"

namespace tidemill::api {
namespace {

using base::Code;
using model::as_json;
using model::Json;
using model::JsonArray;
using model::JsonObject;

constexpr std::uint64_t upload_bytes_max = std::uint64_t{1} << 30;
constexpr std::size_t log_line_bytes_max = 64U << 10;
// Ten years: what is meant to last longer is meant not to expire.
constexpr std::int64_t token_seconds_max = 10LL * 365 * 24 * 3600;

JsonArray texts(const std::vector<std::string>& list) {
    JsonArray out;
    for (const auto& text : list) {
        out.push_back(as_json(text));
    }
    return out;
}

// A name that may stand in a log line and in a binding.
bool is_subject_name(std::string_view name) {
    if (name.empty() || name.size() > 253) {
        return false;
    }
    for (const char c : name) {
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

base::Result<TokenSpec> read_token_request(const Json& document, base::WallTime now) {
    const wire::JsonReader reader(document);
    CHECK_OK(reader.only({"apiVersion", "kind", "metadata", "spec", "status"}));
    const auto spec = reader.at("spec");
    CHECK_OK(
        spec.only({"user", "groups", "role", "namespace", "description", "expirationSeconds"}));
    TokenSpec out;
    TRY(out.user, spec.at("user").string());
    if (!is_subject_name(out.user)) {
        return base::fail(Code::invalid, "spec.user: must be 1 to 253 bytes without white space");
    }
    TRY(const auto groups, spec.at("groups").elements());
    for (const auto& group : groups) {
        TRY(const auto name, group.string());
        if (!is_subject_name(name)) {
            return group.fail("must be 1 to 253 bytes without white space");
        }
        out.groups.emplace_back(name);
    }
    TRY(const auto role, spec.at("role").string_or(""));
    TRY(out.space, spec.at("namespace").string_or(""));
    if (!role.empty()) {
        auth::Role parsed{};
        if (!auth::parse_role(role, parsed)) {
            return base::fail(Code::invalid,
                              "spec.role: \"{}\" is none of viewer, developer, operator, admin",
                              role);
        }
        out.role = parsed;
    } else if (!out.space.empty()) {
        return base::fail(Code::invalid, "spec.namespace: says where a role holds; set spec.role");
    }
    TRY(out.description, spec.at("description").string_or(""));
    if (out.description.size() > 1'024) {
        return base::fail(Code::invalid, "spec.description: longer than 1024 bytes");
    }
    if (spec.at("expirationSeconds").is_present()) {
        TRY(const auto seconds, spec.at("expirationSeconds").integer(1, token_seconds_max));
        out.expires = now + std::chrono::seconds(seconds);
    }
    return out;
}

Refusal no_token(std::string_view name) {
    return {404, "NotFound", fmt::format("tokens.tidemill.dev \"{}\" not found", name)};
}

Refusal wrong_method(const Call& call) {
    return method_not_allowed(
        fmt::format("{} is not supported on {}", call.request.method, call.resource().resource));
}

// A request's body and its answer, as the builder sees them.
class Exchange final : public UploadExchange {
public:
    explicit Exchange(Call& call) : call_(call) {}

    async::Task<base::Result<std::optional<std::string>>> next() override {
        CO_TRY(auto piece, co_await call_.request.body.next());
        if (piece) {
            bytes_ += piece->size();
            if (bytes_ > upload_bytes_max) {
                co_return base::fail(Code::exhausted, "the source is larger than {} bytes (TM-305)",
                                     upload_bytes_max);
            }
        }
        co_return std::move(piece);
    }

    async::Task<base::Status> log(std::string line) override {
        line.resize(std::min(line.size(), log_line_bytes_max));
        co_return co_await say({{"log", as_json(line)}});
    }

    async::Task<base::Status> say(JsonObject line) {
        if (!call_.answer.begun()) {
            CO_CHECK_OK(
                co_await call_.answer.begin(200, {{"Content-Type", "application/x-ndjson"}}));
        }
        co_return co_await call_.answer.write(wire::write_json(line) + "\n");
    }

private:
    Call& call_;
    std::uint64_t bytes_ = 0;
};

}  // namespace

bool Platform::serves(const ResourcePath& path) {
    if (path.version != "v1") {
        return false;
    }
    if (path.group == "tidemill.dev") {
        return path.resource == "tokens" || path.resource == "whoami" ||
               path.resource == "platform" || path.resource == "sources" ||
               (path.resource == "services" && path.subresource == "explain");
    }
    if (path.group == "apiextensions.k8s.io") {
        return path.resource == "customresourcedefinitions" && path.subresource.empty() &&
               path.space.empty();
    }
    return (path.group == "authorization.k8s.io" && path.resource == "selfsubjectaccessreviews") ||
           (path.group == "authentication.k8s.io" && path.resource == "selfsubjectreviews");
}

async::Task<Answered<Reply>> Platform::serve(Call& call, const Identity& identity) {
    const auto& path = call.resource();
    const auto& method = call.request.method;
    const bool reads = method == "GET" || method == "HEAD";
    if (path.resource == "tokens" && path.subresource.empty()) {
        co_return co_await tokens(call);
    }
    if (path.resource == "customresourcedefinitions") {
        CO_TRY(const bool watch, call.parameters.flag("watch"));
        if (!reads || watch) {
            co_return refuse(method_not_allowed(
                "the kinds of this platform are fixed: definitions can be read and listed"));
        }
        CO_TRY(const auto document,
               path.name.empty() ? definition_list(call.parameters) : definition(path.name));
        co_return Reply::document(document, call.wanted.format);
    }
    if (path.resource == "selfsubjectaccessreviews" && path.name.empty()) {
        if (method != "POST") {
            co_return refuse(wrong_method(call));
        }
        co_return co_await review_access(call, identity);
    }
    if ((path.resource == "whoami" || path.resource == "selfsubjectreviews") && path.name.empty()) {
        const bool review = path.resource == "selfsubjectreviews";
        if (review ? method != "POST" : !reads) {
            co_return refuse(wrong_method(call));
        }
        if (review) {
            CO_CHECK_OK(co_await read_body(call.request));
        }
        co_return who_am_i(call, identity);
    }
    if (path.resource == "platform" && path.name.empty()) {
        if (!reads) {
            co_return refuse(wrong_method(call));
        }
        co_return addresses(call);
    }
    if (path.subresource == "explain" && !path.space.empty()) {
        if (!reads) {
            co_return refuse(wrong_method(call));
        }
        co_return co_await explain(call);
    }
    if (path.resource == "sources" && !path.space.empty() && !path.name.empty() &&
        path.subresource.empty()) {
        if (method != "POST") {
            co_return refuse(wrong_method(call));
        }
        co_return co_await upload(call);
    }
    co_return refuse(no_such_path());
}

async::Task<Answered<Reply>> Platform::tokens(Call& call) {
    const auto& name = call.resource().name;
    const auto& method = call.request.method;
    if (method == "POST" && name.empty()) {
        co_return co_await make_token(call);
    }
    if (method == "DELETE" && !name.empty()) {
        co_return co_await remove_token(call);
    }
    if (method != "GET" && method != "HEAD") {
        co_return refuse(wrong_method(call));
    }
    if (!name.empty()) {
        const auto token = get_token(store_, name);
        if (!token) {
            co_return refuse(no_token(name));
        }
        co_return Reply::document(to_json(*token), call.wanted.format);
    }
    JsonArray items;
    for (const auto& token : list_tokens(store_)) {
        items.push_back(to_json(token));
    }
    co_return Reply::document(
        JsonObject{{"kind", "TokenList"},
                   {"apiVersion", "tidemill.dev/v1"},
                   {"metadata", JsonObject{{"resourceVersion", std::to_string(store_.revision())}}},
                   {"items", std::move(items)}},
        call.wanted.format);
}

async::Task<Answered<Reply>> Platform::make_token(Call& call) {
    CO_TRY(const auto body, co_await read_body(call.request));
    CO_TRY(const auto document, parse_document(call.content_type(), body));
    const auto now = host_.clock.wall_now();
    auto spec = read_token_request(document, now);
    if (!spec) {
        co_return refuse(bad_request(spec.error().message));
    }
    CO_TRY(const auto parameters, WriteParameters::parse(call.parameters));
    if (parameters.effect == store::Effect::dry_run) {
        co_return refuse(bad_request("dryRun: a token cannot be made for trial"));
    }
    CO_TRY(const auto id, co_await recorder_.asked(call, std::nullopt, document));
    auto issued = co_await issue_token(store_, host_.random, *std::move(spec), now);
    recorder_.done(call, id, issued ? 201 : 503,
                   issued ? issued->stored.name : issued.error().message);
    if (!issued) {
        co_return refuse(from_error(issued.error()));
    }
    auto out = to_json(issued->stored);
    out["status"].get_object()["token"] = as_json(issued->token);
    co_return Reply::document(out, call.wanted.format, 201);
}

async::Task<Answered<Reply>> Platform::remove_token(Call& call) {
    CO_CHECK_OK(co_await read_body(call.request));
    const auto& name = call.resource().name;
    const auto token = get_token(store_, name);
    if (!token) {
        co_return refuse(no_token(name));
    }
    CO_TRY(const auto id, co_await recorder_.asked(call, to_json(*token), std::nullopt));
    const auto removed = co_await revoke_token(store_, name);
    recorder_.done(call, id, removed ? 200 : 503, removed ? name : removed.error().message);
    if (!removed) {
        co_return refuse(from_error(removed.error()));
    }
    co_return Reply::document(JsonObject{{"kind", "Status"},
                                         {"apiVersion", "v1"},
                                         {"metadata", JsonObject()},
                                         {"status", "Success"},
                                         {"details", JsonObject{{"name", as_json(name)},
                                                                {"group", "tidemill.dev"},
                                                                {"kind", "tokens"}}}},
                              call.wanted.format);
}

async::Task<Answered<Reply>> Platform::review_access(Call& call, const Identity& identity) {
    CO_TRY(const auto body, co_await read_body(call.request));
    CO_TRY(const auto access, parse_access_question(call.content_type(), body));
    const auto decision = gate_.decide(identity, access);
    co_return Reply::document(
        JsonObject{{"kind", "SelfSubjectAccessReview"},
                   {"apiVersion", "authorization.k8s.io/v1"},
                   {"metadata", JsonObject{{"creationTimestamp", nullptr}}},
                   {"spec", JsonObject()},
                   {"status", JsonObject{{"allowed", decision.allowed()},
                                         {"reason", as_json(decision.reason)}}}},
        call.wanted.format, 201);
}

Answered<Reply> Platform::addresses(const Call& call) const {
    JsonArray http;
    for (const auto& address : http_) {
        http.emplace_back(address);
    }
    return Reply::document(JsonObject{{"kind", "Platform"},
                                      {"apiVersion", "tidemill.dev/v1"},
                                      {"metadata", JsonObject()},
                                      {"status", JsonObject{{"http", std::move(http)}}}},
                           call.wanted.format);
}

Answered<Reply> Platform::who_am_i(const Call& call, const Identity& identity) const {
    const JsonObject user{{"username", as_json(identity.subject.name)},
                          {"groups", texts(identity.subject.groups)}};
    if (call.resource().resource == "selfsubjectreviews") {
        return Reply::document(JsonObject{{"kind", "SelfSubjectReview"},
                                          {"apiVersion", "authentication.k8s.io/v1"},
                                          {"metadata", JsonObject{{"creationTimestamp", nullptr}}},
                                          {"status", JsonObject{{"userInfo", user}}}},
                               call.wanted.format, 201);
    }
    JsonArray roles;
    for (const auto& binding : identity.bindings) {
        roles.push_back(JsonObject{{"role", as_json(auth::role_name(binding.role))},
                                   {"namespace", as_json(binding.space)}});
    }
    return Reply::document(
        JsonObject{{"kind", "WhoAmI"},
                   {"apiVersion", "tidemill.dev/v1"},
                   {"metadata", JsonObject()},
                   {"status", JsonObject{{"userInfo", user},
                                         {"method", as_json(identity.subject.method)},
                                         {"roles", std::move(roles)}}}},
        call.wanted.format);
}

async::Task<Answered<Reply>> Platform::explain(Call& call) {
    const auto& path = call.resource();
    const auto& kind = model::kind_of(model::KindId::service);
    if (explain_ == nullptr || !store_.get({kind.id, path.space, path.name})) {
        co_return refuse(not_found(kind, path.name));
    }
    auto document = co_await explain_->explain(path.space, path.name);
    if (!document) {
        co_return refuse(from_error(document.error()));
    }
    co_return Reply::document(*document, call.wanted.format);
}

async::Task<Answered<Reply>> Platform::upload(Call& call) {
    const auto& path = call.resource();
    const auto& spaces = model::kind_of(model::KindId::core_namespace);
    if (uploads_ == nullptr) {
        co_return refuse(unavailable("nothing here builds from source (TM-304)"));
    }
    const auto space = store_.get({spaces.id, "", path.space});
    if (!space) {
        co_return refuse(not_found(spaces, path.space));
    }
    const auto reasons = model::check_dns1035_label(path.name);
    if (!reasons.empty()) {
        co_return refuse(bad_request(fmt::format("name \"{}\": {}", path.name, reasons.front())));
    }
    CO_TRY(const auto id, co_await recorder_.asked(call, std::nullopt, std::nullopt));
    UploadRequest request{.namespace_name = path.space,
                          .name = path.name,
                          .user = call.subject.name,
                          .content_type = call.content_type(),
                          .parameters = http::parse_query(call.request.query)};
    Exchange exchange(call);
    auto result = co_await uploads_->upload(std::move(request), exchange);
    recorder_.done(
        call, id, result ? 200 : 400,
        result ? std::string(model::text_at(*result, {"image"})) : result.error().message);
    if (!result && !call.answer.begun()) {
        co_return refuse(from_error(result.error()));
    }
    JsonObject last;
    if (result) {
        last = *std::move(result);
    } else {
        last["error"] = JsonObject{{"code", as_json(base::code_name(result.error().code))},
                                   {"message", as_json(result.error().message)}};
    }
    if (co_await exchange.say(std::move(last))) {
        (void)co_await call.answer.end();
    }
    co_return Reply::sent();
}

}  // namespace tidemill::api
