#include "model/object/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"

namespace tidemill::model {
namespace {

__extension__ using Wide = __int128;

constexpr Wide nano = 1'000'000'000;
constexpr Wide largest = Wide{std::numeric_limits<std::int64_t>::max()} * nano;
constexpr int finest_exponent = -9;

struct Suffix {
    std::string_view text;
    int power;  // of 10 or of 2
};
constexpr Suffix decimal_suffixes[] = {{"E", 18}, {"P", 15}, {"T", 12}, {"G", 9},  {"M", 6},
                                       {"k", 3},  {"", 0},   {"m", -3}, {"u", -6}, {"n", -9}};
constexpr Suffix binary_suffixes[] = {{"Ei", 60}, {"Pi", 50}, {"Ti", 40},
                                      {"Gi", 30}, {"Mi", 20}, {"Ki", 10}};

Wide power_of_ten(int exponent) {
    Wide out = 1;
    for (int i = 0; i < exponent; ++i) {
        out *= 10;
    }
    return out;
}

Wide divide_up(Wide value, Wide by) {
    return value / by + (value % by > 0 ? 1 : 0);
}

std::int64_t capped(Wide value) {
    constexpr auto max = std::numeric_limits<std::int64_t>::max();
    return static_cast<std::int64_t>(std::clamp(value, -Wide{max}, Wide{max}));
}

base::Result<Quantity> wrong(std::string_view text) {
    return base::fail(base::Code::invalid,
                      "\"{}\": quantities must match the regular expression "
                      "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
                      text);
}

}  // namespace

base::Result<Quantity> Quantity::parse(std::string_view text) {
    std::string_view rest = text;
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) {
        rest.remove_prefix(1);
    }
    const auto digits_end = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const auto digits = rest.substr(0, digits_end);
    const auto suffix = rest.substr(digits_end);
    const auto dot = digits.find('.');
    const auto whole = digits.substr(0, dot);
    const auto fraction =
        dot == std::string_view::npos ? std::string_view() : digits.substr(dot + 1);
    if ((whole.empty() && fraction.empty()) || fraction.find('.') != std::string_view::npos) {
        return wrong(text);
    }

    Quantity out;
    int ten_power = 0;
    int two_power = 0;
    const auto* decimal = std::ranges::find(decimal_suffixes, suffix, &Suffix::text);
    const auto* binary = std::ranges::find(binary_suffixes, suffix, &Suffix::text);
    if (decimal != std::end(decimal_suffixes)) {
        ten_power = decimal->power;
    } else if (binary != std::end(binary_suffixes)) {
        two_power = binary->power;
        out.format_ = Format::binary_si;
    } else if (suffix.starts_with('e') || suffix.starts_with('E')) {
        auto exponent = suffix.substr(1);
        if (exponent.starts_with('+') && !exponent.starts_with("+-")) {
            exponent.remove_prefix(1);
        }
        const auto number = base::parse_number<int>(exponent);
        if (!number) {
            return wrong(text);
        }
        // Beyond these every amount is capped, or rounds to one nano, whatever its digits.
        ten_power = std::clamp(*number, -1000, 1000);
        out.format_ = Format::decimal_exponent;
    } else {
        return wrong(text);
    }

    // Digit by digit in nanos: a digit at 10^n counts exactly when n >= -9, else it only rounds up.
    Wide nanos = 0;
    bool more = false;
    bool too_large = false;
    const Wide unit = Wide{1} << two_power;
    const auto add_digit = [&](char c, int place) {
        const Wide digit = c - '0';
        if (digit == 0) {
            return;
        }
        if (place > 18) {
            too_large = true;
        } else if (place >= finest_exponent) {
            const Wide amount = digit * power_of_ten(place - finest_exponent);
            too_large = too_large || amount > largest / unit;
            if (!too_large) {
                nanos += amount * unit;
                too_large = nanos > largest;
            }
        } else {
            // Below a nano times a binary unit there may still be whole nanos; more than 18 further
            // digits cannot change what rounds up.
            const int deep = finest_exponent - place;
            if (deep <= 18 && unit > 1) {
                const Wide scale = power_of_ten(deep);
                nanos += digit * unit / scale;
                more = more || digit * unit % scale != 0;
            } else {
                more = true;
            }
        }
    };
    int place = static_cast<int>(whole.size()) - 1 + ten_power;
    for (const char c : whole) {
        add_digit(c, place--);
    }
    place = -1 + ten_power;
    for (const char c : fraction) {
        add_digit(c, place--);
    }
    nanos = too_large ? largest : std::min(nanos + (more ? 1 : 0), largest);
    out.nanos_ = negative ? -nanos : nanos;
    return out;
}

base::Result<Quantity> Quantity::from_json(const Json& value) {
    if (const auto* text = value.if_string()) {
        return parse(as_view(*text));
    }
    if (const auto* fraction = value.if_double()) {
        return parse(fmt::to_string(*fraction));  // "0.5" where JSON's writer says 5E-1
    }
    if (value.is_number()) {
        return parse(boost::json::serialize(value));
    }
    return base::fail(base::Code::invalid, "a quantity is a string or a number");
}

std::string Quantity::text() const {
    if (nanos_ == 0) {
        return "0";
    }
    constexpr Wide kibi = 1024;
    if (format_ == Format::binary_si && (nanos_ >= kibi * nano || nanos_ <= -kibi * nano)) {
        const Wide whole = nanos_ > 0 ? divide_up(nanos_, nano) : -divide_up(-nanos_, nano);
        for (const auto& suffix : binary_suffixes) {
            const Wide unit = Wide{1} << suffix.power;
            if (whole % unit == 0) {
                return fmt::format("{}{}", static_cast<std::int64_t>(whole / unit), suffix.text);
            }
        }
        return fmt::to_string(static_cast<std::int64_t>(whole));
    }
    for (const auto& suffix : decimal_suffixes) {
        const Wide unit = power_of_ten(suffix.power - finest_exponent);
        if (nanos_ % unit == 0) {
            const auto mantissa = capped(nanos_ / unit);
            if (format_ == Format::decimal_exponent) {
                return suffix.power == 0 ? fmt::to_string(mantissa)
                                         : fmt::format("{}e{}", mantissa, suffix.power);
            }
            return fmt::format("{}{}", mantissa, suffix.text);
        }
    }
    return "0";  // not reached: a nano divides every amount
}

std::int64_t Quantity::value() const {
    return capped(divide_up(nanos_, nano));
}

std::int64_t Quantity::milli_value() const {
    return capped(divide_up(nanos_, nano / 1000));
}

}  // namespace tidemill::model
