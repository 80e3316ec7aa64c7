// version: of this program and of the server.
#include <fmt/format.h>

#include "cli/api/documents.h"
#include "cli/api/session.h"
#include "cli/command/commands.h"
#include "cli/text/output.h"

namespace tidemill::cli {
namespace {

async::Task<base::Result<std::string>> server_version(Session& session) {
    CO_TRY(auto* const api, session.api());
    client::CallOptions options;
    options.limit = std::chrono::seconds(5);
    CO_TRY(const auto document, co_await api->json("GET", "/version", "", std::move(options)));
    co_return text_at(document, "gitVersion");
}

async::Task<Outcome> run_version(Session& session) {
    const auto format = parse_format(session.given());
    if (!format || !session.words().empty()) {
        co_return session.misuse(format ? "it takes no words" : format.error().message);
    }
    const auto& own = session.context().version;
    // No server is no failure here: one's own version is what is asked most.
    const auto server = co_await server_version(session);
    if (format->is_document()) {
        wire::JsonObject out{{"client", own}};
        out["server"] = server ? wire::Json(*server) : wire::Json();
        CO_TRY(const auto text, show(out, *format));
        session.print(text);
        co_return Exit::done;
    }
    session.print(fmt::format("client {}\n", own));
    if (server) {
        session.print(fmt::format("server {}\n", *server));
    } else {
        session.say("server unknown: " + server.error().message);
    }
    co_return Exit::done;
}

}  // namespace

Command version_command() {
    return {.name = "version",
            .arguments = "[-o json]",
            .summary = "The version of this program and of the server",
            .examples = {"tidemill version", "tidemill version -o json"},
            .flags = {output_flag()},
            .group = Command::Group::platform,
            .run = &run_version};
}

}  // namespace tidemill::cli
