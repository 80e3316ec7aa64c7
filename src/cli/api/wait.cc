#include "cli/api/wait.h"

#include <fmt/format.h>

#include "async/deadline.h"
#include "base/text.h"
#include "cli/api/paths.h"
#include "cli/refusal.h"
#include "wire/url.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

// One look at the object's changes.
struct Glance {
    wire::Json object;
    Verdict verdict = Verdict::waiting;
    bool changed = false;
    std::optional<base::Error> error;
};

void take_event(std::string_view line, Glance& glance, Verdict before) {
    const auto event = wire::parse_json(line);
    if (!event) {
        glance.error = event.error();
        return;
    }
    const auto type = text_at(*event, "type");
    const auto* const object = member(*event, "object");
    if (object == nullptr || type == "BOOKMARK") {
        return;
    }
    if (type == "ERROR") {
        glance.error = base::Error{Code::expired, text_at(*object, "message")};
        return;
    }
    glance.object = *object;
    if (type == "DELETED") {
        glance.error = base::Error{Code::not_found,
                                   fmt::format("\"{}\" was deleted meanwhile", name_of(*object))};
        return;
    }
    glance.verdict = judge(*object);
    glance.changed = glance.verdict != before;
}

// Follows until the verdict is another than `before`, or the server ends the watch.
async::Task<Status> follow(client::ApiClient& api, std::string target, Verdict before,
                           Glance& glance) {
    http::ClientRequest request;
    request.target = std::move(target);
    client::CallOptions options;
    options.limit = base::Duration::zero();
    auto take = [&glance, before](std::string_view line) {
        take_event(line, glance, before);
        return !glance.changed && !glance.error;
    };
    co_return co_await api.stream(std::move(request), std::move(options), std::move(take));
}

std::string what_is_missing(const wire::Json& object) {
    const auto ready = condition_of(object, "Ready");
    if (ready.status.empty()) {
        return "the platform has not looked at it yet";
    }
    return fmt::format(
        "Ready is {}{}{}", ready.status, ready.reason.empty() ? "" : ": ",
        ready.message.empty() ? ready.reason : fmt::format("{}: {}", ready.reason, ready.message));
}

}  // namespace

async::Task<Result<Settled>> wait_until_settled(Session& session, std::string path,
                                                wire::Json object, base::Duration limit,
                                                base::Duration failing_stays) {
    auto& loop = session.host().loop;
    const auto give_up = loop.now() + limit;
    auto verdict = judge(object);
    auto failing_until = loop.now() + failing_stays;
    for (;;) {
        if (verdict == Verdict::ready) {
            co_return Settled{verdict, std::move(object)};
        }
        const auto until = verdict == Verdict::failing ? std::min(failing_until, give_up) : give_up;
        // A connection of its own: dropping the watch drops the connection too.
        CO_TRY(const auto api, session.another_api());
        const auto target =
            fmt::format("{}?watch=true&fieldSelector={}&resourceVersion={}", path,
                        wire::percent_encode("metadata.name=" + name_of(object)),
                        wire::percent_encode(text_at(object, "metadata.resourceVersion")));
        Glance glance{.object = object, .verdict = verdict};
        auto watched =
            co_await async::with_deadline(loop, until, follow(*api, target, verdict, glance));
        object = std::move(glance.object);
        if (glance.error && glance.error->code != Code::expired) {
            co_return std::unexpected(*std::move(glance.error));
        }
        if (glance.error || (!watched && watched.error().code != Code::deadline)) {
            if (!glance.error && loop.now() >= give_up) {
                co_return std::unexpected(std::move(watched).error());
            }
            // The history is gone or the server went away for a moment: look again from now.
            co_await async::sleep_for(loop, std::chrono::milliseconds(200));
            CO_TRY(auto* const again, session.api());
            auto now = co_await again->json("GET", path + "/" + name_of(object), "", {});
            if (now) {
                object = *std::move(now);
                glance.verdict = judge(object);
            } else if (now.error().code != Code::unavailable || loop.now() >= give_up) {
                co_return std::unexpected(std::move(now).error());
            }
        }
        if (watched && !glance.changed) {
            // The server ended the watch early; it is not asked in a tight loop.
            co_await async::sleep_for(loop, std::chrono::milliseconds(100));
        }
        if (glance.verdict == Verdict::failing && verdict != Verdict::failing) {
            failing_until = loop.now() + failing_stays;
        }
        verdict = glance.verdict;
        if (verdict == Verdict::failing && loop.now() >= failing_until) {
            co_return Settled{verdict, std::move(object)};
        }
        if (verdict != Verdict::ready && loop.now() >= give_up) {
            co_return fail(Code::deadline, "{} is not ready after {}: {}", name_of(object),
                           base::format_duration(limit), what_is_missing(object));
        }
    }
}

