// One worker's side of one revision: its endpoints, the requests that wait for one, its counters.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/loop.h"
#include "host/network.h"
#include "mesh/balance.h"
#include "mesh/patience.h"
#include "mesh/route_table.h"
#include "proxy/http2/upstream.h"
#include "proxy/message/marks.h"
#include "proxy/metrics.h"

namespace tidemill::proxy {

class Revision;

// A connection to an instance that waits for its next request.
struct IdleConnection {
    std::unique_ptr<host::Stream> stream;
    base::Instant since;
};

// An instance, as far as this worker asks it.
struct Endpoint {
    std::string instance;
    std::string address_text;
    host::Address address;
    mesh::Load load;
    // Last in, first out: the most used connection is the warmest, and the others grow old and go.
    std::vector<IdleConnection> idle;
    std::unique_ptr<Http2Pool> http2;  // made by the first request that needs it

    // Keeps no connection without a request.
    void close_idle() {
        idle.clear();
        if (http2 != nullptr) {
            http2->go_away();
        }
    }
};

// What is said of an endpoint by the agent.
struct EndpointNews {
    std::string instance;
    std::string address;
    mesh::EndpointState state = mesh::EndpointState::starting;
};

// One request's claim to a slot of one endpoint. Lies in the request; leaving the queue is
// destroying it or leave().
class Ticket : public async::Ready {
public:
    enum class State : std::uint8_t { none, waiting, granted };
    State state() const { return state_; }
    // Set while granted. Stays valid until release(), even if the instance is gone.
    Endpoint* endpoint() const { return endpoint_; }

protected:
    // Granted, by way of the loop, to one that waited.
    virtual void granted() = 0;

private:
    friend class Revision;
    void run() override { granted(); }
    State state_ = State::none;
    bool lent_ = false;  // the slot is kept by another worker
    Endpoint* endpoint_ = nullptr;
    const Endpoint* avoided_ = nullptr;  // compared only: it may be gone
};

// Which worker counts a revision's slots. With a limit on concurrency it is one for all workers, so
// that the limit holds whoever accepted the connection; slots cross to the others by mailbox, bytes
// do not.
enum class Slots : std::uint8_t { here, elsewhere };

// What a revision tells its worker.
class RevisionWatcher {
public:
    virtual ~RevisionWatcher() = default;
    // To the worker that keeps the slots: one more, or one less, waits here; a slot was given back;
    // an instance refused a connection.
    virtual void want(Revision& revision) = 0;
    virtual void unwant(Revision& revision) = 0;
    virtual void give_back(Revision& revision, const std::string& instance) = 0;
    virtual void tell_refused(Revision& revision, const std::string& instance) = 0;
    // From there: `worker` may use a slot of `instance`.
    virtual void lend(Revision& revision, std::size_t worker, const std::string& instance) = 0;
    // `waiting` requests wait and no endpoint is ready.
    virtual void wake(Revision& revision, std::uint32_t waiting) = 0;
    // A draining endpoint has no request of this worker any more.
    virtual void drained(const std::string& instance) = 0;
};

struct RevisionOptions {
    base::Duration wake_every = std::chrono::milliseconds(100);
    // Shorter than the keep-alive of common servers (Node: 5 s), so that we close first.
    base::Duration idle_max = std::chrono::seconds(4);
    std::size_t idle_connections_max = 256;  // of one endpoint
};

// One thread. Requests are served first come, first served.
class Revision final : private async::Timer {
public:
    Revision(async::Loop& loop, Dice& dice, RevisionWatcher& watcher, RevisionOptions options,
             mesh::RevisionRule rule);
    ~Revision() override;

    const mesh::RevisionRule& rule() const { return rule_; }
    void set_rule(mesh::RevisionRule rule, Slots slots);
    // The latest list of all its living instances. Bad addresses are skipped and named in the error
    // that is returned last.
    base::Status set_endpoints(const std::vector<EndpointNews>& endpoints);

    // Gives `ticket` a slot at once, or lets it wait. False when queue_max wait already.
    bool acquire(Ticket& ticket);
    // Gives up waiting.
    void leave(Ticket& ticket);
    // Gives back a granted slot.
    void release(Ticket& ticket);
    // The same; the ticket's next slot is of another endpoint, as long as another has one.
    void release_avoiding(Ticket& ticket);
    // Of requests that are sent again.
    mesh::RetryBudget& retry_budget() { return retry_budget_; }

    // Mail between workers, at the one that keeps the slots: see RevisionWatcher.
    void want_for(std::size_t worker);
    void unwant_for(std::size_t worker);
    void take_back(std::size_t worker, const std::string& instance);
    void refused_for(const std::string& instance);
    // And at the one that asked.
    void lent(const std::string& instance);

    // A connection of the ticket's endpoint that may be used again, or null.
    std::unique_ptr<host::Stream> take_idle(Endpoint& endpoint);
    void keep_idle(Endpoint& endpoint, std::unique_ptr<host::Stream> stream);
    // The endpoint refused a connection.
    void refused(Endpoint& endpoint);
    // Closes connections that were idle too long. Every second or so.
    void sweep();

    // A request of this revision begins, and ends: from its head read to its end, waiting included.
    void begin_request();
    void end_request();
    // Since the last call: average of begun and unfinished requests over time, and begun ones.
    struct Activity {
        double concurrency_average = 0;
        std::uint64_t requests = 0;
        std::uint32_t waiting = 0;
        std::uint32_t in_flight = 0;
    };
    Activity take_activity();
    bool was_busy = false;   // for the caller of take_activity()
    bool is_routed = false;  // for whoever keeps the table: it names this one

    std::uint32_t waiting() const { return waiting_count_; }
    std::uint32_t active() const { return active_; }
    std::uint32_t ready_endpoints() const;
    // Nothing of it is in use: it may be forgotten once no table names it.
    bool unused() const {
        return active_ == 0 && endpoints_.empty() && leaving_.empty() && loans_.empty();
    }
    RevisionMetrics& metrics();
    const RevisionMetrics* metrics_if_any() const { return metrics_.get(); }

private:
    // A slot that another worker wants, or has.
    struct Loan final : Ticket {
        Loan(Revision& owner, std::size_t to) : revision(owner), worker(to) {}
        void granted() override;
        Revision& revision;
        std::size_t worker;
    };
    void fire() override;
    bool grant(Ticket& ticket);
    void enqueue(Ticket& ticket);
    Endpoint* endpoint_named(const std::string& instance);
    void grant_waiting();
    void ask_for_endpoints();
    void account();
    void after_drain(Endpoint& endpoint);
    void rebuild_loads();

    async::Loop& loop_;
    Dice& dice_;
    RevisionWatcher& watcher_;
    RevisionOptions options_;
    mesh::RevisionRule rule_;
    Slots slots_ = Slots::here;
    std::vector<std::unique_ptr<Loan>> loans_;

    std::vector<std::unique_ptr<Endpoint>> endpoints_;
    std::vector<std::unique_ptr<Endpoint>> leaving_;  // gone, with requests that still run
    std::vector<const mesh::Load*> loads_;
    std::uint32_t turn_ = 0;
    mesh::RetryBudget retry_budget_;

    async::ReadyList waiting_;
    std::uint32_t waiting_count_ = 0;
    std::uint32_t woken_with_ = 0;  // the count that the last wake told; 0: none was sent

    std::uint32_t active_ = 0;
    std::uint64_t begun_ = 0;
    double active_ns_ = 0;
    base::Instant accounted_;
    base::Instant taken_;
    std::unique_ptr<RevisionMetrics> metrics_;
};

}  // namespace tidemill::proxy
