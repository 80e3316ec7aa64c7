#include "proxy/worker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "async/deadline.h"
#include "base/bytes.h"
#include "proxy/session.h"

namespace tidemill::proxy {
namespace {

constexpr std::size_t buffers_kept_max = 256;
constexpr std::size_t exchanges_kept_max = 256;
// A head as it was read, our fields, and trailers behind it.
constexpr std::size_t scratch_bytes = std::size_t{64} * 1024;
constexpr std::size_t listeners_max = 64;

Dice make_dice(host::Random& random) {
    std::array<std::uint64_t, 4> seed{};
    for (auto& word : seed) {
        word = random.next_u64();
    }
    return Dice(seed);
}

async::Task<base::Status> wait_until_empty(async::Scope& scope) {
    co_await scope.join();
    co_return base::ok;
}

}  // namespace

Worker::Worker(host::Host& host, WorkerOptions options, WorkerWatcher& watcher, LogSink& log_sink,
               std::size_t number, Neighbours* neighbours)
    : host_(host),
      loop_(host.loop),
      options_(options),
      head_limits_{.head_bytes = options.head_bytes_max, .headers = options.headers_max},
      watcher_(watcher),
      number_(number),
      neighbours_(neighbours),
      dice_(make_dice(host.random)),
      bugs_(options.bugs),
      log_(host.loop, host.clock, log_sink, options.log_ring_bytes, options.log_flush_every),
      buffers_(buffers_kept_max),
      scratch_(scratch_bytes),
      table_(std::make_shared<const mesh::RouteTable>()),
      session_ended_(host.loop),
      sessions_(host.loop, options.connections_max),
      upstreams_(host.loop, options.connections_max),
      acceptors_(host.loop, listeners_max),
      ticker_(host.loop, 1) {
    static_cast<void>(ticker_.spawn(tick()));
}

Worker::~Worker() {
    ticker_.cancel();
    acceptors_.cancel();
    sessions_.cancel();
    upstreams_.cancel();
}

void Worker::serve(std::unique_ptr<host::Listener> listener) {
    static_cast<void>(acceptors_.spawn(accept(std::move(listener))));
}

async::Task<void> Worker::accept(std::unique_ptr<host::Listener> listener) {
    while (true) {
        // At the limit the rest waits in the listener's backlog.
        while (sessions_.size() >= options_.connections_max) {
            session_ended_.reset();
            co_await session_ended_.wait();
            co_await async::yield(loop_);
        }
        auto accepted = co_await listener->accept();
        if (!accepted) {
            if (accepted.error().code == base::Code::unavailable) {
                co_return;
            }
            co_await async::sleep_for(loop_, std::chrono::milliseconds(50));
            continue;
        }
        accounts_.accepted += 1;
        auto session = std::make_unique<Session>(*this, *std::move(accepted));
        Session& started = *session;
        static_cast<void>(sessions_.spawn(started.run(std::move(session))));
    }
}

async::Task<void> Worker::tick() {
    auto next = loop_.now();
    while (true) {
        next = next + std::chrono::seconds(1);
        co_await async::sleep_until(loop_, next);
        std::vector<ActivityReport> reports;
        for (auto& [name, revision] : revisions_) {
            revision->sweep();
            const auto activity = revision->take_activity();
            const bool busy = activity.requests > 0 || activity.concurrency_average > 0;
            // One more when it has come to rest, so that its last word is not that it is busy.
            if (std::exchange(revision->was_busy, busy) || busy) {
                reports.push_back({name, activity});
            }
        }
        std::erase_if(revisions_, [](const auto& item) { return is_forgotten(*item.second); });
        if (!reports.empty()) {
            watcher_.activity(std::move(reports));
        }
    }
}

Revision& Worker::revision_named(const std::string& name) {
    const auto known = revisions_.find(name);
    if (known != revisions_.end()) {
        return *known->second;
    }
    mesh::RevisionRule rule;
    rule.name = name;
    auto made = std::make_unique<Revision>(loop_, dice_, static_cast<RevisionWatcher&>(*this),
                                           options_.revision, std::move(rule));
    return *revisions_.emplace(name, std::move(made)).first->second;
}

void Worker::set_table(std::shared_ptr<const mesh::RouteTable> table) {
    const auto places = table->places_changed_since(*table_);
    by_place_.resize(table->places());
    std::vector<std::string> left;
    for (const auto place : places) {
        if (auto* const before = std::exchange(by_place_[place], nullptr)) {
            before->is_routed = false;
            left.push_back(before->rule().name);
        }
    }
    for (const auto place : places) {
        const auto* const rule = table->revision(place);
        if (rule == nullptr) {
            continue;
        }
        Revision& revision = revision_named(rule->name);
        revision.set_rule(*rule,
                          rule->container_concurrency == 0 || keeper_of(rule->name) == number_
                              ? Slots::here
                              : Slots::elsewhere);
        revision.is_routed = true;
        by_place_[place] = &revision;
    }
    table_ = std::move(table);
    for (const auto& name : left) {
        const auto known = revisions_.find(name);
        if (known != revisions_.end() && is_forgotten(*known->second)) {
            revisions_.erase(known);
        }
    }
}

void Worker::set_endpoints(const std::string& revision,
                           const std::vector<EndpointNews>& endpoints) {
    // An address that cannot be read is the agent's bug; the instance gets no requests and the
    // agent sees that in its readiness.
    static_cast<void>(revision_named(revision).set_endpoints(endpoints));
}

// Nobody routes to it, and it has nothing that it must end.
bool Worker::is_forgotten(const Revision& revision) {
    return !revision.is_routed && revision.unused();
}

async::Task<void> Worker::stop(base::Instant deadline) {
    stopping_ = true;
    acceptors_.cancel();
    for (Session* session = first_session_; session != nullptr;) {
        Session* const next = session->next_;
        session->nudge();  // may end it
        session = next;
    }
    static_cast<void>(co_await async::with_deadline(loop_, deadline, wait_until_empty(sessions_)));
    sessions_.cancel();
    upstreams_.cancel();
    log_.flush();
}

Http2Options Worker::http2_options(wire::Http2Role role) const {
    Http2Options out{.limits = options_.http2,
                     .idle_timeout = options_.idle_timeout,
                     .head_timeout = options_.head_timeout,
                     .stall_timeout = options_.stall_timeout};
    out.limits.head_bytes = static_cast<std::uint32_t>(options_.head_bytes_max);
    out.limits.headers = static_cast<std::uint32_t>(options_.headers_max);
    if (role == wire::Http2Role::client) {
        // An instance that refuses many requests is busy, not hostile.
        out.limits.resets_burst *= 20;
        out.limits.resets_per_second *= 20;
        out.idle_timeout = options_.http2_upstream_idle;
    }
    return out;
}

std::unique_ptr<Exchange> Worker::take_exchange() {
    if (exchanges_.empty()) {
        return std::make_unique<Exchange>(buffers_);
    }
    auto exchange = std::move(exchanges_.back());
    exchanges_.pop_back();
    return exchange;
}

void Worker::give_exchange(std::unique_ptr<Exchange> exchange) {
    exchange->reset();
    if (exchanges_.size() < exchanges_kept_max) {
        exchanges_.push_back(std::move(exchange));
    }
}

std::string_view Worker::date() {
    // The wall clock is read ten times a second at most: the field counts whole seconds.
    if (date_text_.empty() || loop_.now() - date_read_ >= std::chrono::milliseconds(100)) {
        date_read_ = loop_.now();
        date_text_ = date_.text(host_.clock.wall_now());
    }
    return date_text_;
}

void Worker::wake(Revision& revision, std::uint32_t waiting) {
    watcher_.wake(revision.rule().name, waiting);
}

void Worker::drained(const std::string& instance) {
    watcher_.drained(instance);
}

std::size_t Worker::keeper_of(const std::string& revision) const {
    return neighbours_ == nullptr ? number_ : base::fnv1a(revision) % neighbours_->count();
}

void Worker::want(Revision& revision) {
    const auto& name = revision.rule().name;
    neighbours_->post(keeper_of(name), [name, from = number_](Worker& keeper) {
        keeper.revision_named(name).want_for(from);
    });
}

void Worker::unwant(Revision& revision) {
    const auto& name = revision.rule().name;
    neighbours_->post(keeper_of(name), [name, from = number_](Worker& keeper) {
        keeper.revision_named(name).unwant_for(from);
    });
}

void Worker::give_back(Revision& revision, const std::string& instance) {
    const auto& name = revision.rule().name;
    neighbours_->post(keeper_of(name), [name, from = number_, instance](Worker& keeper) {
        keeper.revision_named(name).take_back(from, instance);
    });
}

void Worker::tell_refused(Revision& revision, const std::string& instance) {
    const auto& name = revision.rule().name;
    neighbours_->post(keeper_of(name), [name, instance](Worker& keeper) {
        keeper.revision_named(name).refused_for(instance);
    });
}

void Worker::lend(Revision& revision, std::size_t worker, const std::string& instance) {
    neighbours_->post(worker, [name = revision.rule().name, instance](Worker& borrower) {
        borrower.revision_named(name).lent(instance);
    });
}

MetricsSnapshot Worker::snapshot() {
    MetricsSnapshot snapshot;
    for (const auto& [name, revision] : revisions_) {
        if (const auto* metrics = revision->metrics_if_any(); metrics != nullptr) {
            snapshot.revisions.emplace(
                name, RevisionSnapshot{revision->rule().service, revision->rule().configuration,
                                       revision->waiting(), revision->active(), *metrics});
        }
    }
    for (const auto& [reason, count] : accounts_.own_answers) {
        snapshot.own_answers.emplace(facts_of(reason).code, count);
    }
    snapshot.connections = sessions_.size();
    snapshot.connections_accepted = accounts_.accepted;
    snapshot.upstream_connects = accounts_.upstream_connects;
    snapshot.log_lines = log_.lines();
    snapshot.log_lines_dropped = log_.lines_dropped();
    snapshot.bugs = bugs_.count();
    return snapshot;
}

}  // namespace tidemill::proxy
