#include "proxy/message/outbox.h"

namespace tidemill::proxy {

Outbox::Sent Outbox::send(host::Stream& stream, const Gather& gather) {
    if (gather.empty()) {
        return Sent::all;
    }
    const auto result = stream.try_writev(gather.parts());
    if (result.ok() && result.bytes == gather.bytes()) {
        return Sent::all;
    }
    if (!result.ok() && result.kind != host::IoResult::Kind::blocked) {
        return Sent::failed;
    }
    std::size_t skip = result.ok() ? result.bytes : 0;
    end_ = gather.bytes() - skip;
    begin_ = 0;
    kept_ = std::unique_ptr<char[]>(new char[end_]);
    char* at = kept_.get();
    for (const auto& part : gather.parts()) {
        if (skip >= part.size) {
            skip -= part.size;
            continue;
        }
        std::memcpy(at, part.data + skip, part.size - skip);
        at += part.size - skip;
        skip = 0;
    }
    return Sent::some;
}

Outbox::Sent Outbox::flush(host::Stream& stream) {
    while (!empty()) {
        const auto result = stream.try_write({kept_.get() + begin_, end_ - begin_});
        if (result.kind == host::IoResult::Kind::blocked) {
            return Sent::some;
        }
        if (!result.ok()) {
            return Sent::failed;
        }
        begin_ += result.bytes;
    }
    clear();
    return Sent::all;
}

void Outbox::clear() {
    kept_.reset();
    begin_ = end_ = 0;
}

}  // namespace tidemill::proxy
