#include "proxy/access_log.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tidemill::proxy {
namespace {

void append_number(std::string& out, std::uint64_t value) {
    std::array<char, 20> digits{};
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void append_text(std::string& out, std::string_view key, std::string_view value) {
    if (!value.empty()) {
        out += key;
        append_json_escaped(out, value);
        out += '"';
    }
}

// Whole microseconds: finer is noise, coarser hides the proxy's own share.
void append_us(std::string& out, std::string_view key, base::Duration span) {
    if (span.count() >= 0) {
        out += key;
        append_number(out, static_cast<std::uint64_t>(span.count() / 1000));
    }
}

}  // namespace

AccessLog::AccessLog(async::Loop& loop, host::Clock& clock, LogSink& sink, std::size_t ring_bytes,
                     base::Duration flush_every)
    : loop_(loop),
      clock_(clock),
      sink_(sink),
      flush_every_(flush_every),
      ring_(std::max(ring_bytes, 2 * (sizeof(Record) + texts * text_bytes_max))) {}

AccessLog::~AccessLog() {
    flush();
}

void AccessLog::add(const LogEntry& entry) {
    const std::array<std::string_view, texts> views = {
        entry.request_id, entry.trace_id, entry.client,   entry.method,
        entry.host,       entry.path,     entry.revision, entry.instance};
    Record record{entry.begun,
                  entry.held,
                  entry.connected,
                  entry.first_byte,
                  entry.total,
                  entry.bytes_in,
                  entry.bytes_out,
                  entry.status,
                  entry.reason,
                  entry.attempts,
                  {}};
    char* at = ring_.data() + used_ + sizeof record;
    for (std::size_t i = 0; i < texts; ++i) {
        const auto size = std::min(views[i].size(), text_bytes_max);
        record.sizes[i] = static_cast<std::uint16_t>(size);
        if (size > 0) {
            std::memcpy(at, views[i].data(), size);
            at += size;
        }
    }
    std::memcpy(ring_.data() + used_, &record, sizeof record);
    used_ = static_cast<std::size_t>(at - ring_.data());
    in_ring_ += 1;
    if (used_ > ring_.size() / 2) {
        flush();
    } else if (!armed()) {
        arm(loop_, loop_.now() + flush_every_);
    }
}

void AccessLog::flush() {
    if (used_ == 0) {
        return;
    }
    const auto wall = clock_.wall_now();
    const auto now = clock_.monotonic_now();
    out_.clear();
    for (std::size_t at = 0; at < used_;) {
        Record record{};
        std::memcpy(&record, ring_.data() + at, sizeof record);
        at += sizeof record;
        format(record, ring_.data() + at, wall + (record.begun - now));
        for (const auto size : record.sizes) {
            at += size;
        }
    }
    lines_ += in_ring_;
    if (!sink_.write(out_)) {
        lines_dropped_ += in_ring_;
    }
    used_ = 0;
    in_ring_ = 0;
}

// Lines of one second share its text: taking a date apart costs more than all else of a line.
void AccessLog::append_time(base::WallTime at) {
    constexpr std::int64_t second_ns = 1'000'000'000;
    const auto second = at.ns / second_ns;
    if (second != second_) {
        second_ = second;
        second_text_ = base::format_rfc3339({second * second_ns});
        second_text_.back() = '.';  // was 'Z'
    }
    out_ += second_text_;
    std::array<char, 10> fraction{};
    auto left = at.ns % second_ns;
    for (std::size_t i = 9; i-- > 0; left /= 10) {
        fraction[i] = static_cast<char>('0' + left % 10);
    }
    fraction[9] = 'Z';
    out_.append(fraction.data(), fraction.size());
}

void AccessLog::format(const Record& record, const char* text, base::WallTime began) {
    static constexpr std::array<std::string_view, texts> keys = {
        R"(","request_id":")", R"(,"trace_id":")", R"(,"client":")",   R"(,"method":")",
        R"(,"host":")",        R"(,"path":")",     R"(,"revision":")", R"(,"instance":")"};
    out_ += R"({"time":")";
    append_time(began);
    for (std::size_t i = 0; i < texts; ++i) {
        // The first key closes the time's quotes, so it stands even with an empty value.
        if (i == 0 || record.sizes[i] > 0) {
            out_ += keys[i];
            append_json_escaped(out_, {text, record.sizes[i]});
            out_ += '"';
        }
        text += record.sizes[i];
    }
    out_ += R"(,"status":)";
    append_number(out_, record.status);
    out_ += R"(,"bytes_in":)";
    append_number(out_, record.bytes_in);
    out_ += R"(,"bytes_out":)";
    append_number(out_, record.bytes_out);
    append_us(out_, R"(,"held_us":)", record.held);
    append_us(out_, R"(,"connected_us":)", record.connected);
    append_us(out_, R"(,"first_byte_us":)", record.first_byte);
    append_us(out_, R"(,"total_us":)", record.total);
    if (record.attempts > 1) {
        out_ += R"(,"attempts":)";
        append_number(out_, record.attempts);
    }
    append_text(out_, R"(,"reason":")", facts_of(record.reason).code);
    out_ += "}\n";
}

}  // namespace tidemill::proxy
