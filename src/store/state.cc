#include "store/state.h"

#include <utility>

namespace tidemill::store {

bool Query::selects(const model::Object& object) const {
    return object.kind == kind &&
           (namespace_name.empty() || object.metadata.namespace_name == namespace_name) &&
           (name.empty() || object.metadata.name == name) &&
           labels.matches(object.metadata.labels) && fields.matches(object);
}

ObjectPtr State::find(const model::ObjectKey& key) const {
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second.object;
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
        labels_[{object.kind, name, value}].insert(&key);
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
        leave(labels_, Label(object.kind, name, value));
    }
    for (const auto& owner : metadata.owner_references) {
        leave(owners_, owner.uid);
    }
    uids_.erase(metadata.uid);
}

void State::put(ObjectPtr object, std::uint64_t digest) {
    const auto [at, fresh] = objects_.try_emplace(object->key());
    if (!fresh) {
        unindex(at->first, *at->second.object);
    }
    digest_ ^= at->second.digest ^ digest;
    at->second = {std::move(object), digest};
    index(at->first, *at->second.object);
}

void State::erase(const model::ObjectKey& key) {
    const auto found = objects_.find(key);
    if (found != objects_.end()) {
        unindex(found->first, *found->second.object);
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
            visit(found->second.object);
        }
        return;
    }
    using Operator = model::LabelSelector::Operator;
    for (const auto& requirement : query.labels.requirements()) {
        if (requirement.op != Operator::in || requirement.values.size() != 1) {
            continue;
        }
        const auto found = labels_.find({query.kind, requirement.key, requirement.values.front()});
        if (found == labels_.end()) {
            return;
        }
        const auto& keys = found->second;
        for (auto at = after == nullptr ? keys.begin() : keys.upper_bound(after); at != keys.end();
             ++at) {
            if (!visit(objects_.find(**at)->second.object)) {
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
        if (!visit(at->second.object)) {
            return;
        }
    }
}

}  // namespace tidemill::store
