#include "store/local_store.h"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "async/event.h"
#include "async/scope.h"
#include "base/mutant.h"
#include "store/collector.h"
#include "store/disk/ballast.h"
#include "store/disk/database.h"
#include "store/draft.h"
#include "store/local_watch.h"
#include "store/pages.h"
#include "store/rules.h"
#include "store/state.h"
#include "telemetry/log.h"

namespace tidemill::store {
namespace {

using async::Task;
using base::Code;
using base::fail;
using base::Result;
using base::Status;

// A wish that waits to be decided, or to become durable.
struct Write {
    using Decide = std::move_only_function<Result<Deleted>(Draft&)>;

    Write(async::Loop& loop, model::ObjectKey about, Effect what, Decide how)
        : key(std::move(about)), effect(what), decide(std::move(how)), done(loop) {}

    model::ObjectKey key;
    Effect effect;
    Decide decide;  // again, if the batch has to be made anew
    std::optional<Result<Deleted>> result;
    async::Event done;

    void finish(Result<Deleted> with) {
        result.emplace(std::move(with));
        done.set();
    }
};
using WritePtr = std::shared_ptr<Write>;

Result<Deleted> as_written(Result<ObjectPtr> object) {
    if (!object) {
        return std::unexpected(std::move(object).error());
    }
    return Deleted{*std::move(object), Deleted::Outcome::gone};
}

// One writer: it takes what waits, decides it in order on a Draft, makes the draft durable in one
// transaction beside the loop, and only then lets anybody see it. What comes meanwhile waits for
// the next turn, so that the slower the disk, the more writes share a sync.
class SqliteStore final : public LocalStore {
public:
    SqliteStore(const Environment& environment, LocalStoreOptions options,
                std::shared_ptr<Database> database, State state, std::uint64_t revision)
        : environment_(environment),
          options_(std::move(options)),
          database_(std::move(database)),
          ballast_(std::make_shared<Ballast>(environment.disk, options_.directory,
                                             options_.ballast_bytes)),
          state_(std::move(state)),
          registry_(
              {options_.history_changes_max, options_.history_bytes_max, options_.history_age_max},
              revision),
          work_(environment.loop),
          stopped_(environment.loop),
          scope_(environment.loop, 1) {
        wake_.owner = this;
    }

    ~SqliteStore() override {
        scope_.cancel();
        const auto lost = fail(Code::unavailable, "the store went away; the write may be there");
        for (auto* const list : {&in_flight_, &queue_}) {
            for (const auto& write : *list) {
                write->finish(lost);
            }
        }
        end_watches();
    }

    void start(Status room) {
        room_ = std::move(room);
        find_suspects();
        say(telemetry::Level::info, "store opened",
            {{"objects", state_.size()}, {"revision", revision()}});
        if (!room_) {
            say(telemetry::Level::warn, "only deletes are accepted: the disk is full",
                {{"reason", room_.error().message}});
        }
        CHECK(scope_.spawn(run()).has_value());
    }

    Task<Result<ObjectPtr>> create(model::Object object, WriteOptions options) override {
        auto key = object.key();
        auto decide = [object = std::move(object)](Draft& draft) {
            return as_written(create_object(draft, object));
        };
        return written(enqueue(std::move(key), options.effect, std::move(decide)));
    }

    Task<Result<ObjectPtr>> update(model::Object object, WriteOptions options) override {
        auto key = object.key();
        auto decide = [object = std::move(object)](Draft& draft) {
            return as_written(update_object(draft, object));
        };
        return written(enqueue(std::move(key), options.effect, std::move(decide)));
    }

    Task<Result<ObjectPtr>> update_status(model::Object object, WriteOptions options) override {
        auto key = object.key();
        const bool plain = object.metadata.resource_version == 0 && object.metadata.uid.empty() &&
                           options.effect == Effect::write;
        auto decide = [object = std::move(object)](Draft& draft) {
            return as_written(store::update_status(draft, object));
        };
        return written(plain ? enqueue_status(std::move(key), std::move(decide))
                             : enqueue(std::move(key), options.effect, std::move(decide)));
    }

    Task<Result<ObjectPtr>> change(model::ObjectKey key, Change change,
                                   WriteOptions options) override {
        auto decide = [key, change = std::move(change)](Draft& draft) mutable {
            return as_written(change_object(draft, key, change));
        };
        return written(enqueue(std::move(key), options.effect, std::move(decide)));
    }

    Task<Result<Deleted>> remove(model::ObjectKey key, DeleteOptions options) override {
        const auto effect = options.effect;
        auto decide = [key, options = std::move(options)](Draft& draft) {
            return delete_object(draft, key, options);
        };
        return decided(enqueue(std::move(key), effect, std::move(decide)));
    }

