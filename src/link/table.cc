#include "link/table.h"

#include <utility>

#include "base/check.h"
#include "link/codec.h"
#include "link/connection.h"

namespace tidemill::link {

Table::~Table() {
    for (Connection* follower : followers_) {
        follower->forget(*this);
    }
}

void Table::put(const Message& value) {
    std::string key = key_of(value);
    CHECK(!key.empty());
    std::string bytes = encode(value);
    auto& slot = values_[key];
    if (slot == bytes) {
        return;
    }
    slot = std::move(bytes);
    changed_.insert(std::move(key));
}

void Table::erase(const std::string& key) {
    // A name without its kind would be passed over in silence, and the value stay for ever.
    CHECK(key.find(' ') != std::string::npos);
    if (values_.erase(key) > 0) {
        changed_.insert(key);
    }
}

void Table::commit() {
    if (changed_.empty()) {
        return;
    }
    ++version_;
    for (Connection* follower : followers_) {
        follower->mark(*this, changed_);
    }
    changed_.clear();
}

void Table::replace(const std::vector<Message>& values) {
    std::set<std::string> keep;
    for (const auto& value : values) {
        put(value);
        keep.insert(key_of(value));
    }
    std::vector<std::string> gone;
    for (const auto& [key, value] : values_) {
        if (!keep.contains(key)) {
            gone.push_back(key);
        }
    }
    for (const auto& key : gone) {
        erase(key);
    }
    commit();
}

namespace {

template <typename... T>
bool is_any(const Message& message) {
    return (std::holds_alternative<T>(message) || ...);
}

}  // namespace

bool TableReceiver::is_table_message(const Message& message) {
    return is_any<Begin, Commit, HostRoute, RevisionPolicy, WantedRevision, RevisionEndpoints,
                  DeleteHost, DeletePolicy, DeleteWanted, DeleteEndpoints>(message);
}

base::Result<std::optional<TableReceiver::Change>> TableReceiver::take(Message message) {
    if (const auto* const begin = std::get_if<Begin>(&message)) {
        if (open_) {
            return base::fail(base::Code::invalid, "link: Begin inside Begin");
        }
        open_.emplace(Change{begin->mode, begin->version, {}, {}});
        return std::nullopt;
    }
    if (!open_) {
        return base::fail(base::Code::invalid, "link: a table's message before Begin");
    }
    if (const auto* const commit = std::get_if<Commit>(&message)) {
        if (commit->version != open_->version) {
            return base::fail(base::Code::invalid, "link: Commit {} after Begin {}",
                              commit->version, open_->version);
        }
        return std::exchange(open_, std::nullopt);
    }
    if (open_->puts.size() + open_->deletes.size() >= changes_max_) {
        return base::fail(base::Code::exhausted, "link: more than {} changes in one table version",
                          changes_max_);
    }
    const bool is_delete = is_any<DeleteHost, DeletePolicy, DeleteWanted, DeleteEndpoints>(message);
    (is_delete ? open_->deletes : open_->puts).push_back(std::move(message));
    return std::nullopt;
}

}  // namespace tidemill::link
