// One run of one command: what it was told, the way to the server, and where it may speak.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cli/command.h"
#include "cli/context.h"
#include "cli/text/paint.h"

namespace tidemill::cli {

// stdout is data, stderr is talk. One thread; outlived by its context.
class Session {
public:
    Session(Context& context, const Command& command, Invocation invocation);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Context& context() { return context_; }
    host::Host& host() { return context_.host; }
    base::WallTime now() const { return context_.host.clock.wall_now(); }
    const Command& command() const { return command_; }
    const Invocation& given() const { return invocation_; }
    const std::vector<std::string>& words() const { return invocation_.words; }

    // The way to the server, looked for at the first call. Errors: unavailable (none was named, or
    // nothing is there), invalid (a kubeconfig that is none).
    base::Result<client::ApiClient*> api();
    // A connection of its own, for what streams while other calls are made.
    base::Result<std::unique_ptr<client::ApiClient>> another_api();
    // -n, else what the kubeconfig says, else "default".
    std::string space() const;

    // To stdout as it is.
    void print(std::string_view text) { context_.out.write(text); }
    // One line to stderr.
    void say(std::string_view line);
    // Says what was wrong with the words and how they are written.
    Exit misuse(std::string_view message);

    const Paint& paint_out() const { return paint_out_; }
    const Paint& paint_err() const { return paint_err_; }

private:
    base::Result<client::Endpoint> endpoint();

    Context& context_;
    const Command& command_;
    Invocation invocation_;
    Paint paint_out_;
    Paint paint_err_;
    std::unique_ptr<client::ApiClient> api_;
};

// The duration of a flag, as Go writes it ("90s", "5m") or with days ("90d"). Errors: invalid.
base::Result<base::Duration> parse_span(std::string_view text);
// The value of a flag that is a duration; a bare number is seconds. Errors: invalid, with the flag.
base::Result<base::Duration> duration_flag(const Invocation& given, std::string_view flag,
                                           base::Duration absent);
// "59s", "2m5s", "45m", "3h", "4d": what a person wants to know.
std::string age_text(base::Duration span);

}  // namespace tidemill::cli
