#include "model/settings/config_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace tidemill::model {

const std::string* ConfigReader::find(std::string_view key) const {
    const auto found = data_.find(key);
    return found == data_.end() ? nullptr : &found->second;
}

void ConfigReader::refuse(std::string_view key, std::string_view value, std::string_view wanted) {
    require(false, "failed to parse \"{}\": \"{}\" is not {}", key, value, wanted);
}

void ConfigReader::read(std::string_view key, std::string& into) {
    if (const auto* value = find(key)) {
        into = *value;
    }
}

void ConfigReader::read(std::string_view key, bool& into) {
    static constexpr std::array<std::string_view, 6> yes = {"1", "t", "T", "true", "TRUE", "True"};
    static constexpr std::array<std::string_view, 6> no = {"0",     "f",     "F",
                                                           "false", "FALSE", "False"};
    if (const auto* value = find(key)) {
        if (std::ranges::find(yes, *value) != yes.end()) {
            into = true;
        } else if (std::ranges::find(no, *value) != no.end()) {
            into = false;
        } else {
            refuse(key, *value, "true or false");
        }
    }
}

void ConfigReader::read(std::string_view key, double& into) {
    if (const auto* value = find(key)) {
        if (const auto number = parse_double(*value)) {
            into = *number;
        } else {
            refuse(key, *value, "a number");
        }
    }
}

void ConfigReader::read(std::string_view key, std::int32_t& into) {
    if (const auto* value = find(key)) {
        if (const auto number = base::parse_number<std::int32_t>(*value)) {
            into = *number;
        } else {
            refuse(key, *value, "a whole number of 32 bits");
        }
    }
}

void ConfigReader::read(std::string_view key, std::int64_t& into) {
    if (const auto* value = find(key)) {
        if (const auto number = base::parse_number<std::int64_t>(*value)) {
            into = *number;
        } else {
            refuse(key, *value, "a whole number");
        }
    }
}

void ConfigReader::read(std::string_view key, base::Duration& into) {
    if (const auto* value = find(key)) {
        if (const auto span = base::parse_duration(*value)) {
            into = *span;
        } else {
            refuse(key, *value, "a duration such as 60s or 1m30s");
        }
    }
}

void ConfigReader::read(std::string_view key, std::optional<Quantity>& into) {
    if (const auto* value = find(key)) {
        if (const auto quantity = Quantity::parse(*value)) {
            into = *quantity;
        } else {
            refuse(key, *value, "a quantity such as 500m or 128Mi");
        }
    }
}

std::optional<double> parse_double(std::string_view text) {
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-')) {
            return std::nullopt;
        }
    }
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || text.empty() ||
        !std::isfinite(number)) {
        return std::nullopt;
    }
    return number;
}

std::string format_double(double number) {
    return fmt::format("{}", number);
}

std::string format_go_duration(base::Duration span) {
    using namespace std::chrono_literals;
    if (span < 1s) {
        return base::format_duration(span);
    }
    const auto count = span / 1s;
    const auto rest = span % 1min;
    std::string out;
    if (count >= 3600) {
        out += fmt::format("{}h", count / 3600);
    }
    if (count >= 60) {
        out += fmt::format("{}m", count / 60 % 60);
    }
    return out + fmt::format("{}s", std::chrono::duration<double>(rest).count());
}

}  // namespace tidemill::model
