// doctor: what this machine and the way to the platform can and cannot give. The one command that
// probes in its own process.
#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/session.h"
#include "cli/command/commands.h"
#include "cli/text/output.h"
#include "cli/text/table.h"
#include "sandbox/doctor.h"

namespace tidemill::cli {
namespace {

using base::Code;
using sandbox::Finding;
using Verdict = Finding::Verdict;
using Findings = std::vector<Finding>;

// Below the first nothing new can be stored soon, below the second builds will fail.
constexpr std::uint64_t disk_bytes_least = std::uint64_t{256} << 20;
constexpr std::uint64_t disk_bytes_wanted = std::uint64_t{2} << 30;
// TLS and tokens tolerate less than people expect of clocks.
constexpr auto clock_skew_max = std::chrono::seconds(5);
constexpr std::uint64_t record_bytes_max = 4U << 20;
constexpr std::string_view release_year = "2026-01-01T00:00:00Z";

std::string data_directory(const Session& session, const Context& context) {
    auto data = session.given().text("--data");
    if (data.empty()) {
        data = context.variable("TIDEMILL_DATA");
    }
    return data.empty() ? "/var/lib/tidemill" : data;
}

Finding check_disk(host::Disk& disk, std::string path) {
    auto space = disk.space(path);
    while (!space && path.size() > 1) {
        // Not made yet: the folder above decides.
        const auto slash = path.rfind('/');
        path = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
        space = disk.space(path);
        if (path == ".") {
            break;
        }
    }
    if (!space) {
        return {"disk space", Verdict::missing, space.error().message,
                "make the data directory readable, or name another with --data"};
    }
    const auto fact = fmt::format("{} MiB free of {} MiB at {}", space->free_bytes >> 20,
                                  space->total_bytes >> 20, path);
    if (space->free_bytes < disk_bytes_least) {
        return {"disk space", Verdict::missing, fact,
                "free some space, or move the data directory"};
    }
    if (space->free_bytes < disk_bytes_wanted) {
        return {"disk space", Verdict::weaker, fact, "builds and images will need more soon"};
    }
    return {"disk space", Verdict::good, fact, ""};
}

// What the images that others built take, as DATA/pulled/images says it (image/oci/pulled_store.h).
// Nothing where that cannot be read: the platform may be elsewhere, or somebody else's.
std::optional<Finding> check_images(host::Disk& disk, const std::string& data) {
    const auto directory = data + "/pulled/images";
    const auto names = disk.list(directory);
    if (!names) {
        return std::nullopt;
    }
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    for (const auto& name : *names) {
        const auto text = host::read_file(disk, directory + "/" + name, record_bytes_max);
        const auto record = text ? wire::parse_json(*text) : base::Result<wire::Json>(nullptr);
        if (!record || !record->is_object()) {
            continue;
        }
        ++count;
        const auto size = wire::JsonReader(*record).at("bytes").integer_or(0, 0);
        bytes += static_cast<std::uint64_t>(size.value_or(0));
    }
    return Finding{"images", Verdict::good,
                   fmt::format("{} pulled, {} MiB unpacked; those that no revision names go after "
                               "an hour",
                               count, bytes >> 20U),
                   ""};
}

// The time of an HTTP Date field (RFC 9110 section 5.6.7), e.g. "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<base::WallTime> parse_date(std::string_view text) {
    constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (text.size() != 29) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < months.size(); ++i) {
        if (text.substr(8, 3) == months[i]) {
            const auto at =
                base::parse_rfc3339(fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), i + 1,
                                                text.substr(5, 2), text.substr(17, 8)));
            return at ? std::optional(*at) : std::nullopt;
        }
    }
    return std::nullopt;
}

Finding check_clock(base::WallTime now, std::string_view server_date) {
    const auto sane = base::parse_rfc3339(release_year);
    if (sane && now < *sane) {
        return {"clock", Verdict::missing, "it says " + base::format_rfc3339(now),
                "set it: certificates and tokens are refused with a wrong clock"};
    }
    if (const auto theirs = parse_date(server_date)) {
        const auto apart = std::chrono::abs(now - *theirs);
        if (apart > clock_skew_max) {
            return {"clock", Verdict::weaker,
                    fmt::format("{} apart from the server's", age_text(apart)),
                    "synchronise both, e.g. systemctl enable --now systemd-timesyncd"};
        }
    }
    return {"clock", Verdict::good, base::format_rfc3339(now), ""};
}

// Whether a port that `up` takes by default is free. Only asked when no platform answers.
Finding check_port(host::Network& network, const std::string& address) {
    const auto subject = "port " + address.substr(address.rfind(':') + 1);
    const auto parsed = host::parse_address(address);
    const auto listener = network.listen(*parsed, {});
    if (listener) {
        return {subject, Verdict::good, address + " is free", ""};
    }
    return {subject, Verdict::missing, listener.error().message,
            "stop what has it, or give `tidemill up` another with --http and --api"};
}

