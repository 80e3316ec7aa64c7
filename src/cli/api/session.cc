#include "cli/api/session.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tidemill::cli {

using base::Code;
using base::fail;
using base::Result;

namespace {

Wish wish_of(const Invocation& invocation) {
    return invocation.has("--no-color") ? Wish::no_colour : Wish::unsaid;
}

}  // namespace

Session::Session(Context& context, const Command& command, Invocation invocation)
    : context_(context),
      command_(command),
      invocation_(std::move(invocation)),
      paint_out_(choose_colour(context, context.out, wish_of(invocation_))),
      paint_err_(choose_colour(context, context.err, wish_of(invocation_))) {}

Result<client::Endpoint> Session::endpoint() {
    client::EndpointWish wish;
    wish.data = invocation_.text("--data");
    wish.kubeconfig = invocation_.text("--kubeconfig");
    wish.data_from_env = context_.variable("TIDEMILL_DATA");
    wish.kubeconfig_from_env = context_.variable("KUBECONFIG");
    auto found = client::find_endpoint(context_.host.disk, wish);
    if (!found && found.error().code == Code::not_found) {
        // To a script it is all the same whether nobody answers or nobody is there to answer.
        found.error().code = Code::unavailable;
    }
    return found;
}

Result<std::unique_ptr<client::ApiClient>> Session::another_api() {
    TRY(auto found, endpoint());
    return std::make_unique<client::ApiClient>(context_.host, std::move(found), context_.make_tls);
}

Result<client::ApiClient*> Session::api() {
    if (!api_) {
        TRY(api_, another_api());
    }
    return api_.get();
}

std::string Session::space() const {
    if (invocation_.has("--namespace")) {
        return invocation_.text("--namespace");
    }
    return api_ ? api_->default_space() : "default";
}

void Session::say(std::string_view line) {
    context_.err.write(std::string(line) + "\n");
}

Exit Session::misuse(std::string_view message) {
    say(fmt::format("tidemill {}: {}", command_.name, message));
    say(fmt::format("Usage: tidemill {} {}", command_.name, command_.arguments));
    say(fmt::format("Try: tidemill help {}", command_.name));
    return Exit::usage;
}

Result<base::Duration> parse_span(std::string_view text) {
    using days = std::chrono::duration<std::int64_t, std::ratio<86'400>>;
    if (text.ends_with('d')) {
        const auto count = base::parse_number<std::uint32_t>(text.substr(0, text.size() - 1));
        if (!count || *count > 100'000) {
            return fail(Code::invalid, "\"{}\" is no duration; write 90d, 12h or 30m", text);
        }
        return base::Duration(days(*count));
    }
    if (const auto seconds = base::parse_number<std::uint32_t>(text)) {
        return base::Duration(std::chrono::seconds(*seconds));
    }
    auto span = base::parse_duration(text);
    if (!span || span->count() < 0) {
        return fail(Code::invalid, "\"{}\" is no duration; write 90d, 12h, 30m or 45s", text);
    }
    return *span;
}

Result<base::Duration> duration_flag(const Invocation& given, std::string_view flag,
                                     base::Duration absent) {
    if (!given.has(flag)) {
        return absent;
    }
    auto span = parse_span(given.text(flag));
    if (!span) {
        return base::wrap(fmt::format("{}: ", flag), std::move(span).error());
    }
    return *span;
}

std::string age_text(base::Duration span) {
    const auto seconds =
        std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(span).count());
    if (seconds < 120) {
        return fmt::format("{}s", seconds);
    }
    const auto minutes = seconds / 60;
    if (minutes < 10) {
        return seconds % 60 == 0 ? fmt::format("{}m", minutes)
                                 : fmt::format("{}m{}s", minutes, seconds % 60);
    }
    if (minutes < 180) {
        return fmt::format("{}m", minutes);
    }
    const auto hours = minutes / 60;
    if (hours < 48) {
        return fmt::format("{}h", hours);
    }
    return fmt::format("{}d", hours / 24);
}

}  // namespace tidemill::cli
