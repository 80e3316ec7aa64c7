#include "control/route/references.h"

#include <utility>

#include "control/route/labels.h"
#include "control/route/traffic.h"

namespace tidemill::control {

namespace {

using model::KindId;
using model::ObjectKey;

bool is_target(KindId kind) {
    return kind == KindId::revision || kind == KindId::configuration;
}

// Takes `key` out of `back[to]`, which goes when it is empty.
template <typename Back, typename Value>
void unlink(Back& back, const ObjectKey& to, const Value& value) {
    if (const auto found = back.find(to); found != back.end()) {
        found->second.erase(value);
        if (found->second.empty()) {
            back.erase(found);
        }
    }
}

}  // namespace

void RouteReferences::put(const model::Object& object) {
    const auto key = object.key();
    const auto& space = key.namespace_name;
    std::set<ObjectKey> others;
    if (object.kind == KindId::route) {
        const auto names = names_in_traffic(object);
        for (const auto& name : names.revisions) {
            others.insert({KindId::revision, space, name});
        }
        for (const auto& name : names.configurations) {
            others.insert({KindId::configuration, space, name});
        }
        const auto known = named_.find(key);
        if (others == (known == named_.end() ? std::set<ObjectKey>() : known->second)) {
            return;
        }
        erase(key);
        for (const auto& other : others) {
            naming_[other].insert(key.name);
        }
        if (!others.empty()) {
            named_[key] = std::move(others);
        }
    } else if (is_target(object.kind)) {
        for (const auto& name : routes_written_on(object)) {
            others.insert({KindId::route, space, name});
        }
        const auto known = written_.find(key);
        if (others == (known == written_.end() ? std::set<ObjectKey>() : known->second)) {
            return;
        }
        erase(key);
        for (const auto& other : others) {
            writing_[other].insert(key);
        }
        if (!others.empty()) {
            written_[key] = std::move(others);
        }
    }
}

void RouteReferences::erase(const ObjectKey& key) {
    if (const auto known = named_.extract(key)) {
        for (const auto& other : known.mapped()) {
            unlink(naming_, other, key.name);
        }
    }
    if (const auto known = written_.extract(key)) {
        for (const auto& other : known.mapped()) {
            unlink(writing_, other, key);
        }
    }
}

void RouteReferences::forget(KindId kind) {
    for (const auto* from : {&named_, &written_}) {
        std::vector<ObjectKey> keys;
        for (const auto& [key, others] : *from) {
            if (key.kind == kind) {
                keys.push_back(key);
            }
        }
        for (const auto& key : keys) {
            erase(key);
        }
    }
}

std::set<std::string> RouteReferences::routes_of(const model::Object& target) const {
    Names routes;
    const auto add = [&](const ObjectKey& key) {
        if (const auto found = naming_.find(key); found != naming_.end()) {
            routes.insert(found->second.begin(), found->second.end());
        }
    };
    add(target.key());
    if (const auto name = text_of(target.metadata.labels, serving::configuration); !name.empty()) {
        add({KindId::configuration, target.metadata.namespace_name, std::string(name)});
    }
    for (const auto& name : routes_written_on(target)) {
        routes.insert(name);
    }
    return routes;
}

std::set<ObjectKey> RouteReferences::written_on(const std::string& space,
                                                const std::string& route) const {
    const auto found = writing_.find({KindId::route, space, route});
    return found == writing_.end() ? std::set<ObjectKey>() : found->second;
}

}  // namespace tidemill::control
