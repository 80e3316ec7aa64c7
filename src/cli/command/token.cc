// token: who may talk to the API.
#include <fmt/format.h>

#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/session.h"
#include "cli/command/commands.h"
#include "cli/text/output.h"
#include "cli/text/table.h"

namespace tidemill::cli {
namespace {

async::Task<Outcome> create(Session& session) {
    const auto& given = session.given();
    const auto life = duration_flag(given, "--ttl", {});
    if (!life) {
        co_return session.misuse(life.error().message);
    }
    const auto format = parse_format(given);
    if (!format) {
        co_return session.misuse(format.error().message);
    }
    auto user = given.text("--user", session.context().variable("USER"));
    if (user.empty()) {
        co_return session.misuse("--user is missing: whose token is it?");
    }
    wire::JsonObject spec{{"user", user}, {"role", given.text("--role", "developer")}};
    // Everywhere, unless a namespace was said here: that of the kubeconfig is not meant.
    if (given.has("--namespace")) {
        spec["namespace"] = given.text("--namespace");
    }
    if (given.has("--description")) {
        spec["description"] = given.text("--description");
    }
    if (given.has("--ttl")) {
        spec["expirationSeconds"] = std::chrono::duration_cast<std::chrono::seconds>(*life).count();
    }
    wire::JsonObject request{{"apiVersion", "tidemill.dev/v1"}, {"kind", "Token"}};
    request["spec"] = std::move(spec);
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto made, co_await api->json("POST", paths::platform("", "tokens"),
                                               wire::write_json(request), {}));
    if (format->is_document()) {
        CO_TRY(const auto text, show(made, *format));
        session.print(text);
        co_return Exit::done;
    }
    session.say(
        fmt::format("{} for {}. It is shown once; only its digest is kept.", name_of(made), user));
    session.print(text_at(made, "status.token") + "\n");
    co_return Exit::done;
}

async::Task<Outcome> list(Session& session) {
    const auto format = parse_format(session.given());
    if (!format) {
        co_return session.misuse(format.error().message);
    }
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto all, co_await api->json("GET", paths::platform("", "tokens"), "", {}));
    if (format->is_document()) {
        CO_TRY(const auto text, show(all, *format));
        session.print(text);
        co_return Exit::done;
    }
    Table table({"NAME", "USER", "ROLE", "NAMESPACE", "EXPIRES", "AGE", "DESCRIPTION"});
    for (const auto& token : list_at(all, "items")) {
        const auto space = text_at(token, "spec.namespace");
        const auto expires = text_at(token, "spec.expires");
        table.add({name_of(token), text_at(token, "spec.user"), text_at(token, "spec.role"),
                   space.empty() ? "(all)" : space, expires.empty() ? "never" : expires,
                   age_of(token, session.now()), text_at(token, "spec.description")});
    }
    session.print(table.text());
    co_return Exit::done;
}

async::Task<Outcome> revoke(Session& session) {
    if (session.words().size() < 2) {
        co_return session.misuse("revoke: which one? See: tidemill token ls");
    }
    CO_TRY(auto* const api, session.api());
    for (std::size_t i = 1; i < session.words().size(); ++i) {
        const auto& name = session.words()[i];
        CO_CHECK_OK(co_await api->json("DELETE", paths::platform("", "tokens", name), "", {}));
        session.print(name + " revoked\n");
    }
    co_return Exit::done;
}

async::Task<Outcome> run_token(Session& session) {
    const std::string what = session.words().empty() ? "" : session.words().front();
    if (what == "create" && session.words().size() == 1) {
        return create(session);
    }
    if (what == "ls" && session.words().size() == 1) {
        return list(session);
    }
    if (what == "revoke") {
        return revoke(session);
    }
    auto wrong = [](Session& asked) -> async::Task<Outcome> {
        co_return asked.misuse("give create, ls or revoke");
    };
    return wrong(session);
}

}  // namespace

Command token_command() {
    return {.name = "token",
            .arguments = "create [flags] | ls | revoke NAME…",
            .summary = "Make, list and revoke the tokens of people and programs",
            .examples = {"tidemill token create --user anna --role developer -n shop --ttl 90d",
                         "tidemill token ls", "tidemill token revoke token-0123456789abcdef0123"},
            .flags = {{.name = "--user", .value = "NAME", .help = "whose it is (default: $USER)"},
                      {.name = "--role",
                       .value = "ROLE",
                       .help = "viewer, developer (default), operator or admin"},
                      {.name = "--ttl",
                       .value = "DURATION",
                       .help = "how long it holds, e.g. 90d (default: for ever)"},
                      {.name = "--description", .value = "TEXT", .help = "what it is for"},
                      output_flag()},
            .details =
                "With -n the role holds in that namespace alone. The token is the last line "
                "of stdout.",
            .first_words = {"create", "ls", "revoke"},
            .group = Command::Group::platform,
            .run = &run_token};
}

}  // namespace tidemill::cli
