#include "store/pages.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/mutant.h"
#include "base/text.h"

namespace tidemill::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

// Where a list goes on. As text: "1", revision, kind, namespace of the query, namespace and name
// of the last object told, one a line; 1 is the version of the format.
struct Place {
    std::uint64_t revision = 0;
    model::ObjectKey last;
};

std::string to_token(const Place& place, const Query& query) {
    return base::to_base64url(base::as_bytes(fmt::format(
        "1\n{}\n{}\n{}\n{}\n{}", place.revision, model::kind_of(query.kind).group_resource(),
        query.namespace_name, place.last.namespace_name, place.last.name)));
}

Result<Place> from_token(const std::string& token, const Query& query) {
    const auto text = base::from_base64url(token);
    const auto parts = text ? base::split(*text, '\n') : std::vector<std::string_view>();
    const auto revision =
        parts.size() == 6 ? base::parse_number<std::uint64_t>(parts[1]) : std::nullopt;
    if (!revision || parts[0] != "1") {
        return fail(Code::invalid, "continue: not a token of this server");
    }
    if (parts[2] != model::kind_of(query.kind).group_resource() ||
        parts[3] != query.namespace_name) {
        return fail(Code::invalid, "continue: this token belongs to another list");
    }
    return Place{*revision, {query.kind, std::string(parts[4]), std::string(parts[5])}};
}

// What objects of the kind were at `revision`, where that differs from now; null: not there.
std::map<model::ObjectKey, KeptPtr> differences(const History& history, model::KindId kind,
                                                std::uint64_t revision) {
    std::map<model::ObjectKey, KeptPtr> past;
    if (TIDEMILL_MUTANT("store.pages_of_different_states")) {
        return past;
    }
    for (auto at = revision + 1; at <= history.last(); ++at) {
        const auto& change = *history.find(at);
        if (change.key().kind == kind) {
            past.try_emplace(change.key(), change.before);
        }
    }
    return past;
}

// Collects a page and stops one beyond its limit, to know whether there is more.
class Page {
public:
    Page(ListPage& page, std::size_t limit) : page_(page), limit_(limit) {}

    bool add(const ObjectPtr& object) {
        if (limit_ != 0 && page_.items.size() == limit_) {
            more_ = true;
            return false;
        }
        page_.items.push_back(object);
        return true;
    }
    bool more() const { return more_; }

private:
    ListPage& page_;
    std::size_t limit_;
    bool more_ = false;
};

}  // namespace

Result<ListPage> list_page(const State& state, const History& history, const Query& query,
                           const ListOptions& options) {
    ListPage page;
    page.revision = history.last();
    std::optional<Place> place;
    std::map<model::ObjectKey, KeptPtr> past;
    if (!options.continue_token.empty()) {
        TRY(place, from_token(options.continue_token, query));
        if (place->revision < history.floor() || place->revision > history.last()) {
            return fail(Code::expired,
                        "continue: the list began at resourceVersion {}, which is no longer kept "
                        "(oldest {}, newest {}); list again from the beginning",
                        place->revision, history.floor(), history.last());
        }
        page.revision = place->revision;
        past = differences(history, query.kind, place->revision);
    }
    const model::ObjectKey* const after = place ? &place->last : nullptr;
    auto old = after == nullptr ? past.begin() : past.upper_bound(*after);
    Page collected(page, options.limit);
    // Both walks are in key order: the past's objects are put in where they stood.
    const auto add_past_before = [&](const model::ObjectKey* key) {
        for (; old != past.end() && (key == nullptr || old->first < *key); ++old) {
            const auto object = old->second == nullptr ? nullptr : old->second->glance();
            if (object != nullptr && query.selects(*object) && !collected.add(object)) {
                return false;
            }
        }
        return true;
    };
    bool going = true;
    state.scan(query, after, [&](const ObjectPtr& object) {
        const auto key = object->key();
        going = add_past_before(&key);
        if (going && !past.contains(key) && query.selects(*object)) {
            going = collected.add(object);
        }
        return going;
    });
    if (going) {
        add_past_before(nullptr);
    }
    if (collected.more()) {
        page.continue_token = to_token({page.revision, page.items.back()->key()}, query);
    }
    return page;
}

}  // namespace tidemill::store
