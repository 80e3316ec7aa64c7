#include "api/objects/reader.h"

#include <fmt/format.h>

#include "async/deadline.h"
#include "wire/json.h"

namespace tidemill::api {
namespace {

using base::Code;
using model::Json;
using model::JsonObject;
using Type = store::WatchEvent::Type;

// As kube-apiserver's --min-request-timeout: a client that says nothing is sent back after that.
constexpr auto watch_limit_default = std::chrono::seconds(1800);
constexpr auto bookmark_every = std::chrono::seconds(60);  // as the API server's watch cache

Refusal unlistable(const base::Error& error) {
    if (error.code == Code::invalid) {
        return bad_request(fmt::format("continue key is not valid: {}", error.message));
    }
    if (error.code == Code::expired) {
        return expired(
            fmt::format("The provided continue parameter is too old to display a consistent list "
                        "result. You can start a new list without the continue parameter. ({})",
                        error.message));
    }
    return from_error(error);
}

Refusal unwatchable(const base::Error& error) {
    if (error.code == Code::expired) {
        return expired(fmt::format("too old resource version: {}", error.message));
    }
    return from_error(error);
}

std::string frame(std::string_view type, Json object) {
    return wire::write_json(
               JsonObject{{"type", model::as_json(type)}, {"object", std::move(object)}}) +
           "\n";
}

std::string_view type_name(Type type) {
    switch (type) {
        case Type::added:
            return "ADDED";
        case Type::modified:
            return "MODIFIED";
        case Type::deleted:
            return "DELETED";
        case Type::bookmark:
        case Type::synced:
            return "BOOKMARK";
    }
    return "";
}

}  // namespace

Answered<store::Query> query_of(const Call& call, const model::Kind& kind) {
    store::Query query{.kind = kind.id, .namespace_name = call.resource().space};
    query.name = call.resource().name;
    auto labels = model::LabelSelector::parse(call.parameters.text("labelSelector"));
    if (!labels) {
        return refuse(bad_request(labels.error().message));
    }
    auto fields = model::FieldSelector::parse(kind, call.parameters.text("fieldSelector"));
    if (!fields) {
        return refuse(bad_request(fields.error().message));
    }
    query.labels = *std::move(labels);
    query.fields = *std::move(fields);
    return query;
}

Answered<Reply> Reader::get(const Call& call, const model::Kind& kind) {
    const auto& resource = call.resource();
    TRY(const auto wanted, call.parameters.number("resourceVersion"));
    if (wanted.value_or(0) > shelf_.revision(kind.id)) {
        return refuse(Refusal{504, "Timeout",
                              fmt::format("Too large resource version: {}, current: {}", *wanted,
                                          shelf_.revision(kind.id))});
    }
    const auto object = shelf_.get({kind.id, resource.space, resource.name});
    if (!object) {
        return refuse(from_store(object.error(), kind, resource.name, Writing::change));
    }
    return Reply::document(render(**object, call.wanted, host_.clock.wall_now()),
                           call.wanted.format);
}

Answered<Reply> Reader::list(const Call& call, const model::Kind& kind,
                             const ListParameters& parameters) {
    TRY(const auto query, query_of(call, kind));
    const auto newest = shelf_.revision(kind.id);
    const auto asked = parameters.resource_version.value_or(0);
    if (asked > newest) {
        Refusal refusal{504, "Timeout",
                        fmt::format("Too large resource version: {}, current: {}", asked, newest)};
        refusal.details = {
            {"causes", model::JsonArray{JsonObject{{"reason", "ResourceVersionTooLarge"},
                                                   {"message", "Too large resource version"}}}},
            {"retryAfterSeconds", 1}};
        return refuse(std::move(refusal));
    }
    if (parameters.match == ListParameters::Match::exact && asked != newest) {
        return refuse(expired("The resourceVersion for the provided list is too old."));
    }
    store::ListOptions options{.limit = parameters.limit,
                               .continue_token = parameters.continue_token};
    const auto page = shelf_.list(query, options);
    if (!page) {
        return refuse(unlistable(page.error()));
    }
    return Reply::document(render_list(kind, *page, call.wanted, host_.clock.wall_now()),
                           call.wanted.format);
}

async::Task<Answered<Reply>> Reader::watch(Call& call, const model::Kind& kind,
                                           ListParameters parameters) {
    CO_TRY(auto query, query_of(call, kind));
    if (call.wanted.format == Representation::Format::yaml) {
        co_return refuse(not_acceptable());
    }
    store::WatchOptions options;
    const auto from = parameters.resource_version.value_or(0);
    if (from > shelf_.revision(kind.id)) {
        co_return refuse(Refusal{504, "Timeout",
                                 fmt::format("Too large resource version: {}, current: {}", from,
                                             shelf_.revision(kind.id))});
    }
    // Without a version a watch begins with what is there; with sendInitialEvents it does so
    // whatever the version, since what is there is never older than any.
    const bool objects_first = parameters.initial_events.value_or(from == 0);
    if (objects_first) {
        options.initial = store::WatchOptions::Initial::objects;
    } else if (from != 0) {
        options.from = from;
    }
    if (parameters.bookmarks) {
        options.bookmark_every = bookmark_every;
    }
    auto watch = shelf_.watch(std::move(query), options);
    if (!watch) {
        co_return refuse(unwatchable(watch.error()));
    }
    const auto end = host_.loop.now() + parameters.timeout.value_or(watch_limit_default);
    const bool tell_end_of_initial =
        parameters.initial_events.value_or(false) && parameters.bookmarks;
    auto header = Header::with_columns;
    if (!co_await call.answer.begin(200, {{"Content-Type", "application/json"}})) {
        co_return Reply::sent();
    }
    for (;;) {
        auto event = co_await async::with_deadline(host_.loop, end, (*watch)->next());
        if (!event) {
            if (event.error().code == Code::expired) {
                (void)co_await call.answer.write(
                    frame("ERROR", unwatchable(event.error()).to_json()));
            }
            break;
        }
        Json object;
        if (event->object) {
            object = render(*event->object, call.wanted, host_.clock.wall_now(), header);
            header = Header::without_columns;
        } else if (event->type == Type::synced) {
            if (!tell_end_of_initial) {
                continue;
            }
            object = render_bookmark(kind, event->revision, Bookmark::initial_end, call.wanted);
        } else {
            object = render_bookmark(kind, event->revision, Bookmark::progress, call.wanted);
        }
        if (!co_await call.answer.write(frame(type_name(event->type), std::move(object)))) {
            co_return Reply::sent();
        }
    }
    (void)co_await call.answer.end();
    co_return Reply::sent();
}

}  // namespace tidemill::api
