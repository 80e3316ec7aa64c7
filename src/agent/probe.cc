#include "agent/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "async/loop.h"
#include "base/text.h"

namespace tidemill::agent {
namespace {

// What the shims of runtimes/ answer without calling the function.
constexpr std::string_view ready_path = "/.well-known/tidemill/ready";
constexpr std::size_t status_line_max = 4096;

std::string request_text(const link::ProbeSpec& probe, std::string_view path,
                         std::string_view host) {
    std::string text = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n", path,
                                   probe.host.empty() ? host : probe.host);
    bool named = false;
    for (const auto& [name, value] : probe.headers) {
        named = named || base::equals_ignoring_case(name, "user-agent");
        text += fmt::format("{}: {}\r\n", name, value);
    }
    if (!named) {
        text += "User-Agent: kube-probe/tidemill\r\n";  // what apps already leave out of their logs
    }
    return text + "Connection: close\r\n\r\n";
}

base::Error broken(const host::IoResult& result) {
    if (result.kind == host::IoResult::Kind::deadline) {
        return {base::Code::deadline, "no answer in time"};
    }
    return {base::Code::unavailable, "closed the connection without an answer"};
}

// The status code of the answer's first line.
async::Task<base::Result<int>> ask(host::Stream& stream, std::string request) {
    std::string_view left = request;
    while (!left.empty()) {
        const auto put = stream.try_write(left);
        if (put.ok()) {
            left.remove_prefix(put.bytes);
        } else if (put.kind == host::IoResult::Kind::blocked) {
            co_await stream.writable();
        } else {
            co_return std::unexpected(broken(put));
        }
    }
    std::string line;
    while (line.find('\n') == std::string::npos && line.size() < status_line_max) {
        char bytes[512];
        const auto got = stream.try_read(bytes, sizeof(bytes));
        if (got.ok()) {
            line.append(bytes, got.bytes);
        } else if (got.kind == host::IoResult::Kind::blocked) {
            co_await stream.readable();
        } else {
            co_return std::unexpected(broken(got));
        }
    }
    // "HTTP/1.1 200 OK"
    std::optional<int> status;
    if (line.starts_with("HTTP/1.") && line.size() >= 12) {
        status = base::parse_number<int>(std::string_view(line).substr(9, 3));
    }
    if (!status) {
        co_return base::fail(base::Code::invalid, "answered, but not in HTTP/1");
    }
    co_return *status;
}

}  // namespace

async::Task<base::Status> probe_once(host::Host& host, host::Address address, link::ProbeSpec probe,
                                     base::Instant deadline) {
    CO_TRY(auto stream, co_await host.network.connect(address, deadline));
    const bool is_function = std::holds_alternative<host::UnixAddress>(address);
    if (!is_function && probe.kind != link::ProbeSpec::Kind::http) {
        co_return base::ok;
    }
    stream->set_read_deadline(deadline);
    stream->set_write_deadline(deadline);
    const bool is_http = probe.kind == link::ProbeSpec::Kind::http;
    const std::string path =
        is_http && !probe.path.empty() ? probe.path : std::string(is_function ? ready_path : "/");
    const std::string name = is_function ? "localhost" : host::to_string(address);
    CO_TRY(const int status, co_await ask(*stream, request_text(probe, path, name)));
    const bool good = is_http ? status >= 200 && status < 400 : status < 500;
    if (!good) {
        co_return base::fail(base::Code::invalid, "answered {} to GET {}", status, path);
    }
    co_return base::ok;
}

async::Task<base::Status> probe_until_ready(host::Host& host, host::Address address,
                                            link::ProbeSpec probe, base::Instant deadline,
                                            std::move_only_function<bool()> is_wanted) {
    using namespace std::chrono_literals;
    // kubelet's initialDelaySeconds: asked for by the user, so kept.
    if (probe.initial_delay > base::Duration{}) {
        co_await async::sleep_for(host.loop, probe.initial_delay);
    }
    const bool is_function = std::holds_alternative<host::UnixAddress>(address);
    base::Duration pause = 1ms;
    std::uint32_t successes = 0;
    base::Status last = base::ok;
    for (;;) {
        const base::Instant until =
            is_function ? deadline
                        : std::min(deadline,
                                   host.loop.now() + std::max<base::Duration>(probe.timeout, 1ms));
        last = co_await probe_once(host, address, probe, until);
        if (!is_wanted()) {
            co_return base::fail(base::Code::cancelled, "not wanted any more");
        }
        successes = last ? successes + 1 : 0;
        if (last && successes >= probe.success_threshold) {
            co_return base::ok;
        }
        const base::Duration wait = probe.period > base::Duration{} ? probe.period : pause;
        if (host.loop.now() + wait >= deadline) {
            break;
        }
        if (!last || probe.period > base::Duration{}) {
            co_await async::sleep_for(host.loop, wait);
        }
        pause = std::min<base::Duration>(pause * 2, 50ms);
    }
    co_return base::fail(base::Code::deadline, "not ready in time: {}",
                         last ? "too few good answers" : last.error().message);
}

}  // namespace tidemill::agent
