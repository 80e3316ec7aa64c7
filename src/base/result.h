// How a function says that it could not do what was asked.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace tidemill::base {

// What a caller can do about a failure; the message is for the human. A closed set: a new code
// needs a decision record under docs/decisions.
enum class Code : std::uint8_t {
    not_found,    // the thing named is not there
    conflict,     // somebody else changed it first, or it is there already: read again, then retry
    invalid,      // the input is wrong and stays wrong: do not retry
    exhausted,    // a limit was reached: retry later, or raise the limit
    unavailable,  // a peer or device did not answer; the work may have been done
    deadline,     // time ran out before the work was done
    cancelled,    // the asker went away
    denied,       // the asker may not do this
    expired,      // the point in history asked for is no longer kept: list again
};

// The code's name as it stands in logs and in API answers, e.g. "not_found".
std::string_view code_name(Code code);

struct Error {
    Code code;
    // Subject first, then fact: "revision api-7: image sha256:ab12… is not in the cache".
    std::string message;
    std::source_location where = std::source_location::current();

    // Equal when a caller would act the same: the place of origin does not count.
    friend bool operator==(const Error& a, const Error& b) {
        return a.code == b.code && a.message == b.message;
    }
};

// The value of work that succeeds with nothing to say.
struct Unit {
    friend bool operator==(Unit, Unit) = default;
};

template <typename T>
using Result = std::expected<T, Error>;

using Status = Result<Unit>;

inline constexpr Unit ok{};

// A failure with a formatted message: `return fail(Code::invalid, "port {}: out of range", port);`
template <typename... Args>
struct FailFormat {
    fmt::format_string<Args...> text;
    std::source_location where;
    template <typename S>
    consteval FailFormat(const S& s, std::source_location at = std::source_location::current())
        : text(s), where(at) {}
};

template <typename... Args>
std::unexpected<Error> fail(Code code, FailFormat<std::type_identity_t<Args>...> format,
                            Args&&... args) {
    return std::unexpected<Error>(
        Error{code, fmt::format(format.text, std::forward<Args>(args)...), format.where});
}

// The same error with context put before its message: "deploy shop: " + message.
std::unexpected<Error> wrap(std::string_view context, Error error);

}  // namespace tidemill::base

#define TIDEMILL_CAT2_(a, b) a##b
#define TIDEMILL_CAT_(a, b) TIDEMILL_CAT2_(a, b)

// TRY(auto x, f()): x is f's value, or this function returns f's error. A statement, so bodies are
// always braced. The CO_ forms are for coroutines.
#define TRY(decl, ...) TIDEMILL_TRY_(return, TIDEMILL_CAT_(try_, __LINE__), decl, __VA_ARGS__)
#define CO_TRY(decl, ...) TIDEMILL_TRY_(co_return, TIDEMILL_CAT_(try_, __LINE__), decl, __VA_ARGS__)
#define TIDEMILL_TRY_(leave, tmp, decl, ...)           \
    auto tmp = __VA_ARGS__;                            \
    if (!tmp)                                          \
        leave std::unexpected(std::move(tmp).error()); \
    decl = *std::move(tmp)

// CHECK_OK(f()): goes on if f succeeded, else this function returns f's error.
#define CHECK_OK(...) TIDEMILL_CHECK_OK_(return, TIDEMILL_CAT_(status_, __LINE__), __VA_ARGS__)
#define CO_CHECK_OK(...) \
    TIDEMILL_CHECK_OK_(co_return, TIDEMILL_CAT_(status_, __LINE__), __VA_ARGS__)
#define TIDEMILL_CHECK_OK_(leave, tmp, ...) \
    if (auto tmp = __VA_ARGS__; !tmp)       \
    leave std::unexpected(std::move(tmp).error())
