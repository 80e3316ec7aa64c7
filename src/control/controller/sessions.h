// How control speaks with its two kinds of callers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

#include "control/controller/control.h"
#include "link/connection.h"

namespace tidemill::control {

class Control::ProxySession final : public link::Session {
public:
    explicit ProxySession(Control& control) : control_(control) {}

    void connected(link::Connection& connection, const link::Hello&) override {
        control_.proxy_connected();
        applied_[&connection];
        connection.follow(control_.proxy_table_);
    }
    base::Status received(link::Connection& connection, link::Message message) override {
        if (const auto* const commit = std::get_if<link::Commit>(&message)) {
            applied_[&connection] = commit->version;
            control_.proxies_moved_.set();
            return base::ok;
        }
        control_.proxy_said(message);
        return base::ok;
    }
    void disconnected(link::Connection& connection, const base::Error&) override {
        applied_.erase(&connection);
        control_.proxies_moved_.set();
        control_.proxy_disconnected();
    }
    // Every proxy that is here routes by `version` of the table, or a later one. A proxy that is
    // not here takes no request before it has a table.
    bool all_applied(std::uint64_t version) const {
        return std::ranges::all_of(applied_,
                                   [&](const auto& entry) { return entry.second >= version; });
    }

private:
    Control& control_;
    std::map<link::Connection*, std::optional<std::uint64_t>> applied_;  // nothing: not heard yet
};

class Control::AgentSession final : public link::Session {
public:
    explicit AgentSession(Control& control) : control_(control) {}

    void connected(link::Connection& connection, const link::Hello&) override {
        control_.agent_connected();
        receivers_.try_emplace(&connection, changes_max);
        if (control_.agents_may_follow_) {
            connection.follow(control_.agent_table_);
        } else {
            control_.agents_waiting_.insert(&connection);
        }
    }
    base::Status received(link::Connection& connection, link::Message message) override {
        if (!link::TableReceiver::is_table_message(message)) {
            control_.agent_said(message);
            return base::ok;
        }
        TRY(const auto change, receivers_.at(&connection).take(std::move(message)));
        if (change) {
            control_.agent_endpoints(*change);
        }
        return base::ok;
    }
    void disconnected(link::Connection& connection, const base::Error&) override {
        receivers_.erase(&connection);
        control_.agents_waiting_.erase(&connection);
        control_.agent_disconnected();
    }

private:
    // An agent of ten thousand revisions, with room.
    static constexpr std::size_t changes_max = 100'000;

    Control& control_;
    std::map<link::Connection*, link::TableReceiver> receivers_;
};

}  // namespace tidemill::control