    Result<ObjectPtr> get(const model::ObjectKey& key) const override {
        auto object = state_.find(key);
        if (object == nullptr) {
            return fail(Code::not_found, "{} not found", model::describe(key));
        }
        return object;
    }

    Result<ListPage> list(const Query& query, const ListOptions& options) const override {
        return list_page(state_, registry_.history, query, options);
    }

    Result<std::unique_ptr<Watch>> watch(Query query, WatchOptions options) override;

    std::uint64_t revision() const override { return registry_.history.last(); }

    Health health() const override {
        Health health;
        health.revision = revision();
        health.objects = state_.size();
        health.writable = !room_ ? room_ : last_commit_;
        return health;
    }

    Task<void> close() override {
        closing_ = true;
        work_.set();
        co_await stopped_.wait();
        // A log that stays behind is read at the next start, so failing here loses nothing.
        const auto closed = co_await off_loop([database = database_] { return database->close(); });
        static_cast<void>(closed);
        end_watches();
    }

private:
    struct Wake final : async::Timer {
        SqliteStore* owner = nullptr;
        void fire() override { owner->work_.set(); }
    };
    struct Job {
        explicit Job(async::Loop& loop) : done(loop) {}
        Status status;
        async::Event done;
    };

    Result<WritePtr> enqueue(model::ObjectKey key, Effect effect, Write::Decide decide);
    Result<WritePtr> enqueue_status(model::ObjectKey key, Write::Decide decide);
    static Task<Result<Deleted>> decided(Result<WritePtr> write);
    static Task<Result<ObjectPtr>> written(Result<WritePtr> write);

    Task<void> run();
    Task<void> wait_for_work();
    Task<void> commit_waiting();
    Task<void> tend_files();
    void decide(Draft& draft);
    void collect_garbage(Draft& draft);
    void publish(const Draft& draft);
    void finish_in_flight();
    Task<void> recover(Status failure);
    Task<Status> off_loop(std::move_only_function<Status()> work);
    void say(telemetry::Level level, std::string_view what,
             std::initializer_list<telemetry::Field> fields) {
        if (environment_.logger != nullptr) {
            environment_.logger->write(level, what, fields);
        }
    }
    DraftFacts facts() const;
    void find_suspects();
    void end_watches();
    bool may_collect() const {
        return !suspects_.empty() && environment_.loop.now() >= collect_at_;
    }
    bool may_refill() const { return !room_ && environment_.loop.now() >= refill_at_; }

    Environment environment_;
    LocalStoreOptions options_;
    std::shared_ptr<Database> database_;  // also held by work that runs beside the loop
    std::shared_ptr<Ballast> ballast_;
    State state_;
    WatchRegistry registry_;

