#include "store/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/mutant.h"

namespace tidemill::store {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;
using model::describe;
using model::kind_of;

// Objects say whole seconds, so that an object reads the same before and after a restart.
base::WallTime whole_second(base::WallTime at) {
    constexpr std::int64_t second = 1'000'000'000;
    return {at.ns - ((at.ns % second) + second) % second};
}

bool is_deleting(const model::Object& object) {
    return object.metadata.deletion_timestamp.has_value();
}

Result<ObjectPtr> find_existing(const Draft& draft, const model::ObjectKey& key) {
    auto object = draft.find(key);
    if (object == nullptr) {
        return fail(Code::not_found, "{} not found", describe(key));
    }
    return object;
}

Status check_uid(const model::Object& stored, const std::string& wanted) {
    if (!wanted.empty() && wanted != stored.metadata.uid) {
        return fail(Code::conflict,
                    "{}: the request is about uid {}, but the object that has this name now is {}",
                    describe(stored.key()), wanted, stored.metadata.uid);
    }
    return base::ok;
}

Status check_version(const model::Object& stored, std::uint64_t wanted) {
    if (wanted != 0 && wanted != stored.metadata.resource_version &&
        !TIDEMILL_MUTANT("store.stale_update_accepted")) {
        return fail(Code::conflict,
                    "{}: the request is based on resourceVersion {}, but it has changed since, to "
                    "{}; read it again and repeat the change",
                    describe(stored.key()), wanted, stored.metadata.resource_version);
    }
    return base::ok;
}

// While the disk is full only objects that are on their way out may change.
Status check_room(const Draft& draft, const model::Object* stored) {
    return stored != nullptr && is_deleting(*stored) ? Status(base::ok) : draft.facts().room;
}

// Puts back what nobody but the store writes.
void keep_identity(model::Object& next, const model::Object& stored) {
    auto& metadata = next.metadata;
    metadata.uid = stored.metadata.uid;
    metadata.generation = stored.metadata.generation;
    metadata.generate_name = stored.metadata.generate_name;
    metadata.creation_timestamp = stored.metadata.creation_timestamp;
    metadata.deletion_timestamp = stored.metadata.deletion_timestamp;
    metadata.deletion_grace_period_seconds = stored.metadata.deletion_grace_period_seconds;
    metadata.resource_version = stored.metadata.resource_version;
}

void keep_status(model::JsonObject& body, const model::Object& from) {
    if (const auto* status = from.body.if_contains("status")) {
        body["status"] = *status;
    } else {
        body.erase("status");
    }
}

// The common end of every update: nothing changed, or it goes, or it is written.
Result<ObjectPtr> finish(Draft& draft, const ObjectPtr& stored, model::Object next) {
    if (is_deleting(*stored)) {
        for (const auto& finalizer : next.metadata.finalizers) {
            if (std::ranges::count(stored->metadata.finalizers, finalizer) == 0) {
                return fail(Code::invalid,
                            "{}: metadata.finalizers: \"{}\" cannot be added, the object is being "
                            "deleted",
                            describe(next.key()), finalizer);
            }
        }
        if (next.metadata.finalizers.empty()) {
            return draft.erase(next.key());
        }
    }
    if (next == *stored) {
        return stored;
    }
    CHECK_OK(check_room(draft, stored.get()));
    if (model::changes_generation(*stored, next)) {
        ++next.metadata.generation;
    }
    return draft.put(std::move(next));
}

// The finalizers that make an object wait in the way that was asked for.
std::vector<std::string> with_propagation(std::vector<std::string> finalizers,
                                          std::optional<Propagation> propagation) {
    if (!propagation) {
        return finalizers;
    }
    std::erase_if(finalizers, [](const auto& name) {
        return name == foreground_finalizer || name == orphan_finalizer;
    });
    if (*propagation == Propagation::foreground) {
        finalizers.emplace_back(foreground_finalizer);
    } else if (*propagation == Propagation::orphan) {
        finalizers.emplace_back(orphan_finalizer);
    }
    return finalizers;
}

}  // namespace

