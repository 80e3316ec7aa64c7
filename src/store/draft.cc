#include "store/draft.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>

#include "base/check.h"

namespace tidemill::store {

ObjectPtr Draft::find(const model::ObjectKey& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? state_.find(key) : found->second.object;
}

ObjectPtr Draft::find_uid(const std::string& uid) const {
    const auto has_uid = [&](const ObjectPtr& object) {
        return object != nullptr && object->metadata.uid == uid;
    };
    if (const auto made = uids_.find(uid); made != uids_.end()) {
        if (auto object = find(made->second); has_uid(object)) {
            return object;
        }
    }
    if (const auto* const key = state_.find_uid(uid)) {
        if (auto object = find(*key); has_uid(object)) {
            return object;
        }
    }
    return nullptr;
}

std::vector<ObjectPtr> Draft::owned_by(const std::string& uid) const {
    const auto committed = state_.owned_by(uid);
    std::set<model::ObjectKey> keys(committed.begin(), committed.end());
    if (const auto found = owned_.find(uid); found != owned_.end()) {
        keys.insert(found->second.begin(), found->second.end());
    }
    std::vector<ObjectPtr> objects;
    for (const auto& key : keys) {
        if (auto object = find(key); object != nullptr && object->metadata.owned_by(uid)) {
            objects.push_back(std::move(object));
        }
    }
    return objects;
}

base::Result<ObjectPtr> Draft::put(model::Object object) {
    const auto key = object.key();
    object.metadata.resource_version = revision_ + 1;
    TRY(auto row, to_row(object, facts_.sealer, facts_.object_bytes_max));
    Change change;
    change.revision = revision_ + 1;
    change.before = find(key);
    change.after = change.told = share(std::move(object));
    change.bytes = row.document.size();
    Entry entry{change.after, std::move(row)};
    auto after = change.after;
    record(std::move(change), std::move(entry));
    return after;
}

ObjectPtr Draft::erase(const model::ObjectKey& key) {
    Change change;
    change.revision = revision_ + 1;
    change.before = find(key);
    CHECK(change.before != nullptr);
    auto last = *change.before;
    last.metadata.resource_version = change.revision;
    change.told = std::make_shared<const model::Object>(std::move(last));
    auto told = change.told;
    record(std::move(change), {});
    return told;
}

void Draft::record(Change change, Entry entry) {
    const auto key = change.key();
    revision_ = change.revision;
    if (change.after != nullptr) {
        uids_[change.after->metadata.uid] = key;
        for (const auto& owner : change.after->metadata.owner_references) {
            owned_[owner.uid].insert(key);
        }
    }
    suspect_around(change);
    const auto found = entries_.find(key);
    undo_.push_back({key, found == entries_.end() ? std::nullopt : std::optional(found->second)});
    entries_[key] = std::move(entry);
    changes_.push_back(std::move(change));
}

// Whose fate may depend on this change: what it owns, what owns it, and itself. Suspecting one too
// many costs a look; one too few leaves garbage.
void Draft::suspect_around(const Change& change) {
    const auto& object = *change.told;
    const bool goes = change.after == nullptr || object.metadata.deletion_timestamp;
    if (goes) {
        for (const auto& dependent : owned_by(object.metadata.uid)) {
            suspects_.insert(dependent->key());
        }
    }
    if (change.after != nullptr && (goes || !change.after->metadata.owner_references.empty())) {
        suspects_.insert(change.key());
    }
    // An owner that waits for its dependents may wait no longer.
    if (change.before != nullptr) {
        for (const auto& owner : change.before->metadata.owner_references) {
            if (const auto waiting = find_uid(owner.uid);
                waiting != nullptr && waiting->metadata.deletion_timestamp) {
                suspects_.insert(waiting->key());
            }
        }
    }
}

void Draft::undo_to(std::size_t changes) {
    while (changes_.size() > changes) {
        auto& undo = undo_.back();
        if (undo.before) {
            entries_[undo.key] = *std::move(undo.before);
        } else {
            entries_.erase(undo.key);
        }
        undo_.pop_back();
        changes_.pop_back();
        --revision_;
    }
}

Batch Draft::batch() const {
    Batch batch;
    batch.revision = revision_;
    batch.objects = state_.size();
    batch.digest = state_.digest();
    for (const auto& [key, entry] : entries_) {
        if (state_.contains(key)) {
            batch.digest ^= state_.digest_of(key);
            --batch.objects;
            if (!entry.row) {
                batch.removals.push_back(
                    {model::kind_of(key.kind).group_resource(), key.namespace_name, key.name});
            }
        }
        if (entry.row) {
            batch.digest ^= entry.row->digest;
            ++batch.objects;
            batch.puts.push_back(*entry.row);
        }
    }
    return batch;
}

std::vector<Past> Draft::apply(State& to) const {
    std::vector<Past> history;
    history.reserve(changes_.size());
    std::map<model::ObjectKey, KeptPtr> latest;
    for (const auto& change : changes_) {
        const auto key = change.key();
        auto& kept = latest.try_emplace(key, to.kept(key)).first->second;
        Past past{change.revision, kept, nullptr, change.bytes};
        if (change.after != nullptr) {
            const auto& entry = entries_.at(key);
            // Only the last state of a key has a row; those between are rare.
            past.after =
                entry.object == change.after && entry.row
                    ? to.keep(change.after, entry.row->document)
                    : to.keep(change.after, boost::json::serialize(model::to_json(*change.after)));
        }
        kept = past.after;
        history.push_back(std::move(past));
    }
    for (const auto& [key, entry] : entries_) {
        if (entry.row) {
            to.put(latest.at(key), entry.row->digest);
        } else {
            to.erase(key);
        }
    }
    return history;
}

}  // namespace tidemill::store
