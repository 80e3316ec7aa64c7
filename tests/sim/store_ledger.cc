#include "store_ledger.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tidemill::sim {

using model::describe;
using model::KindId;
using store::WatchEvent;

namespace {

std::uint64_t mark_in(const model::JsonObject& from, std::string_view member) {
    return base::parse_number<std::uint64_t>(model::text_at(from, {member, "mark"})).value_or(0);
}

std::string text(const Shape& shape) {
    return fmt::format("version {} generation {} mark {} status {}{}", shape.version,
                       shape.generation, shape.mark, shape.status_mark,
                       shape.deleting ? " deleting" : "");
}

std::string text(const Sighting& seen) {
    return fmt::format("{} {} at {}", static_cast<unsigned>(seen.type), describe(seen.key),
                       seen.revision);
}

bool selects(const store::Query& query, const model::ObjectKey& key, const Shape& shape) {
    return key.kind == query.kind &&
           (query.namespace_name.empty() || key.namespace_name == query.namespace_name) &&
           query.labels.matches(shape.labels);
}

std::string_view body_member(KindId kind) {
    return kind == KindId::service ? "spec" : "data";
}

}  // namespace

Shape shape_of(const model::Object& object) {
    Shape shape;
    shape.version = object.metadata.resource_version;
    shape.uid = object.metadata.uid;
    shape.generation = object.metadata.generation;
    shape.mark = mark_in(object.body, body_member(object.kind));
    shape.status_mark = mark_in(object.body, "status");
    shape.labels = object.metadata.labels;
    for (const auto& owner : object.metadata.owner_references) {
        shape.owners.push_back(owner.uid);
    }
    shape.deleting = object.metadata.deletion_timestamp.has_value();
    return shape;
}

void set_mark(model::Object& object, std::uint64_t mark) {
    auto& part = object.body[model::as_json(body_member(object.kind))];
    if (!part.is_object()) {
        part = model::JsonObject();
    }
    part.as_object()["mark"] = fmt::to_string(mark);
}

void set_status_mark(model::Object& object, std::uint64_t mark) {
    object.body["status"] = model::JsonObject{{"mark", fmt::to_string(mark)}};
}

Wish& Ledger::wish(Wish::Type type, model::ObjectKey key) {
    Wish wish;
    wish.type = type;
    wish.number = wishes_.size() + 1;
    wish.key = std::move(key);
    return wishes_[wish.number] = std::move(wish);
}

void Ledger::all_unanswered_uncertain() {
    for (auto& [number, wish] : wishes_) {
        if (wish.fate == Wish::Fate::pending) {
            wish.fate = Wish::Fate::uncertain;
        }
    }
}

void Ledger::begin_life(std::uint64_t revision, Shapes there) {
    start_problem_ = check_start(revision, there);
    start_revision_ = revision;
    start_ = std::move(there);
    for (const auto& [key, shape] : start_) {
        uids_.insert(shape.uid);
    }
    first_wish_of_life_ = wishes_.size() + 1;
    facts_.clear();
    watches_.clear();
    lists_.clear();
}

void Ledger::audit(const WatchEvent& event) {
    Fact fact;
    fact.key = event.object->key();
    if (event.type != WatchEvent::Type::deleted) {
        fact.after = shape_of(*event.object);
    }
    facts_.emplace(event.revision, std::move(fact));
}

// True when somebody asked for this object to go, or may have. An uncertain update may have given
// it back an owner that is gone.
bool Ledger::may_go(const model::ObjectKey& key, const Shape& shape) const {
    if (!shape.owners.empty() || shape.deleting) {
        return true;
    }
    for (const auto& [number, wish] : wishes_) {
        const bool can = (wish.type == Wish::Type::remove && wish.fate != Wish::Fate::refused) ||
                         (wish.type == Wish::Type::update && wish.fate == Wish::Fate::uncertain);
        if (can && wish.key == key && wish.number > shape.mark) {
            return true;
        }
    }
    return false;
}

Ledger::Problem Ledger::check_author(const model::ObjectKey& key, std::uint64_t mark,
                                     std::uint64_t revision) const {
    if (mark == 0) {
        return std::nullopt;
    }
    const auto found = wishes_.find(mark);
    if (found == wishes_.end() || found->second.key != key) {
        return fmt::format("{} at {} has a mark of nobody: {}", describe(key), revision, mark);
    }
    if (found->second.fate == Wish::Fate::refused) {
        return fmt::format("{} at {} shows wish {}, which was refused", describe(key), revision,
                           mark);
    }
    return std::nullopt;
}

