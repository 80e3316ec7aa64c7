#include "store_world.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "host_sim/sim_host.h"
#include "replay.h"
#include "store/local_store.h"
#include "store_ledger.h"

namespace tidemill::sim {
namespace {

using namespace std::chrono_literals;
using base::Code;
using host_sim::Dice;
using model::KindId;
using store::LocalStore;
using store::WatchEvent;

constexpr std::array kinds{KindId::config_map, KindId::service, KindId::secret};
constexpr std::array<const char*, 3> names{"a", "b", "c"};
constexpr std::array<const char*, 2> namespaces{"default", "other"};

class XorSealer final : public store::Sealer {
public:
    base::Result<std::string> seal(std::string_view plain, std::string_view context) override {
        std::string sealed = std::to_string(base::fnv1a(context)) + " ";
        for (const char c : plain) {
            sealed += static_cast<char>(c ^ 0x55);
        }
        return sealed;
    }
    base::Result<std::string> unseal(std::string_view sealed, std::string_view context) override {
        const auto prefix = std::to_string(base::fnv1a(context)) + " ";
        if (!sealed.starts_with(prefix)) {
            return base::fail(Code::invalid, "sealed in another context");
        }
        std::string plain(sealed.substr(prefix.size()));
        for (char& c : plain) {
            c = static_cast<char>(c ^ 0x55);
        }
        return plain;
    }
};

// What a seed draws beside the machine's faults.
struct Draw {
    explicit Draw(std::uint64_t seed) : dice(seed, "store world") {
        options.directory = "/data";
        options.build = "sim";
        options.batch_changes_max = 1 + dice.below(20);
        options.history_changes_max = 2 * options.batch_changes_max + 8 + dice.below(40);
        options.checkpoint_pages = static_cast<int>(4 + dice.below(60));
        options.ballast_bytes = 64U << 10;
        options.retry_every = 20ms;
        lives = 1 + dice.below(4);
        // In some runs everybody fights for the same few objects.
        const bool crowded = dice.one_in(3);
        clients = crowded ? 6 + dice.below(6) : 2 + dice.below(4);
        names_used = crowded ? 1 : names.size();
        namespaces_used = crowded ? 1 : namespaces.size();
        payload_bytes = dice.one_in(3) ? 6'000 : 10;
        machine = host_sim::SimOptions::swarm(seed);
        machine.offload.delay_max = std::min<base::Duration>(machine.offload.delay_max, 20ms);
        machine.disk.capacity_bytes = dice.one_in(4) ? 220'000 + dice.below(250'000) : 64U << 20;
    }
    std::string text() const {
        return fmt::format(
            "{} capacity={} batch={} history={} checkpoint={} lives={} clients={} names={} "
            "payload={}",
            machine.text(), machine.disk.capacity_bytes, options.batch_changes_max,
            options.history_changes_max, options.checkpoint_pages, lives, clients, names_used,
            payload_bytes);
    }

    Dice dice;
    store::LocalStoreOptions options;
    host_sim::SimOptions machine;
    std::uint64_t lives;
    std::uint64_t clients;
    std::size_t names_used;
    std::size_t namespaces_used;
    std::size_t payload_bytes;
};

store::Query everything(KindId kind) {
    store::Query query;
    query.kind = kind;
    return query;
}

// A client's watch: told by a coroutine while the store lives, drained when it dies.
struct Watching {
    WatchRecord record;
    std::uint64_t seen = 0;  // no later event may be of this revision or below
    std::unique_ptr<store::Watch> watch;
    ListRecord initial;
    bool synced = true;
};

class StoreWorld {
public:
    explicit StoreWorld(std::uint64_t seed)
        : draw_(seed), dice_(seed, "nemesis"), machine_(seed, draw_.machine) {}

    SimReport run() {
        tell_trace(machine_);
        for (std::uint64_t life = 0; life < draw_.lives && !failure_; ++life) {
            if (start()) {
                live(base::Duration(dice_.below(70) * 1'000'000));
                die(static_cast<Death>(dice_.below(4)));
            }
        }
        if (!failure_) {
            check_healed();
        }
        SimReport report;
        report.failure = failure_;
        report.options = draw_.text();
        report.trace_hash = machine_.trace_hash();
        report.probes = std::move(probes_);
        report.probes["appeared late"] = ledger_.appeared_late();
        return report;
    }

private:
    enum class Death : std::uint8_t { closed, power_cut, killed, killed_too };

