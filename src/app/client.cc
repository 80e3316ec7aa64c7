#include "app/client.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "app/process.h"
#include "async/event.h"
#include "cli/context.h"
#include "cli/run.h"
#include "host_linux/process/terminal.h"
#include "http/tls.h"
#include "launcher/launcher.h"

extern char** environ;

namespace tidemill::app {
namespace {

using namespace std::chrono_literals;

constexpr int exit_failure = 1;
constexpr int exit_interrupted = 130;

// Asks a launcher that runs only for the question.
class LauncherReport final : public cli::HostReport {
public:
    explicit LauncherReport(host::Host& host) : host_(host) {}
    async::Task<base::Result<host::LauncherCapabilities>> capabilities() override {
        launcher::Options options;
        options.run_directory = fmt::format("/tmp/tidemill-doctor-{}", host_.processes.self());
        options.cgroup_name = fmt::format("tidemill/doctor-{}", host_.processes.self());
        base::Result<host::LauncherCapabilities> found = base::fail(base::Code::unavailable, "");
        {
            auto started =
                co_await launcher::ProgramLauncher::start(host_, options, host_.loop.now() + 10s);
            if (started) {
                found = (*started)->capabilities();
            } else {
                found = std::unexpected(std::move(started).error());
            }
        }
        (void)host_.disk.remove_tree(options.run_directory);
        co_return found;
    }

private:
    host::Host& host_;
};

cli::Outlet outlet(std::FILE* file) {
    return {[file](std::string_view text) {
                (void)std::fwrite(text.data(), 1, text.size(), file);
                std::fflush(file);
            },
            host_linux::is_terminal(file == stdout ? 1 : 2) ? cli::Outlet::Kind::terminal
                                                            : cli::Outlet::Kind::file};
}

base::Result<std::string> read_stdin(std::uint64_t bytes_max) {
    std::string text;
    char buffer[65536];
    while (const auto got = std::fread(buffer, 1, sizeof buffer, stdin)) {
        text.append(buffer, got);
        if (text.size() > bytes_max) {
            return base::fail(base::Code::exhausted, "standard input has more than {} bytes",
                              bytes_max);
        }
    }
    return text;
}

async::Task<void> finish(cli::Context& context, std::vector<std::string> words,
                         std::optional<int>& code, async::Event& over) {
    code = co_await cli::run(context, std::move(words));
    over.set();
}

async::Task<void> interrupt(host::Signals& signals, async::Event& over) {
    co_await signals.next();
    over.set();
}

async::Task<int> run(Process& process, cli::Context& context, std::vector<std::string> words) {
    async::Event over(process.loop());
    std::optional<int> code;
    async::Scope scope(process.loop(), 2);
    CHECK(scope.spawn(finish(context, std::move(words), code, over)).has_value());
    CHECK(scope.spawn(interrupt(process.signals(), over)).has_value());
    co_await over.wait();
    if (!code) {
        fmt::print(stderr, "interrupted; what was asked of the server may go on\n");
    }
    co_return code.value_or(exit_interrupted);
}

}  // namespace

int run_client(std::vector<std::string> words) {
    auto process = Process::create("cli", Options::LogFormat::human);
    if (!process) {
        fmt::print(stderr, "tidemill: {}\n", process.error().message);
        return exit_failure;
    }
    auto& host = (*process)->host();
    LauncherReport report(host);
    cli::Context context{
        .host = host,
        .environment = {},
        .out = outlet(stdout),
        .err = outlet(stderr),
        .read_input = read_stdin,
        .make_tls =
            [](const std::string& ca, const std::string& certificate,
               const std::string& key) -> base::Result<std::unique_ptr<http::StreamAdapter>> {
            TRY(auto tls, http::TlsClient::make(ca, certificate, key));
            return std::unique_ptr<http::StreamAdapter>(std::move(tls));
        },
        .version = std::string(build_version()),
        .host_report = &report};
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string text = *variable;
        if (const auto equals = text.find('='); equals != std::string::npos) {
            context.environment[text.substr(0, equals)] = text.substr(equals + 1);
        }
    }
    return (*process)->loop().run(run(**process, context, std::move(words)));
}

}  // namespace tidemill::app
