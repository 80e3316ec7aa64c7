// GET …/pods/NAME/log.
#pragma once

#include "api/instances.h"
#include "api/objects/shelf.h"
#include "api/request/call.h"
#include "host/host.h"

namespace tidemill::api {

class Logs {
public:
    // All outlive it; `instances` may be null.
    Logs(Shelf& shelf, Instances* instances, const host::Host& host)
        : shelf_(shelf), instances_(instances), host_(host) {}

    // Text, a line each; with follow=true until the instance has ended or the client leaves.
    async::Task<Answered<Reply>> serve(Call& call);

private:
    Shelf& shelf_;
    Instances* instances_;
    const host::Host& host_;
};

// What CRI's lines say, for a person: without stream and tag, with the time if `stamps` asks for
// it; the parts of a long line are joined.
enum class Stamps : std::uint8_t { without, with };
std::string plain_lines(std::string_view cri, Stamps stamps);

}  // namespace tidemill::api
