// Writing: one system call for everything that is ready, and a place for what the peer does not
// take.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "host/stream.h"

namespace tidemill::proxy {

// Pieces of one write, in order. Holds views; small pieces may be copied in.
class Gather {
public:
    static constexpr std::size_t parts_max = 64;

    void add(std::string_view bytes) {
        if (!bytes.empty()) {
            parts_[count_++] = {bytes.data(), bytes.size()};
            bytes_ += bytes.size();
        }
    }
    // For pieces that have no place of their own, such as the line before a chunk.
    void add_copy(std::string_view bytes) {
        char* const at = copies_.data() + copied_;
        std::memcpy(at, bytes.data(), bytes.size());
        copied_ += bytes.size();
        add({at, bytes.size()});
    }
    // Room for one more piece of body with its frame, copied pieces of at most 32 bytes in all.
    bool full() const { return count_ + 4 > parts_max || copied_ + 32 > copies_.size(); }
    bool empty() const { return count_ == 0; }
    std::size_t bytes() const { return bytes_; }
    std::span<const host::ConstBuffer> parts() const { return {parts_.data(), count_}; }

private:
    std::array<host::ConstBuffer, parts_max> parts_;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
    std::array<char, 512> copies_;
    std::size_t copied_ = 0;
};

// What a stream's peer has not taken yet. Bounded: nothing is sent while it is not empty, so it
// holds at most one Gather, which is at most one inbox and one head.
class Outbox {
public:
    enum class Sent : std::uint8_t {
        all,
        some,    // the rest is kept; flush() when the stream is writable
        failed,  // the connection is broken
    };
    // Only when empty().
    Sent send(host::Stream& stream, const Gather& gather);
    Sent flush(host::Stream& stream);
    bool empty() const { return begin_ == end_; }
    std::size_t bytes() const { return end_ - begin_; }
    void clear();

private:
    std::unique_ptr<char[]> kept_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace tidemill::proxy
