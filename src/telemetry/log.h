// What we tell the operator: one line per record, for a person or for a machine.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/time.h"
#include "host/clock.h"

namespace tidemill::telemetry {

enum class Level : std::uint8_t { debug, info, warn, error };
std::string_view level_name(Level level);

// Where lines go. Gets whole lines, each with its '\n'; must not fail and not block for long.
class Sink {
public:
    virtual ~Sink() = default;
    virtual void write(std::string_view line) = 0;
};

// key=value. Refers to its texts: make it in the call.
struct Field {
    using Value =
        std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, base::Duration>;
    std::string_view key;
    Value value;

    Field(std::string_view name, std::string_view text) : key(name), value(text) {}
    Field(std::string_view name, const char* text) : key(name), value(std::string_view(text)) {}
    Field(std::string_view name, const std::string& text)
        : key(name), value(std::string_view(text)) {}
    Field(std::string_view name, base::Duration span) : key(name), value(span) {}
    template <typename T>
        requires std::is_arithmetic_v<T>
    Field(std::string_view name, T number) : key(name), value(widen(number)) {}

private:
    template <typename T>
    static Value widen(T number) {
        if constexpr (std::is_same_v<T, bool>) {
            return number;
        } else if constexpr (std::is_floating_point_v<T>) {
            return static_cast<double>(number);
        } else if constexpr (std::is_signed_v<T>) {
            return static_cast<std::int64_t>(number);
        } else {
            return static_cast<std::uint64_t>(number);
        }
    }
};

struct LogOptions {
    enum class Format : std::uint8_t {
        human,  // 12:03:04.123 agent   instance x ready in 12 ms  revision=default/shop-00001
        json,   // {"time":"…Z","level":"info","role":"agent","message":"…","revision":"…"}
    };
    Format format = Format::human;
    Level lowest = Level::info;  // records below are dropped before anything is formatted
    // Longer lines are cut and marked with "…".
    std::size_t line_bytes_max = 8192;
    // Says which values must not be written, beside those of keys that is_secret_key() knows.
    std::function<bool(std::string_view key, std::string_view value)> redact{};
};

// True for names such as "token", "password", "authorization", "db_password", "client-secret".
bool is_secret_key(std::string_view key);

// Writes records of one role; one thread. Its line buffer is kept, so that a record costs no
// allocation. Whatever text a record carries, it stays one line: control characters are escaped.
class Logger {
public:
    // `clock` and `sink` outlive this.
    Logger(const host::Clock& clock, Sink& sink, std::string role, LogOptions options = {});

    bool enabled(Level level) const { return level >= options_.lowest; }
    void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
    void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
        write(Level::debug, message, fields);
    }
    void info(std::string_view message, std::initializer_list<Field> fields = {}) {
        write(Level::info, message, fields);
    }
    void warn(std::string_view message, std::initializer_list<Field> fields = {}) {
        write(Level::warn, message, fields);
    }
    void error(std::string_view message, std::initializer_list<Field> fields = {}) {
        write(Level::error, message, fields);
    }

private:
    void write_human(Level level, std::string_view message, std::initializer_list<Field> fields);
    void write_json(Level level, std::string_view message, std::initializer_list<Field> fields);
    bool is_secret(const Field& field) const;

    const host::Clock& clock_;
    Sink& sink_;
    std::string role_;
    LogOptions options_;
    std::string line_;
};

}  // namespace tidemill::telemetry