// Whether the API answers, and as whom; sets `date` to the server's.
async::Task<Findings> check_api(Session& session, std::string& date) {
    Findings out;
    const bool named = session.given().has("--data") || session.given().has("--kubeconfig") ||
                       !session.context().variable("TIDEMILL_DATA").empty();
    const auto bad = named ? Verdict::missing : Verdict::weaker;
    auto api = session.api();
    if (!api) {
        out.push_back({"API", bad, api.error().message, "start it: tidemill up"});
        co_return out;
    }
    const auto ready = co_await (*api)->call("GET", "/readyz", "", {});
    if (!ready) {
        out.push_back({"API", bad, ready.error().message, "start it: tidemill up"});
        co_return out;
    }
    date = ready->headers.get("Date");
    const auto origin = (*api)->endpoint().origin;
    if (ready->status == 401 || ready->status == 403) {
        out.push_back({"API", Verdict::missing, "it answers, but does not know who asks",
                       "use the kubeconfig of the data directory, or a token of an admin"});
        co_return out;
    }
    if (!ready->ok()) {
        out.push_back({"API", Verdict::missing,
                       fmt::format("it answers, but is not ready: {}", base::trim(ready->body)),
                       "see the log of tidemill up"});
        co_return out;
    }
    out.push_back({"API", Verdict::good, "it answers (" + origin + ")", ""});
    const auto who = co_await (*api)->json("GET", paths::platform("", "whoami"), "", {});
    if (who) {
        out.push_back({"identity", Verdict::good,
                       fmt::format("you are {}", text_at(*who, "status.userInfo.username")), ""});
    } else {
        out.push_back({"identity", Verdict::weaker, who.error().message, "ask for a token"});
    }
    co_return out;
}

std::string_view verdict_name(Verdict verdict) {
    switch (verdict) {
        case Verdict::good:
            return "good";
        case Verdict::weaker:
            return "weaker";
        case Verdict::missing:
            break;
    }
    return "missing";
}

wire::Json to_json(const Findings& findings) {
    wire::JsonArray list;
    for (const auto& finding : findings) {
        wire::JsonObject each{{"subject", finding.subject},
                              {"verdict", verdict_name(finding.verdict)},
                              {"fact", finding.fact}};
        if (!finding.fix.empty()) {
            each["fix"] = finding.fix;
        }
        list.push_back(std::move(each));
    }
    return wire::JsonObject{{"findings", std::move(list)}};
}

std::string to_text(const Paint& paint, const Findings& findings) {
    Table table;
    for (const auto& finding : findings) {
        const auto name = verdict_name(finding.verdict);
        table.add({finding.verdict == Verdict::good     ? paint.good(name)
                   : finding.verdict == Verdict::weaker ? paint.careful(name)
                                                        : paint.bad(name),
                   finding.subject, finding.fact});
        if (!finding.fix.empty()) {
            table.add({"", "", "fix: " + finding.fix});
        }
    }
    return table.text();
}

async::Task<Outcome> run_doctor(Session& session) {
    auto& context = session.context();
    const auto format = parse_format(session.given());
    if (!format || !session.words().empty()) {
        co_return session.misuse(format ? "it takes no words" : format.error().message);
    }
    Findings findings;
    if (context.host_report != nullptr) {
        const auto capabilities = co_await context.host_report->capabilities();
        if (capabilities) {
            findings = sandbox::examine(*capabilities);
        } else {
            findings.push_back({"sandboxes", Verdict::missing, capabilities.error().message,
                                "run doctor as who runs tidemill up"});
        }
    }
    std::string date;
    const auto api = co_await check_api(session, date);
    findings.insert(findings.end(), api.begin(), api.end());
    if (api.front().verdict != Verdict::good) {
        for (const auto* const address : {"127.0.0.1:8080", "127.0.0.1:6443"}) {
            findings.push_back(check_port(context.host.network, address));
        }
    }
    const auto data = data_directory(session, context);
    findings.push_back(check_disk(context.host.disk, data));
    if (auto images = check_images(context.host.disk, data)) {
        findings.push_back(*std::move(images));
    }
    findings.push_back(check_clock(session.now(), date));
    if (format->is_document()) {
        CO_TRY(const auto text, show(to_json(findings), *format));
        session.print(text);
    } else {
        session.print(to_text(session.paint_out(), findings));
    }
    for (const auto& finding : findings) {
        if (finding.verdict == Verdict::missing) {
            co_return Exit::failure;
        }
    }
    co_return Exit::done;
}

}  // namespace

Command doctor_command() {
    return {.name = "doctor",
            .arguments = "[-o json]",
            .summary = "What this machine can and cannot give, each with the fix",
            .examples = {"tidemill doctor", "tidemill doctor --data ./data -o json"},
            .flags = {output_flag()},
            .details =
                "\"weaker\": it works with less protection or comfort. \"missing\": "
                "something essential cannot be done; exit 1.",
            .group = Command::Group::platform,
            .run = &run_doctor};
}

}  // namespace tidemill::cli
