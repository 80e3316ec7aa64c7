// delete: objects go.
#include <fmt/format.h>

#include "cli/api/documents.h"
#include "cli/api/session.h"
#include "cli/api/targets.h"
#include "cli/command/commands.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;

constexpr auto look_every = std::chrono::milliseconds(200);

async::Task<base::Status> wait_until_gone(Session& session, std::string path, std::string name,
                                          base::Duration limit) {
    CO_TRY(auto* const api, session.api());
    auto& loop = session.host().loop;
    const auto give_up = loop.now() + limit;
    for (;;) {
        const auto there = co_await api->json("GET", path, "", {});
        if (!there && there.error().code == Code::not_found) {
            co_return base::ok;
        }
        if (!there && there.error().code != Code::unavailable) {
            co_return std::unexpected(there.error());
        }
        if (loop.now() >= give_up) {
            co_return fail(Code::deadline, "{} is still there after {}", name,
                           base::format_duration(limit));
        }
        co_await async::sleep_for(loop, look_every);
    }
}

async::Task<Outcome> run_delete(Session& session) {
    if (session.words().empty()) {
        co_return session.misuse("give one or more names");
    }
    const auto limit = duration_flag(session.given(), "--timeout", std::chrono::seconds(60));
    if (!limit) {
        co_return session.misuse(limit.error().message);
    }
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto kinds, co_await Kinds::discover(*api));
    const auto targets = parse_targets(kinds, session.words());
    if (!targets) {
        co_return session.misuse(targets.error().message);
    }
    // One that is not there does not keep the others from going.
    std::optional<base::Error> first_error;
    for (const auto& target : *targets) {
        const auto path = target.kind->path(session.space(), target.name);
        const auto print_name = fmt::format("{}/{}", target.kind->print_name(), target.name);
        const auto gone = co_await api->json("DELETE", path, "", {});
        if (!gone) {
            if (first_error) {
                session.say(fmt::format("{}: {}", print_name, gone.error().message));
            } else {
                first_error = gone.error();
            }
            continue;
        }
        if (session.given().has("--wait")) {
            CO_CHECK_OK(co_await wait_until_gone(session, path, print_name, *limit));
        }
        session.print(print_name + " deleted\n");
    }
    if (first_error) {
        co_return std::unexpected(*std::move(first_error));
    }
    co_return Exit::done;
}

}  // namespace

Command delete_command() {
    return {.name = "delete",
            .arguments = "NAME… | KIND NAME… | KIND/NAME…",
            .summary = "Delete services or other objects",
            .examples = {"tidemill delete shop", "tidemill delete revision shop-00001",
                         "tidemill delete configmap/settings --wait"},
            .flags = {{.name = "--wait", .help = "until they are gone"},
                      {.name = "--timeout",
                       .value = "DURATION",
                       .help = "how long --wait waits (default 60s)"}},
            .names = Command::Names::objects_or_services,
            .group = Command::Group::change,
            .run = &run_delete};
}

}  // namespace tidemill::cli
