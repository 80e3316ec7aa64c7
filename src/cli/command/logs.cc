// logs: what instances wrote.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "async/scope.h"
#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/services.h"
#include "cli/api/session.h"
#include "cli/command/commands.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t pods_max = 256;
// How soon the log of a new instance joins those that are followed.
constexpr auto look_every = std::chrono::milliseconds(500);

struct Question {
    std::string query;  // without '?', with a '&' behind each part
    enum class Stamps : std::uint8_t { hidden, shown } stamps = Stamps::hidden;
};

Result<Question> read_question(const Invocation& given) {
    Question question;
    if (given.has("--tail")) {
        const auto count = base::parse_number<std::uint32_t>(given.text("--tail"));
        if (!count) {
            return fail(Code::invalid, "--tail: \"{}\" is no number of lines",
                        given.text("--tail"));
        }
        question.query += fmt::format("tailLines={}&", *count);
    }
    if (given.has("--since")) {
        TRY(const auto since, duration_flag(given, "--since", {}));
        question.query += fmt::format(
            "sinceSeconds={}&", std::chrono::duration_cast<std::chrono::seconds>(since).count());
    }
    if (given.has("--previous")) {
        question.query += "previous=true&";
    }
    if (given.has("--timestamps")) {
        question.stamps = Question::Stamps::shown;
    }
    return question;
}

struct Line {
    std::string time;
    std::string pod;
    std::string text;
    std::size_t order = 0;  // of reading: lines of one moment stay as they were
};

// "2026-11-20T23:20:00.1Z text" as the API writes it with timestamps=true.
Line take_apart(std::string_view pod, std::string_view line) {
    const auto space = line.find(' ');
    return {std::string(line.substr(0, space)), std::string(pod),
            std::string(space == std::string_view::npos ? "" : line.substr(space + 1))};
}

class Printer {
public:
    Printer(Session& session, Question::Stamps stamps) : session_(session), stamps_(stamps) {}

    void print(const Line& line, std::size_t pods) {
        std::string out;
        if (pods > 1) {
            out += session_.paint_out().faint(fmt::format("[{}] ", line.pod));
        }
        if (stamps_ == Question::Stamps::shown) {
            out += line.time + " ";
        }
        session_.print(out + line.text + "\n");
    }

private:
    Session& session_;
    Question::Stamps stamps_;
};

async::Task<Result<std::vector<std::string>>> pods_of(Session& session, std::string space,
                                                      std::string service) {
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto list,
           co_await api->json(
               "GET", paths::core(space, "pods") + paths::with_label(paths::service_label, service),
               "", {}));
    std::vector<std::string> names;
    for (const auto& pod : list_at(list, "items")) {
        if (names.size() < pods_max) {
            names.push_back(name_of(pod));
        }
    }
    co_return names;
}

async::Task<Outcome> print_once(Session& session, std::string space, std::vector<std::string> pods,
                                Question question) {
    CO_TRY(auto* const api, session.api());
    std::vector<Line> lines;
    for (const auto& pod : pods) {
        const auto reply =
            co_await api->call("GET",
                               fmt::format("{}/log?{}timestamps=true",
                                           paths::core(space, "pods", pod), question.query),
                               "", {});
        if (!reply) {
            co_return std::unexpected(reply.error());
        }
        if (!reply->ok()) {
            const auto error = client::error_of(*reply);
            if (pods.size() == 1) {
                co_return std::unexpected(error);
            }
            session.say(fmt::format("{}: {}", pod, error.message));
            continue;
        }
        std::string_view text = reply->body;
        if (text.ends_with('\n')) {
            text.remove_suffix(1);
        }
        if (text.empty()) {
            continue;
        }
        for (const auto line : base::split(text, '\n')) {
            lines.push_back(take_apart(pod, line));
            lines.back().order = lines.size();
        }
    }
    std::ranges::sort(lines, {}, [](const Line& line) { return std::tie(line.time, line.order); });
    Printer printer(session, question.stamps);
    for (const auto& line : lines) {
        printer.print(line, pods.size());
    }
    co_return Exit::done;
}

// Follows one instance until it has ended. References outlive the task.
async::Task<void> follow_pod(Session& session, Printer& printer, std::string path, std::string pod,
                             std::string query, const std::set<std::string>& pods) {
    auto api = session.another_api();
    if (!api) {
        co_return;
    }
    http::ClientRequest request;
    request.target = fmt::format("{}/log?{}timestamps=true&follow=true", path, query);
    client::CallOptions options;
    options.limit = base::Duration::zero();
    auto take = [&](std::string_view line) {
        printer.print(take_apart(pod, line), pods.size());
        return true;
    };
    const auto ended =
        co_await (*api)->stream(std::move(request), std::move(options), std::move(take));
    if (!ended && ended.error().code != Code::not_found) {
        session.say(fmt::format("{}: {}", pod, ended.error().message));
    }
}

async::Task<Outcome> follow(Session& session, std::string space, std::string service,
                            std::vector<std::string> pods, Question question) {
    Printer printer(session, question.stamps);
    std::set<std::string> seen;
    async::Scope scope(session.host().loop, pods_max);
    for (;;) {
        for (const auto& pod : pods) {
            if (seen.size() < pods_max && seen.insert(pod).second) {
                CO_CHECK_OK(scope.spawn(follow_pod(
                    session, printer, paths::core(space, "pods", pod), pod, question.query, seen)));
            }
        }
        if (service.empty()) {
            co_await scope.join();
            co_return Exit::done;
        }
        co_await async::sleep_for(session.host().loop, look_every);
        CO_TRY(pods, co_await pods_of(session, space, service));
        // Later instances are wanted from their first line on.
        question.query.clear();
    }
}

async::Task<Outcome> run_logs(Session& session) {
    if (session.words().size() != 1) {
        co_return session.misuse("give one service, or pod/POD");
    }
    const auto question = read_question(session.given());
    if (!question) {
        co_return session.misuse(question.error().message);
    }
    CO_CHECK_OK(session.api());
    const auto space = session.space();
    std::string service = session.words().front();
    std::vector<std::string> pods;
    if (service.starts_with("pod/")) {
        pods.push_back(service.substr(4));
        service.clear();
    } else {
        CO_TRY(const auto found, co_await get_service(session, space, service));
        CO_TRY(pods, co_await pods_of(session, space, service));
    }
    const bool follows = session.given().has("--follow");
    if (pods.empty()) {
        session.say(fmt::format("No instance of {} runs now (it may be scaled to zero).{}", service,
                                follows ? " Waiting for one." : ""));
    }
    if (follows) {
        co_return co_await follow(session, space, service, std::move(pods), *question);
    }
    co_return co_await print_once(session, space, std::move(pods), *question);
}

}  // namespace

Command logs_command() {
    return {.name = "logs",
            .arguments = "NAME|pod/POD [flags]",
            .summary = "What the instances of a service wrote",
            .examples = {"tidemill logs shop -f", "tidemill logs shop --tail 50 --since 5m",
                         "tidemill logs pod/shop-00001-deployment-x --previous"},
            .flags = {{.name = "--follow", .letter = "-f", .help = "go on with what comes"},
                      {.name = "--tail", .value = "N", .help = "the last lines of each instance"},
                      {.name = "--since", .value = "DURATION", .help = "no older lines, e.g. 5m"},
                      {.name = "--previous", .letter = "-p", .help = "of the run before"},
                      {.name = "--timestamps", .help = "with the time of each line"}},
            .details =
                "Lines of several instances are merged by time, with the instance before "
                "each.",
            .group = Command::Group::look,
            .run = &run_logs};
}

}  // namespace tidemill::cli
