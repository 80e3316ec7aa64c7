#include "telemetry/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/text.h"
#include "telemetry/text_form.h"

namespace tidemill::telemetry {
namespace {

constexpr std::string_view redacted = "[redacted]";
constexpr std::string_view cut_mark = "…";
constexpr std::size_t role_width = 7;  // "control", the longest

template <typename... Options>
struct Overloaded : Options... {
    using Options::operator()...;
};

void append_clock_time(std::string& out, base::WallTime at) {
    const std::int64_t day_ms = 86'400'000;
    const auto of_day = ((at.ns / 1'000'000) % day_ms + day_ms) % day_ms;
    fmt::format_to(std::back_inserter(out), "{:02}:{:02}:{:02}.{:03}", of_day / 3'600'000,
                   of_day / 60'000 % 60, of_day / 1000 % 60, of_day % 1000);
}

// Quoted when a reader could not see where it ends.
void append_human_text(std::string& out, std::string_view text) {
    const bool plain = !text.empty() && std::ranges::none_of(text, [](char c) {
        return c == ' ' || c == '"' || c == '=';
    });
    if (plain) {
        append_line(out, text);
        return;
    }
    out += '"';
    for (std::size_t at = 0; at <= text.size();) {
        const auto quote = std::min(text.find('"', at), text.size());
        append_line(out, text.substr(at, quote - at));
        if (quote < text.size()) {
            out += "\\\"";
        }
        at = quote + 1;
    }
    out += '"';
}

void append_human_value(std::string& out, const Field::Value& value) {
    std::visit(Overloaded{
                   [&](std::string_view text) { append_human_text(out, text); },
                   [&](base::Duration span) { out += base::format_duration(span); },
                   [&](auto number) { fmt::format_to(std::back_inserter(out), "{}", number); },
               },
               value);
}

void append_json_value(std::string& out, const Field::Value& value) {
    const auto quoted = [&](std::string_view text) {
        out += '"';
        append_json(out, text);
        out += '"';
    };
    std::visit(Overloaded{
                   quoted,
                   [&](base::Duration span) { quoted(base::format_duration(span)); },
                   [&](double number) {
                       if (std::isfinite(number)) {
                           fmt::format_to(std::back_inserter(out), "{}", number);
                       } else {
                           quoted(fmt::format("{}", number));  // JSON has no infinity
                       }
                   },
                   [&](auto number) { fmt::format_to(std::back_inserter(out), "{}", number); },
               },
               value);
}

// Cuts at `size` bytes at most, not inside a character.
void cut(std::string& text, std::size_t size) {
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) {
        --size;
    }
    text.resize(size);
}

}  // namespace

std::string_view level_name(Level level) {
    static constexpr std::array<std::string_view, 4> names{"debug", "info", "warn", "error"};
    return names[static_cast<std::size_t>(level)];
}

bool is_secret_key(std::string_view key) {
    static constexpr std::array<std::string_view, 9> endings{
        "password", "passwd", "secret",  "token",      "authorization",
        "cookie",   "apikey", "api_key", "private_key"};
    const auto text = base::lower(key);
    return std::ranges::any_of(endings, [&](std::string_view end) { return text.ends_with(end); });
}

Logger::Logger(const host::Clock& clock, Sink& sink, std::string role, LogOptions options)
    : clock_(clock), sink_(sink), role_(std::move(role)), options_(std::move(options)) {}

void Logger::write(Level level, std::string_view message, std::initializer_list<Field> fields) {
    if (!enabled(level)) {
        return;
    }
    line_.clear();
    if (options_.format == LogOptions::Format::json) {
        write_json(level, message, fields);
    } else {
        write_human(level, message, fields);
    }
    line_ += '\n';
    sink_.write(line_);
    // One huge record must not hold its memory for ever.
    if (line_.capacity() > 4 * options_.line_bytes_max) {
        line_ = {};
    }
}

bool Logger::is_secret(const Field& field) const {
    if (is_secret_key(field.key)) {
        return true;
    }
    const auto* const text = std::get_if<std::string_view>(&field.value);
    return options_.redact && options_.redact(field.key, text != nullptr ? *text : "");
}

void Logger::write_human(Level level, std::string_view message,
                         std::initializer_list<Field> fields) {
    append_clock_time(line_, clock_.wall_now());
    fmt::format_to(std::back_inserter(line_), " {:<{}} ", role_, role_width);
    if (level != Level::info) {
        line_ += level_name(level);
        line_ += ": ";
    }
    append_line(line_, message.substr(0, options_.line_bytes_max));
    for (const auto& field : fields) {
        if (line_.size() > options_.line_bytes_max) {
            break;
        }
        line_ += &field == fields.begin() ? "  " : " ";
        line_ += field.key;
        line_ += '=';
        if (is_secret(field)) {
            line_ += redacted;
        } else {
            append_human_value(line_, field.value);
        }
    }
    if (line_.size() > options_.line_bytes_max) {
        cut(line_, options_.line_bytes_max);
        line_ += cut_mark;
    }
}

void Logger::write_json(Level level, std::string_view message,
                        std::initializer_list<Field> fields) {
    fmt::format_to(std::back_inserter(line_), R"({{"time":"{}","level":"{}","role":")",
                   base::format_rfc3339_ns(clock_.wall_now()), level_name(level));
    append_json(line_, role_);
    line_ += R"(","message":")";
    append_json(line_, message.substr(0, options_.line_bytes_max / 2));
    line_ += '"';
    // A field that does not fit is left out whole, so that the line stays JSON.
    bool left_out = message.size() > options_.line_bytes_max / 2;
    for (const auto& field : fields) {
        const std::size_t before = line_.size();
        line_ += ",\"";
        append_json(line_, field.key);
        line_ += "\":";
        if (is_secret(field)) {
            append_json_value(line_, redacted);
        } else {
            append_json_value(line_, field.value);
        }
        if (line_.size() > options_.line_bytes_max) {
            line_.resize(before);
            left_out = true;
        }
    }
    line_ += left_out ? ",\"cut\":true}" : "}";
}

}  // namespace tidemill::telemetry
