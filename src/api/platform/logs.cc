#include "api/platform/logs.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tidemill::api {
namespace {

using base::Code;

struct LogParameters {
    LogQuery query;
    Stamps stamps = Stamps::without;
    std::optional<std::uint64_t> bytes_max;
};

Answered<LogParameters> parse(const Call& call, base::WallTime now) {
    const auto& parameters = call.parameters;
    LogParameters out;
    out.query.namespace_name = call.resource().space;
    out.query.pod = call.resource().name;
    out.query.container = parameters.text("container");
    TRY(const auto follow, parameters.flag("follow"));
    TRY(const auto previous, parameters.flag("previous"));
    TRY(const auto stamps, parameters.flag("timestamps"));
    TRY(out.query.tail_lines, parameters.number("tailLines"));
    TRY(out.bytes_max, parameters.number("limitBytes"));
    TRY(const auto since, parameters.number("sinceSeconds"));
    const auto since_time = parameters.text("sinceTime");
    if (since && !since_time.empty()) {
        return refuse(bad_request("at most one of sinceTime or sinceSeconds may be specified"));
    }
    if (since) {
        // A century is for ever, and far from overflow.
        const auto seconds = std::min<std::uint64_t>(*since, 3'000'000'000U);
        out.query.since =
            base::WallTime{now.ns - static_cast<std::int64_t>(seconds) * 1'000'000'000};
    } else if (!since_time.empty()) {
        const auto at = base::parse_rfc3339(since_time);
        if (!at) {
            return refuse(bad_request(fmt::format("sinceTime: {}", at.error().message)));
        }
        out.query.since = *at;
    }
    out.query.mode = follow ? LogQuery::Mode::follow : LogQuery::Mode::once;
    out.query.which = previous ? LogQuery::Which::previous : LogQuery::Which::current;
    out.stamps = stamps ? Stamps::with : Stamps::without;
    return out;
}

}  // namespace

std::string plain_lines(std::string_view cri, Stamps stamps) {
    std::string out;
    bool joined = false;
    while (!cri.empty()) {
        const auto end = cri.find('\n');
        const auto line = cri.substr(0, end);
        cri.remove_prefix(end == std::string_view::npos ? cri.size() : end + 1);
        const auto time = line.find(' ');
        const auto stream = time == std::string_view::npos ? time : line.find(' ', time + 1);
        const auto tag = stream == std::string_view::npos ? stream : line.find(' ', stream + 1);
        if (tag == std::string_view::npos) {
            continue;  // no line that CRI wrote
        }
        if (stamps == Stamps::with && !joined) {
            out += line.substr(0, time + 1);
        }
        out += line.substr(tag + 1);
        joined = line.substr(stream + 1, tag - stream - 1) == "P";
        if (!joined) {
            out += '\n';
        }
    }
    return out;
}

async::Task<Answered<Reply>> Logs::serve(Call& call) {
    const auto& kind = model::kind_of(model::KindId::pod);
    CO_TRY(auto parameters, parse(call, host_.clock.wall_now()));
    const auto pod = shelf_.get({kind.id, call.resource().space, call.resource().name});
    if (!pod || instances_ == nullptr) {
        co_return refuse(not_found(kind, call.resource().name));
    }
    auto stream = co_await instances_->logs(parameters.query);
    if (!stream) {
        if (stream.error().code == Code::not_found) {
            co_return refuse(bad_request(stream.error().message));
        }
        co_return refuse(from_error(stream.error()));
    }
    if (!co_await call.answer.begin(200, {{"Content-Type", "text/plain"}})) {
        co_return Reply::sent();
    }
    std::uint64_t left = parameters.bytes_max.value_or(UINT64_MAX);
    while (left > 0) {
        auto lines = co_await (*stream)->next();
        if (!lines) {
            // The answer is left unfinished, so that the reader sees that more was to come.
            co_return Reply::sent();
        }
        if (!*lines) {
            break;
        }
        auto text = plain_lines(**lines, parameters.stamps);
        if (text.size() > left) {
            text.resize(left);
        }
        left -= text.size();
        if (!co_await call.answer.write(std::move(text))) {
            co_return Reply::sent();
        }
    }
    (void)co_await call.answer.end();
    co_return Reply::sent();
}

}  // namespace tidemill::api
