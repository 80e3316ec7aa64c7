#include "model/object/names.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"

namespace tidemill::model {
namespace {

constexpr std::size_t label_length_max = 63;       // RFC 1035 section 2.3.4
constexpr std::size_t subdomain_length_max = 253;  // 255 on the wire, less length byte and root
constexpr std::string_view label_1123 = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view key_format = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
constexpr std::string_view key_sentence =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character";

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
    return is_lower(base::to_lower(c)) || is_digit(c);
}
bool is_lower_or_digit(char c) {
    return is_lower(c) || is_digit(c);
}

bool is_label(std::string_view text) {
    return !text.empty() && is_lower_or_digit(text.front()) && is_lower_or_digit(text.back()) &&
           std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) {
    return std::ranges::all_of(base::split(text, '.'), is_label);
}

bool is_key(std::string_view text) {
    return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
           std::ranges::all_of(
               text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

std::string too_long(std::size_t max) {
    return fmt::format("must be no more than {} characters", max);
}

std::string with_format(std::string_view sentence, std::string_view format,
                        std::initializer_list<std::string_view> examples) {
    std::string out = fmt::format("{} (e.g. ", sentence);
    bool first = true;
    for (const auto example : examples) {
        out += fmt::format("{}'{}', ", first ? "" : " or ", example);
        first = false;
    }
    return out + fmt::format("regex used for validation is '{}')", format);
}

void check_no_parent_directory(std::string_view text, std::vector<std::string>& reasons) {
    if (text == ".") {
        reasons.emplace_back("must not be '.'");
    } else if (text == "..") {
        reasons.emplace_back("must not be '..'");
    } else if (text.starts_with("..")) {
        reasons.emplace_back("must not start with '..'");
    }
}

std::string without_last_dash(std::string_view prefix) {
    std::string out(prefix);
    if (out.size() > 1 && out.back() == '-') {
        out.back() = 'a';
    }
    return out;
}

}  // namespace

std::vector<std::string> check_dns1123_label(std::string_view text) {
    std::vector<std::string> reasons;
    if (text.size() > label_length_max) {
        reasons.push_back(too_long(label_length_max));
    }
    if (!is_label(text)) {
        if (is_subdomain(text)) {
            reasons.emplace_back("must not contain dots");
        } else {
            reasons.push_back(with_format(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
                "'-', and must start and end with an alphanumeric character",
                label_1123, {"my-name", "123-abc"}));
        }
    }
    return reasons;
}

std::vector<std::string> check_dns1123_subdomain(std::string_view text) {
    std::vector<std::string> reasons;
    if (text.size() > subdomain_length_max) {
        reasons.push_back(too_long(subdomain_length_max));
    }
    if (!is_subdomain(text)) {
        reasons.push_back(with_format(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'-' or '.', and must start and end with an alphanumeric character",
            fmt::format("{0}(\\.{0})*", label_1123), {"example.com"}));
    }
    return reasons;
}

std::vector<std::string> check_dns1035_label(std::string_view text) {
    std::vector<std::string> reasons;
    if (text.size() > label_length_max) {
        reasons.push_back(too_long(label_length_max));
    }
    if (!is_label(text) || !is_lower(text.front())) {
        reasons.push_back(with_format(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
            "with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?", {"my-name", "abc-123"}));
    }
    return reasons;
}

std::vector<std::string> check_dns1035_prefix(std::string_view text) {
    return check_dns1035_label(without_last_dash(text));
}

std::vector<std::string> check_dns1123_subdomain_prefix(std::string_view text) {
    return check_dns1123_subdomain(without_last_dash(text));
}

std::vector<std::string> check_label_key(std::string_view text) {
    std::vector<std::string> reasons;
    const auto parts = base::split(text, '/');
    if (parts.size() > 2) {
        reasons.push_back(
            fmt::format("a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. "
                        "'example.com/MyName')",
                        with_format(key_sentence, key_format, {"MyName", "my.name", "123-abc"})));
        return reasons;
    }
    if (parts.size() == 2) {
        if (parts[0].empty()) {
            reasons.emplace_back("prefix part must be non-empty");
        } else {
            for (const auto& reason : check_dns1123_subdomain(parts[0])) {
                reasons.push_back("prefix part " + reason);
            }
        }
    }
    const auto name = parts.back();
    if (name.empty()) {
        reasons.emplace_back("name part must be non-empty");
    } else if (name.size() > label_length_max) {
        reasons.push_back("name part " + too_long(label_length_max));
    }
    if (!is_key(name)) {
        reasons.push_back("name part " +
                          with_format(key_sentence, key_format, {"MyName", "my.name", "123-abc"}));
    }
    return reasons;
}

std::vector<std::string> check_label_value(std::string_view text) {
    std::vector<std::string> reasons;
    if (text.size() > label_length_max) {
        reasons.push_back(too_long(label_length_max));
    }
    if (!text.empty() && !is_key(text)) {
        reasons.push_back(with_format(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
            "or '.', and must start and end with an alphanumeric character",
            fmt::format("({})?", key_format), {"MyValue", "my_value", "12345"}));
    }
    return reasons;
}

std::vector<std::string> check_data_key(std::string_view text) {
    std::vector<std::string> reasons;
    if (text.size() > subdomain_length_max) {
        reasons.push_back(too_long(subdomain_length_max));
    }
    if (text.empty() || !std::ranges::all_of(text, [](char c) {
            return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
        })) {
        reasons.push_back(with_format(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+", {"key.name", "KEY_NAME", "key-name"}));
    }
    check_no_parent_directory(text, reasons);
    return reasons;
}

std::vector<std::string> check_environment_name(std::string_view text) {
    std::vector<std::string> reasons;
    const auto is_part = [](char c) {
        return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
    };
    if (text.empty() || is_digit(text.front()) || !std::ranges::all_of(text, is_part)) {
        reasons.push_back(with_format(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', "
            "'-', or '.', and must not start with a digit",
            "[-._a-zA-Z][-._a-zA-Z0-9]*", {"my.env-name", "MY_ENV.NAME", "MyEnvName1"}));
    }
    check_no_parent_directory(text, reasons);
    return reasons;
}

std::vector<std::string> check_port_name(std::string_view text) {
    constexpr std::size_t port_name_length_max = 15;  // RFC 6335 section 5.1
    std::vector<std::string> reasons;
    if (text.size() > port_name_length_max) {
        reasons.push_back(too_long(port_name_length_max));
    }
    if (text.empty() ||
        !std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || c == '-'; })) {
        reasons.emplace_back(
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if (!std::ranges::any_of(text, is_lower)) {
        reasons.emplace_back("must contain at least one letter (a-z)");
    }
    if (text.find("--") != std::string_view::npos) {
        reasons.emplace_back("must not contain consecutive hyphens");
    }
    if (!text.empty() && (text.front() == '-' || text.back() == '-')) {
        reasons.emplace_back("must not begin or end with a hyphen");
    }
    return reasons;
}

std::string in_brackets(const std::vector<std::string>& reasons) {
    return fmt::format("[{}]", fmt::join(reasons, " "));
}

std::string generate_name(std::string_view base, std::uint64_t random) {
    constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";
    constexpr std::size_t random_length = 5;
    std::string out(base.substr(0, label_length_max - random_length));
    for (std::size_t i = 0; i < random_length; ++i) {
        out += letters[random % letters.size()];
        random /= letters.size();
    }
    return out;
}

namespace {

std::string md5_hex(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr) == 1);
    return base::to_hex(std::as_bytes(std::span(digest.data(), size)));
}

}  // namespace

std::string child_name(std::string_view parent, std::string_view suffix) {
    constexpr std::size_t head = label_length_max - 32;  // what 32 hexadecimal digits leave
    if (parent.size() + suffix.size() <= label_length_max) {
        return std::string(parent) + std::string(suffix);
    }
    if (suffix.size() < head) {
        // A parent shorter than the room before the digest is kept whole.
        return std::string(parent.substr(0, head - suffix.size())) + md5_hex(parent) +
               std::string(suffix);
    }
    std::string out =
        std::string(parent.substr(0, head)) + md5_hex(std::string(parent) + std::string(suffix));
    out += suffix.substr(0, label_length_max - out.size());
    while (!out.empty() && !is_alphanumeric(out.back())) {
        out.pop_back();
    }
    return out;
}

namespace {

bool all_in(std::string_view text, bool (*allowed)(char)) {
    return std::ranges::all_of(text, allowed);
}

bool is_repository(std::string_view text) {
    constexpr std::size_t repository_length_max = 255;
    // The first part is a registry when it looks like a host, which may also be upper case.
    const auto slash = text.find('/');
    if (slash != std::string_view::npos) {
        const auto first = text.substr(0, slash);
        if (first.find('.') != std::string_view::npos ||
            first.find(':') != std::string_view::npos || first == "localhost") {
            const bool is_host = all_in(first, [](char c) {
                return is_alphanumeric(c) || c == '.' || c == '-' || c == ':' || c == '[' ||
                       c == ']';
            });
            if (!is_host) {
                return false;
            }
            text.remove_prefix(slash + 1);
        }
    }
    return text.size() >= 2 && text.size() <= repository_length_max && all_in(text, [](char c) {
               return is_lower_or_digit(c) || c == '_' || c == '-' || c == '.' || c == '/';
           });
}

bool is_tagged(std::string_view text) {
    constexpr std::size_t tag_length_max = 128;
    const auto colon = text.rfind(':');
    // "localhost:5000/app" has a port, not a tag.
    if (colon != std::string_view::npos &&
        text.substr(colon + 1).find('/') == std::string_view::npos) {
        const auto tag = text.substr(colon + 1);
        const bool is_tag = tag.size() <= tag_length_max && all_in(tag, [](char c) {
                                return is_alphanumeric(c) || c == '_' || c == '-' || c == '.';
                            });
        return is_tag && is_repository(text.substr(0, colon));
    }
    return is_repository(text);
}

bool is_digest(std::string_view text) {
    const auto colon = text.find(':');
    return colon != std::string_view::npos && text.substr(0, colon) == "sha256" &&
           text.size() == colon + 1 + 64 && all_in(text.substr(colon + 1), [](char c) {
               return is_digit(c) || (c >= 'a' && c <= 'f');
           });
}

}  // namespace

std::string check_image_reference(std::string_view text) {
    const auto at = text.find('@');
    const bool fine = at == std::string_view::npos
                          ? is_tagged(text)
                          : is_digest(text.substr(at + 1)) && is_tagged(text.substr(0, at));
    return fine ? std::string() : fmt::format("could not parse reference: {}", text);
}

}  // namespace tidemill::model