    void fail(std::string why) {
        if (!failure_) {
            failure_ = std::move(why);
        }
    }
    void calm_disk(std::uint64_t more_bytes) {
        auto options = machine_.disk.options();
        options.read_fails_ppm = options.write_fails_ppm = options.sync_fails_ppm = 0;
        options.capacity_bytes += more_bytes;
        machine_.disk.set_options(options);
    }

    bool start();
    void live(base::Duration span);
    void die(Death how);
    void check_healed();
    Shapes visible() const;

    async::Task<void> audit(store::Watch& watch);
    void hear(const WatchEvent& event);
    async::Task<void> client(Dice dice);
    async::Task<void> watcher(Dice dice);
    async::Task<void> lister(Dice dice);
    bool tell(Watching& watching, base::Result<WatchEvent> event);

    async::Task<void> create(Dice& dice, model::ObjectKey key);
    async::Task<void> update(Dice& dice, model::ObjectKey key);
    async::Task<void> update_status(Dice& dice, model::ObjectKey key);
    async::Task<void> remove(Dice& dice, model::ObjectKey key);
    void answered(std::uint64_t number, const base::Result<store::ObjectPtr>& answer,
                  store::Effect effect = store::Effect::write);
    model::Object fresh(Dice& dice, const model::ObjectKey& key, std::uint64_t mark);
    store::Effect some_effect(Dice& dice) {
        return dice.one_in(20) ? store::Effect::dry_run : store::Effect::write;
    }

    Draw draw_;
    Dice dice_;
    host_sim::SimHost machine_;
    XorSealer sealer_;
    Ledger ledger_;
    std::map<std::string, std::uint64_t> probes_;
    std::optional<std::string> failure_;