// After a restart all that was visible is there, but for what uncertain wishes did on top.
Ledger::Problem Ledger::check_start(std::uint64_t revision, const Shapes& there) {
    if (revision < last_revision_) {
        return fmt::format("revision {} was visible, after the restart it is {}", last_revision_,
                           revision);
    }
    for (const auto& [key, shape] : there) {
        if (auto problem = check_author(key, shape.mark, shape.version)) {
            return problem;
        }
        if (auto problem = check_author(key, shape.status_mark, shape.version)) {
            return problem;
        }
        const auto before = last_visible_.find(key);
        if (shape.version > revision) {
            return fmt::format("{}: version {} beyond the store's revision {}", describe(key),
                               shape.version, revision);
        }
        if (shape.version > last_revision_) {
            ++appeared_late_;
        } else if (before == last_visible_.end()) {
            return fmt::format("{}: {} came back after it was gone", describe(key), text(shape));
        } else if (before->second != shape) {
            return fmt::format("{}: was {}, after the restart {}", describe(key),
                               text(before->second), text(shape));
        }
    }
    for (const auto& [key, shape] : last_visible_) {
        if (!there.contains(key)) {
            if (revision == last_revision_ || !may_go(key, shape)) {
                return fmt::format("{}: {} was lost by the restart", describe(key), text(shape));
            }
            ++appeared_late_;
        }
    }
    return std::nullopt;
}

Ledger::Problem Ledger::check_fact(std::uint64_t revision, const Fact& fact, const Shapes& before) {
    const auto found = before.find(fact.key);
    if (!fact.after) {
        if (found == before.end()) {
            return fmt::format("{} went at {} but was not there", describe(fact.key), revision);
        }
        if (!may_go(fact.key, found->second)) {
            return fmt::format("{} went at {} but nobody asked for it", describe(fact.key),
                               revision);
        }
        return std::nullopt;
    }
    const auto& after = *fact.after;
    if (after.version != revision) {
        return fmt::format("{} has version {} in the event of revision {}", describe(fact.key),
                           after.version, revision);
    }
    if (auto problem = check_author(fact.key, after.mark, revision)) {
        return problem;
    }
    if (auto problem = check_author(fact.key, after.status_mark, revision)) {
        return problem;
    }
    const bool counts = model::kind_of(fact.key.kind).has_generation;
    if (found == before.end()) {
        if (!uids_.insert(after.uid).second) {
            return fmt::format("{} at {}: its uid was used before", describe(fact.key), revision);
        }
        if (after.generation != (counts ? 1 : 0) || after.status_mark != 0) {
            return fmt::format("{} was made at {} as {}", describe(fact.key), revision,
                               text(after));
        }
        return std::nullopt;
    }
    const auto& was = found->second;
    const bool moves = counts && (after.mark != was.mark || after.deleting != was.deleting);
    if (after.uid != was.uid || after.generation != was.generation + (moves ? 1 : 0)) {
        return fmt::format("{} at {}: from {} to {}", describe(fact.key), revision, text(was),
                           text(after));
    }
    return std::nullopt;
}

// Each answer against the change that it names. before: what the change's object was before it.
Ledger::Problem Ledger::check_answers(
    const std::map<std::uint64_t, std::optional<Shape>>& before) const {
    for (auto at = wishes_.lower_bound(first_wish_of_life_); at != wishes_.end(); ++at) {
        const auto& wish = at->second;
        if (wish.fate != Wish::Fate::done) {
            continue;
        }
        const auto says = [&](std::string_view what) {
            return fmt::format("wish {} on {} was acknowledged at {}: {}", wish.number,
                               describe(wish.key), wish.version, what);
        };
        const auto found = facts_.find(wish.version);
        if (wish.type == Wish::Type::remove && wish.version <= *start_revision_) {
            continue;  // it was being deleted already
        }
        if (found == facts_.end() || found->second.key != wish.key) {
            return says("there is no such change");
        }
        const auto& after = found->second.after;
        const auto& was = before.at(wish.version);
        // Deleting what is being deleted already answers with the state that it expected.
        const bool unmoved = wish.expected_version == wish.version;
        if (wish.expected_version != 0 && !unmoved &&
            (!was || was->version != wish.expected_version)) {
            return says(fmt::format("it expected version {}", wish.expected_version));
        }
        switch (wish.type) {
            case Wish::Type::create:
                if (was || !after || after->mark != wish.number) {
                    return says("it was not made then");
                }
                break;
            case Wish::Type::update:
                if (was && was->deleting && !after) {
                    break;  // it took the last finalizer away
                }
                if (!was || !after || after->mark != wish.number ||
                    after->status_mark != was->status_mark) {
                    return says("it was not updated so");
                }
                break;
            case Wish::Type::status:
                // A later one that waited beside it may have taken its place.
                if (!was || !after || after->status_mark < wish.number ||
                    after->mark != was->mark) {
                    return says("its status was not written");
                }
                break;
            case Wish::Type::remove:
                if (after && !after->deleting) {
                    return says("it stays");
                }
                break;
        }
    }
    return std::nullopt;
}

