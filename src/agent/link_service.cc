#include "agent/link_service.h"

#include <set>

#include "base/mutant.h"
#include "base/time.h"
#include "link/codec.h"

namespace tidemill::agent {
namespace {

// A frame that a peer takes in one piece.
constexpr std::size_t chunk_bytes_max = 64 * 1024;
constexpr base::Duration follow_every = std::chrono::milliseconds(100);

}  // namespace

LinkService::LinkService(host::Host& host, Limits limits)
    : host_(host), limits_(limits), control_(*this), proxies_(*this) {}

LinkService::~LinkService() = default;

void LinkService::serve(Agent& agent) {
    agent_ = &agent;
}

void LinkService::endpoints(const link::RevisionEndpoints& endpoints) {
    if (endpoints.endpoints.empty()) {
        table_.erase(link::key_of(endpoints));
    } else {
        table_.put(endpoints);
    }
    table_.commit();
}

void LinkService::report(const link::InstanceReport& report) {
    keep_end(report);
    for (auto& [connection, peer] : controls_) {
        // A control that does not read loses reports before it grows without bound; its next
        // connection begins with all of them.
        (void)connection->push(report);
    }
}

void LinkService::keep_end(const link::InstanceReport& report) {
    if (report.state == link::InstanceState::ready) {
        ends_.erase(report.revision);
        return;
    }
    // An end that was asked for explains nothing: that it is gone is seen in the table.
    if (report.state != link::InstanceState::ended || report.reason.empty() ||
        TIDEMILL_MUTANT("agent.ends_are_said_once") ||
        (!ends_.contains(report.revision) && ends_.size() >= limits_.revisions_with_ends_max)) {
        return;
    }
    auto& kept = ends_[report.revision];
    kept.push_back(report);
    if (kept.size() > limits_.ends_per_revision_max) {
        kept.pop_front();
    }
}

void LinkService::forget_ends(const link::TableReceiver::Change& change) {
    std::set<std::string> wanted;
    for (const auto& message : change.puts) {
        if (const auto* put = std::get_if<link::WantedRevision>(&message)) {
            wanted.insert(put->revision);
        }
    }
    if (change.mode == link::Begin::Mode::replace) {
        std::erase_if(ends_, [&](const auto& entry) { return !wanted.contains(entry.first); });
    }
    for (const auto& message : change.deletes) {
        if (const auto* gone = std::get_if<link::DeleteWanted>(&message)) {
            ends_.erase(gone->revision);
        }
    }
}

void LinkService::cold_start(const link::ColdStart& start) {
    for (auto& [connection, peer] : controls_) {
        (void)connection->push(start);
    }
}

void LinkService::Control::connected(link::Connection& connection, const link::Hello&) {
    service_.controls_[&connection] = std::make_unique<ControlPeer>(
        ControlPeer{link::TableReceiver(service_.limits_.table_changes_max), {}});
    connection.follow(service_.table_);
    for (const auto& [revision, ends] : service_.ends_) {
        for (const auto& end : ends) {
            (void)connection.push(end);
        }
    }
    for (const auto& report : service_.agent_->all_reports()) {
        (void)connection.push(report);
    }
}

base::Status LinkService::Control::received(link::Connection& connection, link::Message message) {
    ControlPeer& peer = *service_.controls_.at(&connection);
    if (link::TableReceiver::is_table_message(message)) {
        TRY(const auto change, peer.wanted.take(std::move(message)));
        if (change) {
            service_.forget_ends(*change);
            service_.agent_->wanted(*change);
        }
        return base::ok;
    }
    if (const auto* request = std::get_if<link::LogRequest>(&message)) {
        return service_.read_log(connection, peer, *request);
    }
    return base::ok;
}

void LinkService::Control::disconnected(link::Connection& connection, const base::Error&) {
    service_.controls_.erase(&connection);
    if (service_.controls_.empty()) {
        service_.agent_->control_gone();
    }
}

void LinkService::Proxies::connected(link::Connection& connection, const link::Hello&) {
    const std::uint64_t id = ++service_.last_id_;
    service_.proxy_ids_[&connection] = id;
    connection.follow(service_.table_);
    service_.agent_->proxy_here(id);
}

base::Status LinkService::Proxies::received(link::Connection& connection, link::Message message) {
    const std::uint64_t id = service_.proxy_ids_.at(&connection);
    if (const auto* wake = std::get_if<link::Wake>(&message)) {
        service_.agent_->wake(id, *wake);
    } else if (const auto* drained = std::get_if<link::Drained>(&message)) {
        service_.agent_->drained(id, *drained);
    }
    return base::ok;
}

void LinkService::Proxies::disconnected(link::Connection& connection, const base::Error&) {
    const auto found = service_.proxy_ids_.find(&connection);
    service_.agent_->proxy_gone(found->second);
    service_.proxy_ids_.erase(found);
}

base::Status LinkService::read_log(link::Connection& connection, ControlPeer& peer,
                                   const link::LogRequest& request) {
    // Those that are through make room.
    std::erase_if(peer.readers, [](const auto& reader) { return reader.second->size() == 0; });
    if (request.mode == link::LogRequest::Mode::cancel) {
        peer.readers.erase(request.id);
        return base::ok;
    }
    if (peer.readers.size() >= limits_.log_readers_max) {
        return connection.push(
            link::LogChunk{.id = request.id, .lines = "", .end = link::LogChunk::End::not_found});
    }
    auto scope = std::make_unique<async::Scope>(host_.loop, 1);
    CHECK_OK(scope->spawn(send_log(connection, request)));
    peer.readers[request.id] = std::move(scope);
    return base::ok;
}

// False when the connection's queue stays full: the reader is given up.
async::Task<bool> LinkService::send_chunks(link::Connection& connection, std::uint64_t id,
                                           std::string text) {
    std::size_t at = 0;
    while (at < text.size()) {
        std::size_t end = std::min(text.size(), at + chunk_bytes_max);
        if (end < text.size()) {
            const auto line = text.rfind('\n', end - 1);
            end = line == std::string::npos || line < at ? end : line + 1;
        }
        link::LogChunk chunk{
            .id = id, .lines = text.substr(at, end - at), .end = link::LogChunk::End::more};
        for (int i = 0; !connection.push(chunk); ++i) {
            if (i == 100) {
                co_return false;
            }
            co_await async::sleep_for(host_.loop, follow_every);
        }
        at = end;
        co_await async::yield(host_.loop);
    }
    co_return true;
}

async::Task<void> LinkService::send_log(link::Connection& connection, link::LogRequest request) {
    LogStore& logs = agent_->logs();
    LogStore::Selection selection{.tail_lines = request.tail_lines, .since = {}};
    if (request.since) {
        selection.since = base::format_rfc3339_ns(*request.since);
    }
    if (request.which == link::LogRequest::Which::previous) {
        request.instance = agent_->previous_of(request.instance).value_or("");
    }
    LogStore::Follow follow = logs.at_end(request.instance);
    auto text = logs.read(request.instance, selection);
    if (!text && !agent_->lives(request.instance)) {
        (void)connection.push(
            link::LogChunk{.id = request.id, .lines = "", .end = link::LogChunk::End::not_found});
        co_return;
    }
    if (!co_await send_chunks(connection, request.id, std::move(text).value_or(""))) {
        co_return;
    }
    while (request.mode == link::LogRequest::Mode::follow) {
        // Asked before reading: what was written until its end is read once more after it.
        const bool lives = agent_->lives(request.instance);
        std::string more = logs.more(request.instance, follow, chunk_bytes_max);
        if (!more.empty()) {
            if (!co_await send_chunks(connection, request.id, std::move(more))) {
                co_return;
            }
        } else if (!lives) {
            break;
        } else {
            co_await async::sleep_for(host_.loop, follow_every);
        }
    }
    (void)connection.push(
        link::LogChunk{.id = request.id, .lines = "", .end = link::LogChunk::End::done});
}

}  // namespace tidemill::agent
