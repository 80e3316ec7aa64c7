// What the API shows that the store does not hold: instances, logs, reasons. Control knows the
// first and the last, agents have the logs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/explain.h"
#include "api/instances.h"
#include "app/control/log_relay.h"
#include "async/event.h"
#include "async/scope.h"
#include "control/controller/control.h"
#include "host/host.h"

namespace tidemill::app {

class PlatformViews final : public api::Instances, public api::Explain {
public:
    // All outlive it.
    PlatformViews(host::Host& host, const control::Control& control, LogRelay& logs);

    Snapshot views(model::KindId kind) const override;
    async::Task<void> changed(model::KindId kind, std::uint64_t seen) override;
    async::Task<base::Result<std::unique_ptr<api::LogStream>>> logs(api::LogQuery query) override;
    async::Task<base::Result<model::JsonObject>> explain(std::string namespace_name,
                                                         std::string name) override;

private:
    struct Known {
        std::uint64_t revision = 1;
        std::map<std::string, store::ObjectPtr> objects;  // by namespace and name
    };
    // Brings what is known of a kind up to date, with new versions for what is not as it was.
    const Known& refresh(model::KindId kind) const;

    host::Host& host_;
    const control::Control& control_;
    LogRelay& logs_;
    mutable std::map<model::KindId, Known> known_;
};

}  // namespace tidemill::app
