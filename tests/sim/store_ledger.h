// What was asked of a store and what it told, and whether the two agree.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/store.h"

namespace tidemill::sim {

// A wish of a client. Its number marks what it writes, so that every state names its author.
struct Wish {
    enum class Type : std::uint8_t { create, update, status, remove } type = Type::create;
    // refused: must never be seen. uncertain: may be seen or not. A dry run is refused.
    enum class Fate : std::uint8_t { pending, done, refused, uncertain } fate = Fate::pending;
    std::uint64_t number = 0;
    model::ObjectKey key;
    std::uint64_t expected_version = 0;  // 0: none
    std::uint64_t version = 0;           // of the answer
};

// One object after one change, as far as the checks need it.
struct Shape {
    std::uint64_t version = 0;
    std::string uid;
    std::int64_t generation = 0;
    std::uint64_t mark = 0;         // of the wish that wrote the spec or data
    std::uint64_t status_mark = 0;  // of the wish that wrote the status; 0: none
    std::map<std::string, std::string, std::less<>> labels;
    std::vector<std::string> owners;  // their uids
    bool deleting = false;

    friend bool operator==(const Shape&, const Shape&) = default;
};
Shape shape_of(const model::Object& object);
void set_mark(model::Object& object, std::uint64_t mark);
void set_status_mark(model::Object& object, std::uint64_t mark);

using Shapes = std::map<model::ObjectKey, Shape>;

// What a client saw of a change; `type` as in WatchEvent.
struct Sighting {
    store::WatchEvent::Type type{};
    std::uint64_t revision = 0;
    model::ObjectKey key;
    friend bool operator==(const Sighting&, const Sighting&) = default;
};

// A watch of one client, with what it has told.
struct WatchRecord {
    store::Query query;
    std::uint64_t from = 0;
    bool expired = false;
    std::vector<Sighting> told;
};

// All pages of one list.
struct ListRecord {
    store::Query query;
    std::uint64_t revision = 0;
    std::vector<std::pair<model::ObjectKey, std::uint64_t>> items;  // with versions
};

// The book of one store through all its lives. A life begins with what is there after a start;
// within it every revision must be told by the auditing watches.
class Ledger {
public:
    Wish& wish(Wish::Type type, model::ObjectKey key);
    Wish& wish(std::uint64_t number) { return wishes_.at(number); }
    // The store died: whoever waits will never know.
    void all_unanswered_uncertain();
    void begin_life(std::uint64_t revision, Shapes there);
    // An event of a watch of everything.
    void audit(const store::WatchEvent& event);
    void add(WatchRecord record) { watches_.push_back(std::move(record)); }
    void add(ListRecord record) { lists_.push_back(std::move(record)); }
    // Closes a life: checks it whole against what is visible at its end. The first thing wrong, or
    // nothing.
    std::optional<std::string> end_life(std::uint64_t revision, const Shapes& visible);
    // How many changes became visible only after a restart.
    std::uint64_t appeared_late() const { return appeared_late_; }
    const std::map<std::uint64_t, Wish>& wishes() const { return wishes_; }

private:
    struct Fact {
        model::ObjectKey key;
        std::optional<Shape> after;  // nothing: gone
    };
    using Problem = std::optional<std::string>;
    Problem check_start(std::uint64_t revision, const Shapes& there);
    Problem check_fact(std::uint64_t revision, const Fact& fact, const Shapes& before);
    Problem check_author(const model::ObjectKey& key, std::uint64_t mark,
                         std::uint64_t revision) const;
    Problem check_answers(const std::map<std::uint64_t, std::optional<Shape>>& before) const;
    Problem check_order() const;
    Problem check_watch(const WatchRecord& record, std::uint64_t revision) const;
    Problem check_list(const ListRecord& record) const;
    Shapes at(std::uint64_t revision) const;
    bool may_go(const model::ObjectKey& key, const Shape& shape) const;

    std::map<std::uint64_t, Wish> wishes_;
    std::uint64_t first_wish_of_life_ = 1;
    std::optional<std::uint64_t> start_revision_;
    Shapes start_;
    std::map<std::uint64_t, Fact> facts_;
    std::vector<WatchRecord> watches_;
    std::vector<ListRecord> lists_;
    std::set<std::string> uids_;
    std::uint64_t last_revision_ = 0;
    Shapes last_visible_;
    std::uint64_t appeared_late_ = 0;
    Problem start_problem_;
};

}  // namespace tidemill::sim
