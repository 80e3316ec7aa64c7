// explain: why a service is as it is.
#include <fmt/format.h>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/services.h"
#include "cli/api/session.h"
#include "cli/api/traffic.h"
#include "cli/command/commands.h"
#include "cli/text/output.h"
#include "cli/text/table.h"

namespace tidemill::cli {
namespace {

constexpr std::size_t decisions_shown = 5;
constexpr std::size_t starts_shown = 3;

double real_at(const wire::Json& document, std::string_view key) {
    const auto* const found = member(document, key);
    if (found == nullptr || !found->is_number()) {
        return 0;
    }
    return found->to_number<double>();
}

std::string waterfall(const wire::Json& start) {
    Table table;
    for (const auto& stage : list_at(start, "stages")) {
        table.add({fmt::format("      {}", text_at(stage, "name")),
                   fmt::format("at {:.1f} ms", real_at(stage, "atMilliseconds")),
                   fmt::format("took {:.1f} ms", real_at(stage, "tookMilliseconds"))});
    }
    return table.text();
}

// The last `count` elements, newest first.
std::vector<const wire::Json*> newest(const wire::JsonArray& all, std::size_t count) {
    std::vector<const wire::Json*> out;
    for (std::size_t i = all.size(); i > 0 && out.size() < count; --i) {
        out.push_back(&all[i - 1]);
    }
    return out;
}

std::string revision_text(const Paint& paint, const wire::Json& revision) {
    std::string text =
        fmt::format("\n{}: {} wanted, {} ready\n", paint.strong(text_at(revision, "name")),
                    number_at(revision, "wanted"), number_at(revision, "ready"));
    for (const auto& each : list_at(revision, "conditions")) {
        if (text_at(each, "status") != "True" && !text_at(each, "reason").empty()) {
            text +=
                fmt::format("  {} is {}: {}: {}\n", text_at(each, "type"), text_at(each, "status"),
                            text_at(each, "reason"), text_at(each, "message"));
        }
    }
    const auto decisions = newest(list_at(revision, "decisions"), decisions_shown);
    if (!decisions.empty()) {
        text += "  Why so many, newest first:\n";
    }
    for (const auto* const decision : decisions) {
        const auto at = text_at(*decision, "at");
        text += fmt::format("    {}\n", at);
        auto reasons = text_at(*decision, "text");
        reasons.erase(reasons.find_last_not_of('\n') + 1);
        for (const auto line : base::split(reasons, '\n')) {
            text += fmt::format("      {}\n", line);
        }
    }
    for (const auto* const start : newest(list_at(revision, "coldStarts"), starts_shown)) {
        text += fmt::format("  Started {} at {}: {}\n{}", text_at(*start, "instance"),
                            text_at(*start, "began"), text_at(*start, "cause"), waterfall(*start));
    }
    for (const auto* const held : newest(list_at(revision, "heldRequests"), starts_shown)) {
        text += fmt::format("  A request waited {:.1f} ms for {} at {}:\n{}",
                            real_at(*held, "totalMilliseconds"), text_at(*held, "instance"),
                            text_at(*held, "began"), waterfall(*held));
    }
    return text;
}

async::Task<Outcome> run_explain(Session& session) {
    if (session.words().size() != 1) {
        co_return session.misuse("give one service");
    }
    const auto format = parse_format(session.given());
    if (!format) {
        co_return session.misuse(format.error().message);
    }
    CO_TRY(auto* const api, session.api());
    const auto& name = session.words().front();
    auto document = co_await api->json(
        "GET", paths::platform(session.space(), "services", name) + "/explain", "", {});
    if (!document && document.error().code == base::Code::not_found) {
        // The same refusal as everywhere, with the names that are near.
        CO_CHECK_OK(co_await get_service(session, session.space(), name));
    }
    if (!document) {
        co_return std::unexpected(std::move(document).error());
    }
    if (format->is_document()) {
        CO_TRY(const auto text, show(*document, *format));
        session.print(text);
        co_return Exit::done;
    }
    std::string text = fmt::format("{}\n", session.paint_out().strong(name));
    if (const auto split = traffic_text(list_at(*document, "traffic")); !split.empty()) {
        text += fmt::format("  Traffic: {}\n", split);
    }
    for (const auto& each : list_at(*document, "routeConditions")) {
        if (text_at(each, "status") != "True") {
            text += fmt::format("  Route: {} is {}: {}: {}\n", text_at(each, "type"),
                                text_at(each, "status"), text_at(each, "reason"),
                                text_at(each, "message"));
        }
    }
    for (const auto& revision : list_at(*document, "revisions")) {
        text += revision_text(session.paint_out(), revision);
    }
    session.print(text);
    co_return Exit::done;
}

}  // namespace

Command explain_command() {
    return {.name = "explain",
            .arguments = "NAME [-o json]",
            .summary = "Why this many instances, why this revision, how the last starts went",
            .examples = {"tidemill explain shop", "tidemill explain shop -o json"},
            .flags = {output_flag()},
            .names = Command::Names::services,
            .group = Command::Group::look,
            .run = &run_explain};
}

}  // namespace tidemill::cli