Result<ObjectPtr> create_object(Draft& draft, model::Object object) {
    const auto key = object.key();
    auto& metadata = object.metadata;
    if (metadata.name.empty()) {
        return fail(Code::invalid, "{}: metadata.name: a name is required", describe(key));
    }
    if (metadata.resource_version != 0) {
        return fail(Code::invalid,
                    "{}: metadata.resourceVersion: must not be set on objects to be created",
                    describe(key));
    }
    const auto& kind = kind_of(object.kind);
    if (kind.origin == model::Origin::view) {
        return fail(Code::invalid, "{}: objects of this kind are views and cannot be created",
                    describe(key));
    }
    if (kind.namespaced == metadata.namespace_name.empty()) {
        return fail(
            Code::invalid, "{}: metadata.namespace: {}", describe(key),
            kind.namespaced ? "a namespace is required" : "this kind lives in no namespace");
    }
    if (const auto stored = draft.find(key)) {
        return fail(Code::conflict, "{} already exists", describe(key));
    }
    if (!TIDEMILL_MUTANT("store.refused_write_stays")) {
        CHECK_OK(check_room(draft, nullptr));
    }
    metadata.uid = host::make_uuid(draft.facts().random);
    metadata.creation_timestamp = whole_second(draft.facts().now);
    metadata.deletion_timestamp.reset();
    metadata.deletion_grace_period_seconds.reset();
    metadata.generation = kind.has_generation ? 1 : 0;
    if (kind.has_status) {
        object.body.erase("status");
    }
    if (TIDEMILL_MUTANT("store.refused_write_stays") && !draft.facts().room) {
        static_cast<void>(draft.put(std::move(object)));
        return std::unexpected(draft.facts().room.error());
    }
    return draft.put(std::move(object));
}

Result<ObjectPtr> update_object(Draft& draft, model::Object object) {
    TRY(const auto stored, find_existing(draft, object.key()));
    CHECK_OK(check_uid(*stored, object.metadata.uid));
    CHECK_OK(check_version(*stored, object.metadata.resource_version));
    keep_identity(object, *stored);
    if (kind_of(object.kind).has_status) {
        keep_status(object.body, *stored);
    }
    return finish(draft, stored, std::move(object));
}

Result<ObjectPtr> update_status(Draft& draft, const model::Object& object) {
    TRY(const auto stored, find_existing(draft, object.key()));
    CHECK_OK(check_uid(*stored, object.metadata.uid));
    CHECK_OK(check_version(*stored, object.metadata.resource_version));
    if (!kind_of(object.kind).has_status) {
        return fail(Code::invalid, "{}: this kind has no status", describe(object.key()));
    }
    auto next = *stored;
    keep_status(next.body, object);
    return finish(draft, stored, std::move(next));
}

Result<ObjectPtr> change_object(Draft& draft, const model::ObjectKey& key, Store::Change& change) {
    TRY(const auto stored, find_existing(draft, key));
    auto next = *stored;
    CHECK_OK(change(next));
    if (next.key() != key) {
        return fail(Code::invalid, "{}: an object cannot be renamed (to {})", describe(key),
                    describe(next.key()));
    }
    keep_identity(next, *stored);
    return finish(draft, stored, std::move(next));
}

Result<Deleted> delete_object(Draft& draft, const model::ObjectKey& key,
                              const DeleteOptions& options) {
    TRY(const auto stored, find_existing(draft, key));
    if (!TIDEMILL_MUTANT("store.delete_ignores_preconditions")) {
        CHECK_OK(check_uid(*stored, options.uid.value_or("")));
        CHECK_OK(check_version(*stored, options.resource_version.value_or(0)));
    }
    auto next = *stored;
    next.metadata.finalizers =
        with_propagation(std::move(next.metadata.finalizers), options.propagation);
    if (next.metadata.finalizers.empty()) {
        return Deleted{draft.erase(key), Deleted::Outcome::gone};
    }
    if (!is_deleting(next)) {
        next.metadata.deletion_timestamp = whole_second(draft.facts().now);
        next.metadata.deletion_grace_period_seconds = 0;
        if (kind_of(next.kind).has_generation) {
            ++next.metadata.generation;
        }
    }
    if (next == *stored) {
        return Deleted{stored, Deleted::Outcome::waits_for_finalizers};
    }
    TRY(auto waiting, draft.put(std::move(next)));
    return Deleted{std::move(waiting), Deleted::Outcome::waits_for_finalizers};
}

}  // namespace tidemill::store
