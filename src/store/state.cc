#include "store/state.h"

#include <utility>

namespace tidemill::store {

bool Query::selects(const model::Object& object) const {
    return may_select(object.key()) && labels.matches(object.metadata.labels) &&
           fields.matches(object);
}

bool Query::may_select(const model::ObjectKey& key) const {
    return key.kind == kind && (namespace_name.empty() || key.namespace_name == namespace_name) &&
           (name.empty() || key.name == name);
}

bool Query::selects_by_key() const {
    return labels.selects_everything() && fields.selects_everything();
}

ObjectPtr State::find(const model::ObjectKey& key) const {
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second.kept->open();
}

KeptPtr State::kept(const model::ObjectKey& key) const {
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second.kept;
}

std::uint64_t State::digest_of(const model::ObjectKey& key) const {
    const auto found = objects_.find(key);
    return found == objects_.end() ? 0 : found->second.digest;
}

const model::ObjectKey* State::find_uid(const std::string& uid) const {
    const auto found = uids_.find(uid);
    return found == uids_.end() ? nullptr : found->second;
}

std::vector<model::ObjectKey> State::owned_by(const std::string& uid) const {
    std::vector<model::ObjectKey> keys;
    if (const auto found = owners_.find(uid); found != owners_.end()) {
        for (const auto* key : found->second) {
            keys.push_back(*key);
        }
    }
    return keys;
}

void State::index(const model::ObjectKey& key, const model::Object& object) {
    const auto& metadata = object.metadata;
    for (const auto& [name, value] : metadata.labels) {
        labels_[{object.kind, name}][value].insert(&key);
    }
    for (const auto& owner : metadata.owner_references) {
        owners_[owner.uid].insert(&key);
    }
    uids_[metadata.uid] = &key;
}

void State::unindex(const model::ObjectKey& key, const model::Object& object) {
    const auto leave = [&](auto& index, const auto& entry) {
        if (const auto found = index.find(entry); found != index.end()) {
            found->second.erase(&key);
            if (found->second.empty()) {
                index.erase(found);
            }
        }
    };
    const auto& metadata = object.metadata;
    for (const auto& [name, value] : metadata.labels) {
        if (const auto values = labels_.find({object.kind, name}); values != labels_.end()) {
            leave(values->second, value);
        }
    }
    for (const auto& owner : metadata.owner_references) {
        leave(owners_, owner.uid);
    }
    uids_.erase(metadata.uid);
}

void State::put(KeptPtr kept, std::uint64_t digest) {
    const auto [at, fresh] = objects_.try_emplace(kept->key());
    if (!fresh) {
        unindex(at->first, *at->second.kept->glance());
    }
    digest_ ^= at->second.digest ^ digest;
    at->second = {std::move(kept), digest};
    index(at->first, *at->second.kept->glance());
}

void State::erase(const model::ObjectKey& key) {
    const auto found = objects_.find(key);
    if (found != objects_.end()) {
        unindex(found->first, *found->second.kept->glance());
        digest_ ^= found->second.digest;
        objects_.erase(found);
    }
}

void State::scan(const Query& query, const model::ObjectKey* after,
                 const std::function<bool(const ObjectPtr&)>& visit) const {
    if (!query.name.empty() &&
        (!query.namespace_name.empty() || !model::kind_of(query.kind).namespaced)) {
        const model::ObjectKey key{query.kind, query.namespace_name, query.name};
        const auto found = objects_.find(key);
        if (found != objects_.end() && (after == nullptr || *after < key)) {
            visit(found->second.kept->open());
        }
        return;
    }
    using Operator = model::LabelSelector::Operator;
    for (const auto& requirement : query.labels.requirements()) {
        if (requirement.op != Operator::in || requirement.values.size() != 1) {
            continue;
        }
        const auto values = labels_.find({query.kind, requirement.key});
        if (values == labels_.end()) {
            return;
        }
        const auto found = values->second.find(requirement.values.front());
        if (found == values->second.end()) {
            return;
        }
        const auto& keys = found->second;
        for (auto at = after == nullptr ? keys.begin() : keys.upper_bound(after); at != keys.end();
             ++at) {
            if (!visit(objects_.find(**at)->second.kept->glance())) {
                return;
            }
        }
        return;
    }
    const model::ObjectKey first{query.kind, query.namespace_name, {}};
    auto at = after == nullptr || *after < first ? objects_.lower_bound(first)
                                                 : objects_.upper_bound(*after);
    for (; at != objects_.end() && at->first.kind == query.kind; ++at) {
        if (!query.namespace_name.empty() && at->first.namespace_name != query.namespace_name) {
            return;
        }
        if (!visit(at->second.kept->glance())) {
            return;
        }
    }
}

}  // namespace tidemill::store
