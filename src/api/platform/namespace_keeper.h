// The life of namespaces: what each has, and how it goes.
#pragma once

#include <string>

#include "async/task.h"
#include "base/result.h"
#include "host/host.h"
#include "store/store.h"

namespace tidemill::api {

// Level-triggered: gives every namespace its phase and its `default` ServiceAccount, and empties
// those that are being deleted: phase Terminating, content deleted, finalizer taken off once
// nothing is left.
class NamespaceKeeper {
public:
    // Both outlive it.
    NamespaceKeeper(store::Store& store, const host::Host& host) : store_(store), host_(host) {}

    // Keeps on until it is dropped.
    async::Task<void> run();

private:
    async::Task<base::Status> keep(store::ObjectPtr space);
    async::Task<base::Result<std::size_t>> empty(std::string name);

    store::Store& store_;
    const host::Host& host_;
};

}  // namespace tidemill::api
