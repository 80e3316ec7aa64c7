#include "cli/refusal.h"

#include <fmt/format.h>

namespace tidemill::cli {

std::string plain_message(std::string_view message) {
    constexpr std::string_view frame = "denied the request: ";
    constexpr std::string_view failed = "validation failed: ";
    if (message.starts_with("admission webhook")) {
        if (const auto at = message.find(frame); at != std::string_view::npos) {
            message.remove_prefix(at + frame.size());
        }
        if (message.starts_with(failed)) {
            message.remove_prefix(failed.size());
        }
    }
    return std::string(message);
}

std::string stable_code(std::string_view message) {
    if (message.starts_with("TM-")) {
        const auto end = message.find(':');
        return end == std::string_view::npos ? "" : std::string(message.substr(0, end));
    }
    const auto begin = message.rfind("(TM-");
    const auto end = message.find(')', begin == std::string_view::npos ? message.size() : begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) {
        return {};
    }
    return std::string(message.substr(begin + 1, end - begin - 1));
}

std::string advice_for(const base::Error& error) {
    const auto code = stable_code(error.message);
    const auto page = code.empty() ? "" : fmt::format("More: docs/errors/{}.md", code);
    switch (error.code) {
        case base::Code::denied:
            return page.empty() ? "Ask an admin for a token: tidemill token create" : page;
        case base::Code::conflict:
            return page.empty() ? "Look at what is there now, then try again" : page;
        case base::Code::deadline:
            return page.empty() ? "It may still happen: look again, or give it longer" : page;
        default:
            return page;
    }
}

std::string advice_for_reason(std::string_view reason, std::string_view service) {
    if (reason == "ContainerMissing") {
        return fmt::format(
            "an image that a deploy made is not here any more: deploy its folder again (tidemill "
            "deploy PATH --name {}); one of a registry could not be had: the TM code above has a "
            "page",
            service);
    }
    if (reason == "RevisionMissing" || reason == "ConfigurationMissing") {
        return fmt::format("traffic names a revision that is not there: tidemill revisions {}",
                           service);
    }
    if (reason.starts_with("ExitCode")) {
        return fmt::format(
            "the program ended by itself: correct it, try it here, and deploy "
            "again; how its starts went: tidemill explain {}",
            service);
    }
    if (reason == "OOMKilled" || reason == "OutOfMemory") {
        return fmt::format("give it more memory: tidemill deploy … --name {} --memory 512Mi",
                           service);
    }
    if (reason == "ProgressDeadlineExceeded" || reason == "NotListening") {
        return fmt::format(
            "it must listen on 0.0.0.0:$PORT soon after its start; why it did not: "
            "tidemill explain {}",
            service);
    }
    return fmt::format("see: tidemill explain {0}, tidemill describe {0}", service);
}

}  // namespace tidemill::cli
