// The API server: Kubernetes' wire format over what the store holds and the platform knows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/access/authenticator.h"
#include "api/access/gate.h"
#include "api/access/recorder.h"
#include "api/explain.h"
#include "api/instances.h"
#include "api/objects/reader.h"
#include "api/objects/shelf.h"
#include "api/objects/writer.h"
#include "api/platform/logs.h"
#include "api/platform/platform.h"
#include "api/settings.h"
#include "api/uploads.h"
#include "http/server.h"

namespace tidemill::api {

// What the API stands on; all of it outlives the Api. Pointers may be null where the process has no
// such part.
struct ApiParts {
    host::Host& host;
    store::Store& store;
    Settings& settings;
    AuditSink& audit;
    Instances* instances = nullptr;
    Explain* explain = nullptr;
    Uploads* uploads = nullptr;
};

struct ApiOptions {
    std::string build;              // this build's version, for /version
    std::uint32_t own_uid = 0;      // the user that this process runs as
    std::vector<std::string> http;  // where requests come in, for clients that ask
};

// One handler for all listeners. Each request: path → who asks → may they (one place) → handler.
class Api final : public http::Handler {
public:
    Api(const ApiParts& parts, ApiOptions options);

    async::Task<void> handle(http::Request& request, http::Answer& answer) override;

private:
    async::Task<Answered<Reply>> serve(http::Request& request, http::Answer& answer,
                                       std::vector<std::string>& warnings);
    async::Task<Answered<Reply>> serve_kind(Call& call, const model::Kind& kind);
    Answered<Reply> serve_page(const Call& call);

    ApiParts parts_;
    ApiOptions options_;
    Authenticator authenticator_;
    Gate gate_;
    Recorder recorder_;
    Shelf shelf_;
    Reader reader_;
    Writer writer_;
    Logs logs_;
    Platform platform_;
};

}  // namespace tidemill::api
