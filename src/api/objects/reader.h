// GET, LIST and WATCH.
#pragma once

#include "api/objects/shelf.h"
#include "api/request/call.h"
#include "host/host.h"

namespace tidemill::api {

// The objects that a call asks for, by its path and its selectors. Errors: 400.
Answered<store::Query> query_of(const Call& call, const model::Kind& kind);

class Reader {
public:
    // Both outlive it.
    Reader(Shelf& shelf, const host::Host& host) : shelf_(shelf), host_(host) {}

    Answered<Reply> get(const Call& call, const model::Kind& kind);
    Answered<Reply> list(const Call& call, const model::Kind& kind,
                         const ListParameters& parameters);
    // Streams changes until the client leaves, the time is over or the history is lost.
    async::Task<Answered<Reply>> watch(Call& call, const model::Kind& kind,
                                       ListParameters parameters);

private:
    Shelf& shelf_;
    const host::Host& host_;
};

}  // namespace tidemill::api
