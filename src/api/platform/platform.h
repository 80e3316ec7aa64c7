// What Kubernetes has no kind for: tidemill.dev/v1, and questions about oneself.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "api/access/gate.h"
#include "api/access/recorder.h"
#include "api/explain.h"
#include "api/request/call.h"
#include "api/uploads.h"
#include "host/host.h"
#include "store/store.h"

namespace tidemill::api {

class Platform {
public:
    // All outlive it; `explain` and `uploads` may be null, then they are answered 404 and 503.
    // `http`: where requests come in, for clients that ask.
    Platform(store::Store& store, const Gate& gate, Recorder& recorder, const host::Host& host,
             Explain* explain, Uploads* uploads, std::vector<std::string> http)
        : store_(store),
          gate_(gate),
          recorder_(recorder),
          host_(host),
          explain_(explain),
          uploads_(uploads),
          http_(std::move(http)) {}

    // True for the paths that are served here.
    static bool serves(const ResourcePath& path);
    async::Task<Answered<Reply>> serve(Call& call, const Identity& identity);

private:
    async::Task<Answered<Reply>> tokens(Call& call);
    async::Task<Answered<Reply>> make_token(Call& call);
    async::Task<Answered<Reply>> remove_token(Call& call);
    async::Task<Answered<Reply>> review_access(Call& call, const Identity& identity);
    async::Task<Answered<Reply>> explain(Call& call);
    async::Task<Answered<Reply>> upload(Call& call);
    Answered<Reply> addresses(const Call& call) const;
    Answered<Reply> who_am_i(const Call& call, const Identity& identity) const;

    store::Store& store_;
    const Gate& gate_;
    Recorder& recorder_;
    const host::Host& host_;
    Explain* explain_;
    Uploads* uploads_;
    std::vector<std::string> http_;
};

}  // namespace tidemill::api
