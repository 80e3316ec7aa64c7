// What each write does to the objects: preconditions, what the store owns, generation, finalizers.
// Pure but for the draft's random uid; no I/O.
#pragma once

#include "base/result.h"
#include "model/object/object.h"
#include "store/draft.h"
#include "store/store.h"

namespace tidemill::store {

// Kubernetes' names for the two waits before deletion that the store itself ends. Source:
// kubernetes/apimachinery pkg/apis/meta/v1/types.go.
inline constexpr std::string_view foreground_finalizer = "foregroundDeletion";
inline constexpr std::string_view orphan_finalizer = "orphan";

// Each makes its changes in the draft, or none and says why; the errors are those of Store.
base::Result<ObjectPtr> create_object(Draft& draft, model::Object object);
base::Result<ObjectPtr> update_object(Draft& draft, model::Object object);
base::Result<ObjectPtr> update_status(Draft& draft, const model::Object& object);
base::Result<ObjectPtr> change_object(Draft& draft, const model::ObjectKey& key,
                                      Store::Change& change);
base::Result<Deleted> delete_object(Draft& draft, const model::ObjectKey& key,
                                    const DeleteOptions& options);

}  // namespace tidemill::store
