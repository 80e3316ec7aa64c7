// Names that a request carries through the system: its id and its trace.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tidemill::proxy {

// A fast generator for what must be unique but not secret (span ids, balancing); seeded from
// host::Random. xoshiro256++, Blackman and Vigna, https://prng.di.unimi.it/
class Dice {
public:
    explicit Dice(std::array<std::uint64_t, 4> seed) : state_(seed) { state_[0] |= 1; }
    std::uint64_t next() {
        const auto result = rotate(state_[0] + state_[3], 23) + state_[0];
        const auto shifted = state_[1] << 17U;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return result;
    }

private:
    static std::uint64_t rotate(std::uint64_t x, unsigned by) {
        return (x << by) | (x >> (64U - by));
    }
    std::array<std::uint64_t, 4> state_;
};

// A traceparent field's value: "00-TRACEID-SPANID-FLAGS" (W3C Trace Context, level 1).
class TraceParent {
public:
    // Goes on with the trace in `received` under a new span, or, when that is not a well-formed
    // traceparent, begins a new trace that is not sampled.
    void make(std::string_view received, Dice& dice);
    std::string_view text() const { return {text_.data(), text_.size()}; }
    std::string_view trace_id() const { return text().substr(3, 32); }
    // False when a new trace was begun: a tracestate that came along belongs to no trace then.
    bool continued() const { return continued_; }

private:
    std::array<char, 55> text_{};
    bool continued_ = false;
};

// True for what may be kept as a request id: 1 to 64 of letters, digits and "-_.:/+=@".
bool is_request_id(std::string_view text);

// 32 hexadecimal digits.
class RequestId {
public:
    static constexpr std::size_t kept_max = 64;
    // Keeps `received` when it is a request id, else makes one.
    void make(std::string_view received, Dice& dice);
    std::string_view text() const { return {text_.data(), size_}; }

private:
    std::array<char, kept_max> text_{};
    std::size_t size_ = 0;
};

}  // namespace tidemill::proxy
