#include "proxy/revision.h"

#include <algorithm>
#include <utility>

namespace tidemill::proxy {

using mesh::EndpointState;

Revision::Revision(async::Loop& loop, Dice& dice, RevisionWatcher& watcher, RevisionOptions options,
                   mesh::RevisionRule rule)
    : loop_(loop),
      dice_(dice),
      watcher_(watcher),
      options_(options),
      rule_(std::move(rule)),
      accounted_(loop.now()),
      taken_(loop.now()) {}

Revision::~Revision() = default;

void Revision::set_rule(mesh::RevisionRule rule, Slots slots) {
    rule_ = std::move(rule);
    slots_ = slots;
    grant_waiting();
}

base::Status Revision::set_endpoints(const std::vector<EndpointNews>& news) {
    base::Status status = base::ok;
    std::vector<std::unique_ptr<Endpoint>> next;
    next.reserve(news.size());
    for (const auto& item : news) {
        const auto known = std::ranges::find_if(endpoints_, [&](const auto& endpoint) {
            return endpoint != nullptr && endpoint->instance == item.instance &&
                   endpoint->address_text == item.address;
        });
        std::unique_ptr<Endpoint> endpoint;
        if (known != endpoints_.end()) {
            endpoint = std::move(*known);
        } else {
            auto address = host::parse_address(item.address);
            if (!address) {
                status = base::wrap("instance " + item.instance, std::move(address).error());
                continue;
            }
            endpoint = std::make_unique<Endpoint>();
            endpoint->instance = item.instance;
            endpoint->address_text = item.address;
            endpoint->address = *std::move(address);
        }
        endpoint->load.state = item.state;
        mesh::readmit(endpoint->load);
        next.push_back(std::move(endpoint));
        if (item.state != EndpointState::ready) {
            after_drain(*next.back());  // said again at each announcement: the agent may be new
        }
    }
    endpoints_.swap(next);
    for (auto& gone : next) {
        if (gone != nullptr) {
            gone->load.state = EndpointState::gone;
            gone->close_idle();
            if (gone->load.in_flight > 0) {
                leaving_.push_back(std::move(gone));
            }
        }
    }
    rebuild_loads();
    grant_waiting();
    return status;
}

void Revision::rebuild_loads() {
    loads_.clear();
    for (const auto& endpoint : endpoints_) {
        loads_.push_back(&endpoint->load);
    }
}

bool Revision::grant(Ticket& ticket) {
    const std::uint64_t random = loads_.size() > 1 ? dice_.next() : 0;
    const auto pick = [&] {
        return mesh::pick(loads_, rule_.container_concurrency, loop_.now(), random, turn_++);
    };
    std::optional<std::size_t> at;
    const auto avoided = std::ranges::find_if(
        endpoints_, [&](const auto& endpoint) { return endpoint.get() == ticket.avoided_; });
    if (avoided != endpoints_.end()) {
        auto& until = (*avoided)->load.ejected_until;
        const auto before = std::exchange(until, base::Instant::never());
        at = pick();
        until = before;
    }
    if (!at) {
        at = pick();
    }
    if (!at) {
        return false;
    }
    Endpoint& endpoint = *endpoints_[*at];
    endpoint.load.in_flight += 1;
    ticket.endpoint_ = &endpoint;
    ticket.state_ = Ticket::State::granted;
    return true;
}

bool Revision::acquire(Ticket& ticket) {
    // Who waits already goes first.
    if (slots_ == Slots::here && waiting_count_ == 0 && grant(ticket)) {
        return true;
    }
    if (waiting_count_ >= rule_.queue_max) {
        return false;
    }
    enqueue(ticket);
    if (slots_ == Slots::elsewhere) {
        watcher_.want(*this);
    }
    return true;
}

void Revision::enqueue(Ticket& ticket) {
    ticket.state_ = Ticket::State::waiting;
    waiting_.push_back(ticket);
    waiting_count_ += 1;
    ask_for_endpoints();
}

void Revision::leave(Ticket& ticket) {
    if (ticket.state_ == Ticket::State::waiting) {
        ticket.unlink();
        ticket.state_ = Ticket::State::none;
        ticket.avoided_ = nullptr;
        waiting_count_ -= 1;
        if (slots_ == Slots::elsewhere) {
            watcher_.unwant(*this);
        }
    }
}

void Revision::release(Ticket& ticket) {
    if (ticket.state_ != Ticket::State::granted) {
        return;
    }
    ticket.unlink();
    ticket.state_ = Ticket::State::none;
    ticket.avoided_ = nullptr;
    Endpoint& endpoint = *std::exchange(ticket.endpoint_, nullptr);
    endpoint.load.in_flight -= 1;
    if (std::exchange(ticket.lent_, false)) {
        watcher_.give_back(*this, endpoint.instance);
    }
    if (endpoint.load.state == EndpointState::gone) {
        if (endpoint.load.in_flight == 0) {
            std::erase_if(leaving_, [&](const auto& item) { return item.get() == &endpoint; });
        }
    } else if (endpoint.load.state != EndpointState::ready) {
        after_drain(endpoint);
    }
    if (waiting_count_ > 0) {
        grant_waiting();
    }
}

void Revision::release_avoiding(Ticket& ticket) {
    const Endpoint* const avoided = ticket.endpoint_;
    release(ticket);
    ticket.avoided_ = avoided;
}

void Revision::after_drain(Endpoint& endpoint) {
    endpoint.close_idle();
    if (endpoint.load.state == EndpointState::draining && endpoint.load.in_flight == 0) {
        watcher_.drained(endpoint.instance);
    }
}

void Revision::grant_waiting() {
    if (slots_ == Slots::elsewhere) {
        return;
    }
    while (waiting_count_ > 0) {
        auto* const first = static_cast<Ticket*>(waiting_.pop_front());
        if (!grant(*first)) {
            // Back to the front: the list has no push_front, so all others go behind it.
            async::ReadyList rest;
            rest.append(waiting_);
            waiting_.push_back(*first);
            waiting_.append(rest);
            ask_for_endpoints();
            return;
        }
        waiting_count_ -= 1;
        loop_.post(*first);
    }
    woken_with_ = 0;
}

std::uint32_t Revision::ready_endpoints() const {
    return static_cast<std::uint32_t>(std::ranges::count_if(loads_, [&](const auto* load) {
        return load->state == EndpointState::ready && load->ejected_until <= loop_.now();
    }));
}

void Revision::ask_for_endpoints() {
    if (waiting_count_ == 0 || slots_ == Slots::elsewhere) {
        return;
    }
    if (ready_endpoints() == 0) {
        // At once for the first, and each time that the count has doubled, because the agent
        // starts as many instances as the count needs; the timer repeats the rest.
        if (woken_with_ == 0 || waiting_count_ / 2 >= woken_with_) {
            woken_with_ = waiting_count_;
            watcher_.wake(*this, waiting_count_);
        }
    }
    if (!armed()) {
        arm(loop_, loop_.now() + options_.wake_every);
    }
}

void Revision::fire() {
    grant_waiting();  // an ejection may have run out
    if (waiting_count_ == 0 || slots_ == Slots::elsewhere) {
        return;
    }
    if (ready_endpoints() == 0) {
        woken_with_ = waiting_count_;
        watcher_.wake(*this, waiting_count_);
    }
    if (!armed()) {
        arm(loop_, loop_.now() + options_.wake_every);
    }
}

std::unique_ptr<host::Stream> Revision::take_idle(Endpoint& endpoint) {
    while (!endpoint.idle.empty()) {
        auto connection = std::move(endpoint.idle.back());
        endpoint.idle.pop_back();
        if (loop_.now() - connection.since >= options_.idle_max) {
            endpoint.idle.clear();  // the others are older
            break;
        }
        if (connection.stream->quiet()) {
            return std::move(connection.stream);
        }
    }
    return nullptr;
}

void Revision::keep_idle(Endpoint& endpoint, std::unique_ptr<host::Stream> stream) {
    if (endpoint.load.state == EndpointState::ready &&
        endpoint.idle.size() < options_.idle_connections_max) {
        mesh::readmit(endpoint.load);
        endpoint.idle.push_back({std::move(stream), loop_.now()});
    }
}

void Revision::refused(Endpoint& endpoint) {
    mesh::eject(endpoint.load, loop_.now());
    endpoint.idle.clear();
    if (slots_ == Slots::elsewhere) {
        watcher_.tell_refused(*this, endpoint.instance);
    }
}

// Slots that cross between workers. All tickets of one worker are alike, so mail carries counts and
// no names of requests: each want is answered by one loan, unless an unwant takes it out of the
// queue first; a loan that nobody waits for any more goes straight back.

Endpoint* Revision::endpoint_named(const std::string& instance) {
    const auto found = std::ranges::find_if(
        endpoints_, [&](const auto& endpoint) { return endpoint->instance == instance; });
    return found == endpoints_.end() ? nullptr : found->get();
}

void Revision::Loan::granted() {
    revision.watcher_.lend(revision, worker, endpoint()->instance);
}

void Revision::want_for(std::size_t worker) {
    loans_.push_back(std::make_unique<Loan>(*this, worker));
    Loan& loan = *loans_.back();
    if (waiting_count_ == 0 && grant(loan)) {
        loan.granted();
    } else {
        enqueue(loan);
    }
}

void Revision::unwant_for(std::size_t worker) {
    // The youngest: those before it keep their places.
    for (auto at = loans_.rbegin(); at != loans_.rend(); ++at) {
        if ((*at)->worker == worker && (*at)->state() == Ticket::State::waiting) {
            leave(**at);
            loans_.erase(std::next(at).base());
            return;
        }
    }
}

void Revision::take_back(std::size_t worker, const std::string& instance) {
    const auto found = std::ranges::find_if(loans_, [&](const auto& loan) {
        return loan->worker == worker && loan->state() == Ticket::State::granted &&
               !loan->linked() && loan->endpoint()->instance == instance;
    });
    if (found != loans_.end()) {
        const auto loan = std::move(*found);
        loans_.erase(found);
        release(*loan);
    }
}

void Revision::refused_for(const std::string& instance) {
    if (Endpoint* const endpoint = endpoint_named(instance)) {
        refused(*endpoint);
    }
}

void Revision::lent(const std::string& instance) {
    Endpoint* const endpoint = endpoint_named(instance);
    if (waiting_count_ == 0 || endpoint == nullptr) {
        watcher_.give_back(*this, instance);
        if (waiting_count_ > 0) {
            watcher_.want(*this);  // its news has not come here yet
        }
        return;
    }
    auto* const first = static_cast<Ticket*>(waiting_.pop_front());
    waiting_count_ -= 1;
    endpoint->load.in_flight += 1;
    first->endpoint_ = endpoint;
    first->lent_ = true;
    first->state_ = Ticket::State::granted;
    loop_.post(*first);
}

void Revision::sweep() {
    const auto now = loop_.now();
    for (const auto& endpoint : endpoints_) {
        std::erase_if(endpoint->idle, [&](const IdleConnection& connection) {
            return now - connection.since >= options_.idle_max || !connection.stream->quiet();
        });
    }
}

void Revision::account() {
    const auto now = loop_.now();
    active_ns_ += static_cast<double>((now - accounted_).count()) * active_;
    accounted_ = now;
}

void Revision::begin_request() {
    account();
    active_ += 1;
    begun_ += 1;
}

void Revision::end_request() {
    account();
    active_ -= 1;
}

Revision::Activity Revision::take_activity() {
    account();
    const auto now = loop_.now();
    const auto span_ns = static_cast<double>((now - taken_).count());
    const auto others = static_cast<std::uint32_t>(std::ranges::count_if(
        loans_, [](const auto& loan) { return loan->state() == Ticket::State::waiting; }));
    const std::uint32_t waiting = waiting_count_ - others;  // of this worker's own requests
    Activity activity{.concurrency_average = span_ns > 0 ? active_ns_ / span_ns : active_,
                      .requests = begun_,
                      .waiting = waiting,
                      .in_flight = active_ - waiting};
    active_ns_ = 0;
    begun_ = 0;
    taken_ = now;
    return activity;
}

RevisionMetrics& Revision::metrics() {
    if (metrics_ == nullptr) {
        metrics_ = std::make_unique<RevisionMetrics>();
    }
    return *metrics_;
}

}  // namespace tidemill::proxy
