// What must be in the store before anybody asks.
#pragma once

#include <string_view>

#include "async/task.h"
#include "base/result.h"
#include "store/store.h"

namespace tidemill::api {

inline constexpr std::string_view system_namespace = "tidemill-system";
inline constexpr std::string_view knative_namespace = "knative-serving";
inline constexpr std::string_view default_namespace = "default";
// The ConfigMap of tidemill-system that says who may do what.
inline constexpr std::string_view roles_name = "roles";
// Keeps a namespace until its content is gone; see NamespaceKeeper.
inline constexpr std::string_view namespace_finalizer = "tidemill.dev/namespace";

// A namespace as it is first stored.
model::Object new_namespace(std::string_view name);
// True for the namespaces that are always there.
bool is_permanent_namespace(std::string_view name);

// Makes the permanent namespaces, the `default` ServiceAccount of each, and the first configuration
// of the autoscaler, where they are missing. Idempotent; called before the API serves. `store`
// outlives the task. Errors: those of the store.
async::Task<base::Status> ensure_defaults(store::Store& store);
// The `default` ServiceAccount of one namespace. Errors: those of the store.
async::Task<base::Status> ensure_service_account(store::Store& store, std::string namespace_name);

}  // namespace tidemill::api
