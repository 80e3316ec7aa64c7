#include "proxy/message/body.h"

#include <algorithm>

#include "wire/http1_writer.h"

namespace tidemill::proxy {

using wire::BodyKind;

void BodyPump::begin(wire::Framing in, Write out, std::uint64_t body_bytes_max) {
    in_ = in;
    out_ = out;
    bytes_ = 0;
    fault_ = wire::ChunkFault::none;
    left_ = in.kind == BodyKind::length ? in.length : 0;
    done_ = in.kind == BodyKind::none || (in.kind == BodyKind::length && in.length == 0);
    if (in.kind == BodyKind::chunked) {
        decoder_ = wire::ChunkDecoder(body_bytes_max);
    }
}

void BodyPump::put(std::string_view payload, Gather& gather) {
    bytes_ += payload.size();
    if (out_ == Write::chunked) {
        gather.add_copy(wire::ChunkSizeLine(payload.size()).text());
        gather.add(payload);
        gather.add(wire::chunk_end);
    } else {
        gather.add(payload);
    }
}

BodyPump::Step BodyPump::take(std::string_view input, std::size_t& used, Gather& gather,
                              std::span<char> trailer_space, wire::HeaderIndex& trailers) {
    used = 0;
    if (done_) {
        return Step::done;
    }
    if (in_.kind == BodyKind::chunked) {
        return take_chunks(input, used, gather, trailer_space, trailers);
    }
    if (input.empty()) {
        return Step::more;
    }
    if (gather.full()) {
        return Step::full;
    }
    used = input.size();
    if (in_.kind == BodyKind::length) {
        used = static_cast<std::size_t>(std::min<std::uint64_t>(left_, used));
        left_ -= used;
        done_ = left_ == 0;
    }
    put(input.substr(0, used), gather);
    return done_ ? Step::done : Step::more;
}

BodyPump::Step BodyPump::take_chunks(std::string_view input, std::size_t& used, Gather& gather,
                                     std::span<char> trailer_space, wire::HeaderIndex& trailers) {
    while (true) {
        if (gather.full()) {
            return Step::full;
        }
        const auto step = decoder_.next(input.substr(used), trailers);
        used += step.consumed;
        switch (step.event) {
            case wire::ChunkEvent::payload:
                put(step.payload, gather);
                break;
            case wire::ChunkEvent::need_more:
                return Step::more;
            case wire::ChunkEvent::bad:
                fault_ = step.fault;
                return Step::bad;
            case wire::ChunkEvent::done:
                done_ = true;
                if (out_ != Write::chunked) {
                    return Step::done;
                }
                if (trailers.size() == 0) {
                    gather.add(wire::last_chunk);
                    return Step::done;
                }
                gather.add("0\r\n");
                wire::HeadWriter writer(trailer_space);
                for (const auto& field : trailers) {
                    if (!trailers.is_hop_by_hop(field)) {
                        writer.field(field);
                    }
                }
                writer.end();
                if (writer.fault() != wire::WriteFault::none) {
                    fault_ = wire::ChunkFault::bad_trailers;
                    return Step::bad;
                }
                gather.add(writer.text());
                return Step::done;
        }
    }
}

BodyPump::Step BodyPump::end_of_input(Gather& gather) {
    if (done_) {
        return Step::done;
    }
    if (in_.kind != BodyKind::until_close) {
        return Step::bad;
    }
    done_ = true;
    if (out_ == Write::chunked) {
        gather.add(wire::last_chunk);
    }
    return Step::done;
}

}  // namespace tidemill::proxy