    std::optional<host_sim::SimOffload> offload_;
    std::unique_ptr<LocalStore> store_;
    std::vector<std::unique_ptr<store::Watch>> audits_;
    std::vector<std::shared_ptr<Watching>> watchings_;
    std::optional<async::Scope> clients_;
    std::optional<async::Scope> auditors_;
};

Shapes StoreWorld::visible() const {
    Shapes shapes;
    for (const auto kind : kinds) {
        const auto page = store_->list(everything(kind), {});
        for (const auto& object : page->items) {
            shapes.emplace(object->key(), shape_of(*object));
        }
    }
    return shapes;
}

bool StoreWorld::start() {
    for (int attempt = 0;; ++attempt) {
        offload_.emplace(machine_.loop, dice_.next(), draw_.machine.offload);
        auto opened = LocalStore::open(
            {machine_.loop, machine_.clock, machine_.random, machine_.disk, *offload_, sealer_},
            draw_.options);
        if (opened) {
            store_ = *std::move(opened);
            break;
        }
        ++probes_["open failed"];
        const auto& error = opened.error();
        const bool passing = error.code == Code::unavailable || error.code == Code::exhausted;
        if (!passing || attempt > 20) {
            fail(fmt::format("the store does not open: {}", error.message));
            return false;
        }
        if (!machine_.disk.powered()) {
            offload_.reset();
            machine_.disk.crash();
        }
        if (attempt > 5) {
            calm_disk(attempt > 10 ? 1U << 20 : 0);
        }
    }
    ledger_.begin_life(store_->revision(), visible());
    auditors_.emplace(machine_.loop, kinds.size());
    for (const auto kind : kinds) {
        audits_.push_back(*store_->watch(everything(kind), {}));
        static_cast<void>(auditors_->spawn(audit(*audits_.back())));
    }
    return true;
}

void StoreWorld::hear(const WatchEvent& event) {
    ledger_.audit(event);
    if (event.type == WatchEvent::Type::deleted &&
        !event.object->metadata.owner_references.empty()) {
        ++probes_["collected"];
    }
}

async::Task<void> StoreWorld::audit(store::Watch& watch) {
    for (;;) {
        const auto event = co_await watch.next();
        if (!event) {
            if (event.error().code != Code::cancelled) {
                fail(fmt::format("an auditing watch ended: {}", event.error().message));
            }
            co_return;
        }
        hear(*event);
    }
}

void StoreWorld::live(base::Duration span) {
    clients_.emplace(machine_.loop, 64);
    for (std::uint64_t i = 0; i < draw_.clients; ++i) {
        static_cast<void>(clients_->spawn(client(Dice(dice_.next()))));
    }
    for (int i = 0; i < 3; ++i) {
        static_cast<void>(clients_->spawn(watcher(Dice(dice_.next()))));
    }
    static_cast<void>(clients_->spawn(lister(Dice(dice_.next()))));
    if (dice_.one_in(3)) {
        machine_.disk.power_off_after(dice_.below(300));
    }
    if (dice_.one_in(4)) {
        machine_.clock.set_skew(dice_.between(-1h, 1h));
    }
    const auto end = machine_.loop.now() + span;
    while (machine_.loop.now() < end && machine_.disk.powered() && !failure_) {
        machine_.loop.run_for(1ms);
    }
}

// The store ends in one of the ways it can, and what it showed until then must agree.
void StoreWorld::die(Death how) {
    const bool off = !machine_.disk.powered();
    if (off) {
        how = Death::power_cut;
        ++probes_["power off"];
    }
    if (how == Death::closed) {
        ++probes_["close"];
        machine_.loop.run(store_->close());
        machine_.loop.run_for(1ms);
    }
    clients_.reset();
    auditors_.reset();
    for (const auto& audit : audits_) {
        for (auto event = audit->try_next(); event && *event; event = audit->try_next()) {
            hear(**event);
        }
    }
    for (const auto& watching : watchings_) {
        for (;;) {
            auto event = watching->watch->try_next();
            if (event && !*event) {
                break;
            }
            if (!tell(*watching, event ? base::Result<WatchEvent>(**std::move(event))
                                       : std::unexpected(std::move(event).error()))) {
                break;
            }
        }
        if (watching->synced) {
            ledger_.add(watching->record);
        }
    }
    ledger_.all_unanswered_uncertain();
    if (auto problem = ledger_.end_life(store_->revision(), visible())) {
        fail(*std::move(problem));
    }
    watchings_.clear();
    audits_.clear();
    store_.reset();
    offload_.reset();
    if (how == Death::power_cut) {
        ++probes_["power cut"];
        machine_.disk.crash();
    } else if (how != Death::closed) {
        ++probes_["kill"];
    }
}

// On a disk that no longer fails the store must take writes, and nothing may be left to collect.
void StoreWorld::check_healed() {
    calm_disk(8U << 20);
    machine_.disk.power_off_after(UINT64_MAX / 2);
    if (!start()) {
        return;
    }
    machine_.loop.run_for(2s);
    const model::ObjectKey key{KindId::config_map, "default", "healed"};
    const auto number = ledger_.wish(Wish::Type::create, key).number;
    Dice dice(number);
    const auto made = machine_.loop.run(store_->create(fresh(dice, key, number), {}));
    if (!made) {
        fail(fmt::format("the disk has healed, but a write fails: {}", made.error().message));
        return;
    }
    answered(number, made);
    machine_.loop.run_for(2s);
    std::set<std::string> uids;
    const auto there = visible();
    for (const auto& [object, shape] : there) {
        uids.insert(shape.uid);
    }
    for (const auto& [object, shape] : there) {
        bool owned = shape.owners.empty();
        for (const auto& uid : shape.owners) {
            owned = owned || uids.contains(uid);
        }
        if (!owned || shape.deleting) {
            fail(fmt::format("{} was never collected", model::describe(object)));
        }
    }
    die(Death::power_cut);
    if (!failure_ && start()) {
        die(Death::killed);
    }
}

model::Object StoreWorld::fresh(Dice& dice, const model::ObjectKey& key, std::uint64_t mark) {
    model::Object object;
    object.kind = key.kind;
    object.metadata.namespace_name = key.namespace_name;
    object.metadata.name = key.name;
    object.metadata.labels["app"] = dice.one_in(2) ? "x" : "y";
    set_mark(object, mark);
    object.body["filling"] = std::string(1 + dice.below(draw_.payload_bytes), 'f');
    return object;
}

void StoreWorld::answered(std::uint64_t number, const base::Result<store::ObjectPtr>& answer,
                          store::Effect effect) {
    auto& wish = ledger_.wish(number);
    if (effect == store::Effect::dry_run) {
        wish.fate = Wish::Fate::refused;
        return;
    }
    if (answer) {
        wish.fate = Wish::Fate::done;
        wish.version = (*answer)->metadata.resource_version;
        if (wish.version > store_->revision()) {
            fail(fmt::format("wish {} was acknowledged at {}, but the store is at {}", number,
                             wish.version, store_->revision()));
        }
        return;
    }
    const auto code = answer.error().code;
    wish.fate = code == Code::unavailable ? Wish::Fate::uncertain : Wish::Fate::refused;
    ++probes_[code == Code::exhausted ? "refused full" : std::string(base::code_name(code))];
}

async::Task<void> StoreWorld::create(Dice& dice, model::ObjectKey key) {
    const auto number = ledger_.wish(Wish::Type::create, key).number;
    auto object = fresh(dice, key, number);
    if (key.kind != KindId::service && dice.one_in(2)) {
        const model::ObjectKey owner{KindId::service, key.namespace_name,
                                     names[dice.below(names.size())]};
        if (const auto found = store_->get(owner)) {
            object.metadata.owner_references.push_back(model::controller_reference(**found));
            object.metadata.owner_references.back().block_owner_deletion = dice.one_in(2);
        }
    }
    const auto effect = some_effect(dice);
    const auto answer = co_await store_->create(std::move(object), {effect});
    answered(number, answer, effect);
}

async::Task<void> StoreWorld::update(Dice& dice, model::ObjectKey key) {
    const auto stored = store_->get(key);
    if (!stored) {
        co_return;
    }
    auto object = **stored;
    if (dice.one_in(2)) {
        object.metadata.resource_version = 0;
    }
    if (dice.one_in(3)) {  // time for others to come first
        co_await async::sleep_for(machine_.loop, dice.between(0ms, 3ms));
    }
    auto& wish = ledger_.wish(Wish::Type::update, key);
    const auto number = wish.number;
    wish.expected_version = object.metadata.resource_version;
    object.metadata.labels["app"] = dice.one_in(2) ? "x" : "y";
    set_mark(object, number);
    const auto effect = some_effect(dice);
    const auto answer = co_await store_->update(std::move(object), {effect});
    answered(number, answer, effect);
}

async::Task<void> StoreWorld::update_status(Dice& dice, model::ObjectKey key) {
    key.kind = KindId::service;
    const auto stored = store_->get(key);
    if (!stored) {
        co_return;
    }
    auto& wish = ledger_.wish(Wish::Type::status, key);
    const auto number = wish.number;
    auto object = **stored;
    object.metadata.uid.clear();
    if (!dice.one_in(4)) {
        object.metadata.resource_version = 0;
    }
    wish.expected_version = object.metadata.resource_version;
    set_status_mark(object, number);
    const auto answer = co_await store_->update_status(std::move(object), {});
    answered(number, answer);
}

async::Task<void> StoreWorld::remove(Dice& dice, model::ObjectKey key) {
    store::DeleteOptions options;
    const auto stored = store_->get(key);
    if (stored && dice.one_in(2)) {
        options.resource_version = (*stored)->metadata.resource_version;
    }
    if (dice.one_in(2)) {
        options.propagation = static_cast<store::Propagation>(dice.below(3));
    }
    options.effect = some_effect(dice);
    const auto effect = options.effect;
    if (dice.one_in(3)) {
        co_await async::sleep_for(machine_.loop, dice.between(0ms, 3ms));
    }
    auto& wish = ledger_.wish(Wish::Type::remove, key);
    const auto number = wish.number;
    wish.expected_version = options.resource_version.value_or(0);
    auto answer = co_await store_->remove(key, std::move(options));
    answered(number,
             answer ? base::Result<store::ObjectPtr>(answer->object)
                    : std::unexpected(std::move(answer).error()),
             effect);
}

async::Task<void> StoreWorld::client(Dice dice) {
    for (;;) {
        co_await async::sleep_for(machine_.loop, dice.between(0ms, 6ms));
        const model::ObjectKey key{kinds[dice.below(kinds.size())],
                                   namespaces[dice.below(draw_.namespaces_used)],
                                   names[dice.below(draw_.names_used)]};
        switch (dice.below(8)) {
            case 0:
            case 1:
            case 2:
                co_await create(dice, key);
                break;
            case 3:
            case 4:
                co_await update(dice, key);
                break;
            case 5:
            case 6:
                co_await update_status(dice, key);
                break;
            default:
                co_await remove(dice, key);
                break;
        }
    }
}

// False when the watch has ended.
bool StoreWorld::tell(Watching& watching, base::Result<WatchEvent> event) {
    if (!event) {
        watching.record.expired = true;
        ++probes_["watch " + std::string(base::code_name(event.error().code))];
        return false;
    }
    using Type = WatchEvent::Type;
    if (!watching.synced) {
        if (event->type == Type::added) {
            watching.initial.items.emplace_back(event->object->key(),
                                                event->object->metadata.resource_version);
            return true;
        }
        if (event->type != Type::synced) {
            fail("a watch told a change before its initial objects were complete");
        }
        watching.synced = true;
        watching.seen = watching.record.from = watching.initial.revision = event->revision;
        ledger_.add(watching.initial);
        return true;
    }
    const bool bookmark = event->type == Type::bookmark;
    if (event->revision < watching.seen + (bookmark ? 0 : 1)) {
        fail(fmt::format("a watch told revision {} after {}", event->revision, watching.seen));
    }
    watching.seen = event->revision;
    if (!bookmark) {
        watching.record.told.push_back({event->type, event->revision, event->object->key()});
    }
    return true;
}

async::Task<void> StoreWorld::watcher(Dice dice) {
    for (;;) {
        co_await async::sleep_for(machine_.loop, dice.between(0ms, 10ms));
        const auto watching = std::make_shared<Watching>();
        store::WatchOptions options;
        auto& query = watching->record.query;
        query.kind = kinds[dice.below(kinds.size())];
        if (dice.one_in(2)) {
            query.labels = model::LabelSelector::of({{"app", "x"}});
        }
        if (dice.one_in(2)) {
            query.namespace_name = namespaces[dice.below(namespaces.size())];
        }
        watching->initial.query = query;
        watching->seen = watching->record.from = store_->revision();
        if (dice.one_in(3)) {
            options.initial = store::WatchOptions::Initial::objects;
            watching->synced = false;
        } else if (dice.one_in(2) && store_->revision() > 0) {
            options.from = 1 + dice.below(store_->revision());
            watching->seen = watching->record.from = *options.from;
        }
        if (dice.one_in(3)) {
            options.bookmark_every = 2ms;
        }
        auto opened = store_->watch(query, options);
        if (!opened) {
            ++probes_["watch " + std::string(base::code_name(opened.error().code))];
            continue;
        }
        watching->watch = *std::move(opened);
        watchings_.push_back(watching);
        // Some read at once, some so seldom that history overtakes them.
        const auto pause = dice.one_in(3) ? base::Duration(0) : dice.between(0ms, 60ms);
        const auto end = machine_.loop.now() + dice.between(1ms, 200ms);
        while (machine_.loop.now() < end) {
            auto event = co_await watching->watch->next();
            if (!tell(*watching, std::move(event))) {
                break;
            }
            if (pause > base::Duration(0)) {
                co_await async::sleep_for(machine_.loop, pause);
            }
        }
    }
}

async::Task<void> StoreWorld::lister(Dice dice) {
    for (;;) {
        co_await async::sleep_for(machine_.loop, dice.between(0ms, 10ms));
        ListRecord record;
        record.query.kind = kinds[dice.below(kinds.size())];
        if (dice.one_in(2)) {
            record.query.labels = model::LabelSelector::of({{"app", "y"}});
        }
        store::ListOptions options;
        options.limit = 1 + dice.below(3);
        for (;;) {
            const auto page = store_->list(record.query, options);
            if (!page) {
                ++probes_["list " + std::string(base::code_name(page.error().code))];
                break;
            }
            record.revision = page->revision;
            for (const auto& object : page->items) {
                record.items.emplace_back(object->key(), object->metadata.resource_version);
            }
            options.continue_token = page->continue_token;
            if (page->continue_token.empty()) {
                ledger_.add(std::move(record));
                break;
            }
            co_await async::sleep_for(machine_.loop, dice.between(0ms, 60ms));
        }
    }
}

}  // namespace

SimReport run_store_world(std::uint64_t seed) {
    return StoreWorld(seed).run();
}

}  // namespace tidemill::sim
