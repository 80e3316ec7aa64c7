#include "store/collector.h"

#include <algorithm>

#include "store/rules.h"

namespace tidemill::store {
namespace {

using base::Status;

bool has_finalizer(const model::Object& object, std::string_view name) {
    return std::ranges::count(object.metadata.finalizers, name) != 0;
}

bool is_deleting(const model::Object& object) {
    return object.metadata.deletion_timestamp.has_value();
}

enum class Owner : std::uint8_t {
    solid,    // there, and to stay
    waiting,  // being deleted, after what it owns
    gone,
};

Owner state_of(const Draft& draft, const model::OwnerReference& reference) {
    const auto owner = draft.find_uid(reference.uid);
    if (owner == nullptr) {
        return Owner::gone;
    }
    return is_deleting(*owner) && has_finalizer(*owner, foreground_finalizer) ? Owner::waiting
                                                                              : Owner::solid;
}

struct Owners {
    std::size_t solid = 0;
    std::size_t waiting = 0;
    std::size_t gone = 0;
};

Owners owners_of(const Draft& draft, const model::Object& object) {
    Owners owners;
    for (const auto& reference : object.metadata.owner_references) {
        switch (state_of(draft, reference)) {
            case Owner::solid:
                ++owners.solid;
                break;
            case Owner::waiting:
                ++owners.waiting;
                break;
            case Owner::gone:
                ++owners.gone;
                break;
        }
    }
    return owners;
}

// The object without its references that are not solid.
Status forget_owners(Draft& draft, model::Object object) {
    std::erase_if(object.metadata.owner_references, [&](const auto& reference) {
        return state_of(draft, reference) != Owner::solid;
    });
    CHECK_OK(draft.put(std::move(object)));
    return base::ok;
}

Status drop_finalizer(Draft& draft, model::Object object, std::string_view name) {
    std::erase(object.metadata.finalizers, name);
    if (object.metadata.finalizers.empty()) {
        draft.erase(object.key());
        return base::ok;
    }
    CHECK_OK(draft.put(std::move(object)));
    return base::ok;
}

Status orphan_dependents(Draft& draft, const model::Object& owner) {
    for (const auto& dependent : draft.owned_by(owner.metadata.uid)) {
        auto freed = *dependent;
        std::erase_if(freed.metadata.owner_references,
                      [&](const auto& reference) { return reference.uid == owner.metadata.uid; });
        CHECK_OK(draft.put(std::move(freed)));
    }
    return base::ok;
}

bool is_blocked(const Draft& draft, const model::Object& owner) {
    const auto& uid = owner.metadata.uid;
    return std::ranges::any_of(draft.owned_by(uid), [&](const auto& dependent) {
        return std::ranges::any_of(
            dependent->metadata.owner_references, [&](const auto& reference) {
                return reference.uid == uid && reference.block_owner_deletion;
            });
    });
}

}  // namespace

bool is_suspect(const Draft& draft, const model::Object& object) {
    if (is_deleting(object) &&
        (has_finalizer(object, orphan_finalizer) || has_finalizer(object, foreground_finalizer))) {
        return true;
    }
    const auto owners = owners_of(draft, object);
    return owners.waiting + owners.gone > 0;
}

Status collect(Draft& draft, const model::ObjectKey& key) {
    const auto object = draft.find(key);
    if (object == nullptr) {
        return base::ok;
    }
    if (is_deleting(*object)) {
        if (has_finalizer(*object, orphan_finalizer)) {
            CHECK_OK(orphan_dependents(draft, *object));
            return drop_finalizer(draft, *object, orphan_finalizer);
        }
        if (has_finalizer(*object, foreground_finalizer)) {
            return is_blocked(draft, *object)
                       ? Status(base::ok)
                       : drop_finalizer(draft, *object, foreground_finalizer);
        }
        return base::ok;
    }
    const auto owners = owners_of(draft, *object);
    if (owners.waiting + owners.gone == 0) {
        return base::ok;
    }
    if (owners.solid > 0) {
        return forget_owners(draft, *object);
    }
    DeleteOptions options;
    options.uid = object->metadata.uid;
    // Whoever waits for this object waits for what it owns, too.
    if (owners.waiting > 0 && !draft.owned_by(object->metadata.uid).empty()) {
        options.propagation = Propagation::foreground;
    }
    CHECK_OK(delete_object(draft, key, options));
    return base::ok;
}

}  // namespace tidemill::store