async::Task<std::vector<std::string>> last_lines(Session& session, std::string space,
                                                 std::string revision, std::size_t lines_max) {
    std::vector<std::string> lines;
    auto api = session.api();
    if (!api || revision.empty()) {
        co_return lines;
    }
    const auto pods = co_await (*api)->json(
        "GET", paths::core(space, "pods") + paths::with_label(paths::revision_label, revision), "",
        {});
    if (!pods) {
        co_return lines;
    }
    for (const auto& pod : list_at(*pods, "items")) {
        // An instance that was started again has its last words in the log before.
        for (const std::string_view which : {"", "&previous=true"}) {
            const auto reply = co_await (*api)->call(
                "GET",
                fmt::format("{}/log?tailLines={}{}", paths::core(space, "pods", name_of(pod)),
                            lines_max, which),
                "", {});
            if (!reply || !reply->ok() || reply->body.empty()) {
                continue;
            }
            std::string_view text = reply->body;
            if (text.ends_with('\n')) {
                text.remove_suffix(1);
            }
            for (const auto line : base::split(text, '\n')) {
                lines.emplace_back(line);
            }
            co_return lines;
        }
    }
    co_return lines;
}

async::Task<void> explain_failure(Session& session, wire::Json service) {
    const auto name = name_of(service);
    const auto ready = condition_of(service, "Ready");
    const auto revision = text_at(service, "status.latestCreatedRevisionName");
    const auto& paint = session.paint_err();
    auto reason = ready.reason;
    session.say(fmt::format("{} {} is not ready: {}{}{}", paint.bad("Error:"), name, reason,
                            reason.empty() ? "" : ": ", ready.message));
    if (auto api = session.api(); api && !revision.empty()) {
        const auto object = co_await (*api)->json(
            "GET", paths::serving(space_of(service), "revisions", revision), "", {});
        if (object) {
            const auto own = condition_of(*object, "Ready");
            if (own.status == "False" && !own.message.empty() &&
                ready.message.find(own.message) == std::string::npos) {
                session.say(fmt::format("Revision {}: {}: {}", revision, own.reason, own.message));
            }
            if (own.status == "False") {
                reason = own.reason;
            }
        }
    }
    constexpr std::size_t lines_shown = 20;
    const auto lines = co_await last_lines(session, space_of(service), revision, lines_shown);
    if (!lines.empty()) {
        session.say(lines.size() == 1 ? std::string("Its last line:")
                                      : fmt::format("Its last {} lines:", lines.size()));
        for (const auto& line : lines) {
            session.say(fmt::format("  {}", line));
        }
    } else if (!revision.empty()) {
        session.say("There is no log of it: it wrote nothing, or its instances are gone.");
    }
    session.say(fmt::format("What to do: {}", advice_for_reason(reason, name)));
    const auto ready_revision = text_at(service, "status.latestReadyRevisionName");
    if (!ready_revision.empty() && ready_revision != revision) {
        session.say(fmt::format("{} goes on serving meanwhile.", ready_revision));
    }
}

}  // namespace tidemill::cli
