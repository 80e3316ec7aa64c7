// invoke: one request to a service, as a client from outside would send it.
#include <fmt/format.h>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/services.h"
#include "cli/api/session.h"
#include "cli/command/commands.h"
#include "http/client.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::uint64_t body_bytes_max = 256U << 20;
// Longer than any timeoutSeconds that a service may have.
constexpr auto answer_limit = std::chrono::seconds(660);

// -d: the text itself, @FILE, or - for stdin.
Result<std::string> read_data(Session& session, const std::string& data) {
    if (data == "-" || data == "@-") {
        return session.context().read_input(body_bytes_max);
    }
    if (data.starts_with('@')) {
        return host::read_file(session.host().disk, data.substr(1), body_bytes_max);
    }
    return data;
}

// The host of the service, or of one of its tags.
Result<std::string> host_of(const wire::Json& service, const std::string& tag) {
    if (tag.empty()) {
        const auto url = text_at(service, "status.url");
        if (url.empty()) {
            return fail(Code::conflict, "{} has no URL yet: {}", name_of(service),
                        condition_of(service, "Ready").message);
        }
        return host_of_url(url);
    }
    std::string tags;
    for (const auto& each : list_at(service, "status.traffic")) {
        const auto name = text_at(each, "tag");
        if (name == tag) {
            return host_of_url(text_at(each, "url"));
        }
        tags += name.empty() ? "" : " " + name;
    }
    return fail(Code::not_found, "{} has no tag \"{}\"{}", name_of(service), tag,
                tags.empty() ? "" : "; there is:" + tags);
}

Result<http::ClientRequest> make_request(Session& session, std::string host) {
    const auto& given = session.given();
    http::ClientRequest request;
    request.host = std::move(host);
    request.target = given.text("--path", "/");
    if (!request.target.starts_with('/')) {
        request.target.insert(0, "/");
    }
    request.headers.set("User-Agent", "tidemill");
    request.headers.set("Accept", "*/*");
    if (given.has("--body")) {
        TRY(request.body, read_data(session, given.text("--body")));
        request.method = "POST";
        const auto text = base::trim(request.body);
        request.headers.set("Content-Type", text.starts_with('{') || text.starts_with('[')
                                                ? "application/json"
                                                : "text/plain; charset=utf-8");
    }
    for (const auto& header : given.all("--header")) {
        const auto colon = header.find(':');
        const auto name = base::trim(header.substr(0, colon));
        if (colon == std::string::npos || name.empty()) {
            return fail(Code::invalid, "-H \"{}\": write 'Name: value'", header);
        }
        const std::string value(base::trim(std::string_view(header).substr(colon + 1)));
        if (base::equals_ignoring_case(header.substr(0, colon), "host")) {
            request.host = value;
        } else {
            request.headers.set(std::string(base::trim(std::string_view(header).substr(0, colon))),
                                value);
        }
    }
    request.method = given.text("--request", request.method);
    return request;
}

async::Task<Outcome> run_invoke(Session& session) {
    if (session.words().size() != 1) {
        co_return session.misuse("give one service");
    }
    CO_CHECK_OK(session.api());
    auto& loop = session.host().loop;
    const auto& name = session.words().front();
    CO_TRY(const auto service, co_await get_service(session, session.space(), name));
    CO_TRY(auto host, host_of(service, session.given().text("--tag")));
    auto request = make_request(session, std::move(host));
    if (!request) {
        co_return session.misuse(request.error().message);
    }
    const auto address_text = co_await proxy_address(session, text_at(service, "status.url"));
    auto address = host::parse_address(address_text);
    if (!address) {
        co_return session.misuse(
            fmt::format("--proxy {}: {}", address_text, address.error().message));
    }
    const auto began = loop.now();
    auto connection = co_await http::ClientConnection::open(session.host(), *address, nullptr, "",
                                                            began + std::chrono::seconds(10));
    if (!connection) {
        co_return fail(Code::unavailable,
                       "nobody takes requests at {}: {}. Another address: --proxy ADDRESS",
                       address_text, connection.error().message);
    }
    CO_TRY(auto response, co_await (*connection)->send(*std::move(request), began + answer_limit));
    const auto first_byte = loop.now() - began;
    if (session.given().has("--include")) {
        std::string head = fmt::format("HTTP/1.1 {} {}\n", response.status, response.reason);
        for (const auto& [field, value] : response.headers) {
            head += fmt::format("{}: {}\n", field, value);
        }
        session.print(head + "\n");
    }
    char last = '\n';
    for (;;) {
        CO_TRY(const auto piece, co_await response.body().next());
        if (!piece) {
            break;
        }
        session.print(*piece);
        last = piece->empty() ? last : piece->back();
    }
    if (last != '\n' && session.context().out.kind == Outlet::Kind::terminal) {
        session.print("\n");
    }
    if (session.given().has("--time")) {
        const auto milliseconds = [](base::Duration span) {
            return std::chrono::duration<double, std::milli>(span).count();
        };
        session.say(fmt::format("first byte after {:.1f} ms, all after {:.1f} ms",
                                milliseconds(first_byte), milliseconds(loop.now() - began)));
    }
    if (response.status >= 400) {
        session.say(fmt::format("{} answered {} {}. Why: tidemill logs {}", name, response.status,
                                response.reason, name));
        co_return Exit::failure;
    }
    co_return Exit::done;
}

}  // namespace

Command invoke_command() {
    return {
        .name = "invoke",
        .arguments = "NAME [flags]",
        .summary = "Send one request to a service and print the answer",
        .examples = {"tidemill invoke shop", "tidemill invoke shop -d '{\"item\": 7}'",
                     "tidemill invoke shop --tag canary --path /health -i --time"},
        .flags = {{.name = "--body",
                   .letter = "-d",
                   .value = "DATA",
                   .help = "the body: text, @FILE, or - for stdin; makes it a POST"},
                  {.name = "--request", .letter = "-X", .value = "METHOD", .help = "the method"},
                  {.name = "--header",
                   .letter = "-H",
                   .value = "'K: V'",
                   .help = "a header field",
                   .times = Flag::Times::many},
                  {.name = "--path", .value = "PATH", .help = "path and query (default /)"},
                  {.name = "--tag", .value = "TAG", .help = "the revision with this tag"},
                  {.name = "--include", .letter = "-i", .help = "print status and header too"},
                  {.name = "--time", .help = "say how long it took"},
                  {.name = "--proxy", .value = "ADDRESS", .help = "where requests go in"}},
        .details =
            "It goes through the proxy, as every request does. Exit 1 for an answer of "
            "400 and above.",
        .names = Command::Names::services,
        .group = Command::Group::run,
        .run = &run_invoke};
}

}  // namespace tidemill::cli
