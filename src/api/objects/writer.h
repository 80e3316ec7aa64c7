// POST, PUT, PATCH and DELETE.
#pragma once

#include "api/access/recorder.h"
#include "api/request/call.h"
#include "api/settings.h"
#include "host/host.h"
#include "store/store.h"

namespace tidemill::api {

// Every write is: read the body, judge it, record it durably in the audit log, store it. What was
// recorded as the state before is a precondition of the write, so that the record is true.
class Writer {
public:
    // All outlive it.
    Writer(store::Store& store, Settings& settings, Recorder& recorder, const host::Host& host)
        : store_(store), settings_(settings), recorder_(recorder), host_(host) {}

    async::Task<Answered<Reply>> create(Call& call, const model::Kind& kind);
    // Of the whole object, or with the path's subresource `status` of that alone.
    async::Task<Answered<Reply>> update(Call& call, const model::Kind& kind);
    async::Task<Answered<Reply>> patch(Call& call, const model::Kind& kind);
    async::Task<Answered<Reply>> remove(Call& call, const model::Kind& kind);
    async::Task<Answered<Reply>> remove_all(Call& call, const model::Kind& kind);

private:
    async::Task<Answered<store::ObjectPtr>> insert(Call& call, const model::Kind& kind,
                                                   model::Object object, store::Effect effect);
    async::Task<Answered<store::ObjectPtr>> replace(Call& call, const model::Kind& kind,
                                                    model::Object object, store::ObjectPtr previous,
                                                    store::Effect effect);
    async::Task<Answered<store::Deleted>> erase(Call& call, const model::Kind& kind,
                                                store::ObjectPtr object,
                                                store::DeleteOptions options);
    Answered<model::Object> next_state(Call& call, const model::Kind& kind,
                                       const WriteParameters& parameters, model::Json document,
                                       const model::Object& previous);
    Reply answer(const Call& call, const model::Object& object, int status) const;
    bool is_status(const Call& call) const { return call.resource().subresource == "status"; }

    store::Store& store_;
    Settings& settings_;
    Recorder& recorder_;
    const host::Host& host_;
};

}  // namespace tidemill::api
