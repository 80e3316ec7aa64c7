// One line of JSON for every request, written when there is time for it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "async/loop.h"
#include "host/clock.h"
#include "proxy/message/answers.h"

namespace tidemill::proxy {

// Where finished lines go. Must not block.
class LogSink {
public:
    virtual ~LogSink() = default;
    // Whole lines. False when they could not be taken and are lost.
    virtual bool write(std::string_view lines) = 0;
};

// What is kept of a request for its line. Views are copied, long ones cut.
struct LogEntry {
    base::Instant begun;
    std::string_view request_id;
    std::string_view trace_id;
    std::string_view client;
    std::string_view method;
    std::string_view host;
    std::string_view path;  // without the query, which may hold secrets
    std::string_view revision;
    std::string_view instance;
    std::uint16_t status = 0;
    Reason reason = Reason::none;
    std::uint8_t attempts = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    // From `begun`; negative: it did not come to that.
    base::Duration held{-1};        // until an instance could take it
    base::Duration connected{-1};   // until a connection to it stood
    base::Duration first_byte{-1};  // until the first byte of its answer
    base::Duration total{};
};

// Copies entries into a ring as they are and turns them into text when half of it is full, or after
// `flush_every`. One thread.
class AccessLog final : private async::Timer {
public:
    AccessLog(async::Loop& loop, host::Clock& clock, LogSink& sink, std::size_t ring_bytes,
              base::Duration flush_every);
    ~AccessLog() override;

    void add(const LogEntry& entry);
    void flush();
    std::uint64_t lines() const { return lines_; }
    std::uint64_t lines_dropped() const { return lines_dropped_; }

private:
    static constexpr std::size_t texts = 8;
    static constexpr std::size_t text_bytes_max = 1024;
    struct Record {
        base::Instant begun;
        base::Duration held, connected, first_byte, total;
        std::uint64_t bytes_in, bytes_out;
        std::uint16_t status;
        Reason reason;
        std::uint8_t attempts;
        std::array<std::uint16_t, texts> sizes;
    };
    void fire() override { flush(); }
    void append_time(base::WallTime at);
    void format(const Record& record, const char* text, base::WallTime began);

    async::Loop& loop_;
    host::Clock& clock_;
    LogSink& sink_;
    base::Duration flush_every_;
    std::vector<char> ring_;
    std::size_t used_ = 0;
    std::uint64_t in_ring_ = 0;
    std::uint64_t lines_ = 0;
    std::uint64_t lines_dropped_ = 0;
    std::string out_;
    std::int64_t second_ = INT64_MIN;  // the one that second_text_ says
    std::string second_text_;
};

}  // namespace tidemill::proxy
