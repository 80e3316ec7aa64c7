// Carries one message's body from the way it came to the way it goes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/message/outbox.h"
#include "wire/http1.h"
#include "wire/http1_body.h"

namespace tidemill::proxy {

// One body, one direction. Bytes are not copied: pieces of the input are added to a Gather, which
// must be sent before the input is moved.
class BodyPump {
public:
    enum class Write : std::uint8_t { as_is, chunked };
    enum class Step : std::uint8_t {
        more,  // all input was taken, as far as it can be without what follows
        full,  // the gather is full: send it and call again
        done,
        bad,  // fault() says why
    };

    void begin(wire::Framing in, Write out, std::uint64_t body_bytes_max);
    // Takes from the front of `input`; `used` is how much. `trailer_space` is where trailer fields
    // are written to, `trailers` is room to parse them in.
    Step take(std::string_view input, std::size_t& used, Gather& gather,
              std::span<char> trailer_space, wire::HeaderIndex& trailers);
    // The sender closed its side. done: that is where the body ends; bad: it was cut short.
    Step end_of_input(Gather& gather);

    bool done() const { return done_; }
    wire::BodyKind kind() const { return in_.kind; }
    std::uint64_t bytes() const { return bytes_; }
    wire::ChunkFault fault() const { return fault_; }

private:
    Step take_chunks(std::string_view input, std::size_t& used, Gather& gather,
                     std::span<char> trailer_space, wire::HeaderIndex& trailers);
    void put(std::string_view payload, Gather& gather);

    wire::Framing in_;
    Write out_ = Write::as_is;
    bool done_ = true;
    wire::ChunkFault fault_ = wire::ChunkFault::none;
    std::uint64_t left_ = 0;
    std::uint64_t bytes_ = 0;
    wire::ChunkDecoder decoder_;
};

}  // namespace tidemill::proxy
