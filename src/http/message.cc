#include "http/message.h"

#include <algorithm>

#include "base/text.h"

namespace tidemill::http {

void Headers::set(std::string_view name, std::string value) {
    std::erase_if(fields_,
                  [&](const auto& field) { return base::equals_ignoring_case(field.first, name); });
    fields_.emplace_back(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
    for (const auto& [field, value] : fields_) {
        if (base::equals_ignoring_case(field, name)) {
            return value;
        }
    }
    return {};
}

bool Headers::has(std::string_view name) const {
    return std::ranges::any_of(
        fields_, [&](const auto& field) { return base::equals_ignoring_case(field.first, name); });
}

namespace {

int digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char low = base::to_lower(c);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

bool is_unreserved(char c) {  // RFC 3986 section 2.3
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i]);
            continue;
        }
        if (text.size() - i < 3 || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) {
            return std::nullopt;
        }
        out.push_back(static_cast<char>(digit(text[i + 1]) << 4 | digit(text[i + 2])));
        i += 2;
    }
    return out;
}

std::string percent_encode(std::string_view text) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (is_unreserved(c)) {
            out.push_back(c);
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out.push_back('%');
            out.push_back(digits[byte >> 4]);
            out.push_back(digits[byte & 15]);
        }
    }
    return out;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
    std::vector<std::pair<std::string, std::string>> parameters;
    const auto decode = [](std::string_view part) {
        std::string spaced(part);
        std::ranges::replace(spaced, '+', ' ');
        return percent_decode(spaced).value_or(spaced);
    };
    for (const auto part : base::split(query, '&')) {
        if (part.empty()) {
            continue;
        }
        const auto equals = part.find('=');
        parameters.emplace_back(
            decode(part.substr(0, equals)),
            equals == std::string_view::npos ? std::string() : decode(part.substr(equals + 1)));
    }
    return parameters;
}

}  // namespace tidemill::http