Ledger::Problem Ledger::check_order() const {
    std::map<model::ObjectKey, const Wish*> latest;
    for (auto at = wishes_.lower_bound(first_wish_of_life_); at != wishes_.end(); ++at) {
        const auto& wish = at->second;
        if (wish.fate != Wish::Fate::done) {
            continue;
        }
        const auto*& before = latest[wish.key];
        if (before != nullptr && before->version > wish.version) {
            return fmt::format("{}: wish {} has version {}, the later wish {} has {}",
                               describe(wish.key), before->number, before->version, wish.number,
                               wish.version);
        }
        before = &wish;
    }
    return std::nullopt;
}

Shapes Ledger::at(std::uint64_t revision) const {
    Shapes shapes = start_;
    for (const auto& [number, fact] : facts_) {
        if (number > revision) {
            break;
        }
        if (fact.after) {
            shapes[fact.key] = *fact.after;
        } else {
            shapes.erase(fact.key);
        }
    }
    return shapes;
}

Ledger::Problem Ledger::check_watch(const WatchRecord& record, std::uint64_t revision) const {
    if (record.from < *start_revision_) {
        return std::nullopt;  // told of a time that this life has not seen
    }
    std::vector<Sighting> expected;
    Shapes shapes = at(record.from);
    for (auto at = facts_.upper_bound(record.from); at != facts_.end() && at->first <= revision;
         ++at) {
        const auto& [number, fact] = *at;
        const auto before = shapes.find(fact.key);
        const bool was = before != shapes.end() && selects(record.query, fact.key, before->second);
        const bool is = fact.after && selects(record.query, fact.key, *fact.after);
        using Type = WatchEvent::Type;
        if (was || is) {
            expected.push_back(
                {!is ? Type::deleted : (was ? Type::modified : Type::added), number, fact.key});
        }
        if (fact.after) {
            shapes[fact.key] = *fact.after;
        } else {
            shapes.erase(fact.key);
        }
    }
    for (std::size_t i = 0; i < std::max(expected.size(), record.told.size()); ++i) {
        if (i == record.told.size()) {
            if (record.expired) {
                return std::nullopt;
            }
            return fmt::format("a watch from {} did not tell {}", record.from, text(expected[i]));
        }
        if (i == expected.size() || record.told[i] != expected[i]) {
            return fmt::format("a watch from {} told {} instead of {}", record.from,
                               text(record.told[i]),
                               i == expected.size() ? "nothing" : text(expected[i]));
        }
    }
    return std::nullopt;
}

Ledger::Problem Ledger::check_list(const ListRecord& record) const {
    std::vector<std::pair<model::ObjectKey, std::uint64_t>> expected;
    for (const auto& [key, shape] : at(record.revision)) {
        if (selects(record.query, key, shape)) {
            expected.emplace_back(key, shape.version);
        }
    }
    if (expected != record.items) {
        return fmt::format("a list at {} had {} objects, not the {} of that state", record.revision,
                           record.items.size(), expected.size());
    }
    return std::nullopt;
}

Ledger::Problem Ledger::end_life(std::uint64_t revision, const Shapes& visible) {
    if (start_problem_) {
        return start_problem_;
    }
    std::map<std::uint64_t, std::optional<Shape>> before;
    Shapes shapes = start_;
    auto expected = *start_revision_;
    for (const auto& [number, fact] : facts_) {
        if (number != ++expected) {
            return fmt::format("revision {} was not told", expected);
        }
        if (auto problem = check_fact(number, fact, shapes)) {
            return problem;
        }
        const auto found = shapes.find(fact.key);
        before[number] = found == shapes.end() ? std::nullopt : std::optional(found->second);
        if (fact.after) {
            shapes[fact.key] = *fact.after;
        } else if (found != shapes.end()) {
            shapes.erase(found);
        }
    }
    if (expected != revision) {
        return fmt::format("the store is at {}, but only {} was told", revision, expected);
    }
    if (shapes != visible) {
        return fmt::format("at {} a list shows {} objects that differ from what was told", revision,
                           visible.size());
    }
    if (auto problem = check_answers(before)) {
        return problem;
    }
    if (auto problem = check_order()) {
        return problem;
    }
    for (const auto& record : watches_) {
        if (auto problem = check_watch(record, revision)) {
            return problem;
        }
    }
    for (const auto& record : lists_) {
        if (auto problem = check_list(record)) {
            return problem;
        }
    }
    last_revision_ = revision;
    last_visible_ = visible;
    return std::nullopt;
}

}  // namespace tidemill::sim
