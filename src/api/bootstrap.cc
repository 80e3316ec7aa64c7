#include "api/bootstrap.h"

#include <algorithm>
#include <array>
#include <string>

namespace tidemill::api {
namespace {

constexpr std::array<std::string_view, 3> permanent{default_namespace, system_namespace,
                                                    knative_namespace};

async::Task<base::Status> create_missing(store::Store& store, model::Object object) {
    if (store.get(object.key())) {
        co_return base::ok;
    }
    const auto made = co_await store.create(std::move(object), {});
    if (!made && made.error().code != base::Code::conflict) {
        co_return std::unexpected(made.error());
    }
    co_return base::ok;
}

// Knative's defaults but for one: a service may be declared without starting anything, because here
// its first request does not wait for seconds. An object, so that an operator sees it and may say
// otherwise.
model::Object first_autoscaler_config() {
    model::Object config{.kind = model::KindId::config_map, .metadata = {}, .body = {}};
    config.metadata.namespace_name = knative_namespace;
    config.metadata.name = "config-autoscaler";
    config.body["data"] = model::JsonObject{{"allow-zero-initial-scale", "true"}};
    return config;
}

}  // namespace

model::Object new_namespace(std::string_view name) {
    model::Object object;
    object.kind = model::KindId::core_namespace;
    object.metadata.name = name;
    object.metadata.labels["kubernetes.io/metadata.name"] = name;
    object.metadata.finalizers.emplace_back(namespace_finalizer);
    object.body["spec"] = model::JsonObject{{"finalizers", model::JsonArray{"kubernetes"}}};
    return object;
}

bool is_permanent_namespace(std::string_view name) {
    return std::ranges::find(permanent, name) != permanent.end();
}

async::Task<base::Status> ensure_service_account(store::Store& store, std::string namespace_name) {
    model::Object object;
    object.kind = model::KindId::service_account;
    object.metadata.namespace_name = std::move(namespace_name);
    object.metadata.name = "default";
    co_return co_await create_missing(store, std::move(object));
}

async::Task<base::Status> ensure_defaults(store::Store& store) {
    for (const auto name : permanent) {
        CO_CHECK_OK(co_await create_missing(store, new_namespace(name)));
        CO_CHECK_OK(co_await ensure_service_account(store, std::string(name)));
    }
    co_return co_await create_missing(store, first_autoscaler_config());
}

}  // namespace tidemill::api
