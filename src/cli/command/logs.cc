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
// How long to wait before the instances are listed again after their watch has ended: a platform
// that restarts is not asked in a loop.
constexpr auto list_again_after = std::chrono::milliseconds(500);

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

std::string pods_path(std::string_view space, std::string_view service) {
    return paths::core(space, "pods") + paths::with_label(paths::service_label, service);
}

struct Pods {
    std::vector<std::string> names;
    std::string version;  // from which a watch goes on
};

async::Task<Result<Pods>> pods_of(Session& session, std::string space, std::string service) {
    CO_TRY(auto* const api, session.api());
    CO_TRY(const auto list, co_await api->json("GET", pods_path(space, service), "", {}));
    Pods out{.names = {}, .version = text_at(list, "metadata.resourceVersion")};
    for (const auto& pod : list_at(list, "items")) {
        if (out.names.size() < pods_max) {
            out.names.push_back(name_of(pod));
        }
    }
    co_return out;
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

// Follows every instance once. References outlive it.
class Followers {
public:
    Followers(Session& session, std::string space, Question question)
        : session_(session),
          space_(std::move(space)),
          question_(std::move(question)),
          printer_(session, question_.stamps),
          scope_(session.host().loop, pods_max) {}

    void add(const std::string& pod) {
        if (seen_.size() < pods_max && seen_.insert(pod).second) {
            // A full scope is the same limit.
            (void)scope_.spawn(follow_pod(session_, printer_, paths::core(space_, "pods", pod), pod,
                                          question_.query, seen_));
        }
    }
    // Instances that are added from here on are wanted from their first line.
    void wants_all_lines() { question_.query.clear(); }
    async::Task<void> join() { co_await scope_.join(); }

private:
    Session& session_;
    std::string space_;
    Question question_;
    Printer printer_;
    std::set<std::string> seen_;
    async::Scope scope_;
};

// Adds the instances that come from `version` on, until the watch ends; why it ended does not
// matter, since the list that follows knows better. References outlive the task.
async::Task<void> add_new_pods(Session& session, std::string target, Followers& followers) {
    auto api = session.another_api();
    if (!api) {
        co_return;
    }
    http::ClientRequest request;
    request.target = std::move(target);
    client::CallOptions options;
    options.limit = base::Duration::zero();
    auto take = [&followers](std::string_view line) {
        const auto event = wire::parse_json(line);
        const auto type = event ? text_at(*event, "type") : std::string("ERROR");
        if (type == "ERROR") {
            return false;
        }
        if (type == "ADDED" || type == "MODIFIED") {
            followers.add(name_of(event->at("object")));
        }
        return true;
    };
    (void)co_await (*api)->stream(std::move(request), std::move(options), std::move(take));
}

async::Task<Outcome> follow(Session& session, std::string space, std::string service, Pods pods,
                            Question question) {
    Followers followers(session, space, std::move(question));
    for (;;) {
        for (const auto& pod : pods.names) {
            followers.add(pod);
        }
        if (service.empty()) {
            co_await followers.join();
            co_return Exit::done;
        }
        followers.wants_all_lines();
        co_await add_new_pods(
            session,
            fmt::format("{}?watch=true&resourceVersion={}&{}", paths::core(space, "pods"),
                        pods.version, paths::with_label(paths::service_label, service).substr(1)),
            followers);
        co_await async::sleep_for(session.host().loop, list_again_after);
        CO_TRY(pods, co_await pods_of(session, space, service));
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
    Pods pods;
    if (service.starts_with("pod/")) {
        pods.names.push_back(service.substr(4));
        service.clear();
    } else {
        CO_TRY(const auto found, co_await get_service(session, space, service));
        CO_TRY(pods, co_await pods_of(session, space, service));
    }
    const bool follows = session.given().has("--follow");
    if (pods.names.empty()) {
        session.say(fmt::format("No instance of {} runs now (it may be scaled to zero).{}", service,
                                follows ? " Waiting for one." : ""));
    }
    if (follows) {
        co_return co_await follow(session, space, service, std::move(pods), *question);
    }
    co_return co_await print_once(session, space, std::move(pods.names), *question);
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
            .names = Command::Names::services,
            .group = Command::Group::look,
            .run = &run_logs};
}

}  // namespace tidemill::cli