    std::deque<WritePtr> queue_;
    std::deque<WritePtr> in_flight_;
    std::map<model::ObjectKey, WritePtr> waiting_status_;  // those that a later one may replace
    std::set<model::ObjectKey> suspects_;
    base::Instant collect_at_;
    base::Instant refill_at_;
    Status room_;  // not ok while the disk is full
    Status last_commit_;
    bool closing_ = false;
    bool checkpoint_works_ = true;
    bool watches_ended_ = false;
    async::Event work_;
    async::Event stopped_;
    Wake wake_;
    async::Scope scope_;  // last: its task uses all of the above
};

Result<WritePtr> SqliteStore::enqueue(model::ObjectKey key, Effect effect, Write::Decide decide) {
    if (closing_) {
        return fail(Code::cancelled, "the store is closing");
    }
    if (queue_.size() >= options_.writes_waiting_max) {
        return fail(Code::exhausted, "{} writes wait already, which is the limit; retry later",
                    queue_.size());
    }
    if (!TIDEMILL_MUTANT("store.status_overtakes")) {
        // A later status must not move in front of this write.
        waiting_status_.erase(key);
    }
    auto write =
        std::make_shared<Write>(environment_.loop, std::move(key), effect, std::move(decide));
    queue_.push_back(write);
    work_.set();
    return write;
}

Result<WritePtr> SqliteStore::enqueue_status(model::ObjectKey key, Write::Decide decide) {
    if (const auto found = waiting_status_.find(key); found != waiting_status_.end() && !closing_) {
        found->second->decide = std::move(decide);
        return found->second;
    }
    TRY(auto write, enqueue(key, Effect::write, std::move(decide)));
    waiting_status_[std::move(key)] = write;
    return write;
}

Task<Result<Deleted>> SqliteStore::decided(Result<WritePtr> write) {
    if (!write) {
        co_return std::unexpected(std::move(write).error());
    }
    const WritePtr mine = *std::move(write);
    co_await mine->done.wait();
    co_return *mine->result;
}

Task<Result<ObjectPtr>> SqliteStore::written(Result<WritePtr> write) {
    CO_TRY(auto outcome, co_await decided(std::move(write)));
    co_return std::move(outcome.object);
}

Result<std::unique_ptr<Watch>> SqliteStore::watch(Query query, WatchOptions options) {
    if (watches_ended_) {
        return fail(Code::cancelled, "the store is closed");
    }
    if (registry_.watches.size() >= options_.watches_max) {
        return fail(Code::exhausted, "{} watches are open, which is the limit",
                    registry_.watches.size());
    }
    const auto& history = registry_.history;
    auto cursor = history.last();
    std::optional<std::deque<ObjectPtr>> initial;
    if (options.initial == WatchOptions::Initial::objects) {
        initial.emplace();
        state_.scan(query, nullptr, [&](const ObjectPtr& object) {
            if (query.selects(*object)) {
                initial->push_back(object);
            }
            return true;
        });
    } else if (options.from.value_or(0) != 0) {
        cursor = *options.from;
        if (cursor < history.floor() || cursor > history.last()) {
            return fail(Code::expired,
                        "watch: resourceVersion {} is not kept (oldest {}, newest {}); list again "
                        "and watch from there",
                        cursor, history.floor(), history.last());
        }
    }
    return std::make_unique<LocalWatch>(environment_.loop, registry_, std::move(query), cursor,
                                        std::move(initial), options.bookmark_every);
}

void SqliteStore::end_watches() {
    watches_ended_ = true;
    for (const auto& [number, watch] : std::exchange(registry_.watches, {})) {
        watch->end();
    }
}

DraftFacts SqliteStore::facts() const {
    return {environment_.clock.wall_now(), environment_.random, environment_.sealer,
            options_.object_bytes_max, room_};
}

void SqliteStore::find_suspects() {
    const Draft draft(state_, revision(), facts(), {});
    for (const auto& kind : model::all_kinds()) {
        Query query;
        query.kind = kind.id;
        state_.scan(query, nullptr, [&](const ObjectPtr& object) {
            if (is_suspect(draft, *object) && !TIDEMILL_MUTANT("store.garbage_forgotten")) {
                suspects_.insert(object->key());
            }
            return true;
        });
    }
}

Task<void> SqliteStore::run() {
    for (;;) {
        co_await wait_for_work();
        if (closing_ && queue_.empty()) {
            break;
        }
        if (!queue_.empty() || may_collect()) {
            co_await commit_waiting();
        }
        co_await tend_files();
    }
    stopped_.set();
}

Task<void> SqliteStore::wait_for_work() {
    while (queue_.empty() && !closing_ && !may_collect() && !may_refill()) {
        auto next = base::Instant::never();
        if (!suspects_.empty()) {
            next = std::min(next, collect_at_);
        }
        if (!room_) {
            next = std::min(next, refill_at_);
        }
        if (next != base::Instant::never()) {
            wake_.arm(environment_.loop, next);
        }
        work_.reset();
        co_await work_.wait();
    }
}

void SqliteStore::decide(Draft& draft) {
    while (!queue_.empty() && in_flight_.size() < options_.batch_changes_max) {
        const auto write = std::move(queue_.front());
        queue_.pop_front();
        if (const auto found = waiting_status_.find(write->key);
            found != waiting_status_.end() && found->second == write) {
            waiting_status_.erase(found);
        }
        const auto before = draft.changes().size();
        write->result = write->decide(draft);
        if (write->effect == Effect::dry_run) {
            draft.undo_to(before);
        }
        in_flight_.push_back(write);
    }
}

void SqliteStore::collect_garbage(Draft& draft) {
    std::set<model::ObjectKey> later;
    auto& suspects = draft.suspects();
    while (!suspects.empty() && draft.changes().size() < options_.batch_changes_max) {
        const auto key = *suspects.begin();
        suspects.erase(suspects.begin());
        if (!collect(draft, key)) {
            later.insert(key);
        }
    }
    suspects.merge(later);
}

// Makes all that waits durable together, then visible, then acknowledged.
Task<void> SqliteStore::commit_waiting() {
    Draft draft(state_, revision(), facts(), suspects_);
    decide(draft);
    collect_garbage(draft);
    if (TIDEMILL_MUTANT("store.acknowledge_before_commit")) {
        for (const auto& write : in_flight_) {
            write->done.set();
        }
    }
    Status done;
    if (!draft.changes().empty()) {
        done = co_await off_loop(
            [database = database_, batch = draft.batch()] { return database->commit(batch); });
        last_commit_ = done;
    }
    if (!done && !(TIDEMILL_MUTANT("store.failed_commit_applied") &&
                   done.error().code == Code::unavailable)) {
        co_await recover(std::move(done));
        co_return;
    }
    publish(draft);
    suspects_ = std::move(draft.suspects());
    // What could not be collected now is tried again, but not at once.
    collect_at_ = environment_.loop.now();
    if (draft.changes().empty() && !suspects_.empty()) {
        collect_at_ = collect_at_ + options_.retry_every;
    }
    finish_in_flight();
}

// Nothing of the batch has happened, as far as this process is concerned.
Task<void> SqliteStore::recover(Status failure) {
    collect_at_ = environment_.loop.now() + options_.retry_every;
    if (failure.error().code == Code::exhausted && room_) {
        // The first time: give up the ballast and decide again, so that what frees room is done.
        room_ = fail(Code::exhausted,
                     "{}: the disk is full ({}); until there is room, only deletes are accepted",
                     options_.directory, failure.error().message);
        refill_at_ = environment_.loop.now() + options_.retry_every;
        say(telemetry::Level::warn, "only deletes are accepted: the disk is full",
            {{"reason", failure.error().message}});
        const auto released =
            co_await off_loop([ballast = ballast_] { return ballast->release(); });
        static_cast<void>(released);  // if not even this works, the next commit says so
        while (!in_flight_.empty()) {
            queue_.push_front(std::move(in_flight_.back()));
            in_flight_.pop_back();
        }
        co_return;
    }
    say(telemetry::Level::error, "a commit failed",
        {{"reason", failure.error().message}, {"writes", in_flight_.size()}});
    // Refusals too: they may rest on what has not happened.
    for (const auto& write : in_flight_) {
        write->result = std::unexpected(failure.error());
    }
    finish_in_flight();
}

void SqliteStore::finish_in_flight() {
    for (const auto& write : std::exchange(in_flight_, {})) {
        write->done.set();
    }
}

void SqliteStore::publish(const Draft& draft) {
    if (draft.changes().empty()) {
        return;
    }
    auto& history = registry_.history;
    const auto before = history.last();
    const auto now = environment_.loop.now();
    std::set<model::KindId> kinds;
    for (auto& change : draft.apply(state_)) {
        kinds.insert(change.key().kind);
        history.add(std::move(change), now);
    }
    history.trim(now);
    for (const auto& [number, watch] : registry_.watches) {
        watch->published(before, kinds);
    }
}

Task<void> SqliteStore::tend_files() {
    if (database_->wants_checkpoint()) {
        const auto done =
            co_await off_loop([database = database_] { return database->checkpoint(); });
        // The log grows until it works; a full disk shows at a commit.
        if (done.has_value() != checkpoint_works_) {
            checkpoint_works_ = done.has_value();
            say(checkpoint_works_ ? telemetry::Level::info : telemetry::Level::warn,
                checkpoint_works_ ? "checkpoints work again" : "a checkpoint failed",
                {{"reason", done ? std::string_view() : done.error().message}});
        }
    }
    if (may_refill()) {
        const auto kept = co_await off_loop([ballast = ballast_] { return ballast->keep(); });
        if (kept) {
            room_ = base::ok;
            say(telemetry::Level::info, "the disk has room again: writes are accepted", {});
        } else {
            refill_at_ = environment_.loop.now() + options_.retry_every;
        }
    }
}

Task<Status> SqliteStore::off_loop(std::move_only_function<Status()> work) {
    auto job = std::make_shared<Job>(environment_.loop);
    const auto accepted = environment_.offload.submit(
        [job, work = std::move(work)]() mutable { job->status = work(); },
        [job] { job->done.set(); });
    if (!accepted) {
        // Not `exhausted`: that word is for the disk.
        co_return fail(Code::unavailable, "{}", accepted.error().message);
    }
    co_await job->done.wait();
    co_return std::move(job->status);
}

}  // namespace

Result<std::unique_ptr<LocalStore>> LocalStore::open(const Environment& environment,
                                                     LocalStoreOptions options) {
    const DatabaseOptions files{options.directory, options.build, options.checkpoint_pages};
    Ballast ballast(environment.disk, options.directory, options.ballast_bytes);
    auto opened = Database::open(environment.disk, files);
    if (!opened && opened.error().code == Code::exhausted) {
        CHECK_OK(ballast.release());
        opened = Database::open(environment.disk, files);
    }
    if (!opened) {
        return std::unexpected(std::move(opened).error());
    }
    State state(options.open_bytes_max);
    TRY(const auto loaded, (*opened)->load([&](Row row) -> Status {
        TRY(auto object, from_row(row, environment.sealer));
        state.put(state.keep(share(std::move(object)), row.document), row.digest);
        return base::ok;
    }));
    auto room = ballast.keep();
    if (!room && room.error().code != Code::exhausted) {
        return std::unexpected(std::move(room).error());
    }
    auto store = std::make_unique<SqliteStore>(environment, std::move(options),
                                               std::shared_ptr<Database>(*std::move(opened)),
                                               std::move(state), loaded.revision);
    store->start(std::move(room));
    return store;
}

}  // namespace tidemill::store
