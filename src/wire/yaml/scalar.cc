#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/text.h"
#include "wire/http_scan.h"
#include "wire/yaml.h"

namespace tidemill::wire {
namespace {

struct Word {
    std::string_view text;
    enum class Means : std::uint8_t { null, yes, no, infinity, minus_infinity, not_a_number } means;
};

// In lower case; each may also be Capitalised or UPPER CASE, but not mixed otherwise.
constexpr Word words[] = {
    {"~", Word::Means::null},
    {"null", Word::Means::null},
    {"y", Word::Means::yes},
    {"yes", Word::Means::yes},
    {"on", Word::Means::yes},
    {"true", Word::Means::yes},
    {"n", Word::Means::no},
    {"no", Word::Means::no},
    {"off", Word::Means::no},
    {"false", Word::Means::no},
    {".inf", Word::Means::infinity},
    {"+.inf", Word::Means::infinity},
    {"-.inf", Word::Means::minus_infinity},
    {".nan", Word::Means::not_a_number},
};

bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

// Lower case, Capitalised, or UPPER CASE; ".NaN" is the one with a capital of its own.
bool has_uniform_case(std::string_view text) {
    std::string_view letters = text;
    while (!letters.empty() && !scan::is_letter(letters.front())) {
        letters.remove_prefix(1);
    }
    std::size_t upper = 0;
    for (const char c : letters) {
        upper += is_upper(c) ? 1 : 0;
    }
    return upper == 0 || upper == letters.size() || (upper == 1 && is_upper(letters.front())) ||
           text == ".NaN";
}

// An integer with its sign and the base that its first digits tell; nothing when it is none or too
// large.
std::optional<Json> parse_integer(std::string_view text) {
    const bool negative = text.starts_with('-');
    const bool is_signed = negative || text.starts_with('+');
    text.remove_prefix(is_signed ? 1 : 0);
    int radix = 10;
    if (text.size() > 1 && text.front() == '0') {
        const char mark = base::to_lower(text[1]);
        radix = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
        text.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
    }
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value, radix);
    if (text.empty() || read.ec != std::errc() || read.ptr != end) {
        return std::nullopt;
    }
    constexpr std::uint64_t int64_max = std::numeric_limits<std::int64_t>::max();
    if (negative) {
        if (value > int64_max + 1) {
            return std::nullopt;
        }
        return Json(static_cast<std::int64_t>(0 - value));
    }
    if (value <= int64_max) {
        return Json(static_cast<std::int64_t>(value));
    }
    // A sign keeps kubectl from trying the unsigned range.
    return is_signed ? std::nullopt : std::optional<Json>(Json(value));
}

// Digits with an optional point and exponent.
std::optional<double> parse_float(std::string_view text) {
    text.remove_prefix(text.starts_with('+') ? 1 : 0);
    const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
    const bool starts_well =
        !digits.empty() && (scan::is_digit(digits[0]) ||
                            (digits.size() > 1 && digits[0] == '.' && scan::is_digit(digits[1])));
    if (!starts_well) {
        return std::nullopt;  // from_chars would also take "inf" and "nan"
    }
    double value = 0;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    if (read.ptr != end) {
        return std::nullopt;
    }
    if (read.ec == std::errc::result_out_of_range) {
        // Too small is 0, too large is no number; which of the two, the sign of the exponent says.
        const std::size_t exponent = text.find_first_of("eE");
        const bool tiny =
            exponent != std::string_view::npos && text.substr(exponent + 1).starts_with('-');
        return tiny ? std::optional<double>(0) : std::nullopt;
    }
    return value;
}

// kubectl hands values on as JSON text, where a double below 1e21 is written without an exponent:
// its shortest digits, filled up with zeros. Without a fraction that reads as an integer.
Json number(double value) {
    constexpr double exponent_from = 1e21;
    if (std::floor(value) != value || std::abs(value) >= exponent_from) {
        return Json(value);
    }
    char shortest[32];
    const auto written = std::to_chars(shortest, shortest + sizeof shortest, std::abs(value),
                                       std::chars_format::scientific);
    std::string digits(shortest, written.ptr);
    const std::size_t e = digits.find('e');
    const auto exponent = base::parse_number<std::size_t>(std::string_view(digits).substr(e + 2));
    digits.erase(e);
    std::erase(digits, '.');
    digits.resize(exponent.value_or(0) + 1, '0');
    if (value < 0) {
        digits.insert(digits.begin(), '-');
    }
    if (const auto integer = base::parse_number<std::int64_t>(digits)) {
        return Json(*integer);
    }
    if (const auto integer = base::parse_number<std::uint64_t>(digits)) {
        return Json(*integer);
    }
    return Json(value);
}

}  // namespace

Json resolve_yaml_scalar(std::string_view text) {
    if (text.empty()) {
        return Json(nullptr);
    }
    if (text.size() <= 5 && has_uniform_case(text)) {
        for (const Word& word : words) {
            if (!base::equals_ignoring_case(word.text, text)) {
                continue;
            }
            switch (word.means) {
                case Word::Means::null:
                    return Json(nullptr);
                case Word::Means::yes:
                    return Json(true);
                case Word::Means::no:
                    return Json(false);
                case Word::Means::infinity:
                    return Json(std::numeric_limits<double>::infinity());
                case Word::Means::minus_infinity:
                    return Json(-std::numeric_limits<double>::infinity());
                case Word::Means::not_a_number:
                    return Json(std::numeric_limits<double>::quiet_NaN());
            }
        }
    }
    if (text.front() == '.') {
        const auto value = parse_float(text);
        return value ? number(*value) : Json(text);
    }
    if (!scan::is_digit(text.front()) && text.front() != '-' && text.front() != '+') {
        return Json(text);
    }
    std::string plain;
    for (const char c : text) {
        if (c != '_') {
            plain += c;
        }
    }
    if (auto integer = parse_integer(plain)) {
        return *integer;
    }
    const auto value = parse_float(plain);
    return value ? number(*value) : Json(text);
}

}  // namespace tidemill::wire
